#ifndef NIGH_TESTING_FAULTY_CONNECTION_H_
#define NIGH_TESTING_FAULTY_CONNECTION_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "nigh/peer_identity.h"
#include "nigh/testing/fault_lane.h"
#include "nigh/testing/fault_script.h"
#include "nigh/testing/gate.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/waiter.h"

namespace nigh::testing {

// A connection on which things go wrong, for media that keep frames apart: each fault is the
// frame's. Byte streams have FaultyStream.
class FaultyConnection final : public Connection {
 public:
  FaultyConnection(std::unique_ptr<Connection> connection, ConnectionFaults faults,
                   std::shared_ptr<FaultyLink> link);

  std::optional<ByteSpan> Claim(size_t payload) override;
  void Commit(const FrameHeader& header) override;
  std::optional<ByteSpan> AllocateBulk(size_t payload) override;
  size_t bulk_size() const override { return connection_->bulk_size(); }
  std::optional<HeldBulk> HoldBulk(size_t size) override { return connection_->HoldBulk(size); }
  std::optional<ByteSpan> ExtendBulk(ConstByteSpan held, size_t before) override {
    return connection_->ExtendBulk(held, before);
  }
  bool CommitBulk(const FrameHeader& header, ByteSpan allocated) override;
  void FreeBulk(ByteSpan allocated) override { connection_->FreeBulk(allocated); }
  Trimmed TrimBulk() override { return connection_->TrimBulk(); }
  Flushed Flush() override;
  Received Receive(absl::Span<Frame> frames) override;
  std::shared_ptr<const void> KeepBulk(ConstByteSpan bytes) override {
    return connection_->KeepBulk(bytes);
  }
  void Release(size_t count) override { connection_->Release(count); }
  absl::Status End(Interest direction) const override;
  Wake Arm(Interest interest) override;
  Waiter::PollCost poll_cost() const override { return connection_->poll_cost(); }
  void Close() override { connection_->Close(); }
  size_t max_payload() const override { return connection_->max_payload(); }
  size_t max_received_payload() const override { return connection_->max_received_payload(); }
  // As the medium's: what goes with a frame that is lost belongs to none.
  DescriptorLane* descriptors() override { return connection_->descriptors(); }
  const PeerIdentity& peer() const override { return connection_->peer(); }

 private:
  // One direction, and its thread's.
  struct Lane {
    Lane(std::vector<Fault> faults, const Nuisance& nuisance,
         const std::shared_ptr<FaultyLink>& link, std::atomic<uint64_t>& passed);

    FaultLane faults;
    std::optional<Gate> gate;  // where one is needed
    // The last step was kNothing, so it is worth trying again at once.
    bool try_again = false;
    bool ended = false;  // by a fault
  };

  bool IsHeldUp(Lane& lane);
  // Whatever is to happen to this frame, which has been received.
  Received Take(Frame& frame);
  // What is to become of a frame that is sent.
  enum class Fate {
    kSent,
    kLost,
    kCut,  // with all that would follow
  };
  // Finds the fate of one, and turns a byte of `header` or `payload` if that is the fault. A frame
  // that then is sent, or lost, has Done().
  Fate FateOf(FrameHeader& header, ByteSpan payload);
  void Done(const FrameHeader& header);

  const std::shared_ptr<FaultyLink> link_;
  const std::unique_ptr<Connection> connection_;
  Lane in_;
  Lane out_;
  ByteSpan claim_;
  bool faulted_ = false;              // the frame whose fate has been found has met one
  std::vector<std::byte> corrupted_;  // the payload of a frame that was received
};

}  // namespace nigh::testing

#endif  // NIGH_TESTING_FAULTY_CONNECTION_H_
