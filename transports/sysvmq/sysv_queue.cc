#include "nigh/transports/sysvmq/sysv_queue.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/process/process_name.h"
#include "nigh/transports/queue/message_queue.h"
#include "nigh/transports/rendezvous/sysv_family.h"

namespace nigh {
namespace {

constexpr SysvFamily kQueues = {.prefix = 0x6e71 /* "nq" */, .table = "/proc/sysvipc/msg"};
// Whoever makes a queue uses it at once; one that nobody has used by then is a killed process's.
constexpr std::time_t kAbandoned = 60;  // seconds

// The type of the first message to be taken: the lowest of those up to this one.
constexpr long kAnyType = -3;
// Without MSG_NOERROR a message that is too long could never be taken out, and all behind it would
// wait. Cut to the longest that there can be, it is no frame or arrival of nigh's.
constexpr int kTake = IPC_NOWAIT | MSG_NOERROR;

long TypeOf(Urgency urgency) {
  switch (urgency) {
    case Urgency::kControl:
      return 1;
    case Urgency::kBulk:
      return 2;
    case Urgency::kLast:
      break;
  }
  return 3;
}

std::string Remedy(int error_number) {
  switch (error_number) {
    case ENOSPC:
      return " (the system has no more queues: raise sysctl kernel.msgmni; ipcs -q lists them)";
    case ENOSYS:
      return " (this kernel has no System V message queues)";
    default:
      return "";
  }
}

// Sends and receives a message, so that the kernel notes this process as the queue's user: a queue
// that nobody has used is swept after a while.
void Stamp(int id) {
  struct {
    long type = 1;
    char text = 0;
  } letter;
  (void)::msgsnd(id, &letter, 1, IPC_NOWAIT);
  (void)::msgrcv(id, &letter, 1, 0, IPC_NOWAIT);
}

// Whether the last to send and the last to receive have died. Another user's never is: root could
// remove it.
bool IsAbandoned(int id) {
  msqid_ds queue;
  if (::msgctl(id, IPC_STAT, &queue) != 0 || queue.msg_perm.cuid != ::geteuid()) return false;
  const bool sent = queue.msg_stime != 0;
  const bool received = queue.msg_rtime != 0;
  if ((sent && MayBeAlive(queue.msg_lspid)) || (received && MayBeAlive(queue.msg_lrpid))) {
    return false;
  }
  return received || queue.msg_ctime + kAbandoned <= std::time(nullptr);
}

// A removed queue is one that its receiver has left.
int SendError(int error_number) {
  return error_number == EIDRM || error_number == EINVAL ? -EPIPE : -error_number;
}

// Byte 0 belongs to the server.
struct flock ByteOf(int id, short type) {
  return {.l_type = type, .l_whence = SEEK_SET, .l_start = off_t{id} + 1, .l_len = 1, .l_pid = 0};
}

}  // namespace

absl::StatusOr<SysvQueueId> SysvQueueId::Make(absl::string_view where,
                                              absl::string_view operation) {
  const int id = kQueues.Make([](key_t key) { return ::msgget(key, IPC_CREAT | IPC_EXCL | 0600); });
  if (id < 0) {
    const int error = errno;
    return absl::UnavailableError(absl::StrCat(where, ": ", operation,
                                               ": msgget: ", std::generic_category().message(error),
                                               Remedy(error)));
  }
  Stamp(id);
  return SysvQueueId(id);
}

bool SysvQueueId::IsNighs() const {
  msqid_ds queue;
  return ::msgctl(id_, IPC_STAT, &queue) == 0 && kQueues.Has(queue.msg_perm.__key);
}

bool SysvQueueId::GrantTo(uid_t user) const {
  msqid_ds queue;
  if (::msgctl(id_, IPC_STAT, &queue) != 0) return false;
  queue.msg_perm.uid = user;
  return ::msgctl(id_, IPC_SET, &queue) == 0;
}

bool SysvQueueId::Open(mode_t mode, std::optional<gid_t> group) const {
  msqid_ds queue;
  if (::msgctl(id_, IPC_STAT, &queue) != 0) return false;
  queue.msg_perm.mode = static_cast<decltype(queue.msg_perm.mode)>(mode & 0666);
  if (group.has_value()) queue.msg_perm.gid = *group;
  return ::msgctl(id_, IPC_SET, &queue) == 0;
}

void SysvQueueId::IdentifyMaker(PeerIdentity& maker) const {
  msqid_ds queue;
  if (::msgctl(id_, IPC_STAT, &queue) != 0) return;
  maker.uid = KnownUser(queue.msg_perm.cuid);
  maker.gid = KnownGroup(queue.msg_perm.cgid);
}

void SysvQueueId::Remove() const {
  if (id_ >= 0 && IsNighs()) ::msgctl(id_, IPC_RMID, nullptr);
}

int SweepSysvQueues() {
  return static_cast<int>(absl::c_count_if(kQueues.Identifiers(), [](int id) {
    return IsAbandoned(id) && ::msgctl(id, IPC_RMID, nullptr) == 0;
  }));
}

absl::StatusOr<std::unique_ptr<MessageQueue>> SysvQueue::Make(SysvQueueId id, UniqueFd file,
                                                              bool receives) {
  msqid_ds queue;
  if (!id.IsNighs() || ::msgctl(id.get(), IPC_STAT, &queue) != 0) {
    return absl::UnavailableError("there is no such queue that this user may use");
  }
  struct flock lock = ByteOf(id.get(), F_WRLCK);
  if (receives && ::fcntl(file.get(), F_OFD_SETLK, &lock) != 0) {
    return absl::UnavailableError("somebody else receives from this queue");
  }
  return std::make_unique<SysvQueue>(id, std::move(file), queue.msg_qbytes, receives);
}

SysvQueue::SysvQueue(SysvQueueId id, UniqueFd file, size_t capacity, bool receives)
    : id_(id),
      file_(std::move(file).KeptFromChildren()),
      capacity_(capacity),
      receives_(receives),
      helper_([this] { Block(); }) {}

SysvQueue::~SysvQueue() {
  if (receives_ && birth_.is_this()) id_.Remove();
}

void SysvQueue::Block() {
  const ssize_t result = receives_
                             ? ::msgrcv(id_.get(), &blocked_, kMaxMessage, kAnyType, MSG_NOERROR)
                             : ::msgsnd(id_.get(), &blocked_, static_cast<size_t>(size_), 0);
  error_ = result < 0 ? errno : 0;
  if (receives_ && result >= 0) size_ = result;
}

int SysvQueue::Send(ConstByteSpan message, Urgency urgency) {
  if (helper_.busy()) {
    // It sends this message.
    if (!helper_.Collect() || error_ == EINTR) return -EAGAIN;
    return error_ == 0 ? 0 : SendError(error_);
  }
  letter_.type = TypeOf(urgency);
  std::memcpy(letter_.text, message.data(), message.size());
  for (;;) {
    if (::msgsnd(id_.get(), &letter_, message.size(), IPC_NOWAIT) == 0) return 0;
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return SendError(errno);
    size_ = static_cast<ssize_t>(message.size());
    return -EAGAIN;
  }
}

ssize_t SysvQueue::Receive(ByteSpan to) {
  if (helper_.busy()) {
    // What it takes out comes before anything that is there now.
    if (!helper_.Collect() || error_ == EINTR) return -EAGAIN;
    if (error_ != 0) return -error_;
    std::memcpy(to.data(), blocked_.text, static_cast<size_t>(size_));
    return size_;
  }
  for (;;) {
    const ssize_t size = ::msgrcv(id_.get(), &letter_, kMaxMessage, kAnyType, kTake);
    if (size >= 0) {
      std::memcpy(to.data(), letter_.text, std::min(static_cast<size_t>(size), to.size()));
      return size;
    }
    if (errno != EINTR) return errno == ENOMSG ? -EAGAIN : -errno;
  }
}

Wake SysvQueue::Arm() {
  if (!receives_ && !helper_.busy()) blocked_ = letter_;
  // Without a thread the caller polls, which is at least right.
  if (!helper_.Begin()) return Wake::Ready();
  return Wake{.fd = helper_.fd(), .events = POLLIN, .edge_triggered = true};
}

Receiver SysvQueue::FindReceiver() {
  struct flock lock = ByteOf(id_.get(), F_RDLCK);
  if (::fcntl(file_.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK) {
    return Receiver::kThere;
  }
  // Its maker has taken out what it had put in; somebody else who has taken something has come.
  msqid_ds queue;
  if (::msgctl(id_.get(), IPC_STAT, &queue) != 0) return Receiver::kGone;
  return queue.msg_lrpid == 0 || queue.msg_lrpid == ::getpid() ? Receiver::kNotYet
                                                               : Receiver::kGone;
}

bool SysvQueue::SayFarewell(ConstByteSpan message) {
  Letter farewell;
  farewell.type = TypeOf(Urgency::kLast);
  std::memcpy(farewell.text, message.data(), message.size());
  return ::msgsnd(id_.get(), &farewell, message.size(), IPC_NOWAIT) == 0;
}

void SysvQueue::Empty() {
  Letter unread;
  while (::msgrcv(id_.get(), &unread, kMaxMessage, kAnyType, kTake) >= 0) {
  }
}

void SysvQueue::LeaveNote() {
  msqid_ds queue;
  if (::msgctl(id_.get(), IPC_STAT, &queue) != 0) return;
  // Whatever the other side does at the same time.
  queue.msg_qbytes = (queue.msg_qbytes - 1) | 1;
  ::msgctl(id_.get(), IPC_SET, &queue);
}

bool SysvQueue::HasNote() {
  msqid_ds queue;
  // One that is gone says the same.
  return ::msgctl(id_.get(), IPC_STAT, &queue) != 0 || queue.msg_qbytes % 2 != 0;
}

bool SysvQueue::MayHaveBeenFull(size_t messages, size_t bytes) const {
  return bytes + kMaxMessage > capacity_ || messages >= capacity_;
}

}  // namespace nigh
