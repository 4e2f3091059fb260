#include "nigh/transports/rendezvous/name_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {
namespace {

// The first is the number of links to the object; while it is open, there is no IN_DELETE_SELF.
constexpr unsigned int kEvents = IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF;

}  // namespace

NameWatch::NameWatch(const std::string& path, unsigned int flags)
    : events_(UniqueFd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)).KeptFromChildren()) {
  if (events_ && ::inotify_add_watch(events_.get(), path.c_str(), kEvents | flags) < 0) {
    events_.reset();
  }
}

NameWatch NameWatch::OfPath(const std::string& path) { return {path, IN_DONT_FOLLOW}; }

NameWatch NameWatch::OfObject(int fd) { return {absl::StrCat("/proc/self/fd/", fd), 0}; }

bool NameWatch::Stirred() {
  bool stirred = std::exchange(stirred_, false);
  if (!events_) return stirred;
  // Events of one file, without names, have 16 bytes each.
  std::array<char, 1024> events;
  while (::read(events_.get(), events.data(), events.size()) > 0) stirred = true;
  return stirred;
}

}  // namespace nigh
