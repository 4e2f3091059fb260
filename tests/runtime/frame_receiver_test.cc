#include "nigh/runtime/call/frame_receiver.h"

#include <sys/socket.h>

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/inproc/inproc.h"
#include "nigh/transports/stream/socket_stream.h"
#include "nigh/transports/stream/stream_connection.h"
#include "tests/contract/frames.h"
#include "tests/runtime/fake_connection.h"

namespace nigh {
namespace {

class FrameReceiverTest : public ::testing::Test {
 protected:
  void Send(uint32_t call) { ASSERT_EQ(testing::Send(*peer_, call, "text"), absl::OkStatus()); }
  // The call of the next frame; -1: there is none.
  int Next() {
    const Frame* const frame = receiver_.Next();
    if (frame == nullptr) return -1;
    const auto call = static_cast<int>(frame->header.call);
    receiver_.Release();
    return call;
  }

  const std::unique_ptr<Listener> listener_ =
      ListenInproc(testing::MakeAddress("inproc:frame-receiver")).value();
  const std::unique_ptr<Connection> peer_ = DialInproc(listener_->address()).value();
  const std::unique_ptr<Connection> connection_ = testing::Accept(*listener_).value();
  FrameReceiver receiver_{*connection_};
};

// More than one look takes in.
TEST_F(FrameReceiverTest, IsNotSilentWhileFramesLieInTheMedium) {
  constexpr int kFrames = 50;
  for (uint32_t call = 0; call < kFrames; ++call) Send(call);
  for (int call = 0; call < kFrames; ++call) {
    EXPECT_FALSE(receiver_.Silent()) << call;
    EXPECT_EQ(Next(), call);
  }
  EXPECT_EQ(Next(), -1);
  EXPECT_TRUE(receiver_.Silent());
  Send(7);
  EXPECT_FALSE(receiver_.Silent());
  EXPECT_EQ(Next(), 7);
  EXPECT_TRUE(receiver_.Silent()) << "that was all";
}

TEST_F(FrameReceiverTest, SeemsDrainedByOneLoadWhereTheMediumHasAWord) {
  Send(1);
  EXPECT_FALSE(receiver_.SeemsDrained()) << "it has not looked yet";
  EXPECT_EQ(Next(), 1);
  EXPECT_EQ(Next(), -1);
  EXPECT_TRUE(receiver_.SeemsDrained());
  Send(2);
  EXPECT_FALSE(receiver_.SeemsDrained());
}

TEST_F(FrameReceiverTest, SeemsDrainedByTheLastLookWhereItHasNone) {
  int sockets[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets), 0);
  StreamConnection here(std::make_unique<SocketStream>(UniqueFd(sockets[0])), {});
  StreamConnection there(std::make_unique<SocketStream>(UniqueFd(sockets[1])), {});
  FrameReceiver receiver(here);
  const auto next = [&] {
    const bool found = receiver.Next() != nullptr;
    if (found) receiver.Release();
    return found;
  };
  EXPECT_FALSE(receiver.SeemsDrained());
  for (uint32_t call = 0; call < 2; ++call) {
    ASSERT_EQ(testing::Send(there, call, "text"), absl::OkStatus());
  }
  EXPECT_TRUE(next());
  EXPECT_FALSE(receiver.SeemsDrained()) << "the same look has found another frame";
  EXPECT_TRUE(next());
  EXPECT_TRUE(receiver.SeemsDrained());
  ASSERT_EQ(testing::Send(there, 2, "text"), absl::OkStatus());
  EXPECT_TRUE(receiver.SeemsDrained()) << "it has not looked since";
  (void)receiver.Arm();
  EXPECT_FALSE(receiver.SeemsDrained());
  EXPECT_TRUE(next());
}

TEST_F(FrameReceiverTest, LooksAgainOnceItHasBeenArmed) {
  Send(1);
  EXPECT_EQ(Next(), 1);
  EXPECT_TRUE(Next() == -1 && receiver_.Silent());
  EXPECT_FALSE(receiver_.Arm().ready());
  EXPECT_FALSE(receiver_.Silent()) << "the end changes no word";
  peer_->Close();
  EXPECT_EQ(Next(), -1);
  EXPECT_TRUE(receiver_.ended());
}

TEST(FrameReceiverOfLongPayloads, TellsOnceThatOneIsAboutToCome) {
  testing::FakeConnection connection;
  FrameReceiver receiver(connection);
  EXPECT_EQ(receiver.Next(), nullptr);
  EXPECT_FALSE(receiver.TakeSoon());
  connection.received.soon = true;
  EXPECT_EQ(receiver.Next(), nullptr);
  EXPECT_EQ(receiver.Next(), nullptr) << "another look has found nothing";
  EXPECT_TRUE(receiver.TakeSoon());
  EXPECT_FALSE(receiver.TakeSoon());
  // It has come in the meantime.
  connection.received.soon = true;
  EXPECT_EQ(receiver.Next(), nullptr);
  connection.received.frames = 1;
  EXPECT_NE(receiver.Next(), nullptr);
  EXPECT_FALSE(receiver.TakeSoon());
}

TEST_F(FrameReceiverTest, IsReadyWhileFramesThatWereTakenInAreLeft) {
  Send(1);
  Send(2);
  EXPECT_EQ(Next(), 1);
  EXPECT_TRUE(receiver_.Arm().ready());
  EXPECT_EQ(Next(), 2);
}

}  // namespace
}  // namespace nigh
