#ifndef NIGH_RUNTIME_LOOP_POLLER_H_
#define NIGH_RUNTIME_LOOP_POLLER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "nigh/deadline.h"
#include "nigh/runtime/loop/pollable.h"
#include "nigh/runtime/loop/task_queue.h"
#include "nigh/runtime/loop/watchdog.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transport/waiter.h"

namespace nigh {

// Some connections and listeners, of servers and of channels, tasks and timers; and the role of
// polling them. One thread at a time has the role: by being in Drive or, in a program with an event
// loop of its own, in Poll. When a handler keeps it for too long a watchdog gives it to another.
//
// What was busy a moment ago is polled directly, which finds the next frame soonest; the rest waits
// in an epoll set, which costs nothing.
class Poller {
 public:
  using Task = TaskQueue::Task;
  using Owner = TaskQueue::Owner;
  using TimerId = TaskQueue::TimerId;

  explicit Poller(const WaitPolicy& policy);

  // To be called first. RESOURCE_EXHAUSTED when the system has no descriptors to give.
  absl::Status Open() const;

  // Takes the role and keeps it until Stop or until it is taken away. True: until Stop.
  bool Drive();
  // Takes the role, does what there is to do, for a while at most, and gives it back. Never blocks.
  // Does nothing when called from within itself.
  void Poll();
  // Between two Polls: readable when there is something to do.
  int fd() const { return epoll_.get(); }

  // The rest: any thread, at any time.

  // Looks after `pollable` from now on; takes a look at it if it does so already.
  void Add(std::shared_ptr<Pollable> pollable);
  // Lets go of `pollable`, soon, and then calls `removed` in the role.
  void Remove(std::shared_ptr<Pollable> pollable, Task removed);
  // `pollable` has something that waits for room.
  void WatchRoom(const Pollable& pollable);
  // Ends Drive. What there is stays until the poller goes.
  void Stop();

  // Work for the thread that has the role; see TaskQueue.
  void Post(Owner owner, Task task) { tasks_.Post(owner, std::move(task)); }
  TimerId AddTimer(Deadline deadline, Owner owner, Task task) {
    return tasks_.AddTimer(deadline, owner, std::move(task));
  }
  void RemoveTimer(TimerId id) { tasks_.RemoveTimer(id); }
  void Revoke(Owner owner) { tasks_.Revoke(owner); }

  // For a watchdog. Entered around every task and handler.
  InlineMark& mark() { return mark_; }
  // How many it looks after, about.
  size_t load() const { return load_.load(std::memory_order_relaxed); }

 private:
  using Token = uint64_t;

  // While hot connections have work, the others wait for so long at most, and a handler.
  static constexpr int64_t kEventsEveryNanos = 100'000;

  struct Source {
    Token token;
    std::shared_ptr<Pollable> pollable;
    int receive_fd = -1;  // as registered with epoll
    int send_fd = -1;
    int end_fd = -1;
    bool edge_triggered = false;
    bool send_edge_triggered = false;
    bool hot = false;
    int idle_passes = 0;
  };
  // What one look at everything has come to: the most of what each has come to.
  enum class Pass { kNothing, kDrained, kBusy, kRoleLost };

  // Tasks, as many as there were before the first of them added to them, about.
  Pass RunTasks();
  // All of it once.
  Pass TakePass();
  // One look at every hot source.
  Pass PollHot();
  // Has epoll watch a hot source from now on. False: something came meanwhile.
  bool Cool(Source& source);
  // Has epoll watch the hot ones, so that the thread may sleep. False: something came meanwhile.
  bool ArmHot();
  // Waits for the epoll set; -1: for ever.
  void PollEvents(int timeout_millis);
  // Looks at the epoll set if that has not been done for a while. `now`: steady nanoseconds.
  void PollEventsIfDue(int64_t now) {
    if (now - last_events_ > kEventsEveryNanos) PollEvents(0);
  }
  // After handlers have run: what must be done now and then.
  void AfterWork();
  void AddNow(std::shared_ptr<Pollable> pollable);
  void Drop(Source& source);
  void MakeHot(Source& source);
  // Registers `wake` with epoll.
  void Watch(Source& source, const Wake& wake);
  void WatchSend(Source& source);
  void ResumeSend(Source& source);
  void Control(int operation, int fd, Token token, uint32_t events);
  Waiter::PollCost PollCostOfHot() const;

  std::atomic<size_t> load_ = 0;
  std::atomic<bool> polling_ = false;

  // The role's own.
  InlineMark mark_;
  UniqueFd epoll_;
  Waiter waiter_;
  absl::flat_hash_map<Token, std::unique_ptr<Source>> sources_;
  absl::flat_hash_map<const Pollable*, Token> tokens_;
  std::vector<Source*> hot_;
  Token next_token_ = 1;
  int64_t last_events_ = 0;  // steady nanoseconds
  uint32_t vain_passes_ = 0;
  bool stopping_ = false;

  TaskQueue tasks_;  // goes first: what tasks hold may use the rest
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_LOOP_POLLER_H_
