#ifndef NIGH_TRANSPORTS_SHM_MEMORY_H_
#define NIGH_TRANSPORTS_SHM_MEMORY_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/base/mapping.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// Where the memory of a ring comes from. Memory of the last two kinds can be shrunk or written by
// whoever gets it, and so serves processes of one user only.
enum class MemoryKind : uint8_t {
  kMemfd = 1,  // memfd_create(2): no name; sealed, so that the peer can only read it
  kPosix = 2,  // shm_open(3): its name is gone before the peer hears of it
  kSysv = 3,   // shmget(2): marked for removal as soon as both sides have it attached
};

// "memfd", "posix" or "sysv", and back.
absl::string_view MemoryKindName(MemoryKind kind);
std::optional<MemoryKind> ParseMemoryKind(absl::string_view name);

// Which pages of it are there from the beginning.
enum class Pages : uint8_t {
  // All: the first touch of a page costs about 4 us, and ends the process if the system has no page
  // left. kMemfd is sealed against every change but by its maker's mapping.
  kAll,
  // None; Populate makes them. kMemfd is sealed against changes of its size alone, so that its
  // maker can give pages back. For processes of one user.
  kOnDemand,
};

// What the peer needs to attach memory: a descriptor or, for kSysv, an identifier.
struct MemoryHandle {
  MemoryKind kind = MemoryKind::kMemfd;
  UniqueFd fd;
  int32_t id = -1;
};

// Memory that this side writes, full of zeroes.
//
// No name of it is left. A System V identifier is, until the peer has attached the memory: without
// one, the memory and what was written there would go with this side's own attachment.
struct OwnMemory {
  Mapping mapping;
  MemoryHandle handle;
};

// `size` bytes, whole pages. RESOURCE_EXHAUSTED or another code with what the system says, and what
// to do.
absl::StatusOr<OwnMemory> CreateMemory(MemoryKind kind, size_t size, Pages pages = Pages::kAll);

// Makes the pages of `bytes`, which is part of memory with Pages::kOnDemand. False: the system has
// none left, or cannot say so (Linux before 5.14), and touching them might end the process.
bool Populate(ByteSpan bytes);
// Gives the pages of such memory back to the system. Nobody may be using them.
void Depopulate(ByteSpan bytes);

// Maps the peer's memory, to be read only. Marks System V memory for removal, so that it goes with
// the last who has it attached. INVALID_ARGUMENT: the memory is not what it should be: of another
// kind or size, not sealed, or writable; or with holes, where all pages are to be there.
absl::StatusOr<Mapping> AttachMemory(const MemoryHandle& handle, size_t size,
                                     Pages pages = Pages::kAll);

// Removes memory that nobody will attach any more, if process `maker` has made it. `handle` is this
// side's, if the peer has not come for it; or the peer's, if this side will not take the offer: who
// names somebody else's memory there has it removed by nobody.
void DiscardMemory(const MemoryHandle& handle, pid_t maker);

// Removes the memory that processes of this user have left behind: those that were killed between
// making memory with a name and removing the name. Returns how many there were.
int SweepMemory(MemoryKind kind);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_MEMORY_H_
