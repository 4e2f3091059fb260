// Stubs whose messages bring descriptors, made when their channel has a connection, or is about to
// have one, that was made for others: its hello said that this side takes none.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "nigh/nigh.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"
#include "tests/fds/vault.h"
#include "tests/hostile/raw_peer.h"
#include "tests/hostile/socket_folder.h"

namespace nigh::testing {
namespace {

uint32_t FeaturesOf(hostile::RawPeer& client) {
  return DecodeHello(AsBytes(client.ReceiveKind(FrameKind::kHello).payload)).value().features;
}

TEST(LateStub, MadeDuringTheHandshakeGetsAnotherConnection) {
  hostile::SocketFolder folder;
  hostile::RawListener listener(folder.path());
  const std::shared_ptr<Channel> channel = *Dial(folder.address());
  std::thread calls([&] {
    ClientContext context;
    context.set_timeout(absl::InfiniteDuration());
    EXPECT_EQ(GenericStub(channel).Call("/nigh.testing.Vault/Plain", "").status(),
              absl::OkStatus());
  });
  hostile::RawPeer first = listener.Accept();
  EXPECT_EQ(FeaturesOf(first) & kTakesDescriptors, 0U);
  const Vault::Stub stub(channel);
  ASSERT_TRUE(first.Send(hostile::HelloBytes()));
  hostile::RawPeer second = listener.Accept();
  EXPECT_NE(FeaturesOf(second) & kTakesDescriptors, 0U);
  ASSERT_TRUE(second.Send(hostile::HelloBytes()));
  const uint32_t call = second.ReceiveKind(FrameKind::kRequest).header.call;
  ASSERT_TRUE(second.Send(hostile::ResponseBytes(call, "")));
  calls.join();
  EXPECT_TRUE(first.ReceiveAll().empty()) << "the first connection was used";
}

// There is no second connection to be had.
TEST(LateStub, OverAPipeHasTheOneThatThereIs) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const auto address = [](int socket) {
    struct stat file = {};
    EXPECT_EQ(::fstat(socket, &file), 0);
    return absl::StrCat("pipe:", socket, ",", socket, "?inodes=", file.st_ino, ",", file.st_ino);
  };
  VaultService vault;
  Server server;
  server.Register(vault);
  ASSERT_EQ(server.Listen(address(ends[0])), absl::OkStatus());
  ASSERT_EQ(server.Start(), absl::OkStatus());
  const std::shared_ptr<Channel> channel = *Dial(address(ends[1]));
  ASSERT_EQ(GenericStub(channel).Call("/nigh.testing.Vault/Plain", "").status(), absl::OkStatus());
  const Vault::Stub stub(channel);
  ClientContext context;
  Parcel reply;
  ASSERT_EQ(stub.Unary(context, PackFiles(context, {"one"}), &reply), absl::OkStatus());
  EXPECT_THAT(UnpackFiles(context, reply).value(), ::testing::ElementsAre("that of one"));
}

}  // namespace
}  // namespace nigh::testing

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
