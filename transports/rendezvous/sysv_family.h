#ifndef NIGH_TRANSPORTS_RENDEZVOUS_SYSV_FAMILY_H_
#define NIGH_TRANSPORTS_RENDEZVOUS_SYSV_FAMILY_H_

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"

namespace nigh {

// All System V objects (sysvipc(7)) that nigh makes for one purpose, on the whole machine. Their
// keys begin with the same two bytes; the other two are random. That is how a server recognises
// what killed processes have left.
struct SysvFamily {
  uint16_t prefix;    // of the keys
  const char* table;  // where the kernel lists objects of that type: "/proc/sysvipc/msg"

  bool Has(key_t key) const;

  // Makes an object under a new key. `make` calls msgget(2), semget(2) or shmget(2) with that key,
  // IPC_CREAT and IPC_EXCL. Returns the identifier; or -1, and errno says why.
  int Make(absl::FunctionRef<int(key_t key)> make) const;

  // The identifiers of all there are, of whatever user.
  std::vector<int> Identifiers() const;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_RENDEZVOUS_SYSV_FAMILY_H_
