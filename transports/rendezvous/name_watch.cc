#include "nigh/transports/rendezvous/name_watch.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/per_process.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {
namespace {

// The first is the number of links to the object; while it is open, there is no IN_DELETE_SELF.
constexpr uint32_t kEvents = IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF;

bool AddTo(int set, int fd) {
  epoll_event event = {.events = EPOLLIN, .data = {}};
  return ::epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0;
}

// The process's instance of inotify, and who is to be told of what. Any thread.
class SharedInotify {
 public:
  // Watches the object at `path`. `stirred`, an eventfd, is told of its events; `set` is the epoll
  // set of who looks at that. Both are open until Remove. Returns inotify's number for the object;
  // -1: the system has none to give.
  int Add(const std::string& path, uint32_t mask, int set, int stirred) ABSL_LOCKS_EXCLUDED(mutex_);
  void Remove(int number, int stirred) ABSL_LOCKS_EXCLUDED(mutex_);
  // Takes in what has happened, and tells whom it concerns.
  void Drain() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Watch {
    int number;
    int set;
    int stirred;
    bool reads;  // its set has the instance
  };

  // So many watches have the instance in their sets, the oldest ones, and take in what has happened
  // for all. Not one alone: a program may have several loops, and one of them be stuck. Not every
  // one: the kernel lets no more than ten paths lead from a descriptor to a set as deep as that in
  // which a program may have its loop (path_limits in fs/eventpoll.c).
  static constexpr int kReaders = 8;

  void DrainLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Has the oldest watches read.
  void ChooseReaders() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  UniqueFd inotify_ ABSL_GUARDED_BY(mutex_);  // null: there are no watches
  std::vector<Watch> watches_ ABSL_GUARDED_BY(mutex_);
  int readers_ ABSL_GUARDED_BY(mutex_) = 0;
};

int SharedInotify::Add(const std::string& path, uint32_t mask, int set, int stirred) {
  MutexLock lock(mutex_);
  if (!inotify_) {
    inotify_ = UniqueFd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)).KeptFromChildren();
  }
  const int number = ::inotify_add_watch(inotify_.get(), path.c_str(), mask);
  if (number >= 0) watches_.push_back({number, set, stirred, /*reads=*/false});
  if (watches_.empty()) inotify_.reset();
  ChooseReaders();
  return number;
}

void SharedInotify::Remove(int number, int stirred) {
  UniqueFd closed;  // with the mutex free
  MutexLock lock(mutex_);
  const auto watch = std::find_if(watches_.begin(), watches_.end(),
                                  [&](const Watch& known) { return known.stirred == stirred; });
  readers_ -= watch->reads ? 1 : 0;
  watches_.erase(watch);
  if (watches_.empty()) {
    closed = std::move(inotify_);
    return;
  }
  const bool shared = std::any_of(watches_.begin(), watches_.end(),
                                  [&](const Watch& other) { return other.number == number; });
  if (!shared) (void)::inotify_rm_watch(inotify_.get(), number);
  ChooseReaders();
  // It tells of its removal, which is no reason to wake the others.
  DrainLocked();
}

void SharedInotify::Drain() {
  MutexLock lock(mutex_);
  DrainLocked();
}

void SharedInotify::DrainLocked() {
  // Events of objects, not of what folders have in them, carry no names.
  std::array<inotify_event, 64> events;
  ssize_t size;
  while ((size = ::read(inotify_.get(), events.data(), sizeof(events))) > 0) {
    for (size_t i = 0; i < static_cast<size_t>(size) / sizeof(inotify_event); ++i) {
      const bool lost_some = (events[i].mask & IN_Q_OVERFLOW) != 0;
      for (const Watch& watch : watches_) {
        if (lost_some || watch.number == events[i].wd) (void)::eventfd_write(watch.stirred, 1);
      }
    }
  }
}

void SharedInotify::ChooseReaders() {
  for (Watch& watch : watches_) {
    if (readers_ == kReaders) return;
    if (watch.reads || !AddTo(watch.set, inotify_.get())) continue;
    watch.reads = true;
    ++readers_;
  }
}

constinit PerProcess<SharedInotify> shared_inotify;

}  // namespace

NameWatch::NameWatch(const std::string& path, unsigned int flags)
    : set_(UniqueFd(::epoll_create1(EPOLL_CLOEXEC)).KeptFromChildren()),
      stirred_(UniqueFd(::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC)).KeptFromChildren()) {
  if (AddTo(set_.get(), stirred_.get())) {
    number_ = shared_inotify.Get().Add(path, kEvents | flags, set_.get(), stirred_.get());
  }
  if (number_ >= 0) return;
  set_.reset();
  stirred_.reset();
}

NameWatch::~NameWatch() {
  if (set_ && birth_.is_this()) shared_inotify.Get().Remove(number_, stirred_.get());
}

NameWatch NameWatch::OfPath(const std::string& path) { return {path, IN_DONT_FOLLOW}; }

NameWatch NameWatch::OfObject(int fd) { return {absl::StrCat("/proc/self/fd/", fd), 0}; }

bool NameWatch::Stirred() {
  if (!set_) return false;
  shared_inotify.Get().Drain();
  eventfd_t events;
  return ::eventfd_read(stirred_.get(), &events) == 0;
}

}  // namespace nigh
