#ifndef NIGH_METADATA_H_
#define NIGH_METADATA_H_

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace nigh {

// Keys and values that travel beside a call's messages, in the order they were added; a key may
// occur more than once. Keys are [0-9a-z_.-]+ and do not begin with "nigh-" or "grpc-". Values are
// printable ASCII, or any bytes when the key ends in "-bin".
class Metadata {
 public:
  using Entry = std::pair<std::string, std::string>;

  // An illegal key or value is not added; status() keeps the first one, and the call that was to
  // carry it fails with it.
  void Add(absl::string_view key, absl::string_view value);

  // All values of `key`.
  void Remove(absl::string_view key);

  // The first value of `key`.
  std::optional<absl::string_view> Get(absl::string_view key) const;
  std::vector<absl::string_view> GetAll(absl::string_view key) const;

  bool empty() const { return entries_.empty(); }
  size_t size() const { return entries_.size(); }
  std::vector<Entry>::const_iterator begin() const { return entries_.begin(); }
  std::vector<Entry>::const_iterator end() const { return entries_.end(); }

  // The sum of all keys and values; what the metadata limit counts.
  size_t byte_size() const { return byte_size_; }

  // OK, or INTERNAL that names the first key or value that was refused.
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

// What Metadata::Add holds keys and values to.
absl::Status CheckMetadata(absl::string_view key, absl::string_view value);

}  // namespace nigh

#endif  // NIGH_METADATA_H_
