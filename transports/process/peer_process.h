#ifndef NIGH_TRANSPORTS_PROCESS_PEER_PROCESS_H_
#define NIGH_TRANSPORTS_PROCESS_PEER_PROCESS_H_

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "nigh/mutex.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// Whose end of a connection: a client's peer is the server.
enum class Side { kClient, kServer };

// The process at the other end of a connection, by a pidfd. A connection ends with it: that a
// descriptor is still open says nothing, for a child may have inherited it, or somebody been handed
// it.
//
// The kernel names it where it can, across namespaces of process ids, too. Linux before 6.5 names a
// socket's peer by its number only, which says nothing in another namespace.
//
// Any thread may ask; one thread at a time calls Become.
class PeerProcess {
 public:
  // Not known: it never dies.
  PeerProcess() = default;
  explicit PeerProcess(UniqueFd pidfd);
  PeerProcess(PeerProcess&& other) noexcept;
  PeerProcess& operator=(PeerProcess&&) = delete;

  // Who connected, or listened, at the other end of a Unix socket.
  static PeerProcess OfSocket(int socket);
  // The parent of this process.
  static PeerProcess OfParent();

  // It may be another one than it seemed to be: who listened need not be who serves. Once. Null, or
  // of the same process: it stays, and so does pidfd(). `ends`, an epoll set that has fd(), gets
  // the new one. False: it cannot; errno says why.
  bool Become(UniqueFd pidfd, int ends);

  // Its pidfd, for whoever keeps it longer; null if there is none. By the thread that calls Become.
  const std::shared_ptr<const UniqueFd>& pidfd() const { return second_ ? second_ : first_; }
  // Readable once it has died; -1 where nothing can be polled.
  int fd() const { return std::max(fd_.load(std::memory_order_acquire), -1); }
  bool HasDied() const;

  // How it died: "the peer's process (12) was killed by signal 9 (Killed)". Waits for `patience` at
  // most, since its descriptors are closed a moment before it can be told dead. Empty: it lives, or
  // is not known. Where the system does not tell how (before Linux 6.15, once others have reaped
  // it), says so.
  std::string Obituary(absl::Duration patience) const;
  // The same for the end of `direction` at `side`'s end of a connection. Each time as at first.
  std::string Obituary(Side side, Interest direction) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  static constexpr int kGone = -2;  // it had died before it could be watched

  std::shared_ptr<const UniqueFd> first_;
  std::shared_ptr<const UniqueFd> second_;
  std::atomic<int> fd_ = -1;
  mutable Mutex mutex_;
  mutable std::optional<std::string> obituary_ ABSL_GUARDED_BY(mutex_);  // once asked for
};

// The status, as wait(2) gives it, of a process that somebody else has reaped. Nothing: the system
// does not tell (before Linux 6.15).
std::optional<int> StatusOfReaped(int pidfd);

// "exited with status 3", "was killed by signal 9 (Killed)"; of a status as wait(2) gives it.
std::string DescribeWaitStatus(int status);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_PROCESS_PEER_PROCESS_H_
