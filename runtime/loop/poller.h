#ifndef NIGH_RUNTIME_LOOP_POLLER_H_
#define NIGH_RUNTIME_LOOP_POLLER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "nigh/deadline.h"
#include "nigh/runtime/base/awake_times.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/runtime/loop/pollable.h"
#include "nigh/runtime/loop/task_queue.h"
#include "nigh/runtime/loop/time_shares.h"
#include "nigh/runtime/loop/watchdog.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transport/waiter.h"

namespace nigh {

// Polls connections and listeners, of servers and of channels, and runs tasks and timers. One
// thread at a time has the role of polling. It has the role while it is in Drive or, in a program
// with an event loop of its own, in Poll. When a handler keeps the role for too long, a watchdog
// gives it to another thread.
//
// A source that was busy a moment ago is hot: it is polled directly, which finds the next frame
// soonest. The others wait in an epoll set, which costs nothing. Where hot sources are of several
// users, these share the poller's time (TimeShares). poller.cc has a picture of it.
class Poller {
 public:
  using Task = TaskQueue::Task;
  using Owner = TaskQueue::Owner;
  using TimerId = TaskQueue::TimerId;

  // By `clock`, in nanoseconds, it divides its time among users; for tests.
  explicit Poller(const WaitPolicy& policy, int64_t (*clock)() = &SteadyNanos);

  // Must be called first. Fails with RESOURCE_EXHAUSTED when the system has no descriptors to give,
  // or no memory.
  absl::Status Open() const;

  // Takes the role and keeps it until Stop (true) or until it is taken away (false).
  bool Drive();
  // Takes the role, does a bounded amount of what there is to do, and gives the role back. Never
  // blocks. Does nothing when called from within itself.
  void Poll();
  // Readable between two Polls when there is something to do.
  int fd() const { return epoll_.get(); }

  // Any thread may call what follows, at any time.

  // Polls `pollable` from now on. If it is polled already, it gets a turn soon.
  void Add(std::shared_ptr<Pollable> pollable);
  // Lets go of `pollable` soon, and then calls `removed` in the role.
  void Remove(std::shared_ptr<Pollable> pollable, Task removed);
  // Says that something of `pollable` waits for room. Ignored unless it is polled here.
  void WatchRoom(const Pollable& pollable);
  // Ends Drive. Sources and tasks stay until the poller is destroyed.
  void Stop();

  // Tasks run in the role, with no lock held; see TaskQueue.
  void Post(Owner owner, Task task) { tasks_.Post(owner, std::move(task)); }
  TimerId AddTimer(Deadline deadline, Owner owner, Task task) {
    return tasks_.AddTimer(deadline, owner, std::move(task));
  }
  void RemoveTimer(TimerId id) { tasks_.RemoveTimer(id); }
  void Revoke(Owner owner) { tasks_.Revoke(owner); }

  // False in a child of fork(2), which has inherited the poller and must leave it alone.
  bool is_of_this_process() const { return birth_.is_this(); }

  // For a watchdog. The role is inside the mark while it runs a task or a handler.
  InlineMark& mark() { return mark_; }
  // How many sources it has, approximately.
  size_t load() const { return load_.load(std::memory_order_relaxed); }

 private:
  using Token = uint64_t;

  // The token of tasks_'s descriptors. Those of sources begin at 1.
  static constexpr Token kTasksToken = 0;

  struct Source {
    Token token;
    std::shared_ptr<Pollable> pollable;
    TimeShares::Share* share = nullptr;
    int receive_fd = -1;  // as registered with epoll
    int send_fd = -1;
    int end_fd = -1;
    bool edge_triggered = false;
    bool send_edge_triggered = false;
    bool hot = false;
    bool looks_again = false;  // a timer has been set for LookAgain
    int idle_passes = 0;
    int announcements = 0;  // since something came
  };
  // The outcome of a pass over everything: the greatest of its parts' outcomes. They mean what
  // those of Pollable::Turn mean.
  enum class Pass { kNothing, kSoon, kDrained, kBusy, kRoleLost };

  // Runs a bounded number of tasks.
  Pass RunTasks();
  // Runs tasks, gives every hot source a turn, and does what is due now and then.
  Pass TakePass();
  // Gives every hot source a turn.
  Pass PollHot();
  // Has epoll watch a hot source from now on. False: something came meanwhile. The caller takes it
  // out of hot_.
  bool Cool(Source& source);
  // Cools all hot sources, so that the thread may sleep. False: something came meanwhile.
  bool ArmHot();
  // Waits for the epoll set, at most so long; returns whether anything came.
  bool PollEvents(std::optional<int64_t> nanos);
  // Looks at the epoll set if nobody has for so long that others wait. `now` is in steady
  // nanoseconds.
  void PollEventsIfDue(int64_t now) {
    if (now - last_events_ > kAwakeTimes.events_nanos) (void)PollEvents(0);
  }
  // After handlers have run: what must be done now and then.
  void AfterWork();
  // Has those who rest go on whose share is not used up any more.
  void BeginRound();
  // Sleeps until something comes; while somebody rests, not for long.
  void Sleep();
  void AddNow(std::shared_ptr<Pollable> pollable);
  void Drop(Source& source);
  void MakeHot(Source& source);
  void MakeCold(Source& source);
  // Puts the descriptors of `wake` into epoll_. False: not all of them could be, and none is.
  bool Watch(Source& source, const Wake& wake);
  // Takes what is polled for frames out of epoll_: the source pauses.
  void StopReceiving(Source& source);
  void StopWatchingEnd(Source& source);
  void WatchSend(Source& source);
  void WatchSend(Source& source, const Wake& wake);
  void ResumeSend(Source& source);
  // For a source that the system has no memory to watch: looks at it, and tries again, after a
  // while.
  void LookAgain(Source& source);
  // False: the system has no memory to watch the descriptor.
  bool Control(int operation, int fd, Token token, uint32_t events);
  Waiter::PollCost PollCostOfHot() const;

  const BirthProcess birth_;
  int64_t (*const clock_)();
  std::atomic<size_t> load_ = 0;
  std::atomic<bool> polling_ = false;

  // Only the thread that has the role touches what follows, except for the mark.
  InlineMark mark_;
  UniqueFd epoll_;
  int error_ = 0;  // why a descriptor is missing, or not watched
  Waiter waiter_;
  absl::flat_hash_map<Token, std::unique_ptr<Source>> sources_;
  absl::flat_hash_map<const Pollable*, Token> tokens_;
  std::vector<Source*> hot_;
  std::vector<Source*> resting_;  // hot, too, but of users who have used up their share
  TimeShares shares_;
  Token next_token_ = 1;
  int64_t last_events_ = 0;   // when PollEvents ran last; steady nanoseconds
  uint32_t vain_passes_ = 0;  // that spun and found nothing
  uint32_t turns_ = 0;        // that did something
  uint64_t read_at_ = 0;      // the mark's number when the clock was read after them
  bool stopping_ = false;

  TaskQueue tasks_;  // destroyed first: what tasks hold may use the rest
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_LOOP_POLLER_H_
