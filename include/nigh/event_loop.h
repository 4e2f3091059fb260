#ifndef NIGH_EVENT_LOOP_H_
#define NIGH_EVENT_LOOP_H_

#include <memory>

#include "absl/functional/any_invocable.h"
#include "nigh/api.h"
#include "nigh/deadline.h"

namespace nigh {

class Poller;

// For programs with a loop of their own. Channels and servers that are given an EventLoop have no
// threads: they work when the program polls the loop.
//
//   auto loop = std::make_shared<nigh::EventLoop>();
//   auto channel = nigh::Dial("local:greeter", {.event_loop = loop});
//   for (;;) {
//     poll(... loop->fd(), POLLIN ...);
//     loop->Poll();                      // runs callbacks, handlers, timers
//   }
//
// One thread at a time may use the loop, except for Post. Callbacks, handlers and coroutines run in
// that thread, inside Poll. If one of them blocks until another has run, it blocks for ever; so a
// handler must not call its own server synchronously. The program must go on polling until the
// calls that it has begun are over, for a call that is outstanding keeps itself alive.
// Server::Shutdown polls by itself.
class NIGH_API EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // A descriptor for poll(2), epoll(7) or another loop. It is readable when there is something to
  // do. It stays the same for the life of the loop.
  int fd() const;

  // Does what there is to do, for a limited time. Never blocks. Does nothing when called from
  // within itself (from a callback).
  void Poll();

  // Sleeps until there is something to do or `deadline` has passed, and then calls Poll. For
  // programs that have no other loop.
  void WaitAndPoll(Deadline deadline = Deadline::Infinite());

  // Has Poll run `task`. Any thread may call this.
  void Post(absl::AnyInvocable<void()> task);

  // For channels and servers.
  const std::shared_ptr<Poller>& poller() const { return poller_; }

 private:
  std::shared_ptr<Poller> poller_;
};

// The poller of all channels without an event loop. One thread drives it, and ends when nobody
// holds the poller any more. Null: the system has no thread to give, or no descriptor.
NIGH_API std::shared_ptr<Poller> SharedPoller();

}  // namespace nigh

#endif  // NIGH_EVENT_LOOP_H_
