#include "nigh/transports/mqueue/posix_queue.h"

#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/base/uninterrupted.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/queue/message_queue.h"
#include "nigh/transports/rendezvous/claimed_name.h"

namespace nigh {
namespace {

// The permission that means nothing on a queue.
constexpr mode_t kNote = 0100;

unsigned PriorityOf(Urgency urgency) {
  switch (urgency) {
    case Urgency::kControl:
      return 2;
    case Urgency::kBulk:
      return 1;
    case Urgency::kLast:
      break;
  }
  return 0;
}

std::string Remedy(int error_number, absl::string_view operation) {
  rlimit limit = {};
  switch (error_number) {
    case EMFILE:
      ::getrlimit(RLIMIT_MSGQUEUE, &limit);
      return absl::StrCat(
          " (all queues of this user may take RLIMIT_MSGQUEUE bytes, here ", limit.rlim_cur,
          ": raise it, ulimit -q, or ask for smaller queues, ?messages=4&size=1024)");
    case ENOSPC:
      return " (the system has no more queues: raise /proc/sys/fs/mqueue/queues_max)";
    case EINVAL:
      return " (messages and size are limited by /proc/sys/fs/mqueue/msg_max and msgsize_max)";
    case ENOSYS:
      return " (this kernel has no POSIX message queues)";
    case ENOENT:
      return operation == "connect" ? " (is the server running?)" : "";
    default:
      return "";
  }
}

}  // namespace

UniqueFd OpenPosixQueue(const std::string& name, const QueueSize* make) {
  constexpr int kFlags = O_RDWR | O_NONBLOCK | O_CLOEXEC;
  if (make == nullptr) {
    return UniqueFd(Uninterrupted([&] { return ::mq_open(name.c_str(), kFlags); }));
  }
  mq_attr size = {};
  size.mq_maxmsg = make->messages;
  size.mq_msgsize = make->bytes;
  return UniqueFd(
      Uninterrupted([&] { return ::mq_open(name.c_str(), kFlags | O_CREAT, 0600, &size); }));
}

bool ShareAs(int queue, int place) {
  struct stat shared;
  if (::fstat(place, &shared) != 0) return false;
  if ((shared.st_mode & 0060) == 0) return true;
  return ::fchown(queue, static_cast<uid_t>(-1), shared.st_gid) == 0 && ::fchmod(queue, 0660) == 0;
}

absl::Status PosixQueueError(int error_number, absl::string_view where,
                             absl::string_view operation) {
  return absl::UnavailableError(absl::StrCat(where, ": ", operation, ": ",
                                             std::generic_category().message(error_number),
                                             Remedy(error_number, operation)));
}

absl::StatusOr<std::unique_ptr<MessageQueue>> PosixQueue::Make(UniqueFd fd, std::string name,
                                                               bool receives) {
  mq_attr size;
  if (!fd || ::mq_getattr(fd.get(), &size) != 0) {
    return absl::UnavailableError(std::generic_category().message(errno));
  }
  if (receives && !ClaimedName::Lock(fd.get())) {
    return absl::UnavailableError("somebody else receives from this queue");
  }
  return std::make_unique<PosixQueue>(
      std::move(fd), std::move(name),
      QueueSize{.messages = size.mq_maxmsg, .bytes = size.mq_msgsize}, receives);
}

int PosixQueue::Send(ConstByteSpan message, Urgency urgency) {
  for (;;) {
    if (::mq_send(fd_.get(), reinterpret_cast<const char*>(message.data()), message.size(),
                  PriorityOf(urgency)) == 0) {
      return 0;
    }
    if (errno != EINTR) return -errno;
  }
}

ssize_t PosixQueue::Receive(ByteSpan to) {
  for (;;) {
    const ssize_t size =
        ::mq_receive(fd_.get(), reinterpret_cast<char*>(to.data()), to.size(), nullptr);
    if (size >= 0) return size;
    if (errno != EINTR) return -errno;
  }
}

Wake PosixQueue::Arm() {
  return Wake{.fd = fd_.get(), .events = static_cast<short>(receives_ ? POLLIN : POLLOUT)};
}

Receiver PosixQueue::FindReceiver() {
  if (ClaimedName::IsClaimed(fd_.get())) return Receiver::kThere;
  if (OpenPosixQueue(name_, nullptr)) return Receiver::kNotYet;
  // It has come in between, or come and gone.
  return ClaimedName::IsClaimed(fd_.get()) ? Receiver::kThere : Receiver::kGone;
}

void PosixQueue::Empty() {
  std::vector<std::byte> message(max_message());
  while (Receive(ByteSpan(message)) >= 0) {
  }
}

void PosixQueue::LeaveNote() {
  struct stat queue;
  if (::fstat(fd_.get(), &queue) == 0) (void)::fchmod(fd_.get(), (queue.st_mode & 0777) | kNote);
}

bool PosixQueue::HasNote() {
  struct stat queue;
  return ::fstat(fd_.get(), &queue) == 0 && (queue.st_mode & kNote) != 0;
}

bool PosixQueue::MayHaveBeenFull(size_t messages, size_t /*bytes*/) const {
  return messages >= static_cast<size_t>(size_.messages);
}

void PosixQueue::Discard() { ::mq_unlink(name_.c_str()); }

}  // namespace nigh
