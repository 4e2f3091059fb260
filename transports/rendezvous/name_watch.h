#ifndef NIGH_TRANSPORTS_RENDEZVOUS_NAME_WATCH_H_
#define NIGH_TRANSPORTS_RENDEZVOUS_NAME_WATCH_H_

#include <string>

#include "nigh/runtime/base/birth_process.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// Tells when an object may have lost its name, by inotify(7): it was removed, renamed, or something
// else has happened to it. Whether the name still stands for it is for others to find out. A rename
// of a folder above it is not seen.
//
// All watches of a process share one instance of inotify, which goes with the last of them: a user
// has few (sysctl fs.inotify.max_user_instances), and to close one takes the kernel some 10 ms.
//
// Threads: each watch is used by one at a time, different ones at the same time. No thread reads
// the instance for all. Whoever looks at a watch does, and tells those that an event concerns.
class NameWatch {
 public:
  // Of the file at `path`; if that is a link, of the link.
  static NameWatch OfPath(const std::string& path);
  // Of what `fd` has open, which may have a name that is in no folder: a message queue's.
  static NameWatch OfObject(int fd);
  NameWatch(NameWatch&& other) noexcept = default;
  NameWatch& operator=(NameWatch&& other) = delete;
  // In a child of fork(2), leaves the parent's instance alone.
  ~NameWatch();

  // Becomes readable, level-triggered, when something has happened, or when another watch of the
  // process is to be told; Stirred makes it quiet. -1: the system has no watch to give (sysctl
  // fs.inotify.max_user_instances, no descriptors are left, or /proc is not there).
  int fd() const { return set_.get(); }
  // Whether something may have happened since this was last asked; at first, it may.
  bool Stirred();

 private:
  NameWatch(const std::string& path, unsigned int flags);

  BirthProcess birth_;
  UniqueFd set_;      // an epoll set of what follows, and perhaps of the shared instance
  UniqueFd stirred_;  // an eventfd: whether something may have happened
  int number_ = -1;   // inotify's, which watches of the same object share
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_RENDEZVOUS_NAME_WATCH_H_
