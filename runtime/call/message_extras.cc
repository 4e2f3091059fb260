// What contexts do with attachments and descriptors, and what these are.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/fd.pb.h"
#include "nigh/message_extras.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {
namespace {

// What the kernel calls the file: a path, or "pipe:[8121]", "anon_inode:[eventpoll]". Asks no file
// system. Empty where there is no /proc.
std::string NameOf(int fd) {
  std::array<char, 64> name;
  const ssize_t size =
      ::readlink(absl::StrCat("/proc/self/fd/", fd).c_str(), name.data(), name.size());
  return size < 0 ? "" : std::string(name.data(), static_cast<size_t>(size));
}

struct Looked {
  FdKind kind = FdKind::kOther;
  std::string what;
};

Looked LookAt(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags >= 0 && (flags & O_PATH) != 0) return {FdKind::kOther, "opened with O_PATH"};
  // Nothing but memory and the files of tmpfs has seals, and those have one that keeps others away.
  const Looked unsealed = {FdKind::kUnsealedMemory, "memory without F_SEAL_SHRINK"};
  if (const int seals = ::fcntl(fd, F_GET_SEALS); seals >= 0) {
    if ((seals & F_SEAL_SHRINK) != 0) return {FdKind::kMemory, "sealed memory"};
    if ((seals & F_SEAL_SEAL) == 0) return unsealed;
  }
  struct statx file = {};
  // A file system on another machine, or in another process, is not asked if the kernel knows.
  if (::statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &file) != 0) {
    return {FdKind::kOther, std::generic_category().message(errno)};
  }
  switch (file.stx_mode & S_IFMT) {
    case S_IFIFO:
      return {FdKind::kPipe, "a pipe"};
    case S_IFSOCK:
      return {FdKind::kSocket, "a socket"};
    case S_IFDIR:
      return {FdKind::kDirectory, "a directory"};
    case S_IFCHR:
    case S_IFBLK:
      return {FdKind::kDevice, "a device"};
    default:
      break;
  }
  const std::string name = NameOf(fd);
  if (absl::StartsWith(name, "/memfd:")) return unsealed;
  // Some of what has no place in a file system calls itself a regular file.
  if (S_ISREG(file.stx_mode) && absl::StartsWith(name, "/")) return {FdKind::kFile, "a file"};
  if (name.empty()) return {FdKind::kOther, "of a kind that cannot be told without /proc"};
  return {FdKind::kOther, absl::StrCat("\"", name, "\"")};
}

}  // namespace

absl::string_view WhyNotPassed(const UniqueFd& fd) {
  if (!fd) return "is none: was the file opened?";
  if (NameOf(fd.get()) == "anon_inode:[io_uring]")
    return "is an io_uring, which Linux passes to nobody";
  return "";
}

AttachmentBuffer::AttachmentBuffer(size_t size) {
  // Not zeroed first.
  const std::shared_ptr<std::byte[]> memory(new std::byte[size]);
  bytes_ = ByteSpan(memory.get(), size);
  owner_ = memory;
}

Attachment Attachment::Copy(ConstByteSpan bytes) {
  if (bytes.empty()) return Attachment();
  AttachmentBuffer copy(bytes.size());
  std::memcpy(copy.bytes().data(), bytes.data(), bytes.size());
  return copy;
}

void MessageExtras::SetAttachment(Attachment attachment) {
  // Of a message with nothing beside it, the call is to hear nothing.
  if (attachment.empty() && (attached_ == nullptr || attached_->descriptors == nullptr)) {
    attached_.reset();
    return;
  }
  if (attached_ == nullptr) attached_ = std::make_shared<Extras>();
  attached_->attachment = std::move(attachment);
}

const Attachment& MessageExtras::attachment() const {
  static const Attachment& none = *new Attachment();
  return received_ == nullptr ? none : received_->attachment;
}

Fd MessageExtras::Attach(UniqueFd fd) {
  if (attached_ == nullptr) attached_ = std::make_shared<Extras>();
  std::shared_ptr<Descriptors>& descriptors = attached_->descriptors;
  if (descriptors == nullptr) descriptors = std::make_shared<Descriptors>();
  descriptors->Add(std::move(fd));
  Fd attached;
  attached.set_number(static_cast<uint32_t>(descriptors->size()));
  return attached;
}

size_t MessageExtras::received_fds() const {
  return received_ == nullptr ? 0 : received_->descriptor_count();
}

absl::StatusOr<UniqueFd> MessageExtras::Take(const Fd& fd, FdKinds kinds) {
  const size_t count = received_fds();
  if (fd.number() == 0 || fd.number() > count) {
    return absl::InvalidArgumentError(
        absl::StrCat("descriptor ", fd.number(), ", where ", count, " came with the message"));
  }
  const UniqueFd& found = (*received_->descriptors)[fd.number() - 1];
  if (!found) {
    return absl::FailedPreconditionError(
        absl::StrCat("descriptor ", fd.number(), " has been taken out of the message already"));
  }
  const Looked looked = LookAt(found.get());
  if (kinds.Has(looked.kind)) return received_->descriptors->Take(fd.number() - 1);
  received_->descriptors->Close(fd.number() - 1);
  return absl::InvalidArgumentError(absl::StrCat(
      "descriptor ", fd.number(), " of the message is ", looked.what,
      ", which is not taken here (the receiver names the kinds; nigh/message_extras.h)"));
}

}  // namespace nigh
