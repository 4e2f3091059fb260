#include "nigh/event_loop.h"

#include <poll.h>

#include <memory>
#include <thread>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/transport/waiter.h"

namespace nigh {
namespace {

// A poller and the thread that drives it.
class PollerThread {
 public:
  PollerThread()
      : poller_(std::make_shared<Poller>(WaitPolicy())),
        // The thread holds the poller, too. A task in it may drop the last reference to this
        // object, and the poller must outlive that.
        thread_([poller = poller_] { poller->Drive(); }) {}

  ~PollerThread() {
    poller_->Stop();
    // A thread cannot join itself.
    if (thread_.get_id() == std::this_thread::get_id()) {
      thread_.detach();
    } else {
      thread_.join();
    }
  }

  Poller* poller() const { return poller_.get(); }

 private:
  const std::shared_ptr<Poller> poller_;
  std::thread thread_;
};

// The weak pointer lets the thread end with the last channel that holds it. The object is never
// destroyed: somebody may still be calling at exit.
struct Shared {
  Mutex mutex;
  std::weak_ptr<PollerThread> thread ABSL_GUARDED_BY(mutex);
};

}  // namespace

std::shared_ptr<Poller> SharedPoller() {
  static Shared& shared = *new Shared();
  MutexLock lock(shared.mutex);
  std::shared_ptr<PollerThread> thread = shared.thread.lock();
  if (thread == nullptr) {
    thread = std::make_shared<PollerThread>();
    shared.thread = thread;
  }
  // The result points to the poller and holds the thread.
  Poller* const poller = thread->poller();
  return std::shared_ptr<Poller>(std::move(thread), poller);
}

EventLoop::EventLoop() : poller_(std::make_shared<Poller>(WaitPolicy())) {}

EventLoop::~EventLoop() = default;

int EventLoop::fd() const { return poller_->fd(); }

void EventLoop::Poll() { poller_->Poll(); }

void EventLoop::WaitAndPoll(Deadline deadline) {
  pollfd wait{.fd = fd(), .events = POLLIN, .revents = 0};
  const timespec timeout = absl::ToTimespec(absl::Nanoseconds(deadline.RemainingNanos()));
  (void)::ppoll(&wait, 1, deadline.is_infinite() ? nullptr : &timeout, nullptr);
  Poll();
}

void EventLoop::Post(absl::AnyInvocable<void()> task) { poller_->Post(nullptr, std::move(task)); }

}  // namespace nigh
