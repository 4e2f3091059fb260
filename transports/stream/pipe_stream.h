#ifndef NIGH_TRANSPORTS_STREAM_PIPE_STREAM_H_
#define NIGH_TRANSPORTS_STREAM_PIPE_STREAM_H_

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/stream/byte_stream.h"

namespace nigh {

// The read end of one pipe and the write end of another, with a name or without. A stream socket
// may take the place of either, or two descriptors of one that of both: some programs give their
// children socket pairs for pipes. Where both ends are Unix sockets, descriptors can go with bytes.
//
// A write to a pipe that nobody reads raises SIGPIPE. Sockets have a flag against that, pipes have
// none before Linux 6.18. So a process that makes one of these ignores SIGPIPE from then on, unless
// the program has a handler of its own.
//
// Pipes have no shutdown(2). Shutdown puts the read end of a third pipe, which nobody can write to
// any more, in the place of both descriptors. Reading from that is the end, writing to it is an
// error, and whoever polls it wakes. dup3(2) does this in one step, whatever other threads do with
// the descriptors, and closes the ends that the peer sees.
class PipeStream final : public ByteStream {
 public:
  // Whether Make would take them. INVALID_ARGUMENT: `in` is not open for reading, or `out` for
  // writing, or one of them is neither pipe nor stream socket. UNAVAILABLE: one is not open.
  // Messages begin with `where`.
  static absl::Status Check(int in, int out, absl::string_view where);

  // Sets both not to block and to be closed on exec. As Check, or UNAVAILABLE with what the system
  // says.
  static absl::StatusOr<std::unique_ptr<PipeStream>> Make(UniqueFd in, UniqueFd out,
                                                          absl::string_view where);
  PipeStream(UniqueFd in, UniqueFd out, UniqueFd ended, UniqueFd open);
  ~PipeStream() override { Shutdown(); }

  ssize_t Read(ByteSpan to) override;
  ssize_t Write(ConstByteSpan from) override;
  int read_fd() const override { return in_.get(); }
  int write_fd() const override { return out_.get(); }
  int end_fd() const override { return ended_.get(); }
  void Shutdown() override;
  bool carries_descriptors() const override { return are_unix_sockets_; }
  void AcceptDescriptors(std::optional<uid_t> peer) override;
  ssize_t WriteWith(ConstByteSpan from, const Descriptors& descriptors) override;
  std::unique_ptr<Descriptors> TakeDescriptors() override { return std::move(descriptors_); }

 private:
  const UniqueFd in_;
  const UniqueFd out_;
  const UniqueFd ended_;   // of the third pipe
  std::atomic<int> open_;  // its write end, until Shutdown
  const bool are_unix_sockets_;
  // Descriptors may come: they have been accepted, or the kernel cannot refuse them.
  std::atomic<bool> may_bring_descriptors_;
  bool accepts_ = false;
  std::optional<uid_t> peer_;                 // who sends them
  std::unique_ptr<Descriptors> descriptors_;  // of the last read
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_STREAM_PIPE_STREAM_H_
