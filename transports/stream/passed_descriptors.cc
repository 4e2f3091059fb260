#include "nigh/transports/stream/passed_descriptors.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
#include "nigh/runtime/base/uninterrupted.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/stream/vectors.h"

namespace nigh {
namespace {

// Of Linux 6.16, newer than the C library's headers: include/uapi/asm-generic/socket.h.
constexpr int kPassRights = 83;

// As many as the kernel passes at once: for want of room it would drop them.
constexpr size_t kDescriptorSpace = CMSG_SPACE(kMostDescriptors * sizeof(int));

// Those that a message has brought. Null: none.
std::unique_ptr<Descriptors> DescriptorsOf(const msghdr& message) {
  std::vector<UniqueFd> fds;
  auto& header = const_cast<msghdr&>(message);  // CMSG_NXTHDR wants it so
  for (cmsghdr* entry = CMSG_FIRSTHDR(&header); entry != nullptr;
       entry = CMSG_NXTHDR(&header, entry)) {
    if (entry->cmsg_level != SOL_SOCKET || entry->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= entry->cmsg_len; at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(entry) + at, sizeof(fd));
      fds.emplace_back(fd);
    }
  }
  const bool complete = (message.msg_flags & MSG_CTRUNC) == 0;
  if (fds.empty() && complete) return nullptr;
  return std::make_unique<Descriptors>(std::move(fds), complete);
}

}  // namespace

bool PassDescriptors(int socket, bool pass) {
  const int on = pass ? 1 : 0;
  return ::setsockopt(socket, SOL_SOCKET, kPassRights, &on, sizeof(on)) == 0;
}

ssize_t SendWithDescriptors(int socket, ConstByteSpan from, absl::Span<const int> descriptors) {
  if (descriptors.size() > kMostDescriptors) return -EINVAL;
  iovec part = {.iov_base = const_cast<std::byte*>(from.data()), .iov_len = from.size()};
  alignas(cmsghdr) std::array<std::byte, kDescriptorSpace> control = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    const size_t size = descriptors.size() * sizeof(int);
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(size);
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(rights), descriptors.data(), size);
  }
  const ssize_t count =
      Uninterrupted([&] { return ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL); });
  return count < 0 ? -errno : count;
}

ssize_t SendWithDescriptors(int socket, ConstByteSpan from, const Descriptors& descriptors) {
  absl::InlinedVector<int, 16> fds(descriptors.size());
  for (size_t i = 0; i < fds.size(); ++i) fds[i] = descriptors[i].get();
  return SendWithDescriptors(socket, from, fds);
}

ReceivedMessage ReceiveMessage(int socket, ByteSpan to, int flags) {
  return ReceiveMessage(socket, absl::MakeConstSpan(&to, 1), flags);
}

ReceivedMessage ReceiveMessage(int socket, absl::Span<const ByteSpan> to, int flags) {
  Vectors<ByteSpan> parts(to);
  alignas(cmsghdr) std::array<std::byte, kSenderSpace + kDescriptorSpace> control;
  msghdr message = {};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = Uninterrupted(
      [&] { return ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | flags); });
  if (size < 0) return {.size = -errno};
  return {.size = size, .descriptors = DescriptorsOf(message), .sender = SenderOf(message)};
}

}  // namespace nigh
