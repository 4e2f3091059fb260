// Servers that do not greet as they should. Nothing has been asked of them yet, so each is a
// server that is not available; the message says why.

#include <future>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/client_context.h"
#include "tests/hostile/channel_fixture.h"
#include "tests/hostile/raw_peer.h"

namespace nigh::hostile {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

ChannelOptions Impatient() {
  // The next attempt is due at once; what keeps a call from it would be a mistake.
  return {.min_backoff = absl::Nanoseconds(1), .max_backoff = absl::Nanoseconds(1)};
}

struct Greeting {
  const char* name;
  std::string bytes;
  const char* complaint;
};

void PrintTo(const Greeting& greeting, std::ostream* out) { *out << greeting.name; }

class WrongGreeting : public ChannelFixture, public ::testing::WithParamInterface<Greeting> {
 protected:
  WrongGreeting() : ChannelFixture(Impatient()) {}
};

TEST_P(WrongGreeting, IsUnavailable) {
  std::future<absl::StatusOr<Note>> call = Call();
  RawPeer peer = Accept();
  peer.Send(GetParam().bytes);
  peer.FinishSending();
  const absl::Status status = call.get().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(StartsWith(address() + ": "), HasSubstr(GetParam().complaint)));
  EXPECT_EQ(channel().state(), ChannelState::kTransientFailure);
  for (const OwnedFrame& frame : peer.ReceiveAll()) {
    EXPECT_EQ(frame.header.kind, FrameKind::kHello) << "more than a hello before the server's";
  }
  // A server that speaks as it should is welcome.
  call = Call();
  RawPeer successor = AcceptAndGreet();
  Answer(successor, std::move(call));
}

std::string Altered(size_t at, absl::string_view bytes) {
  std::string hello = HelloBytes();
  hello.replace(kFrameHeaderSize + at, bytes.size(), std::string(bytes));
  return hello;
}

// Its first 28 bytes, which is all that version 1 had.
std::string VersionOne() {
  return Altered(4, absl::string_view("\x01\0\x01\0", 4)).substr(kFrameHeaderSize, 28);
}

std::vector<Greeting> WrongGreetings() {
  const std::string payload = HelloBytes().substr(kFrameHeaderSize);
  return {
      {"OfAnHttpServer", "HTTP/1.1 400 Bad Request\r\n\r\n",
       "receive: the peer does not speak nigh's protocol (it began \"HTTP/1.1 400"},
      {"OfAnSshServer", "SSH-2.0-OpenSSH_9.2p1\r\n",
       "the peer does not speak nigh's protocol (it began \"SSH-2.0-OpenSSH_9.2p1"},
      {"OfNothing", "", "receive: the peer closed the connection"},
      {"CutInTheHeader", HelloBytes().substr(0, 10),
       "receive: the peer closed the connection in the middle of a frame"},
      {"CutInThePayload", HelloBytes().substr(0, 40),
       "receive: the peer closed the connection in the middle of a frame"},
      {"TooShort", FrameBytes({.kind = FrameKind::kHello}, payload.substr(0, 39)),
       "connect: hello of 39 bytes, shorter than 44"},
      {"WithoutTheMagicNumber", Altered(0, "hgin"), "connect: hello without nigh's magic number"},
      {"OfALaterVersion", Altered(4, absl::string_view("\x03\0\x05\0", 4)),
       "connect: the peer speaks versions 3 to 5 of nigh's protocol, this process 2 to 2 (upgrade "
       "the older of the two)"},
      {"OfVersion1", FrameBytes({.kind = FrameKind::kHello}, VersionOne()),
       "connect: the peer speaks versions 1 to 1 of nigh's protocol, this process 2 to 2 (upgrade "
       "the older of the two)"},
      {"OfImpossibleVersions", Altered(4, absl::string_view("\x05\0\x02\0", 4)),
       "connect: hello with impossible versions 5 to 2"},
      {"WithoutAWindow", Altered(8, absl::string_view("\0\0\0\0", 4)),
       "connect: hello with a window of 0"},
      {"OfAnUnknownKind", FrameBytes({.kind = static_cast<FrameKind>(99)}),
       "connect: frame of unknown kind 99"},
      {"WithFlags", FrameBytes({.kind = FrameKind::kHello, .flags = kEnd}, payload),
       "connect: HELLO frame with illegal flags"},
      {"ThatIsAResponse", ResponseBytes(0, "hello"), "connect: a RESPONSE frame before the hello"},
      {"ThatIsAPing", PingBytes(5), "connect: a PING frame before the hello"},
      {"ThatIsAGoodbye", FrameBytes({.kind = FrameKind::kGoAway}, "closed for today"),
       "connect: the server refused: closed for today"},
  };
}

INSTANTIATE_TEST_SUITE_P(Handshake, WrongGreeting, ::testing::ValuesIn(WrongGreetings()),
                         [](const auto& info) { return info.param.name; });

class Handshake : public ChannelFixture {
 protected:
  using ChannelFixture::ChannelFixture;
};

class HandshakeWithoutPatience : public ChannelFixture {
 protected:
  HandshakeWithoutPatience() : ChannelFixture({.connect_timeout = absl::Milliseconds(20)}) {}
};

TEST_F(HandshakeWithoutPatience, SilentServerIsUnavailable) {
  std::future<absl::StatusOr<Note>> call = Call();
  RawPeer peer = Accept();
  const absl::Status status = call.get().status();
  EXPECT_EQ(status, absl::UnavailableError(
                        absl::StrCat(address(),
                                     ": connect: the server has not said hello in time (does it "
                                     "speak nigh's protocol?)")));
  // The silence was the server's.
  EXPECT_EQ(peer.ReceiveAll().size(), 1u);
}

TEST_F(HandshakeWithoutPatience, HalfAHelloIsNoHello) {
  std::future<absl::StatusOr<Note>> call = Call();
  RawPeer peer = Accept();
  peer.Send(HelloBytes().substr(0, 51));
  EXPECT_THAT(std::string(call.get().status().message()), HasSubstr("has not said hello in time"));
}

TEST_F(Handshake, DeadlineOfTheCallHoldsAgainstASilentServer) {
  const absl::Status status = stub().Echo(Note(), {.timeout = absl::Milliseconds(20)}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(status.message()), StartsWith(address() + ": /nigh.hostile.Victim/Echo"));
  RawPeer peer = Accept();
  EXPECT_EQ(peer.ReceiveAll().size(), 1u);
}

TEST_F(Handshake, CallToASilentServerCanBeCancelled) {
  ClientContext context;
  std::future<absl::Status> call = InThread([&] {
    Note reply;
    return stub().Echo(context, Note(), &reply);
  });
  RawPeer peer = Accept();
  peer.ReceiveKind(FrameKind::kHello);
  context.TryCancel();
  EXPECT_EQ(call.get().code(), absl::StatusCode::kCancelled);
}

class HandshakeOnce : public ChannelFixture {
 protected:
  HandshakeOnce()
      : ChannelFixture({.min_backoff = absl::Hours(1), .max_backoff = absl::Hours(1)}) {}
};

TEST_F(HandshakeOnce, CallsThatWaitForAFailingAttemptFailWithIt) {
  std::vector<std::future<absl::StatusOr<Note>>> calls;
  for (int i = 0; i < 4; ++i) calls.push_back(Call());
  RawPeer peer = Accept();
  peer.Send(PingBytes(1));
  for (auto& call : calls) {
    // One that came late finds the failure of a moment ago and does not try again.
    EXPECT_THAT(std::string(call.get().status().message()),
                HasSubstr("a PING frame before the hello"));
  }
}

TEST_F(Handshake, HelloMayComeByteByByte) {
  std::future<absl::StatusOr<Note>> call = Call();
  RawPeer peer = Accept();
  for (const char byte : HelloBytes()) peer.Send(absl::string_view(&byte, 1));
  peer.ReceiveKind(FrameKind::kHello);
  Answer(peer, std::move(call));
}

TEST_F(Handshake, FieldsOfALaterVersionAreSkipped) {
  Hello hello = GenerousHello();
  hello.max_version = 3;
  std::future<absl::StatusOr<Note>> call = Call();
  RawPeer peer = Accept();
  peer.Send(FrameBytes({.kind = FrameKind::kHello},
                       HelloBytes(hello).substr(kFrameHeaderSize) + "and more"));
  peer.ReceiveKind(FrameKind::kHello);
  Answer(peer, std::move(call));
}

TEST_F(Handshake, ServerThatAcceptsNoCallsIsTakenAtItsWord) {
  Hello hello = GenerousHello();
  hello.max_calls = 0;
  std::future<absl::StatusOr<Note>> call = Call();
  RawPeer peer = AcceptAndGreet(hello);
  const absl::Status status = call.get().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()),
              AllOf(StartsWith(address()), HasSubstr("0 calls in flight already")));
}

TEST_F(Handshake, ServerThatAcceptsShortMessagesOnlyIsTakenAtItsWord) {
  Hello hello = GenerousHello();
  hello.max_message = 1;
  std::future<absl::StatusOr<Note>> call = Call();
  RawPeer peer = AcceptAndGreet(hello);
  const absl::Status status = call.get().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(StartsWith(address()), HasSubstr("a message of 4 bytes, where the server accepts 1")));
}

TEST_F(Handshake, ServerThatAcceptsNoMetadataIsTakenAtItsWord) {
  Hello hello = GenerousHello();
  hello.max_metadata = 0;
  ClientContext context;
  context.AddMetadata("k", "v");
  auto call = InThread([&] {
    Note reply;
    return stub().Echo(context, Note(), &reply);
  });
  RawPeer peer = AcceptAndGreet(hello);
  const absl::Status status = call.get();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(StartsWith(address()), HasSubstr("metadata of 2 bytes, where the server accepts 0")));
}

}  // namespace
}  // namespace nigh::hostile
