#include "tests/contract/trickle.h"

#include <sys/types.h>

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "nigh/transport/address.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/transport.h"
#include "nigh/transports/stream/byte_stream.h"
#include "nigh/transports/stream/forwarding_stream.h"
#include "nigh/transports/stream/stream_filter.h"
#include "nigh/transports/unix/unix.h"

namespace nigh::testing {
namespace {

class TrickleStream final : public ForwardingStream {
 public:
  using ForwardingStream::ForwardingStream;

  ssize_t Read(ByteSpan to) override { return ForwardingStream::Read(to.first(1)); }
  ssize_t Write(ConstByteSpan from) override { return ForwardingStream::Write(from.first(1)); }
  ssize_t ReadScattered(absl::Span<const ByteSpan> to) override { return Read(to.front()); }
  ssize_t WriteGathered(absl::Span<const ConstByteSpan> from) override {
    return Write(from.front());
  }
  ssize_t WriteWith(ConstByteSpan from, const Descriptors& descriptors) override {
    return ForwardingStream::WriteWith(from.first(1), descriptors);
  }
};

std::unique_ptr<ByteStream> Trickle(std::unique_ptr<ByteStream> stream) {
  return std::make_unique<TrickleStream>(std::move(stream));
}

class TrickleListener final : public Listener {
 public:
  explicit TrickleListener(std::unique_ptr<Listener> listener) : listener_(std::move(listener)) {}

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override {
    const ScopedStreamFilter filter(&Trickle);
    return listener_->Accept();
  }
  void SetGate(Gate gate) override { listener_->SetGate(std::move(gate)); }
  Wake Arm() override { return listener_->Arm(); }
  const Address& address() const override { return listener_->address(); }

 private:
  const std::unique_ptr<Listener> listener_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> DialTrickleUnix(const Address& address) {
  const ScopedStreamFilter filter(&Trickle);
  return DialUnix(address);
}

absl::StatusOr<std::unique_ptr<Listener>> ListenTrickleUnix(const Address& address) {
  absl::StatusOr<std::unique_ptr<Listener>> listener = ListenUnix(address);
  if (!listener.ok()) return listener.status();
  return std::make_unique<TrickleListener>(*std::move(listener));
}

}  // namespace nigh::testing
