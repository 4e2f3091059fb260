#ifndef NIGH_EVENT_LOOP_H_
#define NIGH_EVENT_LOOP_H_

#include <memory>

#include "absl/functional/any_invocable.h"
#include "nigh/deadline.h"

namespace nigh {

class Poller;

// For programs with a loop of their own: channels and servers that are given one have no thread of
// ours, and live by being polled.
//
//   auto loop = std::make_shared<nigh::EventLoop>();
//   auto channel = nigh::Dial("local:greeter", {.event_loop = loop});
//   for (;;) {
//     poll(... loop->fd(), POLLIN ...);
//     loop->Poll();                      // runs callbacks, handlers, timers
//   }
//
// One thread at a time, but Post; callbacks, handlers and coroutines run in it, from Poll. What
// waits in it for another of them waits for ever: a handler must not call its own server
// synchronously. It must go on polling until the calls that it has begun are over: what is
// outstanding keeps itself alive. Server::Shutdown polls by itself.
class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Readable when there is something to do: for poll(2), epoll(7) or another loop. The same for the
  // life of the loop.
  int fd() const;

  // Does what there is to do, for a while at most. Never blocks. From within itself (a callback)
  // does nothing.
  void Poll();

  // Sleeps until there is something to do or `deadline` has passed, then Poll: a loop for programs
  // that have no other.
  void WaitAndPoll(Deadline deadline = Deadline::Infinite());

  // Runs `task` in Poll. Any thread.
  void Post(absl::AnyInvocable<void()> task);

  // For channels and servers.
  const std::shared_ptr<Poller>& poller() const { return poller_; }

 private:
  const std::shared_ptr<Poller> poller_;
};

// The one that a thread of its own drives for all channels without an event loop. The thread ends
// with the last who holds it. Throws std::system_error, as std::thread does, where the system has
// no thread to give.
std::shared_ptr<Poller> SharedPoller();

}  // namespace nigh

#endif  // NIGH_EVENT_LOOP_H_
