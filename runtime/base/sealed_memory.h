#ifndef NIGH_RUNTIME_BASE_SEALED_MEMORY_H_
#define NIGH_RUNTIME_BASE_SEALED_MEMORY_H_

#include <fcntl.h>

#include <cstddef>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/base/mapping.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// Memory that other processes may read and its maker alone can write, whoever they are: it has no
// name, all of its pages are there, and it can neither shrink nor be punched (memfd_create(2)).
// They are mapped as they are touched: to have all of a ring's mapped at once takes two processes
// as long as a third of all that a new connection does.
struct SealedMemory {
  Mapping mapping;  // writable
  UniqueFd fd;      // for the others
};

// FUTURE_WRITE leaves the maker's mapping writable and lets nobody make another; it keeps
// fallocate(2) from punching holes as well.
inline constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;

// `size` bytes, whole pages, full of zeroes. RESOURCE_EXHAUSTED or another code, with what the
// system says.
absl::StatusOr<SealedMemory> CreateSealedMemory(size_t size);

// Maps such memory of somebody else's, to be read only. INVALID_ARGUMENT: that is not what it is.
absl::StatusOr<Mapping> AttachSealedMemory(int fd, size_t size);

// For whoever makes or attaches memory of other kinds: what the system says of `operation`; and
// INVALID_ARGUMENT for what is not what it should be.
absl::Status MemoryErrno(absl::string_view operation);
absl::Status MemoryRefused(absl::string_view what);

// Shares `size` bytes of `fd` from their beginning. `protection` as mmap(2) has it.
absl::StatusOr<Mapping> MapMemory(int fd, size_t size, int protection);

// Whether `fd` is a file of memory of `size` bytes and, with `whole`, all of its pages are there.
absl::Status CheckMemoryFile(int fd, size_t size, bool whole);

}  // namespace nigh

#endif  // NIGH_RUNTIME_BASE_SEALED_MEMORY_H_
