#ifndef NIGH_TESTS_RUNTIME_FAKE_CONNECTION_H_
#define NIGH_TESTS_RUNTIME_FAKE_CONNECTION_H_

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "tests/contract/frames.h"

namespace nigh::testing {

// The sending half of a connection, whose medium a test fills, empties and breaks as it likes. What
// one look finds is the test's to say, too.
class FakeConnection final : public Connection {
 public:
  static constexpr size_t kEndless = std::numeric_limits<size_t>::max();

  // For the test. `room` counts bytes of payload, and one for the frame itself.
  size_t room = kEndless;
  size_t room_after_flush = 0;  // comes free with the next flush
  bool flushes = true;          // whether Flush finds that everything has left
  absl::Status error;           // why Flush finds the end from now on
  std::function<void()> on_flush;
  size_t bulk = 0;           // bytes of bulk memory that are left
  bool from_memory = false;  // whether frames leave from where they lie; before there is a sender
  // What has left so, and is kept as a medium keeps it that has not sent it yet.
  std::vector<std::pair<const std::byte*, std::shared_ptr<const void>>> kept;
  std::vector<OwnedFrame> frames;
  Received received;
  // Where the next pieces of which call are to go.
  uint32_t place_call = 0;
  ByteSpan place;

  void set_max_payload(size_t size) { max_payload_ = size; }
  int arms() const { return arms_; }
  // How much bulk memory has been allocated and neither been sent nor freed.
  size_t allocations() const { return allocated_.size(); }

  std::optional<ByteSpan> Claim(size_t payload) override {
    claim_.reset();
    if (payload >= room) return std::nullopt;
    claim_.emplace(payload, '?');
    return ByteSpan(reinterpret_cast<std::byte*>(claim_->data()), payload);
  }
  void Commit(const FrameHeader& header) override {
    OwnedFrame frame{header, claim_.value().substr(0, header.length)};
    claim_.reset();
    if (room != kEndless) room -= frame.payload.size() + 1;
    frames.push_back(std::move(frame));
  }
  std::optional<ByteSpan> AllocateBulk(size_t payload) override {
    if (payload <= max_payload_ || payload > bulk) return std::nullopt;
    bulk -= payload;
    std::string& bytes = allocated_.emplace_back(payload, '?');
    return ByteSpan(reinterpret_cast<std::byte*>(bytes.data()), payload);
  }
  bool CommitBulk(const FrameHeader& header, ByteSpan allocated) override {
    if (room == 0) return false;
    if (room != kEndless) --room;
    frames.push_back({header, std::string(AsText(allocated))});
    FreeBulk(allocated);
    return true;
  }
  void FreeBulk(ByteSpan allocated) override {
    bulk += allocated.size();
    EXPECT_EQ(allocated_.remove_if([&](const std::string& bytes) {
      return bytes.data() == AsText(allocated).data();
    }),
              1u);
  }
  bool sends_from_memory() const override { return from_memory; }
  bool CommitFrom(const FrameHeader& header, ConstByteSpan payload,
                  std::shared_ptr<const void> owner) override {
    if (room == 0) return false;
    if (room != kEndless) --room;
    frames.push_back({header, std::string(AsText(payload))});
    kept.emplace_back(payload.data(), std::move(owner));
    return true;
  }
  Flushed Flush() override {
    if (!error.ok()) return Flushed::kEnded;
    // A copy: it may forget itself.
    if (const std::function<void()> meanwhile = on_flush) meanwhile();
    if (flushes && room != kEndless) room += std::exchange(room_after_flush, 0);
    return flushes ? Flushed::kAll : Flushed::kSome;
  }
  Wake Arm(Interest) override {
    ++arms_;
    return {.fd = 1, .events = 4};
  }
  size_t max_payload() const override { return max_payload_; }

  Received Receive(absl::Span<Frame>) override { return std::exchange(received, {}); }
  void ReceiveInto(uint32_t call, ByteSpan to) override {
    place_call = call;
    place = to;
  }
  void Release(size_t) override {}
  absl::Status End(Interest) const override { return error; }
  Waiter::PollCost poll_cost() const override { return Waiter::PollCost::kCheap; }
  void Close() override {}
  const PeerIdentity& peer() const override { return peer_; }

 private:
  size_t max_payload_ = kMinMaxPayload;
  int arms_ = 0;
  std::optional<std::string> claim_;
  std::list<std::string> allocated_;
  PeerIdentity peer_{.address = "fake:"};
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_RUNTIME_FAKE_CONNECTION_H_
