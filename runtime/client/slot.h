#ifndef NIGH_RUNTIME_CLIENT_SLOT_H_
#define NIGH_RUNTIME_CLIENT_SLOT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nigh/runtime/base/parking.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/call/window.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"

namespace nigh {

class ClientExchange;
class UnaryCall;

// Who has a call number, in one word that hands the call over. A call belongs to its owner, who
// makes it; to the receiver, whoever pumps, while it takes a frame; and to its owner again.
//
//            Open            BeginTake             EndTake(last)
//   kFree -----------> kOpen ----------> kTaken ------------------> kDone ---- Free --> kFree
//                      |   ^                |  EndTake
//                      |   +----------------+
//                      |
//                      +-- Leave (the owner gives up) --> kLeft ---- MeetLeft ---> kFree
//                      |
//                      +-- Lose (the connection is over) -------> kLost
//
//   kTaken ---- LeaveTaken --> kLeft       kTaken ---- Free --> kFree      (an exchange's)
//   kOpen ----- EndOwn ------> kDone       (a unary call's, whose owner itself is the receiver)
//
// A UnaryCall needs no lock for it. A ClientExchange has several threads for owners, and a mutex of
// its own: the receiver ends each take under that, by EndTake, Free, or LeaveTaken if the owner has
// given up meanwhile.
//
// `Word` is an atomic one; a test takes it through every interleaving with one of its own.
enum class SlotValue : uint32_t { kFree, kOpen, kTaken, kDone, kLeft, kLost };

template <class Word>
class BasicSlotState {
 public:
  using Value = SlotValue;
  using enum SlotValue;

  Value value() const { return value_.load(std::memory_order_seq_cst); }
  // Whether the owner still waits.
  bool pending() const {
    const Value now = value();
    return now == kOpen || now == kTaken;
  }

  // The owner's. Leave fails if the receiver has been quicker: then the call is taken, over or
  // lost.
  void Open() { value_.store(kOpen, std::memory_order_release); }
  bool Leave() { return Step(kOpen, kLeft); }
  void Free() { value_.store(kFree, std::memory_order_release); }

  // The receiver's. BeginTake fails if the owner has left. EndOwn: the receiver is the owner, and
  // has taken the last frame. MeetLeft: the server's last frame has come, and nobody waits for it.
  bool BeginTake() { return Step(kOpen, kTaken); }
  // Sequentially consistent; see ParkingSpot.
  void EndTake(bool last) { value_.store(last ? kDone : kOpen, std::memory_order_seq_cst); }
  void EndOwn() { value_.store(kDone, std::memory_order_release); }
  void LeaveTaken() { value_.store(kLeft, std::memory_order_seq_cst); }
  bool MeetLeft() { return Step(kLeft, kFree); }
  bool Lose() { return Step(kOpen, kLost); }

 private:
  bool Step(Value from, Value to) {
    return value_.compare_exchange_strong(from, to, std::memory_order_seq_cst);
  }

  Word value_{kFree};
};

using SlotState = BasicSlotState<std::atomic<SlotValue>>;

// What the receiver has taken for an owner that is another thread.
class TakenFrames {
 public:
  struct Taken {
    FrameHeader header;
    PayloadBuffer payload;
    ConstByteSpan elsewhere = {};  // the payload, if that is kept where it is
    FrameExtras extras = {};       // that came with it

    ConstByteSpan bytes() const { return extras.kept == nullptr ? payload.bytes() : elsewhere; }
  };

  // Copies a frame, unless it is kept. `extras`, which is taken over, may be null. Of messages
  // beyond those that break any unary call, it is only noted that there were some.
  void Add(const FrameHeader& header, ConstByteSpan payload, FrameExtras* extras);
  // A payload of such sizes has begun, which is longer than is accepted.
  void Refuse(const PayloadSizes& sizes) {
    if (refused_.has_value()) return;
    refused_ = sizes;
    refused_before_ = count_;
  }

  size_t count() const { return count_; }
  Taken& operator[](size_t index) { return frames_[index]; }
  bool overflowed() const { return overflowed_; }
  const PayloadSizes& refused() const { return *refused_; }
  // Whether one was, right before the frame `index`.
  bool refused_before(size_t index) const {
    return refused_.has_value() && refused_before_ == index;
  }

  // Forgets them. Their memory serves the next call, unless there is much of it.
  void Clear();

 private:
  // A first one, which may say nothing, the reply, and one that is too many.
  static constexpr size_t kMaxMessages = 3;
  static constexpr size_t kKeptBytes = size_t{4} << 10;

  std::vector<Taken> frames_;
  size_t count_ = 0;
  std::optional<PayloadSizes> refused_;
  size_t refused_before_ = 0;
  bool overflowed_ = false;
};

// What there is of a call number. Slots stay where they are while their session lives.
struct alignas(64) Slot {
  SlotState state;
  ParkingSpot spot;                 // a unary call's owner's
  std::atomic<bool> alert = false;  // that owner has to look at `taken` although it is pending
  uint32_t id = 0;
  Slot* next = nullptr;  // in the list of free ones
  // Whose it is, one of both. Written before it is open, read by its owner and by the receiver that
  // has taken it.
  UnaryCall* unary = nullptr;
  ClientExchange* exchange = nullptr;
  std::unique_ptr<TakenFrames> taken;  // null until the first frame for another thread
  Credit credit;                       // a unary call's, which needs none; the receiver's

  // By the receiver, which has taken it for a unary call of another thread: keeps a frame, or notes
  // that a payload of `sizes` is refused. `last`: of the RESPONSE. Ends the take.
  void Keep(const FrameHeader& header, ConstByteSpan payload, FrameExtras* extras);
  void Refuse(const PayloadSizes& sizes, bool last);

  // By whoever has claimed the slot: nothing is left of the call before.
  void RenewFor(UnaryCall& call, Credit initial) {
    alert.store(false, std::memory_order_relaxed);
    if (taken != nullptr) taken->Clear();
    credit = initial;
    unary = &call;
    exchange = nullptr;
  }
  void RenewFor(ClientExchange& call) {
    unary = nullptr;
    exchange = &call;
  }
};

// The slots of a session, by call number. Those that were given back last are used again first. The
// first slot is in no list: its state alone tells that it is free. A channel that one thread uses
// needs no other, and is spared two locked instructions a call.
class SlotTable {
 public:
  // At most `max_calls`.
  explicit SlotTable(uint32_t max_calls)
      : chunks_(new std::atomic<Slot*>[max_calls / kChunk + 1]()), max_calls_(max_calls) {}
  ~SlotTable();
  SlotTable(const SlotTable&) = delete;
  SlotTable& operator=(const SlotTable&) = delete;

  // Any thread. The slot of `id`, or null if that has never been used.
  Slot* Find(uint32_t id) const {
    if (id >= made_.load(std::memory_order_acquire)) return nullptr;
    return &chunks_[id / kChunk].load(std::memory_order_acquire)[id % kChunk];
  }

  // Takes a free slot, one thread at a time. Null: `most` are in use.
  Slot* Claim(uint32_t most);
  // Any thread. Gives back a slot whose state says that it is free. If it is the first, it may be
  // in use again already.
  void GiveBack(Slot& slot) {
    if (slot.id == 0) return;
    slot.next = free_.load(std::memory_order_relaxed);
    while (!free_.compare_exchange_weak(slot.next, &slot, std::memory_order_release,
                                        std::memory_order_relaxed)) {
    }
  }

  // How many have ever been used.
  uint32_t made() const { return made_.load(std::memory_order_acquire); }

 private:
  static constexpr uint32_t kChunk = 64;

  const std::unique_ptr<std::atomic<Slot*>[]> chunks_;
  const uint32_t max_calls_;
  std::atomic<uint32_t> made_ = 0;
  std::atomic<Slot*> free_ = nullptr;  // given back by any thread
  // By whoever claims:
  Slot* claimable_ = nullptr;  // taken from there
  Slot* first_ = nullptr;      // null until it has been used
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_SLOT_H_
