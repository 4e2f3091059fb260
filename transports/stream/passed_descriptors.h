#ifndef NIGH_TRANSPORTS_STREAM_PASSED_DESCRIPTORS_H_
#define NIGH_TRANSPORTS_STREAM_PASSED_DESCRIPTORS_H_

#include <sys/socket.h>
#include <sys/types.h>

#include <cstddef>
#include <memory>

#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"

namespace nigh {

// Descriptors over a Unix socket (SCM_RIGHTS).
//
// What a peer sends there is this process's from then on, asked for or not. If nobody takes it, the
// kernel drops it in whichever system call comes across it, a receive or a close, which then sleeps
// for as long as the peer chose: a TCP socket may linger, a file may be one of FUSE. So the kernel
// is told to refuse them (PassDescriptors); and where it cannot, or not yet, they are received, and
// they and the socket are closed elsewhere (CloseElsewhere).

// Whether descriptors may be sent to `socket` from now on. A listening one hands this on to those
// whom it lets in. False: the kernel knows no such choice (before Linux 6.16), and they may.
bool PassDescriptors(int socket, bool pass);

// The room that they take among a message's control data, as many as the kernel passes at once: for
// want of room it would drop them.
inline constexpr size_t kDescriptorSpace = CMSG_SPACE(kMostDescriptors * sizeof(int));

// Those that a message, received with at least that room, has brought. Null: none.
std::unique_ptr<Descriptors> DescriptorsOf(const msghdr& message);

// As ByteStream::Write; `descriptors` go with the first byte, which there is.
ssize_t SendWithDescriptors(int socket, ConstByteSpan from, const Descriptors& descriptors);

// As ByteStream::Read; `descriptors` becomes what has come with one of the bytes, or null.
ssize_t ReadWithDescriptors(int socket, ByteSpan to, std::unique_ptr<Descriptors>& descriptors);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_STREAM_PASSED_DESCRIPTORS_H_
