#include "tests/support/descriptors.h"

#include <filesystem>
#include <iterator>

namespace nigh::testing {

int OpenDescriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  // Less the one that reads the folder.
  return static_cast<int>(std::distance(begin(all), end(all))) - 1;
}

}  // namespace nigh::testing
