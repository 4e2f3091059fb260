#ifndef NIGH_TESTING_FAULTY_STREAM_H_
#define NIGH_TESTING_FAULTY_STREAM_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "nigh/testing/fault_lane.h"
#include "nigh/testing/fault_script.h"
#include "nigh/testing/gate.h"
#include "nigh/transport/bytes.h"
#include "nigh/transports/stream/byte_stream.h"
#include "nigh/transports/stream/forwarding_stream.h"

namespace nigh::testing {

// A stream on which things go wrong, at the very byte.
class FaultyStream final : public ForwardingStream {
 public:
  FaultyStream(std::unique_ptr<ByteStream> stream, ConnectionFaults faults,
               const std::shared_ptr<FaultyLink>& link);

  ssize_t Read(ByteSpan to) override;
  ssize_t Write(ConstByteSpan from) override;
  int read_fd() const override;
  int write_fd() const override;
  short write_events() const override;
  std::optional<std::string> PeerEnd() override;

 private:
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
