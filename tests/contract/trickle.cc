#include "tests/contract/trickle.h"

#include <sys/types.h>

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "nigh/transports/stream/byte_stream.h"
#include "nigh/transports/stream/forwarding_stream.h"
#include "nigh/transports/unix/unix.h"

namespace nigh::testing {
namespace {

class TrickleStream final : public ForwardingStream {
 public:
  using ForwardingStream::ForwardingStream;

  ssize_t Read(ByteSpan to) override { return ForwardingStream::Read(to.first(1)); }
  ssize_t Write(ConstByteSpan from) override { return ForwardingStream::Write(from.first(1)); }
};

std::unique_ptr<ByteStream> Trickle(std::unique_ptr<ByteStream> stream) {
  return std::make_unique<TrickleStream>(std::move(stream));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> DialTrickleUnix(const Address& address) {
  return DialUnixFiltered(address, &Trickle);
}

absl::StatusOr<std::unique_ptr<Listener>> ListenTrickleUnix(const Address& address) {
  return ListenUnixFiltered(address, &Trickle);
}

}  // namespace nigh::testing
