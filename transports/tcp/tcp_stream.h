#ifndef NIGH_TRANSPORTS_TCP_TCP_STREAM_H_
#define NIGH_TRANSPORTS_TCP_TCP_STREAM_H_

#include <poll.h>
#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/types/span.h"
#include "nigh/mutex.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/stream/byte_stream.h"
#include "nigh/transports/tcp/endpoint.h"

namespace nigh {

// A TCP socket that is connected, or on its way to one of several endpoints. Reading and writing
// take connecting a step further, so that it needs no thread and no descriptor of its own.
class TcpStream final : public ByteStream {
 public:
  // `socket` is connected.
  explicit TcpStream(UniqueFd socket);
  // `socket` does not block and will connect to the first of `candidates` that answers. All are of
  // the socket's family.
  TcpStream(UniqueFd socket, std::vector<Endpoint> candidates);
  ~TcpStream() override;

  ssize_t Read(ByteSpan to) override;
  ssize_t Write(ConstByteSpan from) override;
  bool is_vectored() const override { return true; }
  ssize_t ReadScattered(absl::Span<const ByteSpan> to) override;
  ssize_t WriteGathered(absl::Span<const ConstByteSpan> from) override;
  bool connected() const override { return connected_.load(std::memory_order_acquire); }
  int read_fd() const override { return socket_.get(); }
  int write_fd() const override { return socket_.get(); }
  short write_events() const override { return POLLOUT | POLLRDHUP; }
  void Shutdown() override;

  // Takes connecting as far as it goes now. 0: connected; -EAGAIN: on its way; another negative
  // number: the last candidate has failed with -errno.
  int Advance();

 private:
  // What came of a write, as ByteStream says it.
  ssize_t Written(ssize_t result) const;

  const UniqueFd socket_;
  std::atomic<bool> connected_;
  Mutex mutex_;
  const std::vector<Endpoint> candidates_;
  size_t candidate_ ABSL_GUARDED_BY(mutex_) = 0;
  int failure_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_TCP_TCP_STREAM_H_
