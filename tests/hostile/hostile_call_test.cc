// Clients that break the rules of a call. That call ends, once and with the right code; its
// connection and everybody else's go on.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/options.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"
#include "tests/hostile/raw_peer.h"
#include "tests/hostile/server_fixture.h"

namespace nigh::hostile {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kCall = 3;

ServerOptions SmallLimits() {
  return {.limits = {.max_message = 1000, .max_metadata = 100, .max_calls = 8, .window = 1000}};
}

class ServerWithSmallLimits : public ServerFixture {
 protected:
  ServerWithSmallLimits() : ServerFixture(SmallLimits()) {}

  static size_t CountResponses(const std::vector<OwnedFrame>& frames, uint32_t call) {
    size_t count = 0;
    for (const OwnedFrame& frame : frames) {
      count += frame.header.kind == FrameKind::kResponse && frame.header.call == call ? 1 : 0;
    }
    return count;
  }

  // The call number and the connection are as good as new.
  static void ExpectServed(RawPeer& peer) {
    EXPECT_EQ(CountResponses(peer.ReceiveUntilPong(), kCall), 0u) << "answered twice";
    ASSERT_TRUE(peer.Send(RequestBytes(kCall, kEcho, NoteBytes("next"))));
    const OwnedFrame response = peer.ReceiveKind(FrameKind::kResponse, kCall);
    EXPECT_TRUE(StatusOf(response).ok()) << StatusOf(response);
    EXPECT_EQ(response.payload, NoteBytes("next"));
  }
};

struct Fault {
  const char* name;  // a sentence
  std::string bytes;
  absl::StatusCode code;
  const char* text;
};

void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

class CallFault : public ServerWithSmallLimits, public ::testing::WithParamInterface<Fault> {};

TEST_P(CallFault, EndsThatCallAlone) {
  RawPeer peer = ConnectAndGreet();
  ASSERT_TRUE(peer.Send(GetParam().bytes));
  const absl::Status status = StatusOf(peer.ReceiveKind(FrameKind::kResponse, kCall));
  EXPECT_EQ(status.code(), GetParam().code) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(GetParam().text));
  ExpectServed(peer);
}

// A request for Echo with sections before its message.
std::string WithSections(absl::string_view sections) {
  return FrameBytes({.kind = FrameKind::kRequest,
                     .flags = kSections | kMessage | kEnd,
                     .method = kEcho,
                     .call = kCall},
                    sections);
}

std::string WithMetadata(absl::string_view key, absl::string_view value) {
  return WithSections(SectionBytes(SectionType::kMetadata, key, value));
}

// A block that says it has `size` bytes.
std::string Block(uint32_t size, absl::string_view entries) {
  return absl::StrCat(absl::string_view(reinterpret_cast<const char*>(&size), sizeof(size)),
                      entries);
}

// An entry that says how long its key and value are.
std::string Entry(uint16_t key, uint32_t value, absl::string_view text) {
  std::byte header[kSectionHeader] = {};
  StoreLittle(static_cast<uint8_t>(SectionType::kMetadata), header);
  StoreLittle(key, header + 2);
  StoreLittle(value, header + 4);
  return absl::StrCat(AsText(header), text);
}

// The first piece of a request or message that is `size` bytes long in all.
std::string Announce(FrameKind kind, uint16_t method, uint32_t size) {
  return FrameBytes({.kind = kind,
                     .flags = static_cast<uint8_t>(
                         kMessage | (kind == FrameKind::kRequest && method == kEcho ? kEnd : 0)),
                     .method = kind == FrameKind::kRequest ? method : uint16_t{0},
                     .call = kCall,
                     .rest = size - 1},
                    "\x0a");
}

std::vector<Fault> Faults() {
  using Code = absl::StatusCode;
  const std::string garbage = "\x0a\x7f";
  const std::string open = RequestBytes(kCall, kCount, NoteBytes("first"), /*end=*/false);
  const auto request = [](uint16_t method, uint8_t flags, absl::string_view payload,
                          uint64_t nanos = 0) {
    return FrameBytes({.kind = FrameKind::kRequest,
                       .flags = flags,
                       .method = method,
                       .call = kCall,
                       .aux = nanos},
                      payload);
  };
  return {
      {"RequestThatCannotBeParsed", RequestBytes(kCall, kEcho, garbage), Code::kInternal,
       "a message of 2 bytes is no valid nigh.hostile.Note"},
      {"StreamMessageThatCannotBeParsed", open + MessageBytes(kCall, garbage), Code::kInternal,
       "is no valid nigh.hostile.Note"},
      {"FirstStreamMessageThatCannotBeParsed", RequestBytes(kCall, kChat, garbage, false),
       Code::kInternal, "is no valid nigh.hostile.Note"},

      {"SectionsWithoutALength", WithSections("abc"), Code::kInternal,
       "payload too short for its sections"},
      {"SectionsLongerThanThePayload", WithSections(Block(100, "0123456789")), Code::kInternal,
       "sections of 100 bytes in a payload of 10"},
      {"SectionsOfFourGibibytes", WithSections(Block(0xffffffff, "0123456789")), Code::kInternal,
       "sections of 4294967295 bytes"},
      {"SectionWithoutAHeader", WithSections(Block(7, "0123456")), Code::kInternal,
       "section that ends beyond its block"},
      {"KeyThatEndsBeyondItsBlock", WithSections(Block(10, Entry(3, 0, "ke"))), Code::kInternal,
       "section that ends beyond its block"},
      {"ValueThatEndsBeyondItsBlock", WithSections(Block(10, Entry(1, 2, "ke"))), Code::kInternal,
       "section that ends beyond its block"},
      {"LengthsThatOverflowTogether", WithSections(Block(10, Entry(0xffff, 0xffffffff, "ke"))),
       Code::kInternal, "section that ends beyond its block"},
      {"ValueThatEndsInTheMessage",
       WithSections(absl::StrCat(Block(10, Entry(1, 8, "kv")), "message")), Code::kInternal,
       "section that ends beyond its block"},
      {"SectionOfAnUnknownType",
       WithSections(SectionBytes(static_cast<SectionType>(9), "key", "value")), Code::kInternal,
       "REQUEST frame with a section of type 9"},
      {"TrailerInARequest", WithSections(SectionBytes(SectionType::kTrailer, "key", "value")),
       Code::kInternal, "REQUEST frame with a section of type 2"},

      {"MetadataOverTheLimit", WithMetadata("key", std::string(98, 'v')), Code::kResourceExhausted,
       "metadata of more than 100 bytes"},
      {"KeyInUpperCase", WithMetadata("Key", "value"), Code::kInternal, "metadata key \"Key\""},
      {"KeyThatIsReserved", WithMetadata("nigh-key", "value"), Code::kInternal, "reserved"},
      {"KeyOfNothing", WithMetadata("", "value"), Code::kInternal, "not empty"},
      {"KeyWithANul", WithMetadata(absl::string_view("a\0b", 3), "value"), Code::kInternal,
       R"(metadata key "a\x00\x62")"},
      {"ValueThatIsNotPrintable", WithMetadata("key", "\n"), Code::kInternal,
       "its value is not printable"},
      {"MetadataAfterTheRequest",
       open +
           FrameBytes({.kind = FrameKind::kMessage, .flags = kSections | kMessage, .call = kCall},
                      SectionBytes(SectionType::kMetadata, "key", "value")),
       Code::kInternal, "metadata after the request"},

      {"UnaryRequestWithoutAMessage", request(kEcho, kEnd, ""), Code::kUnimplemented,
       "this method takes exactly one request message"},
      {"UnaryRequestThatDoesNotEnd", request(kEcho, kMessage, ""), Code::kUnimplemented,
       "this method takes exactly one request message"},
      {"ServerStreamingRequestThatDoesNotEnd", request(kRepeat, kMessage, ""), Code::kUnimplemented,
       "this method takes exactly one request message"},
      {"ServerStreamingRequestOfNothing", request(kRepeat, 0, ""), Code::kUnimplemented,
       "this method takes exactly one request message"},

      {"RequestOverTheLimit", RequestBytes(kCall, kEcho, std::string(1001, 'x')),
       Code::kResourceExhausted, "received a message of 1001 bytes, where 1000 are accepted"},
      {"RequestInPiecesOverTheLimit", Announce(FrameKind::kRequest, kEcho, 1001),
       Code::kResourceExhausted, "received a message of 1001 bytes, where 1000 are accepted"},
      {"RequestInPiecesFarOverTheLimit", Announce(FrameKind::kRequest, kEcho, 0x7fffffff),
       Code::kResourceExhausted, "received a message of 2147483647 bytes"},
      {"StreamMessageOverTheLimit", open + MessageBytes(kCall, std::string(1001, 'x')),
       Code::kResourceExhausted, "received a message of 1001 bytes, where 1000 are accepted"},
      {"StreamMessageInPiecesOverTheLimit",
       open + Announce(FrameKind::kMessage, 0, 1001) +
           PieceBytes(kCall, std::string(500, 'x'), 500),
       Code::kResourceExhausted, "received a message of 1001 bytes, where 1000 are accepted"},

      {"UnknownMethod", MethodBytes(9, "/nigh.hostile.Victim/No") + request(9, kMessage | kEnd, ""),
       Code::kUnimplemented, "/nigh.hostile.Victim/No: the service has no such method"},
      {"UnknownService", MethodBytes(9, "/no.Service/No") + request(9, kMessage | kEnd, ""),
       Code::kUnimplemented, "/no.Service/No: the server has no such service"},
      {"MethodNamedWithAnything", MethodBytes(9, "\n\xff") + request(9, kMessage | kEnd, ""),
       Code::kUnimplemented, "\\n\\xff: the server has no such service"},

      {"DeadlineThatHasPassed", request(kEcho, kMessage | kEnd, "", 1), Code::kDeadlineExceeded,
       "the deadline passed before the handler ran"},
      {"CancelledStream", open + FrameBytes({.kind = FrameKind::kCancel, .call = kCall}),
       Code::kCancelled, "cancelled by the client"},
      {"CancelledRequestInPieces",
       Announce(FrameKind::kRequest, kEcho, 100) +
           FrameBytes({.kind = FrameKind::kCancel, .call = kCall}) + PieceBytes(kCall, "late", 95),
       Code::kCancelled, "cancelled by the client"},
  };
}

INSTANTIATE_TEST_SUITE_P(HostileClient, CallFault, ::testing::ValuesIn(Faults()),
                         [](const auto& info) { return info.param.name; });

// A conversation whose handler cannot go on: it has echoed one message and the client grants
// nothing more. That keeps the call open, whatever the handler would do otherwise.
class StuckCall : public ServerWithSmallLimits {
 protected:
  RawPeer ConnectAndGetStuck() {
    RawPeer peer = Connect();
    Hello stingy = GenerousHello();
    stingy.window = 1;
    EXPECT_TRUE(peer.Send(HelloBytes(stingy) + Preamble().substr(HelloBytes().size())));
    EXPECT_TRUE(peer.Send(RequestBytes(kCall, kChat, NoteBytes("1"), /*end=*/false)));
    peer.ReceiveKind(FrameKind::kMessage, kCall);
    EXPECT_TRUE(peer.Send(MessageBytes(kCall, NoteBytes("2"))));
    return peer;
  }
};

TEST_F(StuckCall, GetsNoMoreMessagesThanItHasRoomFor) {
  RawPeer peer = ConnectAndGetStuck();
  // The window is 1000 and may have been granted anew for the two messages read; a message costs
  // 564.
  for (int i = 0; i < 5; ++i) peer.Send(MessageBytes(kCall, std::string(500, 'x')));
  const absl::Status status = StatusOf(peer.ReceiveKind(FrameKind::kResponse, kCall));
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("a message without the credit for it"));
  ExpectServed(peer);
}

TEST_F(StuckCall, GetsNoMoreEmptyMessagesThanItHasRoomFor) {
  RawPeer peer = ConnectAndGetStuck();
  for (int i = 0; i < 40; ++i) peer.Send(MessageBytes(kCall, ""));
  EXPECT_EQ(StatusOf(peer.ReceiveKind(FrameKind::kResponse, kCall)).code(),
            absl::StatusCode::kInternal);
  ExpectServed(peer);
}

TEST_F(StuckCall, IsEndedByAMessageAfterTheEnd) {
  RawPeer peer = ConnectAndGetStuck();
  const FrameHeader last{.kind = FrameKind::kMessage, .flags = kEnd, .call = kCall};
  peer.Send(FrameBytes(last) + MessageBytes(kCall, ""));
  const absl::Status status = StatusOf(peer.ReceiveKind(FrameKind::kResponse, kCall));
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("a message after the end"));
  ExpectServed(peer);
}

TEST_F(StuckCall, IsEndedByASecondEnd) {
  RawPeer peer = ConnectAndGetStuck();
  const FrameHeader last{.kind = FrameKind::kMessage, .flags = kEnd, .call = kCall};
  peer.Send(FrameBytes(last) + FrameBytes(last));
  EXPECT_EQ(StatusOf(peer.ReceiveKind(FrameKind::kResponse, kCall)).code(),
            absl::StatusCode::kInternal);
  ExpectServed(peer);
}

TEST_F(StuckCall, IsAnsweredOnceWhenItsCancellationCrossesTheResponse) {
  RawPeer peer = ConnectAndGetStuck();
  // A message is still arriving when the call ends, and the client, which does not know yet,
  // cancels.
  peer.Send(Announce(FrameKind::kMessage, 0, 10));
  peer.Send(FrameBytes({.kind = FrameKind::kCancel, .call = kCall}));
  peer.ReceiveKind(FrameKind::kResponse, kCall);
  peer.Send(FrameBytes({.kind = FrameKind::kCancel, .call = kCall}));
  ExpectServed(peer);
}

TEST_F(ServerWithSmallLimits, FramesOfCallsThatAreOverAreIgnored) {
  RawPeer peer = ConnectAndGreet();
  for (const uint32_t call : {0u, 7u, 8u, 0xffffffffu}) {
    peer.Send(MessageBytes(call, "x"));
    peer.Send(FrameBytes({.kind = FrameKind::kMessage, .flags = kSections, .call = call}, "x"));
    peer.Send(
        FrameBytes({.kind = FrameKind::kMessage, .flags = kMessage, .call = call, .rest = 9}, "x"));
    peer.Send(PieceBytes(call, "x", 8));
    peer.Send(PieceBytes(call, "x", 0));
    peer.Send(CreditBytes(call, UINT64_MAX));
    peer.Send(FrameBytes({.kind = FrameKind::kCancel, .call = call}));
  }
  EXPECT_TRUE(peer.ReceiveUntilPong().empty());
  ExpectServed(peer);
}

// A message is refused as soon as its size is known. What is no message must not be kept instead.
TEST_F(ServerWithSmallLimits, SectionsBeyondAnyThatAreLegalAreRefusedWithTheirFirstPiece) {
  RawPeer peer = ConnectAndGreet();
  constexpr uint32_t kHuge = 1 << 30;
  peer.Send(FrameBytes({.kind = FrameKind::kRequest,
                        .flags = kSections | kMessage | kEnd,
                        .method = kEcho,
                        .call = kCall,
                        .rest = kHuge},
                       Block(kHuge, "")));
  EXPECT_EQ(peer.ReceiveKind(FrameKind::kResponse).header.aux,
            static_cast<uint64_t>(absl::StatusCode::kResourceExhausted));
  ExpectServed(peer);
}

TEST_F(ServerWithSmallLimits, GoodbyeOfAClientChangesNothingYet) {
  RawPeer peer = ConnectAndGreet();
  peer.Send(FrameBytes({.kind = FrameKind::kGoAway}, "bye"));
  ExpectServed(peer);
}

TEST_F(ServerWithSmallLimits, AnswerToAPingThatWasNotSentIsIgnored) {
  RawPeer peer = ConnectAndGreet();
  peer.Send(FrameBytes({.kind = FrameKind::kPing, .flags = kAck, .aux = 5}));
  EXPECT_TRUE(peer.ReceiveUntilPong().empty());
}

TEST_F(ServerWithSmallLimits, PiecesOfManyCallsInterleave) {
  RawPeer peer = ConnectAndGreet();
  const std::string note = NoteBytes("cut into many pieces");
  const auto size = static_cast<uint32_t>(note.size());
  std::string bytes;
  for (uint32_t call = 0; call < 8; ++call) {
    bytes += FrameBytes({.kind = FrameKind::kRequest,
                         .flags = kMessage | kEnd,
                         .method = kEcho,
                         .call = call,
                         .rest = size - 1},
                        note.substr(0, 1));
  }
  for (uint32_t at = 1; at < size; ++at) {
    for (uint32_t call = 0; call < 8; ++call) {
      bytes += PieceBytes(call, note.substr(at, 1), size - at - 1);
    }
  }
  peer.Send(bytes);
  for (uint32_t call = 0; call < 8; ++call) {
    EXPECT_EQ(peer.ReceiveKind(FrameKind::kResponse, call).payload, note);
  }
}

}  // namespace
}  // namespace nigh::hostile
