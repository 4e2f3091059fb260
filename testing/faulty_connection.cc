#include "nigh/testing/faulty_connection.h"

#include <poll.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "nigh/testing/fault_lane.h"
#include "nigh/testing/fault_script.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"

namespace nigh::testing {
namespace {

using Step = FaultLane::Step;

// Turns the bits of the header's byte `at`. False: it is one of the length's.
bool Corrupt(FrameHeader& header, size_t at) {
  if (at < sizeof(header.length)) return false;
  std::array<std::byte, kFrameHeaderSize> bytes;
  EncodeFrameHeader(header, bytes.data());
  bytes[at] = ~bytes[at];
  header = DecodeFrameHeader(bytes.data());
  return true;
}

}  // namespace

FaultyConnection::Lane::Lane(std::vector<Fault> faults, const Nuisance& nuisance,
                             const std::shared_ptr<FaultyLink>& link, std::atomic<uint64_t>& passed)
    : faults(std::move(faults), nuisance, link, passed) {
  if (this->faults.may_hold()) gate.emplace();
}

FaultyConnection::FaultyConnection(std::unique_ptr<Connection> connection, ConnectionFaults faults,
                                   std::shared_ptr<FaultyLink> link)
    : link_(std::move(link)),
      connection_(std::move(connection)),
      in_(std::move(faults.in), faults.nuisance, link_, link_->record->in),
      out_(std::move(faults.out), faults.nuisance, link_, link_->record->out) {}

// Sees to what happens between frames. A frame's own faults come when its size is known.
bool FaultyConnection::IsHeldUp(Lane& lane) {
  const Step step = lane.faults.Next(1, /*whole=*/false);
  lane.try_again = step == Step::kNothing;
  if (step == Step::kHeld) {
    lane.gate->Hold(lane.faults.held_until());
    return true;
  }
  if (lane.gate.has_value()) lane.gate->Open();
  return step == Step::kNothing;
}

std::optional<ByteSpan> FaultyConnection::Claim(size_t payload) {
  if (IsHeldUp(out_) || link_->cut.load(std::memory_order_acquire)) return std::nullopt;
  const std::optional<ByteSpan> claim = connection_->Claim(payload);
  if (claim.has_value()) claim_ = *claim;
  return claim;
}

FaultyConnection::Fate FaultyConnection::FateOf(FrameHeader& header, ByteSpan payload) {
  const size_t size = kFrameHeaderSize + header.length;
  for (;;) {
    const Step step = out_.faults.Next(size, /*whole=*/true);
    faulted_ = step == Step::kLose || step == Step::kCorrupt;
    if (step == Step::kCut || step == Step::kEnd) return Fate::kCut;
    if (step == Step::kLose) return Fate::kLost;
    if (step != Step::kCorrupt) return Fate::kSent;
    const size_t at = out_.faults.FaultIn();
    if (at >= kFrameHeaderSize) {
      payload[at - kFrameHeaderSize] = ~payload[at - kFrameHeaderSize];
    } else if (!Corrupt(header, at)) {
      out_.faults.Skip();
      continue;
    }
    return Fate::kSent;
  }
}

void FaultyConnection::Done(const FrameHeader& header) {
  if (faulted_) out_.faults.Done();
  out_.faults.Passed(kFrameHeaderSize + header.length);
}

void FaultyConnection::Commit(const FrameHeader& header) {
  FrameHeader sent = header;
  const Fate fate = FateOf(sent, claim_);
  if (fate == Fate::kCut) return;
  if (fate == Fate::kSent) connection_->Commit(sent);
  Done(header);
}

std::optional<ByteSpan> FaultyConnection::AllocateBulk(size_t payload) {
  if (link_->cut.load(std::memory_order_acquire)) return std::nullopt;
  return connection_->AllocateBulk(payload);
}

bool FaultyConnection::CommitBulk(const FrameHeader& header, ByteSpan allocated) {
  if (IsHeldUp(out_)) return false;
  FrameHeader sent = header;
  const Fate fate = FateOf(sent, allocated);
  if (fate == Fate::kSent && !connection_->CommitBulk(sent, allocated)) {
    // It meets the same fault again when there is room: the byte is turned back.
    const size_t at = faulted_ ? out_.faults.FaultIn() : 0;
    if (at >= kFrameHeaderSize) {
      allocated[at - kFrameHeaderSize] = ~allocated[at - kFrameHeaderSize];
    }
    return false;
  }
  if (fate != Fate::kSent) connection_->FreeBulk(allocated);
  if (fate != Fate::kCut) Done(header);
  return true;
}

Flushed FaultyConnection::Flush() {
  const Flushed flushed = connection_->Flush();
  if (!link_->cut.load(std::memory_order_acquire)) return flushed;
  connection_->Close();
  return Flushed::kEnded;
}

Received FaultyConnection::Receive(absl::Span<Frame> frames) {
  if (in_.faults.is_clear()) {
    const Received received = connection_->Receive(frames);
    for (const Frame& frame : frames.first(received.frames)) {
      in_.faults.Passed(kFrameHeaderSize + frame.header.length);
    }
    return received;
  }
  if (in_.ended) return {.ended = true};
  if (IsHeldUp(in_)) return {};
  // One by one, so that none has been taken in when the connection is cut before it.
  const Received received = connection_->Receive(frames.first(1));
  return received.frames == 0 ? Received{.ended = received.ended} : Take(frames[0]);
}

Received FaultyConnection::Take(Frame& frame) {
  const size_t size = kFrameHeaderSize + frame.header.length;
  for (;;) {
    switch (in_.faults.Next(size, /*whole=*/true)) {
      case Step::kCut:
        connection_->Close();
        [[fallthrough]];
      case Step::kEnd:
        connection_->Release(1);
        in_.ended = true;
        return {.ended = true};
      case Step::kLose:
        connection_->Release(1);
        in_.faults.Passed(size);
        in_.faults.Done();
        in_.try_again = true;
        return {};
      case Step::kCorrupt: {
        const size_t at = in_.faults.FaultIn();
        if (at >= kFrameHeaderSize) {
          corrupted_.assign(frame.payload.begin(), frame.payload.end());
          corrupted_[at - kFrameHeaderSize] = ~corrupted_[at - kFrameHeaderSize];
          frame.payload = corrupted_;
        } else if (!Corrupt(frame.header, at)) {
          in_.faults.Skip();
          continue;
        }
        in_.faults.Done();
        continue;
      }
      case Step::kNothing:
      case Step::kHeld:
      case Step::kPass:
        // What noise says was said before this frame was received.
        in_.faults.Passed(size);
        return {.frames = 1};
    }
  }
}

absl::Status FaultyConnection::End(Interest direction) const {
  if (link_->cut.load(std::memory_order_acquire)) {
    return absl::UnavailableError(absl::StrCat(peer().address, ": ", kCutMessage));
  }
  if (direction == Interest::kReceive && in_.ended) {
    return absl::UnavailableError(
        absl::StrCat(peer().address, ": receive: a fault (nigh/testing) has ended this direction"));
  }
  return connection_->End(direction);
}

Wake FaultyConnection::Arm(Interest interest) {
  Lane& lane = interest == Interest::kReceive ? in_ : out_;
  if (lane.try_again || lane.ended || link_->cut.load(std::memory_order_acquire)) {
    return Wake::Ready();
  }
  if (!lane.gate.has_value()) return connection_->Arm(interest);
  // Before it looks: what it tells from then on counts.
  lane.gate->Forget();
  Wake wake = connection_->Arm(interest);
  const bool held = !lane.faults.held_until().is_infinite();
  if (wake.ready() && !held) return wake;
  if (!wake.ready() && !lane.gate->watches()) {
    lane.gate->Watch(wake.fd, wake.events, wake.edge_triggered);
  }
  wake.fd = lane.gate->fd();
  wake.events = POLLIN;
  wake.edge_triggered = false;
  return wake;
}

}  // namespace nigh::testing
