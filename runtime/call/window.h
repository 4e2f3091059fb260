#ifndef NIGH_RUNTIME_CALL_WINDOW_H_
#define NIGH_RUNTIME_CALL_WINDOW_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace nigh {

// What one end of a call may send, in bytes. The peer grants it. A pure value.
class Credit {
 public:
  // More than any window. A peer that grants more at once, or what is more than that already,
  // miscounts.
  static constexpr uint64_t kMost = uint64_t{1} << 40;

  explicit Credit(uint32_t bytes = 0) : bytes_(bytes) {}

  // What is sent may cost more than is left.
  bool is_left() const { return bytes_ > 0; }
  void Spend(int64_t bytes) { bytes_ -= bytes; }
  // False: the peer miscounts.
  bool Add(uint64_t bytes) {
    if (bytes > kMost || bytes_ > static_cast<int64_t>(kMost)) return false;
    bytes_ += static_cast<int64_t>(bytes);
    return true;
  }

 private:
  int64_t bytes_;
};

// The credit of one call, seen from one of its ends: how far this end may be ahead of the peer's
// reader, and the peer ahead of this end's reader. Each direction has a balance in bytes. A message
// may begin while the balance is positive, whatever its own size, and takes its cost from it. So a
// receiver keeps a window and one message at most, and a message longer than the window gets
// through.
//
// A window that is short for the messages that come, so that the writer waits for a reader who
// waits for it, grows while its reader keeps up: kMessagesAhead of them may be ahead then. The peer
// just finds more granted than was consumed.
//
//                 Sent(message) ------- MESSAGE ------->  Received(message)
//   may_send()                                            Consumed(message), by the reader
//                 Granted(bytes) <------ CREDIT --------  ... says what to grant anew
//
// A pure value: no I/O, no lock.
class Window {
 public:
  // What a message costs for each descriptor that comes with it, besides its bytes: so few may be
  // ahead that none of them is refused.
  static constexpr size_t kDescriptor = 4096;

  // So many long messages may be ahead, as far as the most that a window grows to allows. Each time
  // that one side waits for the other costs a wake-up.
  static constexpr size_t kMessagesAhead = 16;

  Window() = default;
  // `own` is how many bytes this end lets the peer be ahead, `peers` how many the peer has
  // announced.
  Window(uint32_t own, uint32_t peers) : own_(own), credit_(peers), allowance_(own) {}

  // Whether this end may begin a message.
  bool may_send() const { return credit_.is_left(); }
  void Sent(size_t message) { credit_.Spend(Cost(message)); }
  // The peer grants `bytes` more. False: that is more than any window.
  bool Granted(uint64_t bytes) { return credit_.Add(bytes); }

  // A message has arrived. False: the peer had no credit for it.
  bool Received(size_t message) {
    const bool allowed = allowance_ > 0;
    allowance_ -= Cost(message);
    return allowed;
  }
  // The reader has taken a message; `keeps_up`: and has nothing left to read. Returns how many
  // bytes to grant the peer now: 0 until half of the window has been consumed, so that few messages
  // cost a CREDIT frame.
  [[nodiscard]] uint64_t Consumed(size_t message, bool keeps_up) {
    if (keeps_up) waited_for_ = std::max(waited_for_, Cost(message));
    consumed_ += static_cast<uint64_t>(Cost(message));
    if (consumed_ < own_ / 2) return 0;
    allowance_ += static_cast<int64_t>(consumed_);
    return std::exchange(consumed_, 0);
  }

  // With each grant that Consumed says: by how many bytes this end's window is to grow, to `most`
  // in all, because since the last one the reader has had nothing left to read after some message.
  // Not in between: a client that has been granted something cannot make its call again.
  size_t TakeLack(size_t most) {
    const auto message = static_cast<size_t>(std::exchange(waited_for_, 0));
    const size_t wanted = std::min(kMessagesAhead * message, most);
    return wanted > own_ ? wanted - own_ : 0;
  }
  // Grows by so many bytes, and returns them: to be granted, too.
  [[nodiscard]] uint64_t Grow(size_t bytes) {
    own_ += bytes;
    grown_ += bytes;
    allowance_ += static_cast<int64_t>(bytes);
    return bytes;
  }
  // The call is over. Returns by how much its window had grown.
  size_t TakeGrown() { return std::exchange(grown_, 0); }

 private:
  // The constant stands for the memory that any message takes, however short it is.
  static constexpr int64_t Cost(size_t message) { return static_cast<int64_t>(message) + 64; }

  size_t own_ = 0;
  size_t grown_ = 0;        // of own_
  int64_t waited_for_ = 0;  // the cost of the longest message after which there was nothing to read
  Credit credit_;           // for what this end sends
  int64_t allowance_ = 0;   // bytes that the peer may send
  uint64_t consumed_ = 0;   // bytes that have been read and not been granted again
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_WINDOW_H_
