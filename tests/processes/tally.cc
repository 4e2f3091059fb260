#include "tests/processes/tally.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "nigh/transport/unique_fd.h"

namespace nigh::testing {

Tally::Tally(size_t size) : owner_(true), path_("/tmp/nigh_tally_XXXXXX") {
  const UniqueFd file(::mkstemp(path_.data()));
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(size)) != 0) std::abort();
  Map(file.get());
}

Tally::Tally(const std::string& path) : owner_(false), path_(path) {
  const UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!file) std::abort();
  Map(file.get());
}

void Tally::Map(int fd) {
  struct stat file;
  if (::fstat(fd, &file) != 0) std::abort();
  const auto size = static_cast<size_t>(file.st_size);
  void* const at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) std::abort();
  counts_ = {static_cast<std::atomic<uint8_t>*>(at), size};
}

Tally::~Tally() {
  ::munmap(counts_.data(), counts_.size());
  if (owner_) ::unlink(path_.c_str());
}

}  // namespace nigh::testing
