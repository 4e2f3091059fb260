#ifndef NIGH_TRANSPORTS_SYSVMQ_SYSV_QUEUE_H_
#define NIGH_TRANSPORTS_SYSVMQ_SYSV_QUEUE_H_

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/queue/blocking_helper.h"
#include "nigh/transports/queue/message_queue.h"

namespace nigh {

// The identifier of a queue; -1 for none.
class SysvQueueId {
 public:
  SysvQueueId() = default;
  explicit SysvQueueId(int id) : id_(id) {}

  // Makes a queue with mode 0600. UNAVAILABLE that says which limit was met and how to raise it.
  static absl::StatusOr<SysvQueueId> Make(absl::string_view where, absl::string_view operation);

  int get() const { return id_; }
  // Whether it is nigh's.
  bool IsNighs() const;
  // Removes it, if it is nigh's and this user may.
  void Remove() const;
  // Lets `user`, whom it belongs to then, use it besides its maker. False: errno says why.
  bool GrantTo(uid_t user) const;
  // Gives it that mode, and that group if there is one. Likewise.
  bool Open(mode_t mode, std::optional<gid_t> group) const;
  // Fills in who has made it.
  void IdentifyMaker(PeerIdentity& maker) const;

 private:
  int id_ = -1;
};

// Removes the queues whose two users have died. Returns how many there were.
int SweepSysvQueues();

// A System V message queue.
//
//  * A message's type is its urgency.
//  * The note is in the queue's size, which its owner may reduce: an odd size is a note.
//  * Such a queue cannot be locked. Instead, both sides have one file open, and the receiver locks
//    the byte of it at the queue's identifier. So the sender sees whether the receiver lives.
//  * Such a queue cannot be polled. Instead, Arm has a helper thread make the call that blocks:
//    msgrcv(2), whose message the next Receive returns, or msgsnd(2) of what Send had no room for.
class SysvQueue final : public MessageQueue {
 public:
  // `file` is the one that both sides have, open for reading and writing. UNAVAILABLE: there is no
  // such queue, or it has another receiver.
  static absl::StatusOr<std::unique_ptr<MessageQueue>> Make(SysvQueueId id, UniqueFd file,
                                                            bool receives);
  SysvQueue(SysvQueueId id, UniqueFd file, size_t capacity, bool receives);
  ~SysvQueue() override;

  static constexpr size_t kMaxMessage = 4096;

  size_t max_message() const override { return kMaxMessage; }
  int Send(ConstByteSpan message, Urgency urgency) override;
  ssize_t Receive(ByteSpan to) override;
  Wake Arm() override;
  Receiver FindReceiver() override;
  bool SayFarewell(ConstByteSpan message) override;
  void Empty() override;
  void LeaveNote() override;
  bool HasNote() override;
  bool MayHaveBeenFull(size_t messages, size_t bytes) const override;
  void Discard() override { id_.Remove(); }

 private:
  // A message as the system calls take it.
  struct Letter {
    long type = 0;
    std::byte text[kMaxMessage];
  };

  // The helper's call.
  void Block();

  const BirthProcess birth_;
  const SysvQueueId id_;
  const UniqueFd file_;
  const size_t capacity_;  // bytes, without a note
  const bool receives_;
  Letter letter_;  // what Send could not send
  // The helper's while it is busy: what it sends or has received, and how that went.
  Letter blocked_;
  ssize_t size_ = 0;
  int error_ = 0;
  BlockingHelper helper_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SYSVMQ_SYSV_QUEUE_H_
