// A StreamConnection over a byte stream in memory: arbitrary bytes in arbitrary slices, a writer
// that takes as little as it likes, ends of all sorts. What it receives must be the frames in the
// bytes; what it writes, the frames that were committed. Each input makes two buffers of 128 KiB,
// and a step may move as much, which is what it costs.

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/stream/byte_stream.h"
#include "nigh/transports/stream/stream_connection.h"
#include "tests/fuzz/input.h"

namespace nigh::testing {
namespace {

// What the fuzzer does to the medium.
struct Medium {
  std::string arriving;     // can be read
  size_t slice = SIZE_MAX;  // bytes of one read at most
  size_t room = 0;          // can be written
  std::string written;
  ssize_t end = -EAGAIN;  // what a read says once nothing arrives any more
  bool shut = false;
};

class MemoryStream final : public ByteStream {
 public:
  explicit MemoryStream(Medium& medium) : medium_(medium) {}

  ssize_t Read(ByteSpan to) override {
    Expect(!to.empty(), "a read has room");
    if (medium_.shut) return 0;
    if (medium_.arriving.empty()) return medium_.end;
    const size_t count = std::min({to.size(), medium_.arriving.size(), medium_.slice});
    std::memcpy(to.data(), medium_.arriving.data(), count);
    medium_.arriving.erase(0, count);
    return static_cast<ssize_t>(count);
  }
  ssize_t Write(ConstByteSpan from) override {
    Expect(!from.empty(), "a write has bytes");
    if (medium_.shut || medium_.end != -EAGAIN) return -EPIPE;
    if (medium_.room == 0) return -EAGAIN;
    const size_t count = std::min(from.size(), medium_.room);
    medium_.room -= count;
    medium_.written.append(AsText(from).data(), count);
    return static_cast<ssize_t>(count);
  }
  // Never polled: the target looks at what Arm returns only.
  int read_fd() const override { return 1000; }
  int write_fd() const override { return 1001; }
  bool is_vectored() const override { return true; }
  ssize_t ReadScattered(absl::Span<const ByteSpan> to) override {
    ssize_t count = 0;
    for (const ByteSpan part : to) {
      const ssize_t here = Read(part);
      if (here <= 0) return count == 0 ? here : count;
      count += here;
      if (here < static_cast<ssize_t>(part.size())) break;
    }
    return count;
  }
  ssize_t WriteGathered(absl::Span<const ConstByteSpan> from) override {
    Expect(from.size() <= kMostParts, "one write has so many parts and no more");
    ssize_t count = 0;
    for (const ConstByteSpan part : from) {
      const ssize_t here = Write(part);
      if (here <= 0) return count == 0 ? here : count;
      count += here;
      if (here < static_cast<ssize_t>(part.size())) break;
    }
    return count;
  }
  void Shutdown() override { medium_.shut = true; }

 private:
  Medium& medium_;
};

class Session {
 public:
  Session()
      : connection_(std::make_unique<MemoryStream>(medium_), PeerIdentity{.address = "fuzz:"}) {}

  Medium& medium() { return medium_; }

  void Feed(absl::string_view bytes) {
    medium_.arriving.append(bytes.data(), bytes.size());
    unread_.append(bytes.data(), bytes.size());
  }

  void Receive() {
    std::array<Frame, 3> frames;
    const Received received = connection_.Receive(absl::MakeSpan(frames));
    if (received.ended) {
      const absl::Status end = connection_.End(Interest::kReceive);
      Expect(received.frames == 0, "the end comes alone");
      Expect(absl::IsUnavailable(end) || absl::IsInternal(end),
             "the end is UNAVAILABLE or INTERNAL");
      Expect(connection_.Receive(absl::MakeSpan(frames)).ended &&
                 connection_.End(Interest::kReceive) == end,
             "the end is final");
      Expect(connection_.Arm(Interest::kReceive).ready(), "nobody sleeps on an end");
      ended_ = true;
      return;
    }
    Expect(!ended_, "nothing comes after the end");
    for (const Frame& frame : absl::MakeSpan(frames).subspan(0, received.frames)) {
      ExpectFrame(frame);
      if (frame.payload.data() == place_.data() && !frame.payload.empty()) {
        place_.remove_prefix(frame.payload.size());
        connection_.ReceiveInto(place_call_, place_);
      }
      connection_.Release(1);
    }
  }

  // Has pieces of a call received into memory of that many bytes, or nowhere.
  void Place(uint32_t call, size_t size) {
    std::vector<std::byte> memory(size);
    place_ = absl::MakeSpan(memory);
    place_call_ = call;
    connection_.ReceiveInto(call, place_);
    memory_ = std::move(memory);  // what there was is wanted until then
  }

  void ExpectFrame(const Frame& frame) {
    Expect(unread_.size() >= kFrameHeaderSize + frame.payload.size(), "a frame has arrived whole");
    const FrameHeader header =
        DecodeFrameHeader(reinterpret_cast<const std::byte*>(unread_.data()));
    Expect(frame.header == header && frame.payload.size() == header.length, "its header is right");
    Expect(frame.payload.size() <= connection_.max_payload(), "it is no longer than allowed");
    Expect(
        AsText(frame.payload) == absl::string_view(unread_).substr(kFrameHeaderSize, header.length),
        "its payload is right");
    unread_.erase(0, kFrameHeaderSize + header.length);
  }

  void Send(FrameHeader header, size_t claimed) {
    const std::optional<ByteSpan> claim = connection_.Claim(claimed);
    if (!claim.has_value()) return;
    Expect(claim->size() >= claimed, "a claim has the room that was asked for");
    header.length = std::min(header.length, static_cast<uint32_t>(claimed));
    std::fill(claim->begin(), claim->end(), static_cast<std::byte>(header.call));
    connection_.Commit(header);
    std::string frame(kFrameHeaderSize, '\0');
    EncodeFrameHeader(header, reinterpret_cast<std::byte*>(frame.data()));
    frame.append(header.length, static_cast<char>(header.call));
    committed_ += frame;
  }

  void SendFromMemory(FrameHeader header, size_t size) {
    header.length = static_cast<uint32_t>(size);
    const auto payload = std::make_shared<const std::string>(size, static_cast<char>(header.call));
    if (!connection_.CommitFrom(header, AsBytes(*payload), payload)) return;
    std::string frame(kFrameHeaderSize, '\0');
    EncodeFrameHeader(header, reinterpret_cast<std::byte*>(frame.data()));
    committed_ += frame + *payload;
  }

  void Flush() {
    const Flushed flushed = connection_.Flush();
    if (flushed == Flushed::kEnded) {
      const absl::Status end = connection_.End(Interest::kSend);
      Expect(absl::IsUnavailable(end) || absl::IsInternal(end),
             "an end of sending is UNAVAILABLE or INTERNAL");
      Expect(connection_.Flush() == flushed && connection_.End(Interest::kSend) == end,
             "it is final");
      Expect(connection_.Arm(Interest::kSend).ready(), "nobody sleeps on it");
    } else if (flushed == Flushed::kAll) {
      Expect(medium_.written == committed_, "all that was committed has been written");
    } else {
      Expect(medium_.room == 0, "bytes stay behind only where there is no room");
      Expect(!connection_.Arm(Interest::kSend).ready(), "there is something to wait for");
    }
    Expect(absl::string_view(committed_).substr(0, medium_.written.size()) == medium_.written,
           "what was written is what was committed, in order");
  }

  void Arm(Interest interest) { (void)connection_.Arm(interest); }
  void Close() { connection_.Close(); }
  bool ended() const { return ended_; }

 private:
  Medium medium_;
  std::vector<std::byte> memory_;
  ByteSpan place_;  // in it
  uint32_t place_call_ = 0;
  StreamConnection connection_;
  std::string unread_;  // fed and not received yet
  std::string committed_;
  bool ended_ = false;
};

void Step(Session& session, Input& input) {
  switch (input.Take() % 13) {
    case 0:
      return session.Feed(input.TakeText(input.Take()));
    case 1: {  // a frame of any length, without its bytes in the input
      const auto length = input.Take<uint16_t>();
      std::string frame(kFrameHeaderSize, '\0');
      EncodeFrameHeader({.length = length, .kind = FrameKind::kMessage},
                        reinterpret_cast<std::byte*>(frame.data()));
      return session.Feed(frame.append(length, 'm'));
    }
    case 2:
    case 3:
      return session.Receive();
    case 4: {
      const size_t claimed =
          std::min<size_t>(input.Take<uint16_t>(), StreamConnection::kMaxPayload);
      return session.Send({.length = input.Take<uint16_t>(), .call = input.Take()}, claimed);
    }
    case 5:
      return session.Flush();
    case 6:
      session.medium().room += input.Take<uint16_t>();
      return;
    case 7:
      session.medium().slice = size_t{1} + input.Take<uint16_t>();
      return;
    case 8:
      return session.Arm(input.Take() % 2 == 0 ? Interest::kReceive : Interest::kSend);
    case 10: {  // a piece of any length
      const auto length = input.Take<uint16_t>();
      std::string frame(kFrameHeaderSize, '\0');
      EncodeFrameHeader({.length = length, .kind = FrameKind::kPiece, .call = input.Take() % 2u},
                        reinterpret_cast<std::byte*>(frame.data()));
      return session.Feed(frame.append(length, static_cast<char>(length)));
    }
    case 11:
      return session.Place(input.Take() % 2, input.Take<uint16_t>() * size_t{input.Take()} / 8);
    case 12:
      return session.SendFromMemory(
          {.call = input.Take()},
          std::min<size_t>(input.Take<uint16_t>(), StreamConnection::kMaxPayload));
    case 9:
      switch (input.Take() % 4) {
        case 0:
          return session.Close();
        case 1:
          session.medium().end = 0;
          return;
        case 2:
          session.medium().end = -ECONNRESET;
          return;
        default:
          return;
      }
  }
}

}  // namespace
}  // namespace nigh::testing

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nigh;           // NOLINT(google-build-using-namespace)
  using namespace nigh::testing;  // NOLINT(google-build-using-namespace)
  Input input(data, size);
  Session session;
  while (!input.empty()) Step(session, input);
  session.medium().end = 0;
  session.medium().slice = SIZE_MAX;
  for (size_t reads = 0; !session.ended(); ++reads) {
    Expect(reads <= size_t{70'000} * (size + 2), "the end comes after the last byte");
    session.Receive();
  }
  return 0;
}
