#ifndef NIGH_TRANSPORTS_MQUEUE_POSIX_QUEUE_H_
#define NIGH_TRANSPORTS_MQUEUE_POSIX_QUEUE_H_

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/queue/message_queue.h"

namespace nigh {

struct QueueSize {
  long messages = 8;
  long bytes = 4096;  // of a message
};

// Opens a queue for reading and writing (mq_open(3)). If there is none and `make` is not null,
// makes it of that size, with mode 0600. No descriptor: errno says why.
UniqueFd OpenPosixQueue(const std::string& name, const QueueSize* make);

// Lets the group that `place` belongs to use `queue`, if it may use `place`. False: errno says why.
bool ShareAs(int queue, int place);

// UNAVAILABLE that says which limit was met and how to raise it.
absl::Status PosixQueueError(int error_number, absl::string_view where,
                             absl::string_view operation);

// A POSIX message queue. A message's priority is its urgency. On Linux a queue is a file, and the
// rest depends on that:
//
//  * Its descriptor can be polled.
//  * It can be locked. The receiver does, so that the sender sees whether it lives.
//  * It has a mode. A permission that means nothing on a queue is the note. Only the queue's owner
//    can leave one: a server cannot for a client of another user.
class PosixQueue final : public MessageQueue {
 public:
  // `name` is what Discard removes, unless the server has done so. UNAVAILABLE: another process
  // receives from it, or what the system says.
  static absl::StatusOr<std::unique_ptr<MessageQueue>> Make(UniqueFd fd, std::string name,
                                                            bool receives);
  PosixQueue(UniqueFd fd, std::string name, QueueSize size, bool receives)
      : fd_(std::move(fd).KeptFromChildren()),
        name_(std::move(name)),
        size_(size),
        receives_(receives) {}

  size_t max_message() const override { return static_cast<size_t>(size_.bytes); }
  int Send(ConstByteSpan message, Urgency urgency) override;
  ssize_t Receive(ByteSpan to) override;
  Wake Arm() override;
  Receiver FindReceiver() override;
  bool SayFarewell(ConstByteSpan message) override { return Send(message, Urgency::kLast) == 0; }
  void Empty() override;
  void LeaveNote() override;
  bool HasNote() override;
  bool MayHaveBeenFull(size_t messages, size_t bytes) const override;
  // The server has removed the name, but where it may not: of another user's queue.
  void Met() override { Discard(); }
  void Discard() override;

 private:
  const UniqueFd fd_;
  const std::string name_;
  const QueueSize size_;
  const bool receives_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_MQUEUE_POSIX_QUEUE_H_
