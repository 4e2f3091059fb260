#ifndef NIGH_RUNTIME_CALL_FRAME_RECEIVER_H_
#define NIGH_RUNTIME_CALL_FRAME_RECEIVER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/types/span.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"

namespace nigh {

// The receiving half of a session. It takes what has come in one look, and hands it out frame by
// frame.
//
// It belongs to whoever has the role of receiving, and so do the frames that it has taken in: a
// thread that gets the role amid them goes on with the next one. Each frame is given back before
// the code that it is for runs, which may take its time, or the role with it.
class FrameReceiver {
 public:
  // `connection` must outlive the receiver.
  explicit FrameReceiver(Connection& connection) : connection_(connection) {}

  // Returns the next frame. Null: nothing has come; ended() says whether anything still will. The
  // frame before it must have been given back.
  const Frame* Next() {
    if (next_ == count_ && !Look()) return nullptr;
    return &frames_[next_++];
  }
  // Gives back the frame that Next has returned. Its payload must not be read any more.
  void Release() { connection_.Release(1); }

  bool ended() const { return ended_; }

  // Whether the peer has said that a frame is about to come, which has not come. Once.
  bool TakeSoon() { return soon_ && std::exchange(soon_, false); }

  // Whether Next would find nothing, as far as one load tells. The end may show up later.
  bool Silent() const {
    if (!drained_ || next_ != count_ || arrivals_ == nullptr) return false;
    Fetch(ahead_);
    return arrivals_->load(std::memory_order_relaxed) == seen_;
  }

  // Whether Next would find nothing, as far as can be told without a look at the medium: by one
  // load where it has a word for arrivals, else by what the last look found.
  bool SeemsDrained() const {
    return arrivals_ != nullptr ? Silent() : drained_ && next_ == count_;
  }

  // As Connection's, for kReceive. The next Next looks, whatever Silent said before.
  Wake Arm() {
    if (next_ != count_) return Wake::Ready();
    drained_ = false;
    return connection_.Arm(Interest::kReceive);
  }

 private:
  static constexpr size_t kMaxFrames = 16;
  // A short frame has one or two cache lines.
  static constexpr size_t kLine = 64;

  // Has the CPU fetch a short frame that may be on its way, if it is known where. Never faults.
  static void Fetch(const std::byte* frame) {
    if (frame == nullptr) return;
    __builtin_prefetch(frame);
    __builtin_prefetch(frame + kLine);
  }
  bool Look() {
    next_ = 0;
    // Before the look: what comes after it changes the word.
    if (arrivals_ != nullptr) seen_ = arrivals_->load(std::memory_order_relaxed);
    const Received received = connection_.Receive(absl::MakeSpan(frames_));
    count_ = received.frames;
    ended_ = received.ended;
    // After what was announced, another look: more of that may have been left.
    drained_ = !received.soon && (count_ == 0 || received.all);
    soon_ = received.soon || (soon_ && count_ == 0);
    ahead_ = received.next;
    if (count_ != 0 && !asked_) AskForArrivals();
    return count_ != 0;
  }
  // Once frames come, the connection has the word, or will never have one.
  void AskForArrivals() {
    asked_ = true;
    arrivals_ = connection_.arrivals();
    if (arrivals_ != nullptr) drained_ = false;  // seen_ is not known yet
  }

  Connection& connection_;
  const std::atomic<uint64_t>* arrivals_ = nullptr;
  uint64_t seen_ = 0;
  const std::byte* ahead_ = nullptr;  // where the next frame will be, as of the last look
  bool asked_ = false;
  bool drained_ = false;  // the last look has found all that there was
  bool ended_ = false;
  bool soon_ = false;
  uint32_t next_ = 0;
  uint32_t count_ = 0;
  std::array<Frame, kMaxFrames> frames_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_FRAME_RECEIVER_H_
