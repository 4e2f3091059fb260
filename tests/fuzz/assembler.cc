// Pieces of payloads, as a session hands them to the reassembler, against a model of what should
// come out. Each step: a byte of what, a byte of which call, a byte of length, two of rest.

#include "nigh/runtime/call/assembler.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "nigh/peer_identity.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/waiter.h"
#include "tests/fuzz/input.h"

namespace nigh::testing {
namespace {

struct Expected {
  FrameHeader first;
  std::string payload;
  uint32_t missing = 0;
};

// Bytes that differ from step to step and have a beginning.
std::string Payload(uint32_t length, uint8_t step) {
  std::string payload(length, static_cast<char>(step));
  if (length != 0) payload[0] = '^';
  return payload;
}

// A connection that does nothing but remember where pieces are to go.
class Medium final : public Connection {
 public:
  void ReceiveInto(uint32_t call, ByteSpan to) override {
    place_call = call;
    place = to;
  }

  std::optional<ByteSpan> Claim(size_t) override { return std::nullopt; }
  void Commit(const FrameHeader&) override {}
  Flushed Flush() override { return Flushed::kAll; }
  Received Receive(absl::Span<Frame>) override { return {}; }
  void Release(size_t) override {}
  absl::Status End(Interest) const override { return absl::OkStatus(); }
  Wake Arm(Interest) override { return Wake::Ready(); }
  Waiter::PollCost poll_cost() const override { return Waiter::PollCost::kCheap; }
  void Close() override {}
  size_t max_payload() const override { return UINT8_MAX; }
  const PeerIdentity& peer() const override { return peer_; }

  uint32_t place_call = 0;
  ByteSpan place;

 private:
  const PeerIdentity peer_ = {};
};

class Steps {
 public:
  // False: the session would end the connection here.
  bool Interrupt(const FrameHeader& header) {
    const absl::Status status = assembler_.Interrupt(header);
    Expect(status.ok() == GiveWay(header), "a frame waits for its call's pieces, or ends the call");
    return status.ok();
  }

  bool Begin(const FrameHeader& header, const std::string& payload) {
    const absl::Status begun = assembler_.Begin({header, AsBytes(payload)});
    const bool fresh = GiveWay(header);
    Expect(begun.ok() == fresh, "a payload begins only where no other of its call is unfinished");
    if (fresh) model_[header.call] = {header, payload, header.rest};
    return begun.ok();
  }

  // `in_place`: the piece is received where the assembler wants it, if it wants it anywhere.
  bool Add(const FrameHeader& header, const std::string& payload, bool in_place) {
    ConstByteSpan bytes = AsBytes(payload);
    if (in_place && medium_.place_call == header.call && bytes.size() <= medium_.place.size()) {
      std::copy(bytes.begin(), bytes.end(), medium_.place.begin());
      bytes = medium_.place.first(bytes.size());
    }
    const absl::StatusOr<std::optional<Assembler::Whole>> whole = assembler_.Add({header, bytes});
    const auto entry = model_.find(header.call);
    if (entry == model_.end()) {
      Expect(whole.ok() && !whole->has_value(), "a piece of nothing yields nothing");
      return true;
    }
    Expected& expected = entry->second;
    if (uint64_t{header.length} + header.rest != expected.missing) {
      Expect(absl::IsInternal(whole.status()), "a piece must continue what came before");
      return false;
    }
    Expect(whole.ok() && whole->has_value() == (header.rest == 0),
           "the last piece, and no other, makes the payload whole");
    expected.payload += payload;
    expected.missing = header.rest;
    if (header.rest != 0) return true;
    Expect(AsText((*whole)->payload.bytes()) == expected.payload, "the whole is its pieces");
    expected.first.length = static_cast<uint32_t>(expected.payload.size());
    expected.first.rest = 0;
    Expect((*whole)->header == expected.first, "its header is the first piece's");
    model_.erase(entry);
    return true;
  }

  void Abandon(uint32_t call) {
    assembler_.Abandon(call);
    model_.erase(call);
  }

  uint32_t missing(uint32_t call) const {
    const auto entry = model_.find(call);
    return entry == model_.end() ? 0 : entry->second.missing;
  }
  void CheckUnfinished(uint32_t call) const {
    const auto entry = model_.find(call);
    Expect(assembler_.Unfinished(call) ==
               (entry == model_.end() ? std::nullopt : std::optional(entry->second.first.kind)),
           "what is unfinished is known");
  }

 private:
  // A message gives way to a frame that opens or ends its call. False: something is in the way.
  bool GiveWay(const FrameHeader& header) {
    const auto entry = model_.find(header.call);
    if (entry == model_.end()) return true;
    const bool message = entry->second.first.kind == FrameKind::kMessage;
    if (!message || header.kind == FrameKind::kMessage) return false;
    model_.erase(entry);
    return true;
  }

  Medium medium_;
  Assembler assembler_{medium_};
  std::map<uint32_t, Expected> model_;
};

}  // namespace
}  // namespace nigh::testing

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nigh;           // NOLINT(google-build-using-namespace)
  using namespace nigh::testing;  // NOLINT(google-build-using-namespace)
  Input input(data, size);
  Steps steps;
  for (uint8_t step = 0; !input.empty(); ++step) {
    const auto what = input.Take();
    constexpr FrameKind kBeginnings[] = {FrameKind::kMessage, FrameKind::kMessage,
                                         FrameKind::kRequest, FrameKind::kResponse};
    FrameHeader header{.kind = what % 2 == 0 ? kBeginnings[what / 64] : FrameKind::kPiece,
                       .call = uint32_t{input.Take()} % 4};
    if (what % 2 == 0) header.flags = kMessage;
    if (what % 8 == 7) {
      steps.Abandon(header.call);
      steps.CheckUnfinished(header.call);
      continue;
    }
    header.length = input.Take();
    header.rest = input.Take<uint16_t>();
    // Most of the time a piece that fits, which chance would hardly find.
    if (what % 8 < 5 && header.kind == FrameKind::kPiece) {
      const uint32_t missing = steps.missing(header.call);
      header.length = std::min(header.length, missing);
      header.rest = missing - header.length;
    }
    // The session has validated every header.
    if (!ValidateFrameHeader(header, UINT8_MAX).ok()) continue;
    const std::string payload = Payload(header.length, step);
    const bool in_order = header.kind == FrameKind::kPiece
                              ? steps.Add(header, payload, what % 16 >= 8)
                          : header.rest == 0 ? steps.Interrupt(header)
                                             : steps.Begin(header, payload);
    if (!in_order) return 0;
    steps.CheckUnfinished(header.call);
  }
  return 0;
}
