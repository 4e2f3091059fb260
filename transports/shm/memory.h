#ifndef NIGH_TRANSPORTS_SHM_MEMORY_H_
#define NIGH_TRANSPORTS_SHM_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// Where the memory of a ring comes from. Both kinds but the first can be shrunk or written by
// whoever gets them, and so serve processes of one user only.
enum class MemoryKind : uint8_t {
  kMemfd = 1,  // memfd_create(2): no name; sealed, so that the peer can only read it
  kPosix = 2,  // shm_open(3): its name is gone before the peer hears of it
  kSysv = 3,   // shmget(2): marked for removal as soon as both sides have it attached
};

// "memfd", "posix" or "sysv", and back.
absl::string_view MemoryKindName(MemoryKind kind);
std::optional<MemoryKind> ParseMemoryKind(absl::string_view name);

// A mapping, of anything. Unmaps it in the end.
class Mapping {
 public:
  Mapping() = default;
  // Of mmap(2), or of shmat(2) if `attached`.
  Mapping(void* at, size_t size, bool attached)
      : bytes_(static_cast<std::byte*>(at), size), attached_(attached) {}
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  ByteSpan bytes() const { return bytes_; }

 private:
  ByteSpan bytes_;
  bool attached_ = false;
};

// What the peer needs to attach memory: a descriptor or, for kSysv, an identifier.
struct MemoryHandle {
  MemoryKind kind = MemoryKind::kMemfd;
  UniqueFd fd;
  int32_t id = -1;
};

// This side's: zeroes, every page of them there already (the first touch of a page costs about 4
// us). No name is left; a System V identifier is until the peer has attached it, since it would go
// with this side's own attachment, and what has been written with it.
struct OwnMemory {
  Mapping mapping;
  MemoryHandle handle;
};

// `size` bytes, whole pages. RESOURCE_EXHAUSTED or another code with what the system says, and what
// to do.
absl::StatusOr<OwnMemory> CreateMemory(MemoryKind kind, size_t size);

// The peer's, to be read only; nobody can attach it after that. INVALID_ARGUMENT: it is not what it
// is said to be: not of that kind, not of exactly that size, not sealed, writable.
absl::StatusOr<Mapping> AttachMemory(const MemoryHandle& handle, size_t size);

// Takes back what nobody will attach: `handle` is this side's, of memory that the peer did not come
// to, or the peer's, of an offer that this side will not take.
void DiscardMemory(const MemoryHandle& handle);

// Removes what processes of this user, killed between making memory of a kind with a name and
// removing the name, have left behind. How many there were.
int SweepMemory(MemoryKind kind);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_MEMORY_H_
