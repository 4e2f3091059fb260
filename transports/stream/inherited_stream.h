#ifndef NIGH_TRANSPORTS_STREAM_INHERITED_STREAM_H_
#define NIGH_TRANSPORTS_STREAM_INHERITED_STREAM_H_

#include <poll.h>

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/stream/byte_stream.h"
#include "nigh/transports/stream/forwarding_stream.h"

namespace nigh {

// Pipes that another process has handed over, and may still have open itself. An epoll set forgets
// a descriptor only when the last one of the same open file has been closed (epoll(7), question 6),
// wherever that is: whoever polls such pipes by one would be woken by them for ever after they have
// ended here. So they are polled through two sets that nobody else has, and which go with the
// stream's end.
class InheritedStream final : public ForwardingStream {
 public:
  // As PipeStream::Make.
  static absl::StatusOr<std::unique_ptr<InheritedStream>> Make(UniqueFd in, UniqueFd out,
                                                               absl::string_view where);
  InheritedStream(std::unique_ptr<ByteStream> pipes, UniqueFd readable, UniqueFd writable);
  ~InheritedStream() override { Shutdown(); }

  int read_fd() const override { return readable_.get(); }
  int write_fd() const override { return writable_.get(); }
  // A set is readable if what is in it is ready.
  short write_events() const override { return POLLIN; }
  void Shutdown() override;

 private:
  const UniqueFd readable_;
  const UniqueFd writable_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_STREAM_INHERITED_STREAM_H_
