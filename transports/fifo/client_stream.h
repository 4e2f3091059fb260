#ifndef NIGH_TRANSPORTS_FIFO_CLIENT_STREAM_H_
#define NIGH_TRANSPORTS_FIFO_CLIENT_STREAM_H_

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "nigh/runtime/base/birth_process.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/process/process_name.h"
#include "nigh/transports/stream/forwarding_stream.h"
#include "nigh/transports/stream/pipe_stream.h"

namespace nigh {

// What a server sends through a client's FIFO first: a letter, and who it is.
using FifoGreeting = std::array<std::byte, 1 + ProcessName::kEncodedSize>;
inline constexpr std::byte kFifoGreeting{'n'};
FifoGreeting GreetingOf(const ProcessName& server);

// A client's two FIFOs. Before the server has opened them they look as if it had closed them, and
// that means nothing; the stream is connected when the server's greeting has come. Until then, the
// FIFO where the client has announced itself tells whether the server is still there.
class FifoClientStream final : public ForwardingStream {
 public:
  struct Waiting {
    UniqueFd arrivals;    // the announcement's FIFO, open for writing
    std::string in, out;  // the names, to be removed if the server has not done so
    std::optional<uid_t> server = std::nullopt;  // the user whose the announcement's FIFO is
  };
  // `own_reader` is open on the FIFO that this side writes to. It keeps what is written until the
  // server has opened that FIFO. `ends` is an empty epoll set, which is polled for the end.
  FifoClientStream(std::unique_ptr<PipeStream> pipes, Waiting waiting, UniqueFd own_reader,
                   UniqueFd ends);
  ~FifoClientStream() override;

  // Why the epoll set cannot tell of the end; 0: it can.
  int error() const { return error_; }

  ssize_t Read(ByteSpan to) override;
  ssize_t Write(ConstByteSpan from) override;
  bool connected() const override { return connected_.load(std::memory_order_relaxed); }
  int end_fd() const override { return ends_.get(); }
  // Who has greeted.
  Sender TakeSender() override { return {.process = std::move(server_)}; }

 private:
  // Whether the server has gone: nobody reads announcements any more, or it had opened this
  // client's FIFOs and has closed them.
  bool ServerIsGone() const;
  // The server has removed them, but where it may not: another user's, in a folder as /tmp is.
  void RemoveNames() const;
  // From now on a write fails when the server no longer reads.
  void DropOwnReader();

  const BirthProcess birth_;
  const Waiting waiting_;
  std::atomic<int> own_reader_;  // until dropped
  const UniqueFd ends_;
  int error_ = 0;
  std::atomic<bool> connected_ = false;
  UniqueFd server_;  // a pidfd
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_FIFO_CLIENT_STREAM_H_
