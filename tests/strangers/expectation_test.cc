// Whose server a client calls. A squatter gets a hello at most: never a request.

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/channel.h"
#include "nigh/options.h"
#include "nigh/transport/address.h"
#include "tests/contract/subject.h"
#include "tests/strangers/people.h"

namespace nigh::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Ann's server, open to everybody, in a folder that everybody may write to.
class ExpectationTest : public StrangersTest {
 protected:
  void SetUp() override {
    StrangersTest::SetUp();
    if (!IsSkipped() && !HasUsers()) GTEST_SKIP() << "there are no users here";
  }

  static std::string Open(Address address) {
    if (address.scheme == "mqueue") {
      address.parameters.emplace_back("group", absl::StrCat(kFriends));
    } else if (address.scheme != "unix-abstract") {
      address.parameters.emplace_back("mode", "0666");
    }
    return address.ToString();
  }
  static ServerOptions ForAll() { return {.admit = {.users = {"*"}}}; }

  static std::string Call(const Person& who, const std::string& address,
                          const std::string& expected = "") {
    return As(who, [&] {
      const std::string reply = Ask(address, Expecting(expected));
      return reply.substr(0, 4) == "uid " ? "served" : reply;
    });
  }
};

TEST_F(ExpectationTest, AnotherUsersServerGetsNoRequest) {
  Host squatter(kAnn, Open(FreshAddress()), ForAll());
  for (const Person& victim : {kRoot, kBob}) {
    EXPECT_THAT(Call(victim, squatter.address()),
                AllOf(StartsWith("PERMISSION_DENIED: "), HasSubstr(squatter.address()),
                      HasSubstr("user 54321"), HasSubstr(absl::StrCat("user ", victim.uid)),
                      HasSubstr("?server=")));
  }
  EXPECT_EQ(Call(kAnn, squatter.address()), "served");
  EXPECT_EQ(squatter.CallsSoFar(), 1) << "a request has left for the squatter";
}

TEST_F(ExpectationTest, RootsServerIsEverybodys) {
  const Host host(kRoot, Open(FreshAddress()), ForAll());
  EXPECT_EQ(Call(kBob, host.address()), "served");
}

TEST_F(ExpectationTest, TheUserMayBeNamedByTheChannelOrTheAddress) {
  const Host host(kAnn, Open(FreshAddress()), ForAll());
  const std::string with = absl::StrCat(
      host.address(), host.address().find('?') == std::string::npos ? "?" : "&", "server=");
  EXPECT_EQ(Call(kBob, host.address(), "54321"), "served");
  EXPECT_EQ(Call(kBob, host.address(), "*"), "served");
  EXPECT_EQ(Call(kBob, with + "54321"), "served");
  EXPECT_EQ(Call(kBob, with + "*", "65534"), "served");
  EXPECT_THAT(Call(kAnn, host.address(), "65534"), HasSubstr("and not user 65534 or root"));
  EXPECT_THAT(Call(kAnn, with + "65534", "*"), HasSubstr("and not user 65534 or root"));
  EXPECT_THAT(Call(kBob, host.address(), "no such user"),
              AllOf(StartsWith("INVALID_ARGUMENT: "), HasSubstr("no such user")));
}

// Where nobody but Ann can have put it, it is what the address means.
TEST_F(ExpectationTest, TheOwnerOfTheFolderMayServeThereUnlessOthersMayWriteToIt) {
  if (!HasPath()) GTEST_SKIP() << "there is no folder";
  const std::string base = absl::StrCat("/run/nigh-strangers-", ::getpid());
  const std::string anns = base + "/ann";
  std::filesystem::create_directories(anns);
  ASSERT_EQ(::chmod(base.c_str(), 0755), 0);
  ASSERT_EQ(::chown(anns.c_str(), kAnn.uid, kAnn.gid), 0);
  Address address = FreshAddress();
  address.name = anns + "/server";
  {
    const Host host(kAnn, Open(address), ForAll());
    // Over FIFOs, a client has to make its own beside the server's; root may anywhere.
    const Person client = TheSubject().transport.scheme == "fifo" ? kRoot : kBob;
    ASSERT_EQ(::chmod(anns.c_str(), 0755), 0);
    EXPECT_EQ(Call(client, host.address()), "served");
    for (const mode_t shared : {01777, 0775}) {
      ASSERT_EQ(::chmod(anns.c_str(), shared), 0);
      EXPECT_THAT(Call(client, host.address()), HasSubstr("user 54321"));
    }
    // Nor does it help where another could put a folder of its own there.
    ASSERT_EQ(::chmod(anns.c_str(), 0755), 0);
    ASSERT_EQ(::chmod(base.c_str(), 01777), 0);
    EXPECT_THAT(Call(client, host.address()), HasSubstr("user 54321"));
  }
  std::filesystem::remove_all(base);
}

TEST(TcpExpectationTest, NobodyCanBeExpectedWhereNothingTells) {
  if (TheSubject().transport.scheme != "tcp") GTEST_SKIP() << "here something does";
  EXPECT_THAT(Ask("tcp://127.0.0.1:1", Expecting("0")),
              AllOf(StartsWith("INVALID_ARGUMENT: "), HasSubstr("does not tell which user")));
}

}  // namespace
}  // namespace nigh::testing
