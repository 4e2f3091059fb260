#ifndef NIGH_TRANSPORTS_RENDEZVOUS_CLAIMED_NAME_H_
#define NIGH_TRANSPORTS_RENDEZVOUS_CLAIMED_NAME_H_

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// A kind of objects of the kernel that have names and can be opened: FIFOs, message queues, files.
struct NameSpace {
  // Opens the object of that name, to read and to write, and makes it, for this user alone, if
  // there is none and `make`. No descriptor: errno says why.
  std::function<UniqueFd(const std::string& name, bool make)> open;
  std::function<int(const std::string& name)> unlink;
};

// A name that belongs to one live process.
//
// It does for as long as that holds a lock on the object (an open file description lock, see
// fcntl(2)), which ends with the process however that ends. What a killed one has left behind can
// be locked, and is taken over as it is. A name that is removed by its owner while somebody is
// about to take it over is recognised by its inode; that one tries again.
class ClaimedName {
 public:
  // ALREADY_EXISTS: a live process has it. FAILED_PRECONDITION: another user's. Another code: what
  // the system says. Messages begin with `where`.
  static absl::StatusOr<ClaimedName> Claim(NameSpace space, std::string name,
                                           absl::string_view where);
  ClaimedName(ClaimedName&& other) noexcept = default;
  ClaimedName& operator=(ClaimedName&& other) = delete;
  // Removes the name.
  ~ClaimedName();

  int fd() const { return fd_.get(); }

  // Claims the object behind `fd`, which is open for writing, for as long as that is open; its name
  // is the caller's business. False: somebody else has.
  static bool Lock(int fd);
  // Whether somebody has claimed the object behind `fd`, another descriptor than the owner's.
  static bool IsClaimed(int fd);

 private:
  ClaimedName(NameSpace space, std::string name, UniqueFd fd);

  NameSpace space_;
  std::string name_;
  UniqueFd fd_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_RENDEZVOUS_CLAIMED_NAME_H_
