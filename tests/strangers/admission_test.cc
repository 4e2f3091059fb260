// Who may connect: what the kernel lets through, and what ServerOptions::admit decides.

#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/options.h"
#include "nigh/peer_identity.h"
#include "nigh/server.h"
#include "nigh/transport/address.h"
#include "tests/contract/subject.h"
#include "tests/strangers/people.h"

namespace nigh::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class AdmissionTest : public StrangersTest {
 protected:
  void SetUp() override {
    StrangersTest::SetUp();
    if (!IsSkipped() && !HasUsers()) GTEST_SKIP() << "there are no users here";
  }

  // What `who` hears who calls Ann's server there.
  static std::string Call(const Person& who, const Host& host) {
    return As(who, [&] {
      const std::string reply = Ask(host.address(), Expecting("54321"));
      return absl::StartsWith(reply, "uid ") ? "served" : reply;
    });
  }
};

TEST_F(AdmissionTest, TheKernelLetsTheOwnUserAndRootThroughByDefault) {
  if (TheSubject().transport.scheme == "unix-abstract") GTEST_SKIP() << "there is no file";
  const Host host(kAnn, FreshAddress().ToString());
  EXPECT_EQ(Call(kAnn, host), "served");
  // Over a POSIX queue, a server of another user cannot come to root's own queues.
  if (TheSubject().transport.scheme != "mqueue") {
    EXPECT_EQ(Call(kRoot, host), "served");
  }
  EXPECT_THAT(Call(kBob, host), AllOf(StartsWith("PERMISSION_DENIED: "), HasSubstr(host.address()),
                                      HasSubstr("user 54322"), HasSubstr("mode=")));
}

TEST_F(AdmissionTest, TheOwnUserAndRootMayConnectByDefaultAndTheRestIsTold) {
  Host host(kAnn, OpenAddress());
  EXPECT_EQ(Call(kAnn, host), "served");
  EXPECT_EQ(Call(kRoot, host), "served");
  const std::string refusal = Call(kBob, host);
  EXPECT_THAT(refusal, AllOf(StartsWith("PERMISSION_DENIED: "), HasSubstr(host.address()),
                             HasSubstr("user 54322 may not connect"), HasSubstr("admit"),
                             HasSubstr("here 54321")));
  EXPECT_THAT(host.Hear(), AllOf(StartsWith("PERMISSION_DENIED: "), HasSubstr(host.address()),
                                 HasSubstr("user 54322")));
  EXPECT_EQ(Call(kAnn, host), "served");
}

TEST_F(AdmissionTest, UsersThatAreNamedMayConnect) {
  const Host host(kAnn, OpenAddress(), {.admit = {.users = {"54322"}}});
  EXPECT_EQ(Call(kBob, host), "served");
  EXPECT_EQ(Call(kAnn, host), "served");
  EXPECT_THAT(Call({54400, kFriends, {kFriends}}, host), HasSubstr("user 54400 may not connect"));
}

TEST_F(AdmissionTest, AnybodyMayConnectWhereThatIsSaid) {
  const Host host(kAnn, OpenAddress(), {.admit = {.users = {"*"}}});
  EXPECT_EQ(Call({54400, kFriends, {kFriends}}, host), "served");
}

TEST_F(AdmissionTest, MembersOfGroupsThatAreNamedMayConnect) {
  const Host host(kAnn, OpenAddress(), {.admit = {.groups = {absl::StrCat(kFriends)}}});
  // Who has made an object is known by its own group alone.
  const Person friendly = {54400, kFriends, {kFriends}};
  EXPECT_EQ(Call(friendly, host), "served");
  if (IsMetAtSocket()) {
    EXPECT_EQ(Call(kBob, host), "served");
  }
  if (TheSubject().transport.scheme == "mqueue") return;  // nobody else gets through to the server
  EXPECT_THAT(Call(kNobody, host), HasSubstr("user 65534 may not connect"));
}

TEST_F(AdmissionTest, AFunctionDecidesAlone) {
  const ServerOptions options = {
      .admit = {.users = {"54321"},
                .decide = [](const PeerIdentity& client) { return client.uid == kBob.uid; }}};
  const Host host(kAnn, OpenAddress(), options);
  EXPECT_EQ(Call(kBob, host), "served");
  EXPECT_THAT(Call(kAnn, host), HasSubstr("user 54321 may not connect"));
}

TEST_F(AdmissionTest, UsersThatThereAreNotCannotBeNamed) {
  for (const Admission& admit :
       {Admission{.users = {"no such user"}}, Admission{.groups = {"no such group"}}}) {
    Server server({.admit = admit});
    const absl::Status status = server.Listen(FreshAddress().ToString());
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("no such"));
  }
}

// What the address says is what there is, whatever the umask.
TEST_F(AdmissionTest, ModeAndGroupAreAsTheAddressSays) {
  if (!HasPath()) GTEST_SKIP() << "there is no file";
  Address address = FreshAddress();
  address.parameters.emplace_back("mode", "0620");
  address.parameters.emplace_back("group", absl::StrCat(kFriends));
  const mode_t before = ::umask(0077);
  const Host host(kAnn, address.ToString());
  ::umask(before);
  struct stat file;
  ASSERT_EQ(::stat(address.name.c_str(), &file), 0) << host.address();
  EXPECT_EQ(file.st_mode & 07777, mode_t{0620});
  EXPECT_EQ(file.st_gid, kFriends);
  EXPECT_EQ(file.st_uid, kAnn.uid);
}

TEST_F(AdmissionTest, AGroupAloneLetsItsMembersThrough) {
  if (!HasPath()) GTEST_SKIP() << "there is no file";
  Address address = FreshAddress();
  address.parameters.emplace_back("group", absl::StrCat(kFriends));
  const Host host(kAnn, address.ToString(), {.admit = {.users = {"*"}}});
  EXPECT_EQ(Call(kBob, host), "served");
  EXPECT_THAT(Call(kNobody, host), StartsWith("PERMISSION_DENIED: "));
}

TEST_F(AdmissionTest, NonsenseIsRefused) {
  const auto listen = [](absl::string_view key, absl::string_view value) {
    Address address = FreshAddress();
    address.parameters.emplace_back(key, value);
    const absl::Status status = Server().Listen(address.ToString());
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  };
  if (TheSubject().transport.scheme == "unix-abstract") {
    EXPECT_THAT(listen("mode", "0600"), HasSubstr("has no parameter \"mode\""));
    EXPECT_THAT(listen("group", "0"), HasSubstr("has no parameter \"group\""));
    return;
  }
  for (const char* mode : {"rw", "0968", "01777", "066", "0000", "-1", "06600"}) {
    EXPECT_THAT(listen("mode", mode), AllOf(HasSubstr(mode), HasSubstr("octal")));
  }
  EXPECT_THAT(listen("group", "no such group"), HasSubstr("there is no such group"));
}

TEST_F(AdmissionTest, AGroupOfOthersCannotBeGiven) {
  if (!HasPath()) GTEST_SKIP() << "there is no file";
  Address address = FreshAddress();
  address.parameters.emplace_back("group", "65534");
  const Host host(kAnn, address.ToString());
  EXPECT_THAT(host.address(), AllOf(StartsWith("PERMISSION_DENIED: "), HasSubstr("group 65534"),
                                    HasSubstr("member")));
  // Nothing is left that others would trip over.
  EXPECT_NE(::access(address.name.c_str(), F_OK), 0);
}

TEST(TcpAdmissionTest, UsersCannotBeNamedWhereNothingTellsOfThem) {
  if (TheSubject().transport.scheme != "tcp") GTEST_SKIP() << "here something does";
  Server server({.admit = {.users = {"0"}}});
  const absl::Status status = server.Listen(FreshAddress().ToString());
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("does not tell which user"));
  EXPECT_THAT(std::string(Server().Listen(FreshAddress().ToString() + "?mode=0600").message()),
              HasSubstr("no parameter \"mode\""));
}

TEST(TcpAdmissionTest, AFunctionDecidesByTheAddress) {
  if (TheSubject().transport.scheme != "tcp") GTEST_SKIP() << "of tcp: alone";
  Server server({.admit = {.decide = [](const PeerIdentity& client) {
                   return !absl::StrContains(client.address, "127.0.0.1");
                 }}});
  ASSERT_TRUE(server.Listen(FreshAddress().ToString()).ok());
  ASSERT_TRUE(server.Start().ok());
  EXPECT_THAT(Ask(server.addresses().front()),
              ::testing::AnyOf(StartsWith("PERMISSION_DENIED: "), StartsWith("UNAVAILABLE: ")));
}

}  // namespace
}  // namespace nigh::testing
