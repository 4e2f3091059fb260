#include "tests/support/descriptors.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>

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

int OpenDescriptorsOnceAtMost(int most) {
  const auto patience = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  int open = OpenDescriptors();
  while (open > most && std::chrono::steady_clock::now() < patience) {
    std::this_thread::yield();
    open = OpenDescriptors();
  }
  return open;
}

}  // namespace nigh::testing
