#include "tests/support/descriptors.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>

#include "nigh/transport/descriptors.h"

namespace nigh::testing {

int OpenDescriptors() {
  AwaitClosings();
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<int>(std::count_if(begin(all), end(all), [](const auto& descriptor) {
    // The C library opens a file there for a moment when a thread ends, and this function the
    // folder.
    std::error_code closed_meanwhile;
    const std::string file = std::filesystem::read_symlink(descriptor, closed_meanwhile).string();
    return !closed_meanwhile && file.rfind("/proc/", 0) != 0;
  }));
}

}  // namespace nigh::testing
