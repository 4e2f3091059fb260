#include "nigh/transports/fifo/client_stream.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <utility>

#include "nigh/runtime/base/epoll_set.h"
#include "nigh/runtime/base/uninterrupted.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/stream/pipe_stream.h"

namespace nigh {

FifoGreeting GreetingOf(const ProcessName& server) {
  FifoGreeting greeting = {kFifoGreeting};
  server.Encode(&greeting[1]);
  return greeting;
}

FifoClientStream::FifoClientStream(std::unique_ptr<PipeStream> pipes, Waiting waiting,
                                   UniqueFd own_reader, UniqueFd ends)
    : ForwardingStream(std::move(pipes)),
      waiting_(std::move(waiting)),
      own_reader_(own_reader.release()),
      ends_(std::move(ends)) {
  KeepFromChildren(own_reader_);
  // Errors and hang-ups are always told.
  for (const int fd : {ForwardingStream::end_fd(), read_fd(), waiting_.arrivals.get()}) {
    if (!AddToEpollSet(ends_.get(), fd, /*events=*/0)) error_ = errno;
  }
}

FifoClientStream::~FifoClientStream() {
  DropOwnReader();
  if (!connected() && birth_.is_this()) RemoveNames();
}

void FifoClientStream::RemoveNames() const {
  ::unlink(waiting_.in.c_str());
  ::unlink(waiting_.out.c_str());
}

void FifoClientStream::DropOwnReader() {
  const int fd = own_reader_.exchange(-1, std::memory_order_acq_rel);
  if (fd < 0) return;
  ForgetKeptFromChildren(fd);
  ::close(fd);
}

bool FifoClientStream::ServerIsGone() const {
  std::array<pollfd, 2> entries = {pollfd{.fd = waiting_.arrivals.get(), .events = 0, .revents = 0},
                                   // A FIFO that nobody has opened yet has not been hung up.
                                   pollfd{.fd = read_fd(), .events = 0, .revents = 0}};
  return Uninterrupted([&] { return ::poll(entries.data(), entries.size(), 0); }) > 0;
}

ssize_t FifoClientStream::Read(ByteSpan to) {
  if (connected()) return ForwardingStream::Read(to);
  FifoGreeting greeting;
  // Asked first: what a server writes before it goes is there by then.
  const bool gone = ServerIsGone();
  // It comes in one piece.
  const ssize_t size = ForwardingStream::Read(ByteSpan(greeting));
  if (size == 0) return gone ? 0 : -EAGAIN;
  if (size < 0) return size;
  if (size != ssize_t{greeting.size()} || greeting[0] != kFifoGreeting) return -EPROTO;
  server_ = WatchProcess(ProcessName::Decode(&greeting[1]), waiting_.server);
  // Relaxed: the sending thread reads it for the text of an error only.
  connected_.store(true, std::memory_order_relaxed);
  // The connection outlives the place where it began.
  ::epoll_ctl(ends_.get(), EPOLL_CTL_DEL, waiting_.arrivals.get(), nullptr);
  DropOwnReader();
  if (waiting_.server != ::geteuid()) RemoveNames();
  return ForwardingStream::Read(to);
}

ssize_t FifoClientStream::Write(ConstByteSpan from) {
  const ssize_t size = ForwardingStream::Write(from);
  if (size != -EAGAIN || own_reader_.load(std::memory_order_acquire) < 0) return size;
  // Somebody must read this, or must have gone; a server that has opened the FIFO has removed its
  // name.
  if (::access(waiting_.out.c_str(), F_OK) == 0 && !ServerIsGone()) return size;
  DropOwnReader();
  return ForwardingStream::Write(from);
}

}  // namespace nigh
