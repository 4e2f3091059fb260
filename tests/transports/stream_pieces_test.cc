// Pieces of payloads over a byte stream: they leave from where they lie, and arrive where the
// receiver wants them.

#include <sys/types.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/stream/byte_stream.h"
#include "nigh/transports/stream/stream_connection.h"

namespace nigh {
namespace {

// What the test does to the medium. One system call moves `slice` bytes at most.
struct Medium {
  std::string bytes;  // on their way
  size_t slice = SIZE_MAX;
  size_t room = SIZE_MAX;
  int reads = 0;
  int writes = 0;
};

class MemoryStream final : public ByteStream {
 public:
  explicit MemoryStream(Medium& medium) : medium_(medium) {}

  ssize_t Read(ByteSpan to) override { return ReadScattered(absl::MakeConstSpan(&to, 1)); }
  ssize_t Write(ConstByteSpan from) override {
    return WriteGathered(absl::MakeConstSpan(&from, 1));
  }
  bool is_vectored() const override { return true; }
  ssize_t ReadScattered(absl::Span<const ByteSpan> to) override {
    if (medium_.bytes.empty()) return -EAGAIN;
    ++medium_.reads;
    size_t left = std::min(medium_.slice, medium_.bytes.size());
    size_t count = 0;
    for (const ByteSpan part : to) {
      EXPECT_FALSE(part.empty());
      const size_t here = std::min(left, part.size());
      std::memcpy(part.data(), medium_.bytes.data() + count, here);
      count += here;
      left -= here;
    }
    medium_.bytes.erase(0, count);
    return static_cast<ssize_t>(count);
  }
  ssize_t WriteGathered(absl::Span<const ConstByteSpan> from) override {
    EXPECT_LE(from.size(), ByteStream::kMostParts);
    if (medium_.room == 0) return -EAGAIN;
    ++medium_.writes;
    size_t left = std::min(medium_.slice, medium_.room);
    size_t count = 0;
    for (const ConstByteSpan part : from) {
      EXPECT_FALSE(part.empty());
      const size_t here = std::min(left, part.size());
      absl::StrAppend(&medium_.bytes, AsText(part.first(here)));
      count += here;
      left -= here;
    }
    if (medium_.room != SIZE_MAX) medium_.room -= count;
    return static_cast<ssize_t>(count);
  }
  int read_fd() const override { return -1; }
  int write_fd() const override { return -1; }
  void Shutdown() override {}

 private:
  Medium& medium_;
};

constexpr size_t kMaxPayload = StreamConnection::kMaxPayload;

std::string Bytes(size_t size, std::minstd_rand& random) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// Puts pieces together, and has them received where they belong.
class Receiver {
 public:
  explicit Receiver(Medium& medium)
      : connection_(std::make_unique<MemoryStream>(medium), PeerIdentity{.address = "test:"}) {}

  // Looks once. False: nothing has come.
  bool Receive() {
    std::array<Frame, 16> frames;
    const Received received = connection_.Receive(absl::MakeSpan(frames));
    EXPECT_FALSE(received.ended) << connection_.End(Interest::kReceive);
    for (const Frame& frame : absl::MakeSpan(frames).first(received.frames)) {
      Take(frame);
      connection_.Release(1);
    }
    return received.frames != 0;
  }
  StreamConnection& connection() { return connection_; }

  std::vector<std::pair<uint32_t, std::string>> whole;  // with their calls
  size_t pieces = 0;
  size_t in_place = 0;  // of them

 private:
  struct Unfinished {
    std::string bytes;
    size_t size;
  };

  void Take(const Frame& frame) {
    const FrameHeader& header = frame.header;
    if (header.kind == FrameKind::kMessage && header.rest == 0) {
      whole.emplace_back(header.call, std::string(AsText(frame.payload)));
      return;
    }
    Unfinished& call = unfinished_[header.call];
    if (header.kind == FrameKind::kMessage) {
      call = {std::string(header.length + header.rest, '?'), 0};
    } else {
      ++pieces;
    }
    auto* const at = reinterpret_cast<std::byte*>(call.bytes.data()) + call.size;
    ASSERT_EQ(call.size + header.length + header.rest, call.bytes.size());
    if (frame.payload.data() == at) {
      ++in_place;
    } else {
      std::memcpy(at, frame.payload.data(), frame.payload.size());
    }
    call.size += header.length;
    if (header.rest != 0) {
      return connection_.ReceiveInto(header.call, ByteSpan(at + header.length, header.rest));
    }
    connection_.ReceiveInto(0, {});
    whole.emplace_back(header.call, std::move(call.bytes));
  }

  StreamConnection connection_;
  std::map<uint32_t, Unfinished> unfinished_;
};

// Payloads of several calls on their way at once, piece by piece.
class Sender {
 public:
  explicit Sender(Medium& medium)
      : connection_(std::make_unique<MemoryStream>(medium), PeerIdentity{.address = "test:"}) {}

  // Commits the next piece of the call's payload, which may be the first, from memory or by a
  // claim. False: there is no room.
  bool Commit(uint32_t call, size_t piece, bool from_memory) {
    Unfinished& unfinished = unfinished_[call];
    const std::string& bytes = *unfinished.bytes;
    piece = std::min({piece, bytes.size() - unfinished.sent, kMaxPayload});
    const FrameHeader header = {
        .length = static_cast<uint32_t>(piece),
        .kind = unfinished.sent == 0 ? FrameKind::kMessage : FrameKind::kPiece,
        .call = call,
        .rest = static_cast<uint32_t>(bytes.size() - unfinished.sent - piece)};
    const ConstByteSpan payload = AsBytes(bytes).subspan(unfinished.sent, piece);
    if (from_memory) {
      if (!connection_.CommitFrom(header, payload, unfinished.bytes)) return false;
    } else {
      const std::optional<ByteSpan> claim = connection_.Claim(piece);
      if (!claim.has_value()) return false;
      std::memcpy(claim->data(), payload.data(), payload.size());
      connection_.Commit(header);
    }
    unfinished.sent += piece;
    if (header.rest == 0) unfinished_.erase(call);
    return true;
  }
  bool Has(uint32_t call) const { return unfinished_.contains(call); }
  std::shared_ptr<const std::string> Begin(uint32_t call, std::string bytes) {
    auto shared = std::make_shared<const std::string>(std::move(bytes));
    unfinished_[call] = {shared, 0};
    return shared;
  }
  StreamConnection& connection() { return connection_; }

 private:
  struct Unfinished {
    std::shared_ptr<const std::string> bytes;
    size_t sent;
  };

  StreamConnection connection_;
  std::map<uint32_t, Unfinished> unfinished_;
};

// A long payload that meets nothing: all of it leaves from where it lies, and all but what came
// with its first piece arrives where it belongs.
TEST(StreamPieces, LongPayloadIsCopiedAtNeitherEnd) {
  constexpr uint32_t kPieces = 16;
  std::minstd_rand random(1);
  Medium medium;
  Sender sender(medium);
  Receiver receiver(medium);
  const auto bytes = sender.Begin(1, Bytes(kPieces * kMaxPayload, random));
  while (sender.Has(1)) {
    if (!sender.Commit(1, kMaxPayload, /*from_memory=*/true)) {
      ASSERT_EQ(sender.connection().Flush(), Flushed::kAll);
    }
  }
  ASSERT_EQ(sender.connection().Flush(), Flushed::kAll);
  EXPECT_EQ(bytes.use_count(), 1) << "what has left is let go of";
  EXPECT_LE(medium.writes, static_cast<int>(kPieces) / 4) << "several pieces a system call";
  while (receiver.Receive()) {
  }
  ASSERT_EQ(receiver.whole.size(), 1u);
  EXPECT_EQ(receiver.whole[0].second, *bytes);
  EXPECT_EQ(receiver.pieces, kPieces - 1);
  // The first read takes two, the rest of the second one is read where it belongs.
  EXPECT_GE(receiver.in_place, kPieces - 2);
  EXPECT_LE(medium.reads, static_cast<int>(kPieces));
}

// All of that for pieces of any length, by reads and writes of any length, with other frames and
// other calls' pieces between.
TEST(StreamPieces, WhatComesBetweenIsToldApart) {
  constexpr int kRounds = 200;
  constexpr uint32_t kCalls = 3;
  size_t in_place = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::minstd_rand random(round + 1);
    const auto one_of = [&](size_t below) { return static_cast<size_t>(random()) % below; };
    const auto any_size = [&] {
      const size_t most[] = {30, 3'000, kMaxPayload, 2 * kMaxPayload};
      return 1 + one_of(most[one_of(4)]);
    };
    Medium medium;
    Sender sender(medium);
    Receiver receiver(medium);
    std::map<uint32_t, std::string> expected;
    std::vector<std::pair<uint32_t, std::string>> sent;
    const bool one_call = round % 2 == 0;
    for (int step = 0; step < 200; ++step) {
      medium.slice = any_size();
      medium.room = one_of(4) == 0 ? one_of(10'000) : SIZE_MAX;
      const auto call = one_call ? 0 : static_cast<uint32_t>(one_of(kCalls));
      if (one_of(8) == 0) {  // a frame of another call, which may have no payload
        const std::string bytes = *sender.Begin(kCalls, Bytes(one_of(2) * 100, random));
        if (sender.Commit(kCalls, kMaxPayload, one_of(2) == 0)) sent.emplace_back(kCalls, bytes);
      } else {
        if (!sender.Has(call)) expected[call] = *sender.Begin(call, Bytes(any_size() * 4, random));
        if (sender.Commit(call, any_size(), one_of(2) == 0) && !sender.Has(call)) {
          sent.emplace_back(call, expected[call]);
        }
      }
      ASSERT_NE(sender.connection().Flush(), Flushed::kEnded);
      if (one_of(3) == 0) receiver.Receive();
    }
    medium.room = SIZE_MAX;
    medium.slice = SIZE_MAX;
    ASSERT_EQ(sender.connection().Flush(), Flushed::kAll);
    while (receiver.Receive() || !medium.bytes.empty()) {
    }
    ASSERT_EQ(receiver.whole.size(), sent.size());
    for (size_t i = 0; i < sent.size(); ++i) {
      ASSERT_EQ(receiver.whole[i].first, sent[i].first);
      ASSERT_TRUE(receiver.whole[i].second == sent[i].second) << "round " << round << ", " << i;
    }
    in_place += receiver.in_place;
  }
  EXPECT_GT(in_place, size_t{kRounds}) << "or nothing was tried";
}

// The receiver changes its mind while a piece is on its way into its place.
TEST(StreamPieces, APlaceMayBeWithdrawnAmidAPiece) {
  std::minstd_rand random(1);
  Medium medium;
  Sender sender(medium);
  StreamConnection receiver(std::make_unique<MemoryStream>(medium), PeerIdentity{.address = "t:"});
  const auto bytes = sender.Begin(1, Bytes(40'000, random));
  ASSERT_TRUE(sender.Commit(1, 10, true));
  ASSERT_TRUE(sender.Commit(1, 39'990, true));
  ASSERT_EQ(sender.connection().Flush(), Flushed::kAll);
  for (const size_t before : {size_t{5}, kFrameHeaderSize, size_t{1'000}, size_t{39'990}}) {
    Medium again = medium;
    StreamConnection connection(std::make_unique<MemoryStream>(again),
                                PeerIdentity{.address = "t:"});
    std::array<Frame, 4> frames;
    again.slice = kFrameHeaderSize + 10;
    ASSERT_EQ(connection.Receive(absl::MakeSpan(frames)).frames, 1u);
    {
      std::vector<std::byte> place(39'990);
      connection.ReceiveInto(1, absl::MakeSpan(place));
      again.slice = before;
      ASSERT_EQ(connection.Receive(absl::MakeSpan(frames)).frames, 0u);
      again.slice = 1;
      ASSERT_EQ(connection.Receive(absl::MakeSpan(frames)).frames, 0u);
      connection.ReceiveInto(0, {});
    }
    again.slice = SIZE_MAX;
    while (!again.bytes.empty()) {
      const Received received = connection.Receive(absl::MakeSpan(frames));
      ASSERT_FALSE(received.ended);
      if (received.frames == 0) continue;
      EXPECT_TRUE(AsText(frames[0].payload) == absl::string_view(*bytes).substr(10));
    }
  }
}

// A peer that has gone takes nothing of what was to be sent with it.
TEST(StreamPieces, WhatHasNotLeftGoesWithTheConnection) {
  std::minstd_rand random(1);
  Medium medium;
  medium.room = 1'000;
  auto sender = std::make_unique<Sender>(medium);
  const auto bytes = sender->Begin(1, Bytes(kMaxPayload, random));
  ASSERT_TRUE(sender->Commit(1, kMaxPayload, true));
  ASSERT_EQ(sender->connection().Flush(), Flushed::kSome);
  EXPECT_EQ(bytes.use_count(), 2);
  sender.reset();
  EXPECT_EQ(bytes.use_count(), 1);
}

// Short payloads that lie elsewhere, with short frames between, are more parts than one write
// takes.
TEST(StreamPieces, OneWriteTakesSoManyPartsAndNoMore) {
  constexpr size_t kShort = 100;
  for (size_t frames = 1; frames < 40; ++frames) {
    std::minstd_rand random(frames);
    Medium medium;
    Sender sender(medium);
    Receiver receiver(medium);
    std::vector<std::pair<uint32_t, std::string>> sent;
    for (uint32_t call = 0; call < frames; ++call) {
      sent.emplace_back(call, *sender.Begin(call, Bytes(kShort, random)));
      ASSERT_TRUE(sender.Commit(call, kShort, /*from_memory=*/call % 3 != 2));
    }
    ASSERT_EQ(sender.connection().Flush(), Flushed::kAll);
    while (receiver.Receive()) {
    }
    EXPECT_EQ(receiver.whole, sent) << frames;
  }
}

// Toward a peer that does not receive, there is room for so much and no more.
TEST(StreamPieces, WhatWaitsElsewhereIsBounded) {
  std::minstd_rand random(1);
  Medium medium;
  medium.room = 0;
  Sender sender(medium);
  sender.Begin(1, Bytes(64 * kMaxPayload, random));
  size_t taken = 0;
  while (sender.Commit(1, kMaxPayload, true)) ++taken;
  EXPECT_LE(taken, 4u);
  EXPECT_EQ(sender.connection().Flush(), Flushed::kSome);
  EXPECT_FALSE(sender.Commit(1, kMaxPayload, true));
  medium.room = SIZE_MAX;
  EXPECT_EQ(sender.connection().Flush(), Flushed::kAll);
  EXPECT_TRUE(sender.Commit(1, kMaxPayload, true));
}

}  // namespace
}  // namespace nigh
