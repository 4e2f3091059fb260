#ifndef NIGH_METADATA_H_
#define NIGH_METADATA_H_

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/api.h"

namespace nigh {

// Keys and values that travel beside a call's messages, in the order in which they were added. A
// key may occur more than once. Keys match [0-9a-z_.-]+ and do not begin with "nigh-" or "grpc-".
// Values are printable ASCII; if the key ends in "-bin", they are any bytes. Not thread-safe.
class NIGH_API Metadata {
 public:
  using Entry = std::pair<std::string, std::string>;

  // Adds a value to those of `key`. An illegal key or value is not added: status() keeps the first
  // such error, and the call that should carry it fails with it.
  void Add(absl::string_view key, absl::string_view value);

  // Removes all values of `key`.
  void Remove(absl::string_view key);

  // Get returns the first value of `key`, GetAll every one. The views are valid until the next
  // change.
  std::optional<absl::string_view> Get(absl::string_view key) const;
  std::vector<absl::string_view> GetAll(absl::string_view key) const;

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  std::vector<Entry>::const_iterator begin() const { return entries_.begin(); }
  std::vector<Entry>::const_iterator end() const { return entries_.end(); }

  // The bytes of all keys and values together. Limits::max_metadata limits this number.
  size_t byte_size() const { return byte_size_; }

  // OK, or INTERNAL naming the first key or value that Add refused.
  const absl::Status& status() const { return status_; }

  void Clear() {
    if (!entries_.empty()) entries_.clear();
    if (!status_.ok()) status_ = absl::OkStatus();
    byte_size_ = 0;
  }

 private:
  std::vector<Entry> entries_;
  size_t byte_size_ = 0;
  absl::Status status_;
};

// Checks a key and a value by the rules of Metadata. INTERNAL: one of them is illegal.
NIGH_API absl::Status CheckMetadata(absl::string_view key, absl::string_view value);

}  // namespace nigh

#endif  // NIGH_METADATA_H_
