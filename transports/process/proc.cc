#include "nigh/transports/process/proc.h"

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <string>

#include "nigh/runtime/base/uninterrupted.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

std::string ReadProc(const std::string& path) {
  const UniqueFd file(Uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
  std::array<char, 4096> text;
  const ssize_t size = Uninterrupted([&] { return ::read(file.get(), text.data(), text.size()); });
  return std::string(text.data(), size < 0 ? 0 : static_cast<size_t>(size));
}

}  // namespace nigh
