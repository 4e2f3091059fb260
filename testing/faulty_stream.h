#ifndef NIGH_TESTING_FAULTY_STREAM_H_
#define NIGH_TESTING_FAULTY_STREAM_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/types/span.h"
#include "nigh/testing/fault_lane.h"
#include "nigh/testing/fault_script.h"
#include "nigh/testing/gate.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transports/stream/byte_stream.h"
#include "nigh/transports/stream/forwarding_stream.h"

namespace nigh::testing {

// A stream on which things go wrong, at the very byte.
class FaultyStream final : public ForwardingStream {
 public:
  FaultyStream(std::unique_ptr<ByteStream> stream, ConnectionFaults faults,
               const std::shared_ptr<FaultyLink>& link);

  ssize_t Read(ByteSpan to) override;
  ssize_t Write(ConstByteSpan from) override { return WriteMaybeWith(from, nullptr); }
  ssize_t ReadScattered(absl::Span<const ByteSpan> to) override { return Read(to.front()); }
  ssize_t WriteGathered(absl::Span<const ConstByteSpan> from) override {
    return Write(from.front());
  }
  ssize_t WriteWith(ConstByteSpan from, const Descriptors& descriptors) override {
    return WriteMaybeWith(from, &descriptors);
  }
  int read_fd() const override;
  int write_fd() const override;
  short write_events() const override;
  std::optional<std::string> PeerEnd() override;

 private:
  // `descriptors` may be null. Those that go with a byte that is lost are lost, too.
  ssize_t WriteMaybeWith(ConstByteSpan from, const Descriptors* descriptors);
  ssize_t Forward(ConstByteSpan from, const Descriptors* descriptors) {
    return descriptors == nullptr ? ForwardingStream::Write(from)
                                  : ForwardingStream::WriteWith(from, *descriptors);
  }
  void EndWriting();

  const std::shared_ptr<FaultyLink> link_;

  FaultLane in_;
  FaultLane out_;
  std::optional<Gate> in_gate_;  // where one is needed
  std::optional<Gate> out_gate_;
  bool writing_ended_ = false;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTING_FAULTY_STREAM_H_
