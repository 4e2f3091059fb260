#include "nigh/event_loop.h"

#include <poll.h>

#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/runtime/base/per_process.h"
#include "nigh/runtime/base/standard_descriptors.h"
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
    // A child of fork(2) has inherited the object, not the thread.
    if (!birth_.is_this()) {
      LeaveToParent(thread_);
      return;
    }
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
  const BirthProcess birth_;
  const std::shared_ptr<Poller> poller_;
  std::thread thread_;
};

// The weak pointer lets the thread end with the last channel that holds it.
struct Shared {
  Mutex mutex;
  std::weak_ptr<PollerThread> thread ABSL_GUARDED_BY(mutex);
};

}  // namespace

std::shared_ptr<Poller> SharedPoller() {
  static constinit PerProcess<Shared> present;
  Shared& shared = present.Get();
  MutexLock lock(shared.mutex);
  std::shared_ptr<PollerThread> thread = shared.thread.lock();
  if (thread == nullptr) {
    try {
      thread = std::make_shared<PollerThread>();
    } catch (const std::system_error&) {
      return nullptr;
    }
    if (!thread->poller()->Open().ok()) return nullptr;
    shared.thread = thread;
  }
  // The result points to the poller and holds the thread.
  Poller* const poller = thread->poller();
  return std::shared_ptr<Poller>(std::move(thread), poller);
}

EventLoop::EventLoop() {
  FillStandardDescriptors();
  poller_ = std::make_shared<Poller>(WaitPolicy());
}

EventLoop::~EventLoop() {
  if (!poller_->is_of_this_process()) LeaveToParent(poller_);
}

int EventLoop::fd() const { return poller_->fd(); }

void EventLoop::Poll() {
  if (poller_->is_of_this_process()) poller_->Poll();
}

void EventLoop::WaitAndPoll(Deadline deadline) {
  if (!poller_->is_of_this_process()) return;
  pollfd wait{.fd = fd(), .events = POLLIN, .revents = 0};
  const timespec timeout = deadline.RemainingTimespec();
  (void)::ppoll(&wait, 1, deadline.is_infinite() ? nullptr : &timeout, nullptr);
  Poll();
}

void EventLoop::Post(absl::AnyInvocable<void()> task) {
  if (poller_->is_of_this_process()) poller_->Post(nullptr, std::move(task));
}

}  // namespace nigh
