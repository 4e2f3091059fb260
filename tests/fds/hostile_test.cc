// Peers that send descriptors unasked, too many, too few, of the wrong method, and such that
// whoever closes them sleeps; by a Unix socket.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "nigh/fd.pb.h"
#include "nigh/message_extras.h"
#include "nigh/nigh.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "tests/fds/hostile_fixture.h"
#include "tests/fds/vault.h"
#include "tests/hostile/raw_peer.h"
#include "tests/hostile/socket_folder.h"
#include "tests/hostile/victim.nigh.h"
#include "tests/support/descriptors.h"

namespace nigh::testing {
namespace {

using ::testing::HasSubstr;

TEST_F(HostileFdsTest, FewerThanSaidEndTheConnection) {
  Witness witness;
  hostile::RawPeer peer = ConnectAndGreet();
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kUnary, 2, ParcelBytes(1)), {witness.fd()}));
  ExpectBroken(peer, "with 2 descriptors, where 1 have come");
  witness.AwaitClosed();
}

TEST_F(HostileFdsTest, MoreThanSaidEndTheConnection) {
  Witness witness;
  hostile::RawPeer peer = ConnectAndGreet();
  ASSERT_TRUE(
      SendWith(peer.fd(), RequestWith(0, kUnary, 1, ParcelBytes(1)), {witness.fd(), witness.fd()}));
  ExpectBroken(peer, "with 1 descriptors, where 2 have come");
  witness.AwaitClosed();
}

TEST_F(HostileFdsTest, NoneWhereSomeWereSaidEndTheConnection) {
  hostile::RawPeer peer = ConnectAndGreet();
  ASSERT_TRUE(peer.Send(RequestWith(0, kUnary, 1, ParcelBytes(1))));
  ExpectBroken(peer, "of which none has come");
}

TEST_F(HostileFdsTest, SuchAsBelongToNoFrameEndTheConnection) {
  Witness witness;
  hostile::RawPeer peer = ConnectAndGreet();
  ASSERT_TRUE(SendWith(peer.fd(), hostile::PingBytes(1), {witness.fd()}));
  (void)peer.Send(hostile::PingBytes(2));
  ExpectBroken(peer, "descriptors that belong to no frame");
  witness.AwaitClosed();
}

TEST_F(HostileFdsTest, SuchAsComeAmidAFrameBelongToNone) {
  Witness witness;
  hostile::RawPeer peer = ConnectAndGreet();
  const std::string ping = hostile::PingBytes(1);
  ASSERT_TRUE(peer.Send(ping.substr(0, 10)));
  ASSERT_TRUE(SendWith(peer.fd(), ping.substr(10), {witness.fd()}));
  (void)peer.Send(hostile::PingBytes(2));
  ExpectBroken(peer, "descriptors that belong to no frame");
  witness.AwaitClosed();
}

TEST_F(HostileFdsTest, AMethodThatTakesNoneRefusesThemAndTheConnectionGoesOn) {
  Witness witness;
  hostile::RawPeer peer = ConnectAndGreet();
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kPlain, 1), {witness.fd()}));
  EXPECT_EQ(hostile::StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)).code(),
            absl::StatusCode::kUnimplemented);
  witness.AwaitClosed();
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kPlain, 0), {}));
  EXPECT_EQ(hostile::StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)), absl::OkStatus());
}

TEST_F(HostileFdsTest, ANumberThatDidNotComeIsTheHandlersError) {
  Witness witness;
  hostile::RawPeer peer = ConnectAndGreet();
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kUnary, 1, ParcelBytes(2)), {witness.fd()}));
  EXPECT_EQ(hostile::StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)).code(),
            absl::StatusCode::kInvalidArgument);
  witness.AwaitClosed();
}

TEST_F(HostileFdsTest, WhatNobodyReadsIsClosedWithTheCall) {
  Witness witness;
  hostile::RawPeer peer = ConnectAndGreet();
  // A call with a stream of requests: the first message is one that its handler never asks for,
  // because it cannot be parsed.
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kRequests, 1, "\xff\xff", 0), {witness.fd()}));
  EXPECT_EQ(hostile::StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)).code(),
            absl::StatusCode::kInternal);
  witness.AwaitClosed();
}

TEST_F(HostileFdsTest, ARequestInPiecesThatIsNeverFinishedLeavesNothing) {
  Witness witness;
  {
    hostile::RawPeer peer = ConnectAndGreet();
    FrameHeader header{.kind = FrameKind::kRequest,
                       .flags = kSections | kMessage | kEnd,
                       .method = kUnary,
                       .rest = 1000};
    ASSERT_TRUE(SendWith(peer.fd(), hostile::FrameBytes(header, Sections(1)), {witness.fd()}));
    (void)peer.ReceiveUntilPong();
  }
  witness.AwaitClosed();
}

// The close that the peer wants to sleep in sleeps in a thread of its own.
TEST_F(HostileFdsTest, NobodyWaitsForASocketThatLingersInABrokenConnection) {
  Lingering lingering;
  hostile::RawPeer peer = ConnectAndGreet();
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kUnary, 1, ParcelBytes(1)),
                       {lingering.fd(), lingering.fd()}));
  lingering.LetGo();
  ExpectBroken(peer, "where 2 have come");
  ExpectOthersAreServed();
  lingering.Release();
}

TEST_F(HostileFdsTest, NobodyWaitsForASocketThatLingersInARefusedCall) {
  Lingering lingering;
  hostile::RawPeer peer = ConnectAndGreet();
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kPlain, 1), {lingering.fd()}));
  lingering.LetGo();
  EXPECT_EQ(hostile::StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)).code(),
            absl::StatusCode::kUnimplemented);
  ExpectOthersAreServed();
  lingering.Release();
}

TEST_F(HostileFdsTest, NobodyWaitsForASocketThatLingersAndIsNotTaken) {
  Lingering lingering;
  hostile::RawPeer peer = ConnectAndGreet();
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kUnary, 1), {lingering.fd()}));
  lingering.LetGo();
  EXPECT_EQ(hostile::StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)), absl::OkStatus());
  ExpectOthersAreServed();
  lingering.Release();
}

TEST_F(HostileFdsTest, NobodyWaitsForWhatLiesUnreadWhenTheServerEnds) {
  Lingering lingering;
  hostile::RawPeer peer = ConnectAndGreet();
  // The poller is kept from reading: its one connection closes with this in the socket.
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kUnary, 2, ParcelBytes(1)), {lingering.fd()}));
  (void)SendWith(peer.fd(), hostile::PingBytes(1), {lingering.fd()});
  (void)SendWith(peer.fd(), hostile::PingBytes(2), {lingering.fd()});
  lingering.LetGo();
  ExpectBroken(peer, "where 1 have come");
  ExpectOthersAreServed();
  lingering.Release();
}

// What is refused is open until its close has returned, and counts.
class FewFdsTest : public HostileFdsTest {
 protected:
  FewFdsTest() : HostileFdsTest({.max_descriptors = 8, .max_untaken_descriptors = 8}) {}
};

TEST_F(FewFdsTest, ThoseThatCannotBeClosedCountAndThenEndTheirConnection) {
  std::vector<Lingering> lingering(2);
  hostile::RawPeer peer = ConnectAndGreet();
  for (Lingering& socket : lingering) BeRefused(peer, socket);
  // Two more close at once, seven would be nine.
  Witness witness;
  BeRefused(peer, {witness.fd(), witness.fd()});
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kUnary, 7, ParcelBytes(1)),
                       std::vector<int>(7, witness.fd())));
  const absl::Status refused = hostile::StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0));
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("9 descriptors of this connection are open, where 8 may be (raise "
                        "ServerOptions::limits.max_untaken_descriptors)"));
  // Two that are open, and 15.
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kUnary, 15), std::vector<int>(15, witness.fd())));
  ExpectBroken(peer, "17 descriptors of this connection are open, where 8 may be");
  ExpectOthersAreServed();
  for (Lingering& socket : lingering) socket.Release();
  witness.AwaitClosed();
}

TEST_F(HostileFdsTest, WhoHasTooManyToBeClosedIsNotLetInAgain) {
  // As many as a user has threads for, and what waits behind them.
  std::vector<Lingering> lingering(4);
  hostile::RawPeer peer = ConnectAndGreet();
  for (Lingering& socket : lingering) BeRefused(peer, socket);
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  for (int i = 0; i < 5; ++i) BeRefused(peer, std::vector<int>(13, null.get()));
  hostile::RawPeer next = hostile::RawPeer::Dial(folder_.path());
  const OwnedFrame refusal = next.ReceiveKind(FrameKind::kGoAway);
  EXPECT_THAT(refusal.payload, HasSubstr("are still to be closed"));
  EXPECT_THAT(NextError(), HasSubstr("are still to be closed"));
  ExpectOthersAreServed();
  for (Lingering& socket : lingering) socket.Release();
  AwaitClosings();
  EXPECT_EQ(ConnectAndGreet().ReceiveUntilPong().size(), 0U);
}

TEST_F(HostileFdsTest, AClientThatTakesMoreThanTheKernelPassesIsNoClient) {
  hostile::RawPeer peer = hostile::RawPeer::Dial(folder_.path());
  Hello hello = hostile::GenerousHello();
  hello.features = kTakesDescriptors;
  hello.max_descriptors = 1000;
  ASSERT_TRUE(peer.Send(hostile::HelloBytes(hello)));
  ExpectBroken(peer, "up to 1000 of them");
}

// Replies that nobody reads keep descriptors open.
TEST_F(HostileFdsTest, AClientThatReadsNothingIsReadNoMore) {
  hostile::RawPeer peer = hostile::RawPeer::Dial(folder_.path());
  Hello hello = hostile::GenerousHello();
  hello.features = kTakesDescriptors;
  hello.max_descriptors = 16;
  ASSERT_TRUE(peer.Send(hostile::HelloBytes(hello)));
  ASSERT_TRUE(peer.Send(hostile::MethodBytes(kUnary, "/nigh.testing.Vault/Unary")));
  const UniqueFd file = FileOf("x");
  Parcel parcel;
  parcel.add_files()->mutable_file()->set_number(1);
  const int before = OpenDescriptors();
  for (uint32_t call = 0; call < 1000; ++call) {
    const std::string request = RequestWith(call, kUnary, 1, parcel.SerializeAsString());
    if (!SendWith(peer.fd(), request, {file.get()}, MSG_DONTWAIT)) break;
  }
  ExpectOthersAreServed();
  // What the socket holds is not this process's.
  EXPECT_LT(OpenDescriptors() - before, 400);
}

// A client that is answered with one.
TEST_F(HostileFdsTest, AClientsDeadlineDoesNotWaitForASocketThatLingers) {
  Lingering lingering;
  hostile::SocketFolder elsewhere;
  hostile::RawListener listener(elsewhere.path());
  const Vault::Stub stub(*Dial(elsewhere.address()));
  std::thread serves([&] {
    hostile::RawPeer peer = listener.Accept();
    Hello hello = hostile::GenerousHello();
    EXPECT_TRUE(peer.Send(hostile::HelloBytes(hello)));
    const OwnedFrame request = peer.ReceiveKind(FrameKind::kRequest);
    const std::string response = hostile::FrameBytes(
        {.kind = FrameKind::kResponse, .flags = kSections | kMessage, .call = request.header.call},
        Sections(2));
    EXPECT_TRUE(SendWith(peer.fd(), response, {lingering.fd()}));
    lingering.LetGo();
    (void)peer.ReceiveAll();
  });
  ClientContext context;
  Parcel reply;
  EXPECT_EQ(stub.Unary(context, Parcel(), &reply).code(), absl::StatusCode::kInternal);
  serves.join();
  lingering.Release();
}

// Who serves none is sent none, if the kernel can refuse them; else they are closed.
TEST(UnaskedFdsTest, AServerWithoutSuchMethodsNeverHasAny) {
  class EchoService final : public hostile::Victim::Service {
    absl::Status Echo(ServerContext&, const hostile::Note& request, hostile::Note* reply) override {
      *reply = request;
      return absl::OkStatus();
    }
  } service;
  hostile::SocketFolder folder;
  Server server;
  server.Register(service);
  ASSERT_EQ(server.Listen(folder.address()), absl::OkStatus());
  ASSERT_EQ(server.Start(), absl::OkStatus());
  hostile::RawPeer peer = hostile::RawPeer::Dial(folder.path());
  Witness witness;
  const bool sent = SendWith(peer.fd(), hostile::Preamble(), {witness.fd()});
  int refuses = 1;
  socklen_t size = sizeof(refuses);
  const bool can_refuse = ::getsockopt(peer.fd(), SOL_SOCKET, 83, &refuses, &size) == 0;
  EXPECT_EQ(sent, !can_refuse);
  if (!sent) {
    ASSERT_TRUE(peer.Send(hostile::Preamble()));
  }
  (void)peer.ReceiveUntilPong();
  witness.AwaitClosed();
}

}  // namespace
}  // namespace nigh::testing
