#ifndef NIGH_TESTS_FUZZ_MEMORY_QUEUE_H_
#define NIGH_TESTS_FUZZ_MEMORY_QUEUE_H_

#include <poll.h>
#include <sys/types.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transports/queue/message_queue.h"

namespace nigh::testing {

// A message queue as the kernel has one, in plain memory: both of its users may do with it what
// they like, and so may whoever owns it.
struct QueueInMemory {
  static constexpr size_t kMaxMessage = 512;

  size_t max_message = kMaxMessage;
  size_t capacity = 8;                                   // messages
  std::array<std::deque<std::string>, 3> messages = {};  // by urgency
  bool note = false;
  bool removed = false;
  bool discarded = false;  // by who should have made it
  bool met = false;
  int error = 0;  // of every call
  Receiver receiver = Receiver::kNotYet;
  size_t taken = 0;  // messages that have been received

  size_t size() const {
    size_t sum = 0;
    for (const auto& each : messages) sum += each.size();
    return sum;
  }
  size_t bytes() const {
    size_t sum = 0;
    for (const auto& each : messages) {
      for (const std::string& message : each) sum += message.size();
    }
    return sum;
  }
  bool full() const { return size() >= capacity; }

  // As the system calls would answer.
  int Put(absl::string_view message, Urgency urgency) {
    if (error != 0) return -error;
    if (removed) return -EPIPE;
    if (message.size() > max_message) return -EMSGSIZE;
    if (full()) return -EAGAIN;
    messages[static_cast<size_t>(urgency)].emplace_back(message);
    return 0;
  }
  // Nothing: there is none.
  std::optional<std::string> Next() {
    for (auto& each : messages) {
      if (each.empty()) continue;
      std::string next = std::move(each.front());
      each.pop_front();
      ++taken;
      return next;
    }
    return std::nullopt;
  }
};

// An end of it. The queue outlives it.
class MemoryQueue final : public MessageQueue {
 public:
  explicit MemoryQueue(QueueInMemory& queue) : queue_(queue) {}

  size_t max_message() const override { return queue_.max_message; }
  int Send(ConstByteSpan message, Urgency urgency) override {
    return queue_.Put(AsText(message), urgency);
  }
  ssize_t Receive(ByteSpan to) override {
    if (queue_.error != 0) return -queue_.error;
    if (queue_.removed) return -EIDRM;
    const std::optional<std::string> next = queue_.Next();
    if (!next.has_value()) return -EAGAIN;
    std::copy_n(AsBytes(*next).begin(), next->size(), to.begin());
    return static_cast<ssize_t>(next->size());
  }
  // Never polled: whoever looks at it looks whether it is ready.
  Wake Arm() override { return Wake{.fd = 1000, .events = POLLIN}; }
  Receiver FindReceiver() override { return queue_.receiver; }
  bool SayFarewell(ConstByteSpan message) override {
    return queue_.Put(AsText(message), Urgency::kLast) == 0;
  }
  void Empty() override {
    for (auto& each : queue_.messages) each.clear();
  }
  void LeaveNote() override { queue_.note = true; }
  bool HasNote() override { return queue_.note || queue_.removed; }
  bool MayHaveBeenFull(size_t messages, size_t /*bytes*/) const override {
    return messages >= queue_.capacity;
  }
  void Met() override { queue_.met = true; }
  void Discard() override { queue_.discarded = true; }

 private:
  QueueInMemory& queue_;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_FUZZ_MEMORY_QUEUE_H_
