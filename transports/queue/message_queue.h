#ifndef NIGH_TRANSPORTS_QUEUE_MESSAGE_QUEUE_H_
#define NIGH_TRANSPORTS_QUEUE_MESSAGE_QUEUE_H_

#include <sys/types.h>

#include <cstddef>

#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"

namespace nigh {

// What is taken out of a queue first. Within each, messages keep their order.
enum class Urgency { kControl, kBulk, kLast };

// Whether the other side of a queue, its receiver, has come to it.
enum class Receiver { kNotYet, kThere, kGone };

// A queue of the kernel, of which this side is the one sender or the one receiver. Nothing here
// blocks. One thread at a time, but where it says otherwise.
class MessageQueue {
 public:
  // This side's hold on it. The receiver's removes it, where it would otherwise stay.
  virtual ~MessageQueue() = default;

  // Bytes of the longest message.
  virtual size_t max_message() const = 0;

  // 0: sent. -EAGAIN: no room now, and the next Send is of the same message; -EPIPE: the receiver
  // has removed it; another negative number: -errno, and the queue is of no more use.
  virtual int Send(ConstByteSpan message, Urgency urgency) = 0;
  // How many bytes the next message has, which fits `to`; or as above.
  virtual ssize_t Receive(ByteSpan to) = 0;

  // As Connection::Arm, after -EAGAIN.
  virtual Wake Arm() = 0;

  // As the sender sees it, whatever the receiver does or says. Any thread.
  virtual Receiver FindReceiver() = 0;
  // The last message, which comes out behind all others: the sender's, or the receiver's own in
  // place of a sender that has died. Any thread. False: no room.
  virtual bool SayFarewell(ConstByteSpan message) = 0;
  // Takes everything out of it and throws that away. Any thread.
  virtual void Empty() = 0;
  // Leaves a note on the queue, which has room for that even when it is full, that its sender or
  // its receiver has ended. Any thread.
  virtual void LeaveNote() = 0;
  virtual bool HasNote() = 0;
  // Whether it can have been full while so many messages of so many bytes in all were in it.
  virtual bool MayHaveBeenFull(size_t messages, size_t bytes) const = 0;
  // Removes it at once: the peer will not come for what is in it.
  virtual void Discard() = 0;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_QUEUE_MESSAGE_QUEUE_H_
