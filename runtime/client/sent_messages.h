#ifndef NIGH_RUNTIME_CLIENT_SENT_MESSAGES_H_
#define NIGH_RUNTIME_CLIENT_SENT_MESSAGES_H_

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"
#include "nigh/message_io.h"
#include "nigh/runtime/call/call_extras.h"

namespace nigh {

// What a call has sent, kept for as long as all of it may have to be sent again: until anything of
// the reply has come, or it is more than a window or one message. A server gives credit for more
// before its window is used up.
//
// The design is that of gRPC's retry buffer (its proposal A6).
class SentMessages {
 public:
  // Adds a message, which has been measured. Returns its copy, which may be sent in its place, and
  // stays where it is until the next message is added.
  MessageSource Add(const MessageSource& message) {
    const size_t begin = bytes_.size();
    bytes_.resize(begin + message.size());
    message.SerializeTo(reinterpret_cast<std::byte*>(bytes_.data()) + begin);
    ends_.push_back(bytes_.size());
    return (*this)[count() - 1];
  }
  // The same for a message that outlives the call, its only one.
  void Lend(const MessageSource& message) { lent_ = message; }

  // These go with the message that was added last.
  void AddExtras(SharedExtras extras) {
    in_window_ += SizeInWindow(0, extras.get());
    extras_.emplace_back(count() - 1, std::move(extras));
  }
  // What goes with message `i`; or null.
  SharedExtras extras(size_t i) const {
    for (const auto& [message, extras] : extras_) {
      if (message == i) return extras;
    }
    return nullptr;
  }

  // No more messages follow. False: that has been said before.
  bool End() {
    if (ended_) return false;
    return ended_ = true;
  }
  bool ended() const { return ended_; }

  // What it is to a window.
  size_t size() const { return (lent_.has_value() ? lent_->size() : bytes_.size()) + in_window_; }
  size_t count() const { return lent_.has_value() ? 1 : ends_.size(); }
  MessageSource operator[](size_t i) const {
    if (lent_.has_value()) return *lent_;
    const size_t begin = i == 0 ? 0 : ends_[i - 1];
    return MessageSource(absl::string_view(bytes_).substr(begin, ends_[i] - begin));
  }

  // Lets go of the messages, and keeps none from now on: nothing is sent again.
  void Drop() {
    complete_ = false;
    lent_.reset();
    std::string().swap(bytes_);
    ends_.clear();
    extras_.clear();
    in_window_ = 0;
  }
  // Whether all that has been sent is here.
  bool complete() const { return complete_; }

 private:
  std::optional<MessageSource> lent_;
  std::string bytes_;
  absl::InlinedVector<size_t, 1> ends_;                  // where each message ends in bytes_
  std::vector<std::pair<size_t, SharedExtras>> extras_;  // by message
  size_t in_window_ = 0;                                 // what these are to it
  bool ended_ = false;
  bool complete_ = true;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_SENT_MESSAGES_H_
