#ifndef NIGH_TRANSPORTS_SHM_SHM_OPTIONS_H_
#define NIGH_TRANSPORTS_SHM_SHM_OPTIONS_H_

#include <cstddef>

#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transports/shm/bell.h"
#include "nigh/transports/shm/memory.h"

namespace nigh {

// What an address's parameters choose: the memory of what this side sends, and how it is woken.
struct ShmOptions {
  MemoryKind memory = MemoryKind::kMemfd;
  size_t ring_size = 256 * 1024;  // bytes; a power of two from kMinRing to kMaxRing
  // Of the bulk region, in bytes: whole MiB, up to kMaxBulk; 0: none. Its pages are made as they
  // are needed.
  size_t bulk_size = size_t{128} << 20;
  BellKind doorbell = BellKind::kEventfd;
};

// INVALID_ARGUMENT: a parameter that there is not, or a value that it cannot have.
absl::StatusOr<ShmOptions> ParseShmOptions(const Address& address);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_SHM_OPTIONS_H_
