// Clients that break the protocol. The server ends the connection, says why to the client and to
// its operator, and goes on serving everybody else.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/method.h"
#include "nigh/runtime/call/window.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/transport/frame.h"
#include "tests/hostile/raw_peer.h"
#include "tests/hostile/server_fixture.h"

namespace nigh::hostile {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Violation {
  const char* name;  // a sentence
  std::string bytes;
  const char* complaint;
};

void PrintTo(const Violation& violation, std::ostream* out) { *out << violation.name; }

std::string Name(const ::testing::TestParamInfo<Violation>& info) { return info.param.name; }

class Violations : public ServerFixture, public ::testing::WithParamInterface<Violation> {
 protected:
  void ExpectConnectionEnds(RawPeer& peer) {
    const std::vector<OwnedFrame> frames = peer.ReceiveAll();
    const absl::Status reported = NextError();
    EXPECT_EQ(reported.code(), absl::StatusCode::kInternal);
    EXPECT_THAT(std::string(reported.message()),
                AllOf(StartsWith(address() + ": "), HasSubstr(GetParam().complaint)));
    // Broken framing leaves nobody to talk to.
    if (absl::string_view(GetParam().complaint).find("receive: ") == 0) return;
    ASSERT_FALSE(frames.empty());
    bool told = false;
    for (const OwnedFrame& frame : frames) {
      if (frame.header.kind != FrameKind::kGoAway) continue;
      told = true;
      EXPECT_THAT(frame.payload, HasSubstr(GetParam().complaint));
      EXPECT_LE(frame.payload.size(), 256u);
    }
    EXPECT_TRUE(told) << "the client was not told";
  }
};

class FirstWords : public Violations {};

TEST_P(FirstWords, EndTheConnection) {
  RawPeer peer = Connect();
  peer.Send(GetParam().bytes);
  ExpectConnectionEnds(peer);
}

std::string Altered(size_t at, absl::string_view bytes) {
  std::string hello = HelloBytes();
  hello.replace(kFrameHeaderSize + at, bytes.size(), std::string(bytes));
  return hello;
}

std::vector<Violation> WrongFirstWords() {
  const std::string payload = HelloBytes().substr(kFrameHeaderSize);
  return {
      {"HttpRequest", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
       "receive: the peer does not speak nigh's protocol (it began \"GET / HTTP/1.1"},
      {"FourBytesOfGarbage", "\xff\xff\xff\xff",
       "receive: the peer does not speak nigh's protocol"},
      {"Zeros", std::string(100, '\0'), "frame of unknown kind 0"},
      {"WrongMagic", Altered(0, "nihg"), "hello without nigh's magic number"},
      {"HelloCutShort", FrameBytes({.kind = FrameKind::kHello}, payload.substr(0, 39)),
       "hello of 39 bytes, shorter than 44"},
      {"EmptyHello", FrameBytes({.kind = FrameKind::kHello}), "hello of 0 bytes"},
      {"HelloWithVersionZero", Altered(4, absl::string_view("\0\0\1\0", 4)),
       "hello with impossible versions 0 to 1"},
      {"HelloWithVersionsReversed", Altered(4, absl::string_view("\2\0\1\0", 4)),
       "hello with impossible versions 2 to 1"},
      {"HelloWithoutAWindow", Altered(8, absl::string_view("\0\0\0\0", 4)),
       "hello with a window of 0"},
      {"HelloWithFlags", FrameBytes({.kind = FrameKind::kHello, .flags = kMessage}, payload),
       "HELLO frame with illegal flags 2"},
      {"HelloWithCall", FrameBytes({.kind = FrameKind::kHello, .call = 1}, payload),
       "HELLO frame with illegal call 1"},
      {"HelloInPieces", FrameBytes({.kind = FrameKind::kHello, .rest = 8}, payload.substr(0, 20)),
       "HELLO frame with illegal rest 8"},
      {"MethodBeforeHello", MethodBytes(0, "/s/M"), "a METHOD frame before the hello"},
      {"RequestBeforeHello", RequestBytes(0, 0, ""), "a REQUEST frame before the hello"},
      {"PingBeforeHello", PingBytes(1), "a PING frame before the hello"},
      {"PieceBeforeHello", PieceBytes(0, "x", 0), "a PIECE frame before the hello"},
      {"CancelBeforeHello", FrameBytes({.kind = FrameKind::kCancel}),
       "a CANCEL frame before the hello"},
      {"GoAwayBeforeHello", FrameBytes({.kind = FrameKind::kGoAway}),
       "a GO_AWAY frame before the hello"},
  };
}

INSTANTIATE_TEST_SUITE_P(HostileClient, FirstWords, ::testing::ValuesIn(WrongFirstWords()), Name);

class LaterWords : public Violations {};

TEST_P(LaterWords, EndTheConnection) {
  RawPeer peer = ConnectAndGreet();
  peer.Send(GetParam().bytes);
  ExpectConnectionEnds(peer);
}

std::string Frame(const FrameHeader& header, absl::string_view payload = "") {
  return FrameBytes(header, payload);
}

std::vector<Violation> WrongFrames() {
  constexpr auto kUnknown = static_cast<FrameKind>(77);
  constexpr auto kNext = static_cast<FrameKind>(12);
  return {
      {"SecondHello", HelloBytes(), "a second hello"},
      {"UnknownKind", Frame({.kind = kUnknown}), "frame of unknown kind 77"},
      {"KindOfALaterVersion", Frame({.kind = kNext}), "frame of unknown kind 12"},
      {"ResponseFromAClient", ResponseBytes(0, ""), "a RESPONSE frame from a client"},
      {"FrameLongerThanAnyMayBe", std::string("\xe9\xff\0\0\4\2", 6) + std::string(18, '\0'),
       "receive: frame of 65513 bytes, more than the 65512 that a frame may have"},
      {"GarbageAfterTheHello", std::string(64, '\xab'), "receive: frame of 2880154539 bytes"},

      {"PingWithPayload", Frame({.kind = FrameKind::kPing}, "x"), "PING frame with illegal length"},
      {"PingWithCall", Frame({.kind = FrameKind::kPing, .call = 1}),
       "PING frame with illegal call"},
      {"CancelWithAux", Frame({.kind = FrameKind::kCancel, .aux = 1}),
       "CANCEL frame with illegal aux"},
      {"CreditWithMethod", Frame({.kind = FrameKind::kCredit, .method = 1}),
       "CREDIT frame with illegal method"},
      {"MessageWithAux", Frame({.kind = FrameKind::kMessage, .flags = kMessage, .aux = 1}),
       "MESSAGE frame with illegal aux"},
      {"MessageWithUnknownFlag", Frame({.kind = FrameKind::kMessage, .flags = 32}),
       "MESSAGE frame with illegal flags 32"},
      {"MessageWithBytesThatAreNone", Frame({.kind = FrameKind::kMessage, .flags = kEnd}, "x"),
       "MESSAGE frame with illegal flags"},
      {"RequestWithAck", Frame({.kind = FrameKind::kRequest, .flags = kAck}),
       "REQUEST frame with illegal flags"},

      {"MethodNumberTooHigh", MethodBytes(kMaxMethods, "/s/M"), "METHOD frame that declares 4096"},
      {"MethodWithoutAName", MethodBytes(9, ""), "with a name of 0 bytes"},
      {"MethodWithALongName", MethodBytes(9, std::string(257, 'm')), "with a name of 257 bytes"},
      {"MethodDeclaredTwice", MethodBytes(kEcho, "/nigh.hostile.Victim/Echo"),
       "METHOD frame that declares 0 again"},
      {"UnknownMethodDeclaredTwice", MethodBytes(9, "/s/M") + MethodBytes(9, "/s/M"),
       "METHOD frame that declares 9 again"},

      {"RequestForAMethodThatWasNotDeclared", RequestBytes(0, 8, ""),
       "REQUEST frame for method 8, which was not declared"},
      {"RequestForAMethodFarBeyond", RequestBytes(0, 65'535, ""),
       "REQUEST frame for method 65535, which was not declared"},
      {"CallNumberBeyondTheLimit", RequestBytes(16'384, kEcho, ""),
       "REQUEST frame for call 16384, which is beyond the limit"},
      {"CallNumberFarBeyondTheLimit", RequestBytes(0xffffffff, kEcho, ""),
       "REQUEST frame for call 4294967295, which is beyond the limit"},
      {"CallNumberStillInUse",
       RequestBytes(5, kCount, "", false) + RequestBytes(5, kCount, "", false),
       "REQUEST frame for call 5, which is still open"},
      {"CallNumberOfARequestThatHasNotArrivedInFull",
       Frame({.kind = FrameKind::kRequest,
              .flags = kMessage | kEnd,
              .method = kEcho,
              .call = 5,
              .rest = 10},
             "begin") +
           RequestBytes(5, kEcho, ""),
       "REQUEST frame of call 5 amid the pieces of another"},

      {"PieceThatIsTooLong",
       Frame({.kind = FrameKind::kRequest, .flags = kMessage | kEnd, .method = kEcho, .rest = 2},
             "be") +
           PieceBytes(0, "gin", 0),
       "PIECE frame of call 0: 3 bytes and 0 to come, where 2 were missing"},
      {"PieceThatIsTooShort",
       Frame({.kind = FrameKind::kRequest, .flags = kMessage | kEnd, .method = kEcho, .rest = 5},
             "be") +
           PieceBytes(0, "gin", 0),
       "PIECE frame of call 0: 3 bytes and 0 to come, where 5 were missing"},
      {"PieceThatAnnouncesMore",
       Frame({.kind = FrameKind::kRequest, .flags = kMessage | kEnd, .method = kEcho, .rest = 5},
             "be") +
           PieceBytes(0, "gin", 3),
       "PIECE frame of call 0: 3 bytes and 3 to come, where 5 were missing"},
      {"PieceOfNothing", PieceBytes(0, "", 5), "PIECE frame with illegal length 0"},
      {"FirstPieceOfNothing",
       Frame({.kind = FrameKind::kRequest, .flags = kMessage | kEnd, .method = kEcho, .rest = 5}),
       "REQUEST frame with illegal length 0"},
      {"MoreToComeThanAMessageMayHave",
       Frame({.kind = FrameKind::kRequest,
              .flags = kMessage | kEnd,
              .method = kEcho,
              .rest = 0x7fffffff},
             "x"),
       "REQUEST frame with illegal rest 2147483647"},
      {"MessageAmidThePiecesOfAnother",
       RequestBytes(1, kCount, "", false) +
           Frame({.kind = FrameKind::kMessage, .flags = kMessage, .call = 1, .rest = 2}, "x") +
           Frame({.kind = FrameKind::kMessage, .flags = kMessage, .call = 1, .rest = 2}, "x"),
       "MESSAGE frame of call 1 amid the pieces of another"},
      {"WholeMessageAmidThePiecesOfAnother",
       RequestBytes(1, kCount, "", false) +
           Frame({.kind = FrameKind::kMessage, .flags = kMessage, .call = 1, .rest = 2}, "x") +
           MessageBytes(1, "x"),
       "MESSAGE frame of call 1 amid the pieces of another"},

      {"MoreCreditThanAnyWindow",
       RequestBytes(1, kCount, "", false) + CreditBytes(1, Credit::kMost + 1),
       "CREDIT frame with more credit than any window"},
      {"CreditThatAddsUpToTooMuch",
       RequestBytes(1, kCount, "", false) + CreditBytes(1, Credit::kMost) +
           CreditBytes(1, Credit::kMost),
       "CREDIT frame with more credit than any window"},
      {"CreditThatWouldOverflow", RequestBytes(1, kCount, "", false) + CreditBytes(1, UINT64_MAX),
       "CREDIT frame with more credit than any window"},
  };
}

INSTANTIATE_TEST_SUITE_P(HostileClient, LaterWords, ::testing::ValuesIn(WrongFrames()), Name);

class HostileClient : public ServerFixture {};

TEST_F(HostileClient, OfAnotherVersionIsToldBothRanges) {
  Hello hello = GenerousHello();
  hello.min_version = 7;
  hello.max_version = 9;
  RawPeer peer = Connect();
  peer.Send(HelloBytes(hello));
  EXPECT_THAT(peer.ReceiveKind(FrameKind::kGoAway).payload,
              HasSubstr("the peer speaks versions 7 to 9 of nigh's protocol, this process 2 to 2"));
  EXPECT_TRUE(peer.ReceiveAll().empty());
  EXPECT_THAT(NextError().message(), HasSubstr("the peer speaks versions 7 to 9"));
}

TEST_F(HostileClient, OfVersion1IsToldBothRanges) {
  RawPeer peer = Connect();
  peer.Send(FrameBytes({.kind = FrameKind::kHello},
                       Altered(4, absl::string_view("\1\0\1\0", 4)).substr(kFrameHeaderSize, 28)));
  EXPECT_THAT(peer.ReceiveKind(FrameKind::kGoAway).payload,
              HasSubstr("the peer speaks versions 1 to 1 of nigh's protocol, this process 2 to 2"));
  EXPECT_TRUE(peer.ReceiveAll().empty());
  EXPECT_THAT(NextError().message(), HasSubstr("the peer speaks versions 1 to 1"));
}

TEST_F(HostileClient, OfALaterVersionThatStillSpeaksThisOneIsServed) {
  Hello hello = GenerousHello();
  hello.max_version = 9;
  std::string payload = HelloBytes(hello).substr(kFrameHeaderSize) + "fields of a later version";
  RawPeer peer = Connect();
  peer.Send(FrameBytes({.kind = FrameKind::kHello}, payload));
  peer.Send(MethodBytes(0, "/nigh.hostile.Victim/Echo") + RequestBytes(0, 0, NoteBytes("hi")));
  EXPECT_EQ(peer.ReceiveKind(FrameKind::kResponse).payload, NoteBytes("hi"));
}

TEST_F(HostileClient, TakesItsOpenCallsWithIt) {
  RawPeer peer = ConnectAndGreet();
  peer.Send(RequestBytes(1, kCount, "", false) + RequestBytes(2, kChat, "", false));
  peer.ReceiveKind(FrameKind::kMessage, 2);
  peer.Send(HelloBytes());
  int responses = 0;
  for (const OwnedFrame& frame : peer.ReceiveAll()) {
    if (frame.header.kind != FrameKind::kResponse) continue;
    ++responses;
    EXPECT_EQ(frame.header.aux, static_cast<uint64_t>(absl::StatusCode::kInternal));
    EXPECT_THAT(frame.payload, HasSubstr("a second hello"));
  }
  EXPECT_EQ(responses, 2);
  EXPECT_THAT(std::string(NextError().message()), HasSubstr("a second hello"));
}

}  // namespace
}  // namespace nigh::hostile
