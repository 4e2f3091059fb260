#include "nigh/runtime/client/pump.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/deadline.h"
#include "nigh/event_loop.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/awake_times.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/frame.h"

// Who has the pump when. Whoever has token_ has it: the receiving half of the connection, with
// receiver_ and waiter_.
//
//   caller A                   caller B                      poller                     pump
//   -------------------------  ----------------------------  -------------------------  ------
//   Await                                                                               nobody
//   Lead: has taken the token                                                           A
//    | LookOut: receives,      Await: follows. Looks at its                             A
//    |   spins, yields           call and at the token, then
//    |                           Park: sleeps                                           A
//    | TakeFrame, A's reply:   :                                                        A
//    |   parsed where it lies  :
//    | TakeFrame, B's message: :                                                        A
//    |   kept in its call.
//    |   Unpark ------------>  wakes, parses, returns                                   A
//    | TakeFrame, a message of                                                          A
//    |   a call with waiters --------------------------->    runs the callback as a
//    |                         Await: follows                task
//    | Sleep                   :  any thread: Interrupt                                 A
//    | ready, or deadline      :                                                        A
//   Leave: leaves the token    :                                                        nobody
//   PromoteFollower -------->  unparked                                                 nobody
//   HandOver, if there is      :                                                        nobody
//     something to do ------------------------------------>  Add: has the pump
//   returns                    wakes: ready, or Lead         a turn: kEnded if B leads, B
//                                                            else it pumps
//
// Deadline. A leader's ends its sleep, a follower's its wait. If nobody pumps then, the caller
// takes the pump once more without waiting, because what has arrived in time counts.
//
// The poller has the pump's turns from an Add to a turn that says kEnded. It has the token only
// during its turns.
//
//   gets it  Attach: the first call with waiters begins, or hellos are to be exchanged.
//            HandOver: a caller leaves, nobody pumps, and a poller is attached, or something is
//            unsent that no follower takes along.
//   a turn   takes the token, at most kFramesPerTurn frames, leaves it, PromoteFollower. A caller
//            that comes meanwhile follows, and leads after the turn.
//   asleep   The connection is in the poller's epoll set, and nobody has the token. A caller that
//            comes leads at once. A frame then wakes both, and the poller's turn finds the token
//            taken.
//   lets go  A turn says kEnded: a caller leads (and hands over when it leaves), the connection is
//            over, or nothing is attached and nothing is unsent. LetGo asks for a last turn.

namespace nigh {
namespace {

// At most this many frames are handled in one go by somebody who waits for none of them.
constexpr int kFramesPerTurn = 64;

}  // namespace

Pump::Pump(Connection& connection, FrameSender& sender, Sink& sink, const ChannelOptions& options)
    : sender_(sender),
      sink_(sink),
      wait_policy_(options.wait),
      poll_cost_(connection.poll_cost()),
      own_loop_(options.event_loop != nullptr),
      receiver_(connection),
      waiter_(options.wait) {
  if (own_loop_) poller_ = options.event_loop->poller();
}

absl::Status Pump::Open(std::weak_ptr<void> owner, absl::string_view name) {
  owner_ = std::move(owner);
  if (wake_set_.Open(poll_cost_ == Waiter::PollCost::kCheap)) return absl::OkStatus();
  return UnavailableErrno(errno, name, "connect: eventfd");
}

void Pump::NoticeDeath(bool waits) {
  const int64_t now = Ticks();
  const bool stale = now - last_looked_.load(std::memory_order_relaxed) >= kAwakeTimes.stale_ticks;
  if (waits) last_looked_.store(now, std::memory_order_relaxed);
  if (!stale) return;
  // Whoever leads may wait for long itself. It will wake for what this thread is about to wait for.
  if (!token_.TryTake()) return pause_wanted_.store(true, std::memory_order_release);
  // In shared memory, Receive alone does not notice that the peer is gone; arming does. Over a
  // socket it does, unless another process has the socket, too: that is not worth a system call.
  if (poll_cost_ == Waiter::PollCost::kCheap) (void)receiver_.Arm();
  (void)PumpSome();
  TakePause();
  Leave();
}

void Pump::PauseSoon() {
  pause_wanted_.store(true, std::memory_order_release);
  if (token_.TryTake()) {
    Leave();
  } else {
    Interrupt();
  }
}

void Pump::TakePause() {
  pause_wanted_.store(false, std::memory_order_relaxed);
  sink_.TakePause();
}

bool Pump::PumpOne() {
  if (over_.load(std::memory_order_relaxed)) return false;
  const Frame* const frame = receiver_.Next();
  bool over = false;
  if (frame != nullptr) {
    over = !sink_.TakeFrame(*frame, own_);
    receiver_.Release();
    if (!over) return true;
  }
  if (over || receiver_.ended()) {
    over_ = true;
    sink_.TakeEnd();
    return true;
  }
  // Nothing to receive, so there is time to send what waits for room. Receiving comes first: the
  // server may be unable to make room before its own frames are taken.
  if (sender_.idle() || sender_.Resume() != Sent::kAll) return false;
  MutexLock lock(mutex_);
  SetUnsent(!sender_.idle());
  if (unsent_) return false;
  WakeWriters();
  return true;
}

int Pump::PumpSome() {
  int frames = 0;
  while (frames < kFramesPerTurn && PumpOne()) ++frames;
  return frames;
}

bool Pump::LookOut() {
  // The reply to a request that has just been sent is not there yet. Where a look is a system call,
  // the first one comes after a yield, or after the sleep.
  bool expects = false;
  for (bool may_find = !receiver_.SeemsDrained() || !sender_.idle();; may_find = MayFind()) {
    if (may_find && PumpOne()) {
      waiter_.Found();
      return true;
    }
    // Once: whoever announces again and again must not keep this thread from its deadline.
    if (receiver_.TakeSoon() && !std::exchange(expects, true)) waiter_.Expect();
    if (!waiter_.PollAgain(poll_cost_)) return false;
  }
}

void Pump::Sleep(Deadline deadline, absl::FunctionRef<bool()> waits) {
  {
    // From here on, whoever changes something for the pump interrupts its sleep, be it ahead of it.
    MutexLock lock(mutex_);
    sleeping_ = true;
  }
  if (waits()) {
    const Wake frames = receiver_.Arm();
    const std::optional<Wake> room = sender_.Arm();
    if (!frames.ready() && !(room.has_value() && room->ready())) {
      wake_set_.Sleep(frames, room, deadline);
    }
  }
  MutexLock lock(mutex_);
  sleeping_ = false;
}

void Pump::Park(const Parked& parked, Deadline deadline, absl::FunctionRef<bool()> waits) {
  ParkingSpot& spot = *parked.spot;
  {
    MutexLock lock(mutex_);
    parked_.push_back(parked);
    if (!parked.looks_itself) token_.Need();
  }
  spot.Prepare();
  // Whoever leaves the pump, hands the call over or cancels it from here on, wakes this thread.
  if ((parked.looks_itself || token_.taken()) && waits()) spot.Park(deadline);
  spot.Leave();
  MutexLock lock(mutex_);
  if (!parked.looks_itself) token_.NeedNoMore();
  parked_.erase(absl::c_find_if(parked_, [&](const Parked& p) { return p.spot == &spot; }));
}

void Pump::Leave() {
  own_ = nullptr;
  if (pause_wanted_.load(std::memory_order_acquire)) TakePause();
  if (token_.Leave()) PassOnNow();
}

void Pump::PassOnNow() {
  MutexLock lock(mutex_);
  // HandOver leaves unsent frames to the follower that this wakes.
  PromoteFollower();
  HandOver();
}

void Pump::PromoteFollower() {
  // One that is ready by the time it runs promotes the next.
  if (token_.taken()) return;
  const auto next = absl::c_find_if(parked_, [](const Parked& p) { return !p.looks_itself; });
  if (next != parked_.end()) next->spot->Unpark();
}

void Pump::HandOver() {
  if (token_.taken() || over_) return;
  // Nobody needs the poller, but something may wait for room. A follower leads next and sends it.
  // After LetGo it need not be sent, for the hang-up says as much.
  if (attached_ == 0 && (!unsent_ || let_go_ || !parked_.empty())) return;
  std::shared_ptr<Poller> poller = poller_.lock();
  if (!own_loop_) {
    if (poller == nullptr) {
      poller = SharedPoller();
      // The system has no thread to give. What waits leaves with the next call.
      if (poller == nullptr) return;
      poller_ = poller;
    }
    if (!let_go_) kept_poller_ = poller;
  }
  if (poller != nullptr) AddTo(*poller);
}

void Pump::AddTo(Poller& poller) {
  if (std::shared_ptr<void> owner = owner_.lock()) {
    poller.Add(std::shared_ptr<Pollable>(std::move(owner), this));
  }
}

void Pump::Attach(const std::shared_ptr<Poller>& poller) {
  MutexLock lock(mutex_);
  poller_ = poller;
  // The poller has the pump until the last one has detached; the first one gives it.
  if (attached_++ > 0) return;
  token_.Need();
  AddTo(*poller);
}

void Pump::Detach() {
  MutexLock lock(mutex_);
  if (--attached_ == 0) token_.NeedNoMore();
}

void Pump::LetGo() {
  // Destroyed after the lock: the last reference waits for the poller's thread, and that thread may
  // be waiting for the lock.
  std::shared_ptr<Poller> kept;
  MutexLock lock(mutex_);
  let_go_ = true;
  kept = std::move(kept_poller_);
  // A turn, in which the poller finds out and lets go of its reference.
  if (kept != nullptr) AddTo(*kept);
}

void Pump::Interrupt() {
  MutexLock lock(mutex_);
  WakePump();
}

void Pump::WakePump() {
  if (sleeping_) wake_set_.Interrupt();
}

void Pump::SetUnsent(bool unsent) {
  if (unsent == unsent_) return;
  unsent_ = unsent;
  unsent ? token_.Need() : token_.NeedNoMore();
}

void Pump::NoteUnsent(Sent sent) {
  MutexLock lock(mutex_);
  // Other threads have sent since: the sender knows what waits now.
  SetUnsent(sent == Sent::kFailed || !sender_.idle());
  if (!unsent_) return WakeWriters();
  WakePump();
  if (attached_ == 0) return;
  if (const std::shared_ptr<Poller> poller = poller_.lock()) poller->WatchRoom(*this);
}

void Pump::WhenRoom(std::shared_ptr<Poller> poller, Poller::Owner owner, Poller::Task task) {
  MutexLock lock(mutex_);
  room_tasks_.push_back({std::move(poller), owner, std::move(task)});
  ++writers_;
  // Whoever makes room from now on sees the task.
  if (sender_.idle()) WakeWriters();
}

void Pump::ForgetRoom(Poller::Owner owner) {
  std::vector<RoomTask> forgotten;  // destroyed after the lock, as in LetGo
  MutexLock lock(mutex_);
  const auto others = std::stable_partition(room_tasks_.begin(), room_tasks_.end(),
                                            [&](const RoomTask& t) { return t.owner != owner; });
  std::move(others, room_tasks_.end(), std::back_inserter(forgotten));
  room_tasks_.erase(others, room_tasks_.end());
  writers_ -= static_cast<int>(forgotten.size());
}

void Pump::WakeWriters() {
  if (writers_ == 0) return;
  for (const Parked& parked : parked_) parked.spot->Unpark();
  WakePump();
  for (RoomTask& room : room_tasks_) room.poller->Post(room.owner, std::move(room.task));
  writers_ -= static_cast<int>(room_tasks_.size());
  room_tasks_.clear();
}

Pollable::Turn Pump::TakeTurn(InlineMark& /*mark*/) {
  {
    MutexLock lock(mutex_);
    // A caller leads. When it leaves, HandOver gives the pump back.
    if (over_ || !token_.TryTake()) return Turn::kEnded;
  }
  const int frames = PumpSome();
  const bool soon = receiver_.TakeSoon();
  NoteLook();
  MutexLock lock(mutex_);
  (void)token_.Leave();
  PromoteFollower();
  if (over_ || (attached_ == 0 && (!unsent_ || let_go_))) return Turn::kEnded;
  if (soon) return Turn::kSoon;
  if (frames == 0) return Turn::kNothing;
  return frames < kFramesPerTurn ? Turn::kDrained : Turn::kBusy;
}

Wake Pump::ArmReceive() {
  MutexLock lock(mutex_);
  // A caller may have the receiving half by now, and only its owner may arm it. The next turn lets
  // go of the pump.
  if (over_ || sender_.holds_back() || !token_.TryTake()) return Wake::Ready();
  const Wake wake = receiver_.Arm();
  (void)token_.Leave();
  PromoteFollower();
  return wake;
}

bool Pump::ResumeSending() {
  (void)sender_.Resume();
  MutexLock lock(mutex_);
  SetUnsent(!sender_.idle());
  // The signal that the poller has taken was the leader's, too, which may sleep on it: it arms
  // anew.
  WakePump();
  if (!unsent_) {
    WakeWriters();
    return false;
  }
  if (sender_.holds_back()) return true;
  if (const std::shared_ptr<Poller> poller = poller_.lock()) poller->WatchRoom(*this);
  return false;
}

}  // namespace nigh
