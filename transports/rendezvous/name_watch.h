#ifndef NIGH_TRANSPORTS_RENDEZVOUS_NAME_WATCH_H_
#define NIGH_TRANSPORTS_RENDEZVOUS_NAME_WATCH_H_

#include <string>

#include "nigh/transport/unique_fd.h"

namespace nigh {

// Tells when an object may have lost its name, by inotify(7): it was removed, renamed, or something
// else has happened to it. Whether the name still stands for it is for others to find out. A rename
// of a folder above it is not seen.
class NameWatch {
 public:
  // Of the file at `path`; if that is a link, of the link.
  static NameWatch OfPath(const std::string& path);
  // Of what `fd` has open, which may have a name that is in no folder: a message queue's.
  static NameWatch OfObject(int fd);

  // Becomes readable, level-triggered, when something has happened. -1: the system has no watch to
  // give (sysctl fs.inotify.max_user_instances, or /proc is not there).
  int fd() const { return events_.get(); }
  // Whether something may have happened since this was last asked; at first, it may.
  bool Stirred();

 private:
  NameWatch(const std::string& path, unsigned int flags);

  UniqueFd events_;
  bool stirred_ = true;  // before it was watched
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_RENDEZVOUS_NAME_WATCH_H_
