#ifndef NIGH_TRANSPORTS_STREAM_FORWARDING_STREAM_H_
#define NIGH_TRANSPORTS_STREAM_FORWARDING_STREAM_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/types/span.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/stream/byte_stream.h"

namespace nigh {

// Passes every call on to another stream. A class that changes some of them derives from it.
class ForwardingStream : public ByteStream {
 public:
  explicit ForwardingStream(std::unique_ptr<ByteStream> stream) : stream_(std::move(stream)) {}

  ssize_t Read(ByteSpan to) override { return stream_->Read(to); }
  ssize_t Write(ConstByteSpan from) override { return stream_->Write(from); }
  bool is_vectored() const override { return stream_->is_vectored(); }
  ssize_t ReadScattered(absl::Span<const ByteSpan> to) override {
    return stream_->ReadScattered(to);
  }
  ssize_t WriteGathered(absl::Span<const ConstByteSpan> from) override {
    return stream_->WriteGathered(from);
  }
  bool connected() const override { return stream_->connected(); }
  int read_fd() const override { return stream_->read_fd(); }
  int write_fd() const override { return stream_->write_fd(); }
  short write_events() const override { return stream_->write_events(); }
  int end_fd() const override { return stream_->end_fd(); }
  void Shutdown() override { stream_->Shutdown(); }
  Sender TakeSender() override { return stream_->TakeSender(); }
  bool carries_descriptors() const override { return stream_->carries_descriptors(); }
  void AcceptDescriptors(std::optional<uid_t> peer) override { stream_->AcceptDescriptors(peer); }
  ssize_t WriteWith(ConstByteSpan from, const Descriptors& descriptors) override {
    return stream_->WriteWith(from, descriptors);
  }
  std::unique_ptr<Descriptors> TakeDescriptors() override { return stream_->TakeDescriptors(); }
  std::optional<std::string> PeerEnd() override { return stream_->PeerEnd(); }

 private:
  const std::unique_ptr<ByteStream> stream_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_STREAM_FORWARDING_STREAM_H_
