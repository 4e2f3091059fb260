#ifndef NIGH_RUNTIME_CLIENT_PUMP_H_
#define NIGH_RUNTIME_CLIENT_PUMP_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/runtime/base/parking.h"
#include "nigh/runtime/base/ticks.h"
#include "nigh/runtime/call/frame_receiver.h"
#include "nigh/runtime/call/frame_sender.h"
#include "nigh/runtime/client/call_rhythm.h"
#include "nigh/runtime/client/pump_token.h"
#include "nigh/runtime/client/wake_set.h"
#include "nigh/runtime/loop/pollable.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/waiter.h"

namespace nigh {

// What moves the frames of a client's connection: the receiving role, and those who wait for it. It
// knows no calls.
//
// Threads. The pump has no thread of its own. A caller that has to wait and finds nobody pumping
// leads: it receives, for all calls, until its own wait is over. Then one of the other waiting
// callers takes its place. (Leader/followers: Schmidt et al., "Leader/Followers", 2000.) A lone
// caller thus sends its request and parses its own reply with no hand-off.
//
// A poller pumps, whenever no caller does, while calls are open that nobody waits for in a thread,
// or while something waits for room that no caller waits for. A caller that begins to lead takes
// the pump from the poller and gives it back when it leaves. pump.cc has a picture of it.
//
// The receiving half of the connection belongs to whoever has the token. mutex_ guards who sleeps,
// and the poller; it is never held while frames are taken or a thread sleeps, and a call's own
// mutex is taken before it.
class Pump final : public Pollable {
 public:
  // What frames go to. Whoever pumps calls it, with no lock held.
  class Sink {
   public:
    // Takes a frame. `own`, as the thread's wait names it, is what it may parse messages of where
    // they lie. False: the server breaks the protocol.
    virtual bool TakeFrame(const Frame& frame, const void* own) = 0;
    // Nothing comes any more: the connection has ended, or the server broke the protocol. Once.
    virtual void TakeEnd() = 0;
    // Nothing has come for a moment: now and then, and after PauseSoon.
    virtual void TakePause() = 0;

   protected:
    ~Sink() = default;
  };

  // All of them outlive the pump.
  Pump(Connection& connection, FrameSender& sender, Sink& sink, const ChannelOptions& options);

  // Must be called first. `owner` owns the pump; a poller that has it keeps the owner. Fails with
  // UNAVAILABLE when the system has no descriptor to give.
  absl::Status Open(std::weak_ptr<void> owner, absl::string_view name);

  // Waits, leading or following, until `wait` waits no more. Wait is a class with
  //
  //   bool waits();                // false: what it waits for has come, or it is to be given up
  //   bool over();                 // has come
  //   Deadline deadline();
  //   ParkingSpot& spot();         // where whoever ends the wait wakes this thread
  //   const void* own();           // as in Sink::TakeFrame; never followed
  //   void BeginToLead();          // from now on, this thread receives
  //   void BeginToSleep();         // whatever may end the wait must wake this thread from now on
  //   bool is_patient();           // for a stream: it may last, and one more step hardly matters
  //
  // all of which this thread alone calls. A wait that is given up has taken what had come by then.
  template <class Wait>
  void Await(Wait& wait);

  // Looks at a connection that nobody has looked at for a while, before it is relied on. `waits`:
  // this thread waits for a reply next.
  void NoticeDeath(bool waits);
  // Somebody has just received.
  void NoteLook() { last_looked_.store(Ticks(), std::memory_order_relaxed); }

  // Has the sink take a pause as soon as whoever pumps has nothing to do.
  void PauseSoon() ABSL_LOCKS_EXCLUDED(mutex_);

  // Wakes whoever pumps from its sleep, so that it looks again whether to go on.
  void Interrupt() ABSL_LOCKS_EXCLUDED(mutex_);
  // Sees to it that somebody sends what has not left, and wakes who waits for room, if there is.
  void AfterSend(Sent sent) ABSL_LOCKS_EXCLUDED(mutex_) {
    if (sent == Sent::kAll && !unsent_.load(std::memory_order_relaxed) && writers_ == 0) return;
    NoteUnsent(sent);
  }
  // Passes the pump on, if nobody has it, to whoever needs it: a follower, or the poller. By a
  // thread that may have left something behind.
  void PassOn() ABSL_LOCKS_EXCLUDED(mutex_) {
    if (token_.needed()) PassOnNow();
  }

  // Who waits for room counts itself in while it waits.
  void BeginToWaitForRoom() { ++writers_; }
  void EndToWaitForRoom() { --writers_; }
  // Posts `task` to `poller`, as `owner`'s, once there may be room. Once; until then, the owner may
  // forget it.
  void WhenRoom(std::shared_ptr<Poller> poller, Poller::Owner owner, Poller::Task task)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void ForgetRoom(Poller::Owner owner) ABSL_LOCKS_EXCLUDED(mutex_);

  // `poller` pumps, while no caller does, until as many Detach: for calls that nobody waits for.
  void Attach(const std::shared_ptr<Poller>& poller) ABSL_LOCKS_EXCLUDED(mutex_);
  void Detach() ABSL_LOCKS_EXCLUDED(mutex_);
  // Says that no more calls will come. The pump then no longer keeps a poller for what waits for
  // room: when the open calls are over, the hang-up tells the server what CANCELs would have.
  void LetGo() ABSL_LOCKS_EXCLUDED(mutex_);

  // For the poller.
  Turn TakeTurn(InlineMark& mark) override ABSL_LOCKS_EXCLUDED(mutex_);
  Wake ArmReceive() override ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<Wake> ArmSend() override { return sender_.Arm(); }
  bool ResumeSending() override ABSL_LOCKS_EXCLUDED(mutex_);
  Waiter::PollCost poll_cost() const override { return poll_cost_; }

 private:
  // How long a follower sleeps that looks itself.
  static constexpr int64_t kLookNanos = 100'000;

  // A writer that no thread waits for.
  struct RoomTask {
    std::shared_ptr<Poller> poller;
    Poller::Owner owner;
    Poller::Task task;
  };

  // The parts of Await. Lead has the token and leaves it; Follow returns when the wait is over or
  // this thread may lead.
  template <class Wait>
  void Lead(Wait& wait);
  template <class Wait>
  void Follow(Wait& wait);
  template <class Wait>
  void BeginToLead(Wait& wait);
  // Leaves the token, and passes it on if somebody needs it.
  void Leave() ABSL_LOCKS_EXCLUDED(mutex_);
  // By whoever has the token.
  void TakePause();

  // By whoever has the token. Handles one frame, or makes one attempt to send what waits. False:
  // there was nothing to do.
  bool PumpOne() ABSL_LOCKS_EXCLUDED(mutex_);
  // Handles what has come, a bounded number of frames. Returns how many.
  int PumpSome();
  // Pumps until one thing has been found, as long as the waiter says. False: sleep.
  bool LookOut();
  // Whether PumpOne may find something, as far as one load tells.
  bool MayFind() const { return !receiver_.Silent() || !sender_.idle(); }
  // Sleeps until there may be something to do, or until Interrupt or `deadline`. `waits` is asked
  // once whoever wants to wake the pump sees it asleep.
  void Sleep(Deadline deadline, absl::FunctionRef<bool()> waits) ABSL_LOCKS_EXCLUDED(mutex_);

  // A patient wait stands back where callers make one call after the other. If it led, they would
  // need its thread on a CPU for each of their replies; and if it followed like others, each of
  // them would wake it, to find the next one leading.
  template <class Wait>
  bool StandsBack(const Wait& wait) {
    return wait.is_patient() && rhythm_.has_news() && rhythm_.Judge(SteadyNanos());
  }

  // A follower that sleeps. `looks_itself`: it wakes now and then to see whether it has to lead,
  // and need not be told.
  struct Parked {
    ParkingSpot* spot;
    bool looks_itself;
  };

  // By a follower: sleeps at `parked` until there may be something to do.
  void Park(const Parked& parked, Deadline deadline, absl::FunctionRef<bool()> waits)
      ABSL_LOCKS_EXCLUDED(mutex_);

  void NoteUnsent(Sent sent) ABSL_LOCKS_EXCLUDED(mutex_);
  void PassOnNow() ABSL_LOCKS_EXCLUDED(mutex_);
  void SetUnsent(bool unsent) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakePump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeWriters() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Wakes the oldest follower that sleeps, which leads, if nobody pumps.
  void PromoteFollower() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Gives the pump to the poller if nobody pumps and there is something for the poller to do.
  void HandOver() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddTo(Poller& poller);

  FrameSender& sender_;
  Sink& sink_;
  const WaitPolicy wait_policy_;
  const Waiter::PollCost poll_cost_;
  const bool own_loop_;  // the program drives poller_, from ChannelOptions::event_loop
  WakeSet wake_set_;
  std::weak_ptr<void> owner_;

  // Only whoever has the token touches these.
  FrameReceiver receiver_;
  Waiter waiter_;
  const void* own_ = nullptr;  // the leader's

  CallRhythm rhythm_;  // of the waits that are not patient
  // Needed by followers that sleep, by what is unsent, and while a poller is attached.
  PumpToken token_;
  std::atomic<bool> over_ = false;  // the sink has been told of the end
  std::atomic<bool> pause_wanted_ = false;
  // When somebody last received on the connection, or was about to; in Ticks.
  std::atomic<int64_t> last_looked_ = 0;
  // How many callers wait for room. Any thread's send may make it, not only the pump's.
  std::atomic<int> writers_ = 0;
  // Something waits in the sender, or has just left. Written under mutex_.
  std::atomic<bool> unsent_ = false;

  Mutex mutex_;
  std::weak_ptr<Poller> poller_ ABSL_GUARDED_BY(mutex_);
  // The same poller, once HandOver has left something to it, until LetGo. The reference keeps the
  // poller's thread alive. Null with an event loop of the program's.
  std::shared_ptr<Poller> kept_poller_ ABSL_GUARDED_BY(mutex_);
  bool let_go_ ABSL_GUARDED_BY(mutex_) = false;
  int attached_ ABSL_GUARDED_BY(mutex_) = 0;
  bool sleeping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Parked> parked_ ABSL_GUARDED_BY(mutex_);
  std::vector<RoomTask> room_tasks_ ABSL_GUARDED_BY(mutex_);
};

template <class Wait>
void Pump::Await(Wait& wait) {
  while (wait.waits()) {
    if (!StandsBack(wait) && token_.TryTake()) {
      Lead(wait);
    } else {
      Follow(wait);
    }
  }
  if (!wait.is_patient()) rhythm_.EndWait();
  if (wait.over() || !token_.TryTake()) return;
  // What had arrived by then still counts.
  BeginToLead(wait);
  (void)PumpSome();
  Leave();
}

template <class Wait>
void Pump::BeginToLead(Wait& wait) {
  own_ = wait.own();
  // The waiter has seen another thread's wait last.
  waiter_.Reset();
  wait.BeginToLead();
}

template <class Wait>
void Pump::Lead(Wait& wait) {
  BeginToLead(wait);
  while (wait.waits() && !(rhythm_.somebody_follows() && StandsBack(wait))) {
    if (LookOut()) continue;
    wait.BeginToSleep();
    Sleep(wait.deadline(), [&] { return wait.waits(); });
    waiter_.Slept();
    if (pause_wanted_.load(std::memory_order_acquire)) TakePause();
  }
  Leave();
}

template <class Wait>
void Pump::Follow(Wait& wait) {
  const bool patient = wait.is_patient();
  bool slept = false;
  // It does not spin: whoever leads has more to do than to receive for this thread, and may need
  // its CPU.
  Waiter waiter({.spins = 0, .yields = wait_policy_.yields});
  if (!patient) rhythm_.BeginToFollow();
  while (wait.waits()) {
    const bool stands_back = StandsBack(wait);
    if (!stands_back && !token_.taken()) break;
    if (!stands_back && waiter.PollAgain(Waiter::PollCost::kCheap)) continue;
    wait.BeginToSleep();
    Deadline deadline = wait.deadline();
    if (stands_back) {
      deadline = std::min(deadline, Deadline::AtNanos(Deadline::NowNanos() + kLookNanos));
    }
    if (!patient) rhythm_.EndToFollow();
    Park({&wait.spot(), stands_back}, deadline, [&] { return wait.waits(); });
    if (!patient) rhythm_.BeginToFollow();
    waiter.Slept();
    slept = true;
  }
  if (!patient) rhythm_.EndToFollow();
  // It may have been woken to lead. If it does not, another may have to.
  if (slept && !wait.waits()) PassOn();
}

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_PUMP_H_
