#ifndef NIGH_TESTS_ATTACHMENTS_PLACE_H_
#define NIGH_TESTS_ATTACHMENTS_PLACE_H_

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace nigh::testing {

// In which file of shared memory the byte is, as the kernel says, and at which offset. What both
// sides have mapped is so in one place, although each has an address of its own for it.
inline std::string PlaceOf(const std::byte* byte) {
  std::ifstream maps("/proc/self/maps");
  const auto at = reinterpret_cast<uintptr_t>(byte);
  for (std::string line; std::getline(maps, line);) {
    const std::vector<std::string> fields = absl::StrSplit(line, ' ', absl::SkipEmpty());
    const std::vector<std::string> range = absl::StrSplit(fields[0], '-');
    uint64_t begin = 0, end = 0, offset = 0;
    if (!absl::SimpleHexAtoi(range[0], &begin) || !absl::SimpleHexAtoi(range[1], &end) ||
        !absl::SimpleHexAtoi(fields[2], &offset) || at < begin || at >= end) {
      continue;
    }
    // Device and inode; private memory has none.
    return absl::StrCat(fields[3], " ", fields[4], " ", at - begin + offset);
  }
  return "nowhere";
}

// How that of private memory begins.
inline constexpr char kPrivate[] = "00:00 0 ";

}  // namespace nigh::testing

#endif  // NIGH_TESTS_ATTACHMENTS_PLACE_H_
