#ifndef NIGH_TRANSPORTS_RENDEZVOUS_CLAIMED_NAME_H_
#define NIGH_TRANSPORTS_RENDEZVOUS_CLAIMED_NAME_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/rendezvous/access.h"
#include "nigh/transports/rendezvous/name_watch.h"

namespace nigh {

// How to open and remove the named objects of one kind: FIFOs, message queues, files.
struct NameSpace {
  // Opens the object for reading and writing. If there is none and `make` is set, makes it with
  // mode 0600. No descriptor: errno says why.
  std::function<UniqueFd(const std::string& name, bool make)> open;
  std::function<int(const std::string& name)> unlink;
};

// A name that belongs to one live process: the one that holds a lock on the object behind it. It is
// an open file description lock (fcntl(2)), which ends with the process, however that ends. So what
// a killed process has left behind can be locked, and is taken over as it is.
//
// An owner may remove its name while another process is about to lock the same object. That process
// sees by the inode that the name no longer stands for what it has locked, and tries again.
class ClaimedName {
 public:
  // ALREADY_EXISTS: a live process has it. FAILED_PRECONDITION: another user's. Another code: what
  // the system says. Messages begin with `where`.
  // The object then has the mode and group of `access`.
  static absl::StatusOr<ClaimedName> Claim(const NameSpace& space, const std::string& name,
                                           absl::string_view where, const Access& access);
  ClaimedName(ClaimedName&& other) noexcept = default;
  ClaimedName& operator=(ClaimedName&& other) = delete;
  // Removes the name.
  ~ClaimedName();

  int fd() const { return fd_.get(); }

  // Readable, level-triggered, when the name may have been lost (NameWatch). May be -1.
  int watch_fd() const { return watch_.fd(); }
  // NOT_FOUND: somebody has removed the name, or put another object in its place; the message
  // begins with `where`. Looks only if something may have happened, and makes watch_fd() quiet.
  absl::Status CheckWatch(absl::string_view where);

  // Claims the object behind `fd`, for as long as that is open. `fd` must be open for writing. What
  // becomes of the name is the caller's business. False: somebody else has claimed the object.
  static bool Lock(int fd);
  // Whether somebody has claimed the object behind `fd`. `fd` is not the owner's own descriptor,
  // whose lock the kernel does not show to itself.
  static bool IsClaimed(int fd);

 private:
  ClaimedName(NameSpace space, std::string name, UniqueFd fd);

  // Whether the name stands for the object.
  bool HasName() const;

  BirthProcess birth_;
  NameSpace space_;
  std::string name_;
  UniqueFd fd_;
  NameWatch watch_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_RENDEZVOUS_CLAIMED_NAME_H_
