// Peers that stop: that read nothing, grant no credit, or leave at any byte.

#include <cstdint>
#include <future>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/client_context.h"
#include "nigh/transport/frame.h"
#include "tests/hostile/channel_fixture.h"
#include "tests/hostile/raw_peer.h"
#include "tests/hostile/server_fixture.h"

namespace nigh::hostile {
namespace {

using ::testing::HasSubstr;

class StallingClient : public ServerFixture {};

TEST_F(StallingClient, ThatReadsNothingHoldsUpNobodyElse) {
  RawPeer peer = ConnectAndGreet();
  // More than all buffers on the way hold, on several calls.
  for (uint32_t call = 0; call < 4; ++call) {
    peer.Send(RequestBytes(call, kRepeat, NoteBytes(std::string(10'000, 'x'), 10'000)));
    peer.Send(CreditBytes(call, uint64_t{1} << 30));
  }
  peer.AwaitBacklog();
  for (int i = 0; i < 20; ++i) ExpectOthersAreServed();
  // What it asks for while it does not read comes when it does.
  peer.Send(RequestBytes(9, kEcho, NoteBytes("at last")));
  EXPECT_EQ(peer.ReceiveKind(FrameKind::kResponse, 9).payload, NoteBytes("at last"));
}

TEST_F(StallingClient, ThatReadsNothingDoesNotKeepTheServerFromStopping) {
  RawPeer peer = ConnectAndGreet();
  peer.Send(RequestBytes(0, kRepeat, NoteBytes(std::string(10'000, 'x'), 10'000)));
  peer.Send(CreditBytes(0, uint64_t{1} << 30));
  peer.AwaitBacklog();
  StopServer();
}

TEST_F(StallingClient, ThatGrantsNoCreditBlocksThatCallsWriterAlone) {
  RawPeer peer = Connect();
  Hello stingy = GenerousHello();
  stingy.window = 1;
  peer.Send(HelloBytes(stingy) + Preamble().substr(HelloBytes().size()));
  peer.Send(RequestBytes(0, kRepeat, NoteBytes("again", 3)));
  peer.ReceiveKind(FrameKind::kMessage, 0);
  peer.Send(RequestBytes(1, kEcho, NoteBytes("meanwhile")));
  EXPECT_EQ(peer.ReceiveKind(FrameKind::kResponse, 1).payload, NoteBytes("meanwhile"));
  EXPECT_TRUE(peer.ReceiveUntilPong().empty()) << "a message without the credit for it";
  for (int i = 0; i < 2; ++i) {
    // As much as was spent: one message more may begin.
    peer.Send(CreditBytes(0, NoteBytes("again", 3).size() + 64));
    peer.ReceiveKind(FrameKind::kMessage, 0);
  }
  EXPECT_TRUE(StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)).ok());
}

// A session with a call of each kind and a payload in pieces.
std::string Session() {
  const std::string note = NoteBytes("some text", 3);
  const auto size = static_cast<uint32_t>(note.size());
  const FrameHeader in_pieces{.kind = FrameKind::kRequest,
                              .flags = kMessage | kEnd,
                              .method = kEcho,
                              .call = 4,
                              .rest = size - 3};
  return absl::StrCat(Preamble(), RequestBytes(0, kEcho, note), RequestBytes(1, kRepeat, note),
                      RequestBytes(2, kCount, note, /*end=*/false),
                      RequestBytes(3, kChat, note, /*end=*/false), MessageBytes(2, note),
                      FrameBytes(in_pieces, note.substr(0, 3)), MessageBytes(3, note),
                      PieceBytes(4, note.substr(3), 0),
                      FrameBytes({.kind = FrameKind::kMessage, .flags = kEnd, .call = 2}),
                      FrameBytes({.kind = FrameKind::kCancel, .call = 3}));
}

TEST_F(StallingClient, MayStopSendingAtAnyByte) {
  const std::string session = Session();
  for (size_t size = 0; size <= session.size(); ++size) {
    RawPeer peer = Connect();
    peer.Send(absl::string_view(session).substr(0, size));
    peer.FinishSending();
    peer.ReceiveAll();  // the server hangs up, too
    if (HasFailure()) FAIL() << "after " << size << " bytes";
  }
}

TEST_F(StallingClient, MayLeaveAtAnyByte) {
  const std::string session = Session();
  for (size_t size = 0; size <= session.size(); ++size) {
    RawPeer peer = Connect();
    peer.Send(absl::string_view(session).substr(0, size));
    peer.Close();
    if (size % 32 == 0) ExpectOthersAreServed();
  }
}

class StallingServer : public ChannelFixture {
 protected:
  // Writes, on another thread, until the call has ended: its status.
  std::future<absl::Status> WriteUntilItEnds(ClientContext& context) {
    return InThread([this, &context] {
      auto stream = stub().Chat(context);
      Note note;
      note.set_data(std::string(100'000, 'x'));
      while (stream.Write(note)) {
      }
      return stream.Finish();
    });
  }
  // Takes everything that the client may send, and reads nothing of it.
  RawPeer AcceptWithAGenerousWindow() {
    Hello hello = GenerousHello();
    hello.window = 1 << 30;
    return AcceptAndGreet(hello);
  }
};

TEST_F(StallingServer, ThatReadsNothingCannotOutlastADeadline) {
  ClientContext context;
  context.set_timeout(absl::Milliseconds(200));
  auto writing = WriteUntilItEnds(context);
  RawPeer peer = AcceptWithAGenerousWindow();
  EXPECT_EQ(writing.get().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(StallingServer, ThatReadsNothingCannotOutlastACancellation) {
  ClientContext context;
  auto writing = WriteUntilItEnds(context);
  RawPeer peer = AcceptWithAGenerousWindow();
  peer.AwaitBacklog();
  context.TryCancel();
  EXPECT_EQ(writing.get().code(), absl::StatusCode::kCancelled);
}

TEST_F(StallingServer, ThatReadsAgainGetsEverything) {
  constexpr int kMessages = 50;
  auto writing = InThread([&] {
    auto stream = stub().Count();
    Note note;
    note.set_data(std::string(100'000, 'x'));
    for (int i = 0; i < kMessages; ++i) EXPECT_TRUE(stream.Write(note));
    return stream.Finish();
  });
  RawPeer peer = AcceptWithAGenerousWindow();
  peer.AwaitBacklog();
  size_t bytes = 0;
  for (;;) {
    const absl::StatusOr<OwnedFrame> frame = peer.Receive();
    ASSERT_TRUE(frame.ok()) << frame.status();
    bytes += frame->payload.size();
    if ((frame->header.flags & kEnd) != 0) break;
  }
  EXPECT_GT(bytes, size_t{kMessages} * 100'000);
  peer.Send(ResponseBytes(0, NoteBytes("", kMessages)));
  EXPECT_EQ(writing.get().value().count(), kMessages);
}

TEST_F(StallingServer, ThatGrantsNoCreditBlocksThatCallsWriterAlone) {
  Hello stingy = GenerousHello();
  stingy.window = 1;
  auto writing = InThread([&] {
    auto stream = stub().Count();
    Note note;
    note.set_data("some text");
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(stream.Write(note));
    return stream.Finish();
  });
  RawPeer peer = AcceptAndGreet(stingy);
  const OwnedFrame first = peer.ReceiveKind(FrameKind::kMessage);
  const uint32_t call = first.header.call;
  Answer(peer, Call());
  EXPECT_TRUE(peer.ReceiveUntilPong().empty()) << "a message without the credit for it";
  for (int i = 0; i < 2; ++i) {
    peer.Send(CreditBytes(call, first.payload.size() + 64));
    peer.ReceiveKind(FrameKind::kMessage, call);
  }
  peer.Send(ResponseBytes(call, NoteBytes("", 3)));
  EXPECT_EQ(writing.get().value().count(), 3);
}

TEST_F(StallingServer, MayLeaveAtAnyByteOfAResponse) {
  const std::string response =
      FrameBytes({.kind = FrameKind::kResponse, .flags = kSections | kMessage},
                 SectionBytes(SectionType::kTrailer, "key", "value") + NoteBytes("some text"));
  for (size_t size = 0; size < response.size(); ++size) {
    std::future<absl::StatusOr<Note>> call = Call();
    RawPeer peer = AcceptAndGreet();
    peer.ReceiveKind(FrameKind::kRequest);
    peer.Send(absl::string_view(response).substr(0, size));
    peer.Close();
    const absl::Status status = call.get().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(address()));
  }
}

}  // namespace
}  // namespace nigh::hostile
