// A connection over two message queues (queue/queue_connection.h), whose peer puts any messages in
// its queue, and takes out, removes and marks either as it likes. A byte of settings, then steps.
// The queues are in memory; what is left are some twenty system calls an input, for the
// connection's own descriptors and the peer's process.

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/process/process_name.h"
#include "nigh/transports/queue/message_queue.h"
#include "nigh/transports/queue/queue_connection.h"
#include "nigh/transports/rendezvous/arrival.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/memory_queue.h"
#include "tests/fuzz/open_descriptors.h"

namespace nigh::testing {
namespace {

// The byte of settings.
enum Settings : uint8_t {
  kClient = 1,        // which end this side is
  kRefused = 2,       // a server's: the client may not come in
  kArrivalsFull = 4,  // a client's: there is no room to announce itself
  kWhoMask = 0x18,    // who the client says it is, a byte of Who
};
enum class Who : uint8_t { kThis, kDead, kElsewhere, kNobody };

// Frames of the largest size that are committed and not sent yet.
constexpr size_t kMostBuffered = 8 * QueueInMemory::kMaxMessage;

const ProcessName& This() {
  static const ProcessName name = ProcessName::OfThisProcess();
  return name;
}

ProcessName NameOf(uint8_t who) {
  switch (static_cast<Who>(who % 4)) {
    case Who::kThis:
      return This();
    case Who::kDead:  // beyond all numbers that processes have
      return {.pid = 1 << 23, .space = This().space};
    case Who::kElsewhere:
      return {.pid = 1, .space = This().space + 1};
    case Who::kNobody:
      break;
  }
  return {.pid = -1, .space = This().space};
}

std::string Greeting(uint8_t who) {
  std::string greeting(1 + ProcessName::kEncodedSize, 'g');
  NameOf(who).Encode(reinterpret_cast<std::byte*>(&greeting[1]));
  return greeting;
}

std::string FrameOf(FrameHeader header, char fill) {
  std::string bytes(kFrameHeaderSize, '\0');
  EncodeFrameHeader(header, reinterpret_cast<std::byte*>(bytes.data()));
  return bytes.append(header.length, fill);
}

bool IsFrame(absl::string_view message) {
  return message.size() >= kFrameHeaderSize &&
         LoadLittle<uint32_t>(AsBytes(message).data()) == message.size() - kFrameHeaderSize;
}

class Session {
 public:
  explicit Session(uint8_t settings) : is_client_((settings & kClient) != 0) {
    const uint8_t who = (settings & kWhoMask) >> 3;
    if (is_client_) {
      if ((settings & kArrivalsFull) != 0) arrivals_.capacity = 0;
      const Arrival self = {.client = This(), .token = "0123456789abcdef"};
      absl::StatusOr<std::unique_ptr<Connection>> made = QueueConnection::Announce(
          self, std::make_unique<MemoryQueue>(arrivals_), std::make_unique<MemoryQueue>(in_),
          std::make_unique<MemoryQueue>(out_),
          PeerIdentity{.address = "fuzz:", .uid = ::geteuid()});
      Expect(made.ok() == (arrivals_.capacity != 0), "a client can announce itself");
      if (!made.ok()) {
        Expect(absl::IsUnavailable(made.status()) && in_.discarded && out_.discarded,
               "who cannot leaves nothing");
        return;
      }
      Expect(arrivals_.Next() == self.Encode(), "it says who it is");
      connection_ = *std::move(made);
    } else if ((settings & kRefused) != 0) {
      MemoryQueue in(in_);
      MemoryQueue out(out_);
      QueueConnection::TurnAway(in, out, absl::PermissionDeniedError("no"));
      ExpectGreeting();
      const std::optional<std::string> refusal = out_.Next();
      Expect(refusal.has_value() && IsFrame(*refusal) && out_.Next() == "b" && in_.note,
             "who is refused is told why, and that it is over");
    } else {
      connection_ = QueueConnection::Welcome(std::make_unique<MemoryQueue>(in_),
                                             std::make_unique<MemoryQueue>(out_), NameOf(who),
                                             PeerIdentity{.address = "fuzz:", .uid = ::geteuid()});
      Expect((connection_ == nullptr) == (static_cast<Who>(who) == Who::kDead),
             "a client is welcome unless it has died");
      if (connection_ != nullptr) ExpectGreeting();
    }
  }

  bool is_open() const { return connection_ != nullptr; }
  QueueInMemory& in() { return in_; }
  QueueInMemory& out() { return out_; }
  QueueInMemory& arrivals() { return arrivals_; }

  // The peer's.
  void Put(absl::string_view message, uint8_t urgency) {
    (void)in_.Put(message.substr(0, in_.max_message), static_cast<Urgency>(urgency % 3));
  }
  void Take() {
    const std::optional<std::string> message = out_.Next();
    if (!message.has_value()) return;
    if (*message == "b") {
      Expect(closed_, "a farewell is said at the end");
      return;
    }
    Expect(!message->empty() && IsFrame(*message), "this side sends frames");
    const FrameHeader header = DecodeFrameHeader(AsBytes(*message).data());
    std::deque<std::string>& expected = committed_[MayOvertake(header.kind) ? 0 : 1];
    Expect(!expected.empty() && expected.front() == *message,
           "a message is a frame as it was committed, in order");
    expected.pop_front();
  }

  // This side's.
  void Send(FrameHeader header, size_t claimed) {
    claimed = std::min(claimed, connection_->max_payload());
    header.length = std::min(header.length, static_cast<uint32_t>(claimed));
    const std::optional<ByteSpan> claim = connection_->Claim(claimed);
    if (!claim.has_value()) {
      Expect(buffered_ + kFrameHeaderSize + claimed > kMostBuffered, "there is room for a frame");
      return;
    }
    Expect(claim->size() >= claimed, "a claim has the room that was asked for");
    const char fill = static_cast<char>(header.call);
    std::fill(claim->begin(), claim->end(), static_cast<std::byte>(fill));
    connection_->Commit(header);
    committed_[MayOvertake(header.kind) ? 0 : 1].push_back(FrameOf(header, fill));
    buffered_ += kFrameHeaderSize + header.length;
    Expect(buffered_ <= kMostBuffered, "no more is kept than that");
  }
  void Flush() {
    const size_t before = out_.bytes();
    const Flushed flushed = connection_->Flush();
    if (!closed_) buffered_ -= out_.bytes() - before;
    switch (flushed) {
      case Flushed::kAll:
        Expect(buffered_ == 0 || closed_, "all that was committed has left");
        return;
      case Flushed::kSome:
        Expect(out_.full(), "frames stay where there is no room");
        Expect(!connection_->Arm(Interest::kSend).ready(), "there is something to wait for");
        return;
      case Flushed::kEnded:
        Expect(absl::IsUnavailable(connection_->End(Interest::kSend)), "the end is UNAVAILABLE");
        Expect(connection_->Flush() == flushed, "it is final");
        Expect(connection_->Arm(Interest::kSend).ready(), "nobody sleeps on it");
        if (out_.error != 0) closed_ = true;
        return;
    }
  }
  void Receive() {
    const size_t taken = in_.taken;
    const std::deque<std::string> messages = InOrder();
    std::array<Frame, 3> frames;
    const Received received = connection_->Receive(absl::MakeSpan(frames));
    Expect(!received.ended || received.frames == 0, "the end comes alone");
    Expect(received.frames <= 1, "there is one place for a message");
    if (received.frames == 1) {
      Expect(!ended_, "nothing comes after the end");
      const std::string& message = messages[in_.taken - taken - 1];
      Expect(frames[0].header == DecodeFrameHeader(AsBytes(message).data()) && IsFrame(message) &&
                 AsText(frames[0].payload) == absl::string_view(message).substr(kFrameHeaderSize),
             "a frame comes out as it was put in");
      connection_->Release(1);
    }
    // What is passed over is a greeting, once.
    Expect(in_.taken - taken <= 3, "a look is short");
    if (!received.ended) return;
    const absl::Status end = connection_->End(Interest::kReceive);
    Expect(absl::IsUnavailable(end) || absl::IsInternal(end), "the end is UNAVAILABLE or INTERNAL");
    Expect(connection_->Receive(absl::MakeSpan(frames)).ended &&
               connection_->End(Interest::kReceive) == end,
           "the end is final");
    Expect(connection_->Arm(Interest::kReceive).ready(), "nobody sleeps on an end");
    if (absl::IsInternal(end)) {
      Expect(in_.note, "who breaks the protocol is told that it is over");
      closed_ = true;
    }
    ended_ = true;
  }
  void Arm(Interest interest) { (void)connection_->Arm(interest); }
  void Close() {
    connection_->Close();
    if (std::exchange(closed_, true)) return;
    Expect(in_.note && in_.size() == 0, "who waits for room has some, and is told of the end");
    const bool told = out_.note || !out_.messages[static_cast<size_t>(Urgency::kLast)].empty();
    Expect(told, "so is who receives");
  }

  void End() {
    if (connection_ == nullptr) return;
    Close();
    connection_.reset();
    Expect(!is_client_ || in_.met || out_.receiver == Receiver::kThere ||
               (in_.discarded && out_.discarded),
           "what nobody has come for is removed");
    for (size_t left = out_.size(); left > 0; --left) Take();
  }

 private:
  void ExpectGreeting() {
    const std::optional<std::string> greeting = out_.Next();
    Expect(greeting == Greeting(static_cast<uint8_t>(Who::kThis)), "a server greets");
  }
  // The messages as they will be received.
  std::deque<std::string> InOrder() const {
    std::deque<std::string> all;
    for (const auto& each : in_.messages) all.insert(all.end(), each.begin(), each.end());
    return all;
  }

  const bool is_client_;
  QueueInMemory in_, out_;
  QueueInMemory arrivals_;
  std::unique_ptr<Connection> connection_;
  std::array<std::deque<std::string>, 2> committed_;  // control, bulk; not taken by the peer yet
  size_t buffered_ = 0;                               // bytes, at most
  bool ended_ = false;
  bool closed_ = false;
};

void Step(Session& session, Input& input) {
  switch (input.Take() % 13) {
    case 0: {
      const std::string message(input.TakeText(input.Take()));
      return session.Put(message, input.Take());
    }
    case 1: {  // a frame; of another length than it says, as a rule not
      FrameHeader header = {.length = input.Take<uint16_t>() % 512u,
                            .kind = static_cast<FrameKind>(input.Take() % 12),
                            .call = input.Take()};
      std::string frame = FrameOf(header, 'x');
      const uint8_t cut = input.Take();
      if (cut % 8 == 1) frame.resize(frame.size() - std::min<size_t>(cut, frame.size()));
      return session.Put(frame, MayOvertake(header.kind) ? 0 : 1);
    }
    case 2:
      return session.Put(Greeting(input.Take()), 0);
    case 3:
      return session.Put("b", 2);
    case 4: {
      QueueInMemory& queue = input.Take() % 2 == 0 ? session.in() : session.out();
      const uint8_t what = input.Take();
      if (what % 4 == 0) queue.note = true;
      if (what % 4 == 1) queue.removed = true;
      if (what % 4 == 2) queue.error = ENOMEM;
      if (what % 4 == 3) queue.capacity = what / 4;
      return;
    }
    case 5:
      (input.Take() % 2 == 0 ? session.out() : session.arrivals()).receiver =
          static_cast<Receiver>(input.Take() % 3);
      return;
    case 6:
      return session.Take();
    case 7:
    case 8:
      return session.Receive();
    case 9: {
      const auto claimed = input.Take<uint16_t>();
      return session.Send({.length = input.Take<uint16_t>(),
                           .kind = static_cast<FrameKind>(input.Take()),
                           .call = input.Take()},
                          claimed % 512u);
    }
    case 10:
      return session.Flush();
    case 11:
      return session.Arm(input.Take() % 2 == 0 ? Interest::kReceive : Interest::kSend);
    default:
      if (input.Take() % 8 == 0) session.Close();
  }
}

}  // namespace
}  // namespace nigh::testing

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nigh;           // NOLINT(google-build-using-namespace)
  using namespace nigh::testing;  // NOLINT(google-build-using-namespace)
  const ExtraDescriptors extra;
  {
    Input input(data, size);
    Session session(input.Take());
    while (!input.empty() && session.is_open()) Step(session, input);
    session.End();
  }
  Expect(extra.AreNone(), "descriptors leak");
  return 0;
}
