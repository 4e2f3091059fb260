#ifndef NIGH_TRANSPORTS_STREAM_PASSED_DESCRIPTORS_H_
#define NIGH_TRANSPORTS_STREAM_PASSED_DESCRIPTORS_H_

#include <sys/socket.h>
#include <sys/types.h>

#include <cstddef>
#include <memory>

#include "absl/types/span.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transports/process/peer_credentials.h"

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

// As ByteStream::Write; `descriptors`, if there are any, go with the first byte, which there is.
ssize_t SendWithDescriptors(int socket, ConstByteSpan from, absl::Span<const int> descriptors);
ssize_t SendWithDescriptors(int socket, ConstByteSpan from, const Descriptors& descriptors);

// What one receive has brought.
struct ReceivedMessage {
  ssize_t size = 0;                                    // bytes, or -errno
  std::unique_ptr<Descriptors> descriptors = nullptr;  // that came with one of them; or null
  Sender sender = {};                                  // if the kernel was asked (AskForSenders)
};
// Receives into `to`, as ByteStream::Read. `flags` of recvmsg(2), besides those that never wait.
ReceivedMessage ReceiveMessage(int socket, ByteSpan to, int flags = 0);
// As ByteStream::ReadScattered.
ReceivedMessage ReceiveMessage(int socket, absl::Span<const ByteSpan> to, int flags = 0);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_STREAM_PASSED_DESCRIPTORS_H_
