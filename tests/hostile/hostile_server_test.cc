// Servers that break the protocol, or the rules of one call. The calls of the connection or that
// call end with the right code and a message that names the address; the channel can be used again.

#include <cstdint>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/channel.h"
#include "nigh/client_context.h"
#include "nigh/options.h"
#include "nigh/runtime/call/window.h"
#include "nigh/transport/frame.h"
#include "tests/hostile/channel_fixture.h"
#include "tests/hostile/raw_peer.h"

namespace nigh::hostile {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Code = absl::StatusCode;

ChannelOptions SmallLimits() {
  return {.limits = {.max_message = 1000, .max_metadata = 100, .max_calls = 8, .window = 1000}};
}

struct Misdeed {
  const char* name;   // a sentence
  std::string bytes;  // in answer to the request of call 0
  Code code;
  const char* text;
};

void PrintTo(const Misdeed& misdeed, std::ostream* out) { *out << misdeed.name; }

std::string Name(const ::testing::TestParamInfo<Misdeed>& info) { return info.param.name; }

class HostileServer : public ChannelFixture {
 protected:
  HostileServer() : ChannelFixture(SmallLimits()) {}

  void ExpectStatus(const absl::Status& status, Code code, const char* text) {
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()),
                AllOf(StartsWith(address() + ": "), HasSubstr(text)));
  }
};

// Cuts the note that came with `request` into single bytes and sends it back.
void SendInPieces(RawPeer& peer, const OwnedFrame& request) {
  const FrameHeader first{.kind = FrameKind::kResponse,
                          .flags = kMessage,
                          .call = request.header.call,
                          .rest = request.header.length - 1};
  std::string bytes = FrameBytes(first, request.payload.substr(0, 1));
  for (uint32_t at = 1; at < request.header.length; ++at) {
    bytes += PieceBytes(request.header.call, request.payload.substr(at, 1),
                        request.header.length - at - 1);
  }
  peer.Send(bytes);
}

class Violations : public HostileServer, public ::testing::WithParamInterface<Misdeed> {};

TEST_P(Violations, EndTheConnectionAndTheNextCallMakesAnother) {
  std::future<absl::StatusOr<Note>> call = Call();
  RawPeer peer = AcceptAndGreet();
  peer.ReceiveKind(FrameKind::kRequest);
  peer.Send(GetParam().bytes);
  peer.FinishSending();
  ExpectStatus(call.get().status(), GetParam().code, GetParam().text);
  const std::vector<OwnedFrame> last_words = peer.ReceiveAll();
  // Broken framing leaves nobody to talk to.
  if (GetParam().code == Code::kInternal && !absl::StartsWith(GetParam().text, "receive: ")) {
    ASSERT_EQ(last_words.size(), 1u) << "the server was not told";
    EXPECT_EQ(last_words[0].header.kind, FrameKind::kGoAway);
    EXPECT_THAT(last_words[0].payload, HasSubstr(GetParam().text));
  }
  EXPECT_EQ(channel().state(), ChannelState::kIdle);
  call = Call();
  RawPeer successor = AcceptAndGreet();
  Answer(successor, std::move(call));
}

std::vector<Misdeed> BrokenConnections() {
  const auto message = [](uint32_t rest, absl::string_view payload) {
    return FrameBytes({.kind = FrameKind::kMessage, .flags = kMessage, .rest = rest}, payload);
  };
  const std::string response = ResponseBytes(0, NoteBytes("hi"));
  return {
      {"Hangup", "", Code::kUnavailable, "receive: the peer closed the connection"},
      {"HangupInAHeader", response.substr(0, 23), Code::kUnavailable, "in the middle of a frame"},
      {"HangupInAPayload", response.substr(0, response.size() - 1), Code::kUnavailable,
       "in the middle of a frame"},
      {"HangupAmidPieces", message(5, "x"), Code::kUnavailable,
       "receive: the peer closed the connection"},
      {"Garbage", std::string(64, '\xab'), Code::kInternal, "receive: frame of 2880154539 bytes"},
      {"Zeros", std::string(64, '\0'), Code::kInternal, "frame of unknown kind 0"},
      {"UnknownKind", FrameBytes({.kind = static_cast<FrameKind>(12)}), Code::kInternal,
       "frame of unknown kind 12"},
      {"SecondHello", HelloBytes(), Code::kInternal, "a HELLO frame from a server"},
      {"Method", MethodBytes(0, "/s/M"), Code::kInternal, "a METHOD frame from a server"},
      {"Request", RequestBytes(0, 0, ""), Code::kInternal, "a REQUEST frame from a server"},
      {"Cancel", FrameBytes({.kind = FrameKind::kCancel}), Code::kInternal,
       "a CANCEL frame from a server"},
      {"ResponseWithEnd", FrameBytes({.kind = FrameKind::kResponse, .flags = kEnd}),
       Code::kInternal, "RESPONSE frame with illegal flags 4"},
      {"ResponseWithBytesThatAreNothing", FrameBytes({.kind = FrameKind::kResponse}, "x"),
       Code::kInternal, "RESPONSE frame with illegal flags 0"},
      {"MessageWithMethod", FrameBytes({.kind = FrameKind::kMessage, .method = 1}), Code::kInternal,
       "MESSAGE frame with illegal method 1"},
      {"PieceThatDoesNotFit", message(5, "x") + PieceBytes(0, "yy", 0), Code::kInternal,
       "PIECE frame of call 0: 2 bytes and 0 to come, where 5 were missing"},
      {"PieceOfNothing", message(5, "x") + PieceBytes(0, "", 5), Code::kInternal,
       "PIECE frame with illegal length 0"},
      {"MessageAmidPieces", message(5, "x") + message(0, "y"), Code::kInternal,
       "MESSAGE frame of call 0 amid the pieces of another"},
      {"ResponseAmidThePiecesOfAResponse",
       FrameBytes({.kind = FrameKind::kResponse, .flags = kMessage, .rest = 5}, "x") + response,
       Code::kInternal, "RESPONSE frame of call 0 amid the pieces of another"},
      {"MoreCreditThanAnyWindow", CreditBytes(0, Credit::kMost + 1), Code::kInternal,
       "CREDIT frame with more credit than any window"},
      {"CreditThatAddsUp", CreditBytes(0, Credit::kMost) + CreditBytes(0, 1), Code::kInternal,
       "CREDIT frame with more credit than any window"},
  };
}

INSTANTIATE_TEST_SUITE_P(HostileServer, Violations, ::testing::ValuesIn(BrokenConnections()), Name);

class WrongAnswers : public HostileServer, public ::testing::WithParamInterface<Misdeed> {};

TEST_P(WrongAnswers, EndTheirCallAlone) {
  std::future<absl::StatusOr<Note>> call = Call();
  RawPeer peer = AcceptAndGreet();
  peer.ReceiveKind(FrameKind::kRequest);
  peer.Send(GetParam().bytes);
  ExpectStatus(call.get().status(), GetParam().code, GetParam().text);
  EXPECT_EQ(channel().state(), ChannelState::kReady);
  Answer(peer, Call());
}

std::string Response(uint64_t code, uint8_t flags, absl::string_view payload) {
  return FrameBytes({.kind = FrameKind::kResponse, .flags = flags, .aux = code}, payload);
}

std::string Message(uint8_t flags, absl::string_view payload) {
  return FrameBytes({.kind = FrameKind::kMessage, .flags = flags}, payload);
}

std::vector<Misdeed> BrokenCalls() {
  const std::string note = NoteBytes("hi");
  const std::string large(1001, 'x');
  const auto metadata = [](absl::string_view key, absl::string_view value) {
    return SectionBytes(SectionType::kMetadata, key, value);
  };
  return {
      {"OkWithoutAReply", Response(0, 0, ""), Code::kUnimplemented,
       "/nigh.hostile.Victim/Echo: the server ended the call without a reply"},
      {"TwoMessages", MessageBytes(0, note) + MessageBytes(0, note), Code::kUnimplemented,
       "the server sent a second reply"},
      {"MessageAndResponseWithAnother", MessageBytes(0, note) + ResponseBytes(0, note),
       Code::kUnimplemented, "the server sent a second reply"},
      {"ReplyThatCannotBeParsed", ResponseBytes(0, "\x0a\x7f"), Code::kInternal,
       "a message of 2 bytes is no valid nigh.hostile.Note"},
      {"MessageThatCannotBeParsed", MessageBytes(0, "\x0a\x7f"), Code::kInternal,
       "a message of 2 bytes is no valid nigh.hostile.Note"},
      {"ReplyOverTheLimit", ResponseBytes(0, large), Code::kResourceExhausted,
       "received a message of 1001 bytes, where 1000 are accepted"},
      {"ReplyInPiecesFarOverTheLimit",
       FrameBytes({.kind = FrameKind::kResponse, .flags = kMessage, .rest = 0x7ffffff0}, "x"),
       Code::kResourceExhausted, "received a message of 2147483633 bytes"},
      {"MessageInPiecesOverTheLimit",
       FrameBytes({.kind = FrameKind::kMessage, .flags = kMessage, .rest = 1000}, "x") +
           PieceBytes(0, std::string(1000, 'x'), 0),
       Code::kResourceExhausted, "received a message of 1001 bytes, where 1000 are accepted"},
      {"SectionsWithoutALength", Response(0, kSections | kMessage, "abc"), Code::kInternal,
       "payload too short for its sections"},
      {"SectionsThatLieAboutTheirLength",
       Response(0, kSections | kMessage, absl::string_view("\xff\0\0\0x", 5)), Code::kInternal,
       "sections of 255 bytes in a payload of 1"},
      {"SectionOfAnUnknownType",
       Response(5, kSections, SectionBytes(static_cast<SectionType>(9), "", "")), Code::kInternal,
       "RESPONSE frame with a section of type 9"},
      {"TrailerInAMessage", Message(kSections, SectionBytes(SectionType::kTrailer, "key", "v")),
       Code::kInternal, "MESSAGE frame with a section of type 2"},
      {"IllegalInitialMetadata", Message(kSections, metadata("Key", "v")), Code::kInternal,
       "metadata key \"Key\""},
      {"IllegalTrailer",
       Response(0, kSections | kMessage, SectionBytes(SectionType::kTrailer, "grpc-x", "v") + note),
       Code::kInternal, "metadata key \"grpc-x\""},
      {"InitialMetadataOverTheLimit", Message(kSections, metadata("key", std::string(98, 'v'))),
       Code::kResourceExhausted, "metadata of more than 100 bytes"},
      {"InitialMetadataTwice",
       Message(kSections, metadata("key", "v")) + Message(kSections, metadata("key", "v")),
       Code::kInternal, "initial metadata after the first message"},
      {"InitialMetadataAfterTheMessage",
       MessageBytes(0, note) + Message(kSections, metadata("k", "v")), Code::kInternal,
       "initial metadata after the first message"},
      {"InitialMetadataWithTheEndOfACallThatHadThem",
       MessageBytes(0, note) + Response(0, kSections, metadata("k", "v")), Code::kInternal,
       "initial metadata after the first message"},
  };
}

INSTANTIATE_TEST_SUITE_P(HostileServer, WrongAnswers, ::testing::ValuesIn(BrokenCalls()), Name);

TEST_F(HostileServer, CodeThatIsNoneIsUnknown) {
  std::future<absl::StatusOr<Note>> call = Call();
  RawPeer peer = AcceptAndGreet();
  peer.ReceiveKind(FrameKind::kRequest);
  peer.Send(Response(999, kSections, SectionBytes(SectionType::kStatusMessage, "", "odd")));
  EXPECT_EQ(call.get().status(), absl::UnknownError("odd"));
}

TEST_F(HostileServer, ReplyBesideAnErrorIsIgnored) {
  std::future<absl::StatusOr<Note>> call = Call();
  RawPeer peer = AcceptAndGreet();
  peer.ReceiveKind(FrameKind::kRequest);
  peer.Send(Response(5, kMessage, "\x0a\x7f"));
  EXPECT_EQ(call.get().status(), absl::NotFoundError(""));
}

TEST_F(HostileServer, TrailersOverTheLimitAreDroppedAndTheReplyStays) {
  std::future<absl::StatusOr<Note>> call = Call();
  RawPeer peer = AcceptAndGreet();
  peer.ReceiveKind(FrameKind::kRequest);
  peer.Send(
      Response(0, kSections | kMessage,
               SectionBytes(SectionType::kTrailer, "key", std::string(98, 'v')) + NoteBytes("hi")));
  EXPECT_EQ(call.get().value().data(), "hi");
}

TEST_F(HostileServer, FramesOfUnknownCallsAreIgnored) {
  std::future<absl::StatusOr<Note>> call = Call();
  RawPeer peer = AcceptAndGreet();
  const OwnedFrame request = peer.ReceiveKind(FrameKind::kRequest);
  for (const uint32_t stranger : {1u, 7u, 8u, 0xffffffffu}) {
    peer.Send(ResponseBytes(stranger, NoteBytes("not yours")));
    peer.Send(MessageBytes(stranger, "x"));
    peer.Send(PieceBytes(stranger, "x", 10));
    peer.Send(CreditBytes(stranger, UINT64_MAX));
  }
  peer.Send(ResponseBytes(request.header.call, NoteBytes("hi")));
  EXPECT_EQ(call.get().value().data(), "hi");
  Answer(peer, Call());
}

TEST_F(HostileServer, SecondResponseToACallIsIgnored) {
  std::future<absl::StatusOr<Note>> call = Call();
  RawPeer peer = AcceptAndGreet();
  peer.ReceiveKind(FrameKind::kRequest);
  peer.Send(ResponseBytes(0, NoteBytes("hi")) + ResponseBytes(0, NoteBytes("again")) +
            FrameBytes({.kind = FrameKind::kGoAway}, "enough"));
  EXPECT_EQ(call.get().value().data(), "hi");
}

TEST_F(HostileServer, StreamGetsNoMoreMessagesThanItHasRoomFor) {
  // Nobody reads. The window is 1000, a message costs 564.
  ClientContext context;
  auto opening = InThread([&] { return stub().Repeat(context, Note()); });
  RawPeer peer = AcceptAndGreet();
  auto replies = opening.get();
  peer.ReceiveKind(FrameKind::kRequest);
  for (int i = 0; i < 3; ++i) peer.Send(MessageBytes(0, NoteBytes(std::string(498, 'x'))));
  Answer(peer, Call());  // and what comes before the answer is dealt with before it
  EXPECT_TRUE(replies.Read().has_value());
  EXPECT_TRUE(replies.Read().has_value());
  EXPECT_FALSE(replies.Read().has_value());
  ExpectStatus(replies.Finish(), Code::kInternal, "a message without the credit for it");
}

TEST_F(HostileServer, MessageLeftUnfinishedByTheEndOfItsCallIsForgotten) {
  std::future<absl::StatusOr<Note>> call = Call();
  RawPeer peer = AcceptAndGreet();
  peer.ReceiveKind(FrameKind::kRequest);
  peer.Send(FrameBytes({.kind = FrameKind::kMessage, .flags = kMessage, .rest = 99}, "x") +
            Response(5, 0, ""));
  EXPECT_EQ(call.get().status(), absl::NotFoundError(""));
  call = Call();
  SendInPieces(peer, peer.ReceiveKind(FrameKind::kRequest));
  EXPECT_EQ(call.get().value().data(), "hi");
}

TEST_F(HostileServer, MessageLeftUnfinishedByACancellationIsForgotten) {
  ClientContext context;
  auto cancelled = InThread([&] {
    Note reply;
    return stub().Echo(context, Note(), &reply);
  });
  RawPeer peer = AcceptAndGreet();
  peer.ReceiveKind(FrameKind::kRequest);
  peer.Send(FrameBytes({.kind = FrameKind::kMessage, .flags = kMessage, .rest = 99}, "x"));
  peer.ReceiveUntilPong();
  context.TryCancel();
  EXPECT_EQ(cancelled.get().code(), Code::kCancelled);
  peer.ReceiveKind(FrameKind::kCancel, 0);
  peer.Send(Response(1, 0, ""));
  // One call to learn that number 0 is free again, and two at once to use it.
  Answer(peer, Call());
  std::future<absl::StatusOr<Note>> first = Call();
  std::future<absl::StatusOr<Note>> second = Call();
  const OwnedFrame requests[] = {peer.ReceiveKind(FrameKind::kRequest),
                                 peer.ReceiveKind(FrameKind::kRequest)};
  EXPECT_TRUE(requests[0].header.call == 0 || requests[1].header.call == 0);
  for (const OwnedFrame& request : requests) SendInPieces(peer, request);
  EXPECT_EQ(first.get().value().data(), "hi");
  EXPECT_EQ(second.get().value().data(), "hi");
}

TEST_F(HostileServer, LastMessageOfAFinishedCallReachesNobodyElse) {
  std::future<absl::StatusOr<Note>> call = Call();
  RawPeer peer = AcceptAndGreet();
  peer.ReceiveKind(FrameKind::kRequest);
  // More than is accepted: the call is over with the first piece, and its number free.
  peer.Send(FrameBytes({.kind = FrameKind::kResponse, .flags = kMessage, .rest = 2000}, "x"));
  EXPECT_EQ(call.get().status().code(), Code::kResourceExhausted);
  call = Call();
  const OwnedFrame request = peer.ReceiveKind(FrameKind::kRequest);
  EXPECT_EQ(request.header.call, 0u);
  peer.Send(PieceBytes(0, std::string(2000, 'x'), 0));
  SendInPieces(peer, request);
  EXPECT_EQ(call.get().value().data(), "hi");
}

TEST_F(HostileServer, GoodbyeLetsRunningCallsFinishAndSendsNewOnesElsewhere) {
  std::future<absl::StatusOr<Note>> call = Call();
  RawPeer peer = AcceptAndGreet();
  const OwnedFrame request = peer.ReceiveKind(FrameKind::kRequest);
  peer.Send(FrameBytes({.kind = FrameKind::kGoAway}, "restarting"));
  peer.ReceiveUntilPong();
  EXPECT_EQ(channel().state(), ChannelState::kIdle);
  std::future<absl::StatusOr<Note>> next = Call();
  RawPeer successor = AcceptAndGreet();
  Answer(successor, std::move(next));
  peer.Send(ResponseBytes(request.header.call, request.payload));
  EXPECT_EQ(call.get().value().data(), "hi");
  EXPECT_TRUE(peer.ReceiveAll().empty());
}

TEST_F(HostileServer, GoodbyeAndHangupAmidACallIsUnavailable) {
  std::future<absl::StatusOr<Note>> call = Call();
  RawPeer peer = AcceptAndGreet();
  peer.ReceiveKind(FrameKind::kRequest);
  // It has taken the call, so nobody else may be asked.
  peer.Send(FrameBytes({.kind = FrameKind::kGoAway, .aux = 1}, "crashing"));
  peer.Close();
  ExpectStatus(call.get().status(), Code::kUnavailable, "closed the connection");
}

TEST_F(HostileServer, HangupEndsEveryCall) {
  std::vector<std::future<absl::StatusOr<Note>>> calls;
  for (int i = 0; i < 8; ++i) calls.push_back(Call());
  RawPeer peer = AcceptAndGreet();
  for (int i = 0; i < 8; ++i) peer.ReceiveKind(FrameKind::kRequest);
  peer.FinishSending();
  for (auto& call : calls) {
    ExpectStatus(call.get().status(), Code::kUnavailable, "the peer closed the connection");
  }
}

TEST_F(HostileServer, DeadlineHoldsAgainstAServerThatNeverAnswers) {
  auto call = InThread([&] { return stub().Echo(Note(), {.timeout = absl::Milliseconds(50)}); });
  RawPeer peer = AcceptAndGreet();
  ExpectStatus(call.get().status(), Code::kDeadlineExceeded,
               "/nigh.hostile.Victim/Echo: deadline exceeded");
  peer.ReceiveKind(FrameKind::kCancel);
  Answer(peer, Call());
}

}  // namespace
}  // namespace nigh::hostile
