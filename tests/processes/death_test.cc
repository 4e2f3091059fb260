// The death of a process ends its connections and frees its address, though a child of it lives on
// that has inherited all descriptors.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/channel.h"
#include "nigh/server.h"
#include "tests/conformance/child.h"
#include "tests/contract/subject.h"
#include "tests/processes/host.h"

namespace nigh::testing {
namespace {

// Far longer than it takes to hear of a death, and shorter than a child lives on.
constexpr absl::Duration kPatience = absl::Seconds(30);

// A process that is killed at the end.
class Survivor {
 public:
  explicit Survivor(pid_t pid) : pid_(pid) {}
  ~Survivor() { Kill(); }
  Survivor(const Survivor&) = delete;
  Survivor& operator=(const Survivor&) = delete;

  void Kill() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
    pid_ = -1;
  }

 private:
  pid_t pid_;
};

// Whether the kernel names the peer's process on this medium.
bool NamesPeers() {
  const std::string name = TheSubject().name;
  return name != "tcp" && name != "pipe";
}
// Whether a server that has died is told from one that lives, whoever holds its descriptors. A
// claim is a lock on an open file, and does not tell whose.
bool NamesListeners() {
  const std::string name = TheSubject().name;
  return NamesPeers() && name != "fifo" && name != "mqueue" && name != "sysvmq";
}
// Whether its address is free then. An abstract name goes with the last who has the socket.
bool FreesAddresses() {
  return NamesListeners() && TheSubject().name != std::string("unix_abstract");
}

// A server in a process of its own.
class DeathTest : public ::testing::TestWithParam<bool> {
 protected:
  bool raw() const { return GetParam(); }

  void SetUp() override { Serve(FreshAddress().ToString()); }
  // Its address, or why it does not serve.
  std::string Serve(const std::string& address) {
    server_ = std::make_unique<Child>(std::vector<std::string>{"--serve=" + address});
    address_ = server_->Hear();
    channel_ = nullptr;
    absl::StatusOr<std::shared_ptr<Channel>> channel = Dial(address_, OptionsOfChannel());
    if (channel.ok()) channel_ = *std::move(channel);
    return address_;
  }
  // Has the server make a child that lives on.
  std::unique_ptr<Survivor> ForkServer() {
    ForkRequest request;
    request.set_way(LIVE_ON);
    request.set_raw(raw());
    const absl::StatusOr<ForkReply> reply = Host::Stub(channel_).Fork(request);
    EXPECT_EQ(reply.status(), absl::OkStatus());
    return std::make_unique<Survivor>(reply.ok() ? reply->pid() : -1);
  }
  absl::Status EndServer(Way way) {
    ForkRequest request;
    request.set_way(way);
    return Host::Stub(channel_).End(request, {.timeout = kPatience}).status();
  }

  std::unique_ptr<Child> server_;
  std::string address_;
  std::shared_ptr<Channel> channel_;
};

// Whether `end` says how the server has died.
bool Tells(const absl::Status& end, absl::string_view how) {
#ifdef __SANITIZE_THREAD__
  // Taking its memory apart takes the kernel longer than nigh waits to hear how.
  if (absl::StrContains(end.message(), "the peer closed the connection")) return true;
#endif
  return absl::StrContains(end.message(), how);
}

TEST_P(DeathTest, AServersDeathEndsItsCalls) {
  auto chat = Host::Stub(channel_).Chat();
  ASSERT_TRUE(chat.Write(Text()));
  ASSERT_TRUE(chat.Read().has_value());
  const std::unique_ptr<Survivor> survivor = ForkServer();
  // Without the kernel's help the descriptors are all that there is to go by.
  if (raw() && !NamesPeers()) survivor->Kill();
  const absl::Status end = EndServer(ABORT);
  EXPECT_TRUE(absl::IsUnavailable(end)) << end;
  if (NamesPeers()) {
    EXPECT_TRUE(Tells(end, "was killed by signal 6")) << end;
  }
  EXPECT_FALSE(chat.Read().has_value());
  EXPECT_TRUE(absl::IsUnavailable(chat.Finish()));
}

TEST_P(DeathTest, TheAddressIsFree) {
  const std::unique_ptr<Survivor> survivor = ForkServer();
  const std::string address = address_;
  if (raw() && !NamesListeners()) survivor->Kill();
  EXPECT_TRUE(absl::IsUnavailable(EndServer(QUIT)));
  // Nobody waits for a server that has died.
  const absl::StatusOr<std::shared_ptr<Channel>> late = Dial(address, OptionsOfChannel());
  const absl::Status refused = Host::Stub(*late).Echo(Text(), {.timeout = kPatience}).status();
  EXPECT_TRUE(absl::IsUnavailable(refused)) << refused;
  if (raw() && !FreesAddresses()) survivor->Kill();
  ASSERT_EQ(Serve(address), address);
  EXPECT_EQ(Hello(channel_), "hello");
}

TEST_P(DeathTest, SaysHowAServerDied) {
  if (!NamesPeers()) return;
  const absl::Status quit = EndServer(QUIT);
  EXPECT_TRUE(Tells(quit, "exited with status 0")) << quit;
  Serve(FreshAddress().ToString());
  EXPECT_EQ(Hello(channel_), "hello");
  auto chat = Host::Stub(channel_).Chat();
  ASSERT_TRUE(chat.Write(Text()));
  ASSERT_TRUE(chat.Read().has_value());
  server_->Signal(SIGKILL);
  EXPECT_FALSE(chat.Read().has_value());
  const absl::Status killed = chat.Finish();
  EXPECT_TRUE(Tells(killed, "was killed by signal 9 (Killed)")) << killed;
}

TEST_P(DeathTest, AClientsDeathEndsItsCalls) {
  HostService service;
  Server server(OptionsOfServer());
  server.Register(service);
  ASSERT_EQ(server.Listen(FreshAddress().ToString()), absl::OkStatus());
  ASSERT_EQ(server.Start(), absl::OkStatus());
  Child client({absl::StrCat(raw() ? "--call-raw=" : "--call=", server.addresses().front())});
  int pid = -1;
  ASSERT_TRUE(absl::SimpleAtoi(client.Hear(), &pid));
  Survivor survivor(pid);
  (void)client.Wait();
  if (raw() && !NamesPeers()) survivor.Kill();
  EXPECT_TRUE(service.board.Await("chat ended"));
}

INSTANTIATE_TEST_SUITE_P(Forks, DeathTest, ::testing::Bool(),
                         [](const ::testing::TestParamInfo<bool>& info) {
                           return info.param ? "Raw" : "Usual";
                         });

}  // namespace
}  // namespace nigh::testing
