#ifndef NIGH_RUNTIME_CALL_CALL_STATE_H_
#define NIGH_RUNTIME_CALL_CALL_STATE_H_

#include <cstdint>

#include "nigh/method.h"

namespace nigh {

// What an event means for its call.
enum class Verdict {
  kOk,
  kLate,      // the event crossed the call's end on the way; it is to be ignored
  kTooMany,   // a second message where the method's kind has one
  kTooFew,    // an end without the one message that the method's kind has
  kAfterEnd,  // an event after the sender has ended its half
};

// The life of one call, seen from one of its ends. Every kind of call has two halves: what this end
// sends, and what it receives. A half is open until its sender ends it. A unary call is a stream of
// one message each way.
//
//             Send(end)                     Receive(end)
//   sending -------------> sent   receiving --------------> received
//
// Close() ends both halves at once: a response, a cancellation, a lost connection.
//
// A pure value: no I/O, no clock, no lock. The two ends differ only in the names of their halves.
class CallState {
 public:
  enum class End { kClient, kServer };

  constexpr CallState(MethodKind kind, End end)
      : sends_many_(end == End::kClient ? ClientStreams(kind) : ServerStreams(kind)),
        receives_many_(end == End::kClient ? ServerStreams(kind) : ClientStreams(kind)) {}

  // Takes an event of this half, unless the verdict is not kOk: then nothing changes. `message`:
  // the event has a message. `end`: it is the half's last.
  constexpr Verdict Send(bool message, bool end) {
    return Step(sending_, sends_many_, message, end);
  }

  constexpr Verdict Receive(bool message, bool end) {
    return Step(receiving_, receives_many_, message, end);
  }

  // Ends the call. Every later event is kLate.
  constexpr void Close() { closed_ = true; }

  constexpr bool closed() const { return closed_; }
  constexpr bool can_send() const { return !closed_ && sending_.open; }
  constexpr bool can_receive() const { return !closed_ && receiving_.open; }
  // Messages of each half so far, counted up to two.
  constexpr int sent() const { return sending_.messages; }
  constexpr int received() const { return receiving_.messages; }

  friend constexpr bool operator==(const CallState&, const CallState&) = default;

 private:
  struct Half {
    bool open = true;
    uint8_t messages = 0;
    friend constexpr bool operator==(const Half&, const Half&) = default;
  };

  // An event that is not kOk changes nothing.
  constexpr Verdict Step(Half& half, bool many, bool message, bool end) const {
    if (closed_) return Verdict::kLate;
    if (!half.open) return Verdict::kAfterEnd;
    if (!many && message && half.messages > 0) return Verdict::kTooMany;
    if (!many && end && !message && half.messages == 0) return Verdict::kTooFew;
    if (message && half.messages < 2) ++half.messages;
    if (end) half.open = false;
    return Verdict::kOk;
  }

  bool sends_many_;
  bool receives_many_;
  bool closed_ = false;
  Half sending_;
  Half receiving_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_CALL_STATE_H_
