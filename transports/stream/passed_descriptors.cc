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

#include "nigh/runtime/base/uninterrupted.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/peer_credentials.h"

namespace nigh {
namespace {

// Of Linux 6.16, newer than the C library's headers: include/uapi/asm-generic/socket.h.
constexpr int kPassRights = 83;

}  // namespace

bool PassDescriptors(int socket, bool pass) {
  const int on = pass ? 1 : 0;
  return ::setsockopt(socket, SOL_SOCKET, kPassRights, &on, sizeof(on)) == 0;
}

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

ssize_t SendWithDescriptors(int socket, ConstByteSpan from, const Descriptors& descriptors) {
  if (descriptors.size() > kMostDescriptors) return -EINVAL;
  iovec part = {.iov_base = const_cast<std::byte*>(from.data()), .iov_len = from.size()};
  alignas(cmsghdr) std::array<std::byte, kDescriptorSpace> control = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
  cmsghdr* const rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
  for (size_t i = 0; i < descriptors.size(); ++i) {
    const int fd = descriptors[i].get();
    std::memcpy(CMSG_DATA(rights) + i * sizeof(fd), &fd, sizeof(fd));
  }
  const ssize_t count =
      Uninterrupted([&] { return ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL); });
  return count < 0 ? -errno : count;
}

ssize_t ReadWithDescriptors(int socket, ByteSpan to, std::unique_ptr<Descriptors>& descriptors) {
  iovec part = {.iov_base = to.data(), .iov_len = to.size()};
  // Whoever has just been asked who they are may still say so.
  alignas(cmsghdr) std::array<std::byte, kSenderSpace + kDescriptorSpace> control;
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t count =
      Uninterrupted([&] { return ::recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC); });
  if (count < 0) return -errno;
  descriptors = DescriptorsOf(message);
  (void)SenderOf(message);  // has a descriptor, too
  return count;
}

}  // namespace nigh
