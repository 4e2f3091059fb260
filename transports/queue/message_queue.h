#ifndef NIGH_TRANSPORTS_QUEUE_MESSAGE_QUEUE_H_
#define NIGH_TRANSPORTS_QUEUE_MESSAGE_QUEUE_H_

#include <sys/types.h>

#include <cstddef>

#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"

namespace nigh {

// Which messages leave a queue first: control before bulk before last. Messages of one urgency keep
// their order.
enum class Urgency { kControl, kBulk, kLast };

// What the sender of a queue sees of its receiver: it has not opened the queue yet, it has it open,
// or it has gone.
enum class Receiver { kNotYet, kThere, kGone };

// One end of a message queue of the kernel that has one sender and one receiver. Nothing here
// blocks. One thread at a time, except where "any thread" is said.
class MessageQueue {
 public:
  // Lets go of the queue. The receiver's end removes a queue that would otherwise outlive both.
  virtual ~MessageQueue() = default;

  // Bytes of the longest message.
  virtual size_t max_message() const = 0;

  // 0: the message was sent. -EAGAIN: there is no room now, and the next Send must be of the same
  // message. -EPIPE: the receiver has removed the queue. Another negative number: -errno, and the
  // queue is of no more use.
  virtual int Send(ConstByteSpan message, Urgency urgency) = 0;
  // Takes the next message into `to`, which has room for max_message() bytes. Returns its size;
  // -EAGAIN if there is none now; another negative number as above.
  virtual ssize_t Receive(ByteSpan to) = 0;

  // As Connection::Arm, after -EAGAIN.
  virtual Wake Arm() = 0;

  // The sender's. Goes by what the kernel shows, not by what the receiver says. Any thread.
  virtual Receiver FindReceiver() = 0;
  // Puts in the last message, which comes out behind all others. The sender does; or the receiver,
  // in the place of a sender that has died. Any thread. False: there is no room.
  virtual bool SayFarewell(ConstByteSpan message) = 0;
  // Drops every message that is in the queue. Any thread.
  virtual void Empty() = 0;
  // Marks the queue itself, which works even when it is full: its sender or its receiver has ended.
  // Any thread.
  virtual void LeaveNote() = 0;
  // Whether either end has left a note.
  virtual bool HasNote() = 0;
  // Whether the queue may have been full if so many messages were in it, of so many bytes in all.
  virtual bool MayHaveBeenFull(size_t messages, size_t bytes) const = 0;
  // The other side has come, so nobody needs the queue's name any more, if it has one. By its
  // maker.
  virtual void Met() {}
  // Removes the queue at once, with what is in it: nobody will come for that.
  virtual void Discard() = 0;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_QUEUE_MESSAGE_QUEUE_H_
