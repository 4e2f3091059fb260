#include "nigh/runtime/base/sealed_memory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/base/file_size_limit.h"
#include "nigh/runtime/base/mapping.h"
#include "nigh/runtime/base/uninterrupted.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {
namespace {

constexpr uint64_t kBlock = 512;  // bytes; what st_blocks counts, whatever the file system

}  // namespace

absl::Status MemoryErrno(absl::string_view operation) {
  return ErrnoStatus(absl::ErrnoToStatusCode(errno), errno, "shared memory", operation);
}

absl::Status MemoryRefused(absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat("the memory that the peer offers ", what, " (is it another version of nigh?)"));
}

absl::StatusOr<Mapping> MapMemory(int fd, size_t size, int protection) {
  void* const at = ::mmap(nullptr, size, protection, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) return MemoryErrno("mmap");
  return Mapping(at, size);
}

absl::Status CheckMemoryFile(int fd, size_t size, bool whole) {
  struct stat file;
  struct statfs system;
  if (::fstat(fd, &file) != 0 || ::fstatfs(fd, &system) != 0) return MemoryErrno("fstat");
  // f_type is signed on some machines and not on others.
  if (!S_ISREG(file.st_mode) || static_cast<uint32_t>(system.f_type) != TMPFS_MAGIC) {
    return MemoryRefused("is no memory");
  }
  if (file.st_size != static_cast<off_t>(size)) {
    return MemoryRefused(absl::StrCat("has ", file.st_size, " bytes instead of ", size));
  }
  // Who maps a page that is not there makes it, at his own cost; a seal keeps those that are.
  if (whole && static_cast<uint64_t>(file.st_blocks) * kBlock < size) {
    return MemoryRefused(absl::StrCat("has holes: ", static_cast<uint64_t>(file.st_blocks) * kBlock,
                                      " of its ", size, " bytes are there"));
  }
  return absl::OkStatus();
}

absl::StatusOr<SealedMemory> CreateSealedMemory(size_t size) {
  UniqueFd fd(::memfd_create("nigh", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return MemoryErrno("memfd_create");
  // A page that turns out to be missing later would end the process by SIGBUS.
  if (!MayHaveFileOf(size) ||
      Uninterrupted([&] { return ::fallocate(fd.get(), 0, 0, static_cast<off_t>(size)); }) != 0) {
    return MemoryErrno("fallocate");
  }
  absl::StatusOr<Mapping> mapping = MapMemory(fd.get(), size, PROT_READ | PROT_WRITE);
  if (!mapping.ok()) return mapping.status();
  if (::fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) return MemoryErrno("fcntl(F_ADD_SEALS)");
  return SealedMemory{.mapping = *std::move(mapping), .fd = std::move(fd)};
}

absl::StatusOr<Mapping> AttachSealedMemory(int fd, size_t size) {
  // The seals first: a descriptor that has some is of memory, and to look at it takes no time. To
  // look at another one might, as long as the file system that its sender runs likes.
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0) return MemoryRefused("is no memory");
  if ((seals & kSeals) != kSeals) return MemoryRefused("is not sealed");
  if (absl::Status checked = CheckMemoryFile(fd, size, /*whole=*/true); !checked.ok()) {
    return checked;
  }
  return MapMemory(fd, size, PROT_READ);
}

}  // namespace nigh
