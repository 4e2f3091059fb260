#ifndef NIGH_TESTS_PROCESSES_TALLY_H_
#define NIGH_TESTS_PROCESSES_TALLY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/types/span.h"

namespace nigh::testing {

// How often each call has been handled, in memory that several processes count in: a file.
class Tally {
 public:
  // Makes the file, for numbers below `size`. It is removed at the end.
  explicit Tally(size_t size);
  // The one of another process.
  explicit Tally(const std::string& path);
  ~Tally();
  Tally(const Tally&) = delete;
  Tally& operator=(const Tally&) = delete;

  const std::string& path() const { return path_; }
  size_t size() const { return counts_.size(); }
  int operator[](size_t number) const { return counts_[number]; }
  // Ignores numbers that are too high.
  void Count(size_t number) {
    if (number < counts_.size()) ++counts_[number];
  }

 private:
  void Map(int fd);

  const bool owner_;
  std::string path_;
  absl::Span<std::atomic<uint8_t>> counts_;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_PROCESSES_TALLY_H_
