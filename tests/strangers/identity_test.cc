// What each side knows of the other is of the process that speaks, and from the kernel.

#include <unistd.h>

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/channel.h"
#include "nigh/generic_stub.h"
#include "nigh/transport/address.h"
#include "tests/contract/subject.h"
#include "tests/strangers/people.h"

namespace nigh::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using IdentityTest = StrangersTest;

// Who serves at `address`, as a client sees it.
std::string WhoServes(const std::string& address, const ChannelOptions& options = {}) {
  const std::shared_ptr<Channel> channel = Channel::Create(address, options).value();
  const auto reply = GenericStub(channel).Call("/nigh.Mirror/Look", "");
  return reply.ok() ? Describe(channel->peer()) : reply.status().ToString();
}

TEST_F(IdentityTest, EachSideKnowsTheOthersUser) {
  const Host host(kAnn, FreshAddress().ToString());
  const auto expected = [](pid_t pid) -> std::string {
    if (!HasUsers()) return "";
    if (!IsMetAtSocket()) return "uid 54321 gid 54321";
    return absl::StrCat("uid 54321 gid 54321 groups 54300,54321 pid ", pid, " with a pidfd");
  };
  EXPECT_EQ(As(kAnn, [&] { return WhoServes(host.address()); }), expected(host.pid()));
  EXPECT_EQ(As(kAnn,
               [&] {
                 const std::string seen = Ask(host.address());
                 return seen == expected(::getpid()) ? "as expected" : seen;
               }),
            "as expected");
}

// The numbers of a container stand for others outside.
TEST_F(IdentityTest, WhoHasNoNumberHereIsUnknown) {
  if (!HasPath() || !IsMetAtSocket()) GTEST_SKIP() << "others cannot be let through here";
  Address address = FreshAddress();
  address.parameters.emplace_back("mode", "0666");
  const Host host(kBob, address.ToString(), {.admit = {.users = {"*"}}});
  const auto in_container = [&](const ChannelOptions& options) {
    return As(kAnn, [&]() -> std::string {
      return EnterContainer() ? WhoServes(host.address(), options) : "no container";
    });
  };
  const std::string anybody = in_container(Expecting("*"));
  if (anybody == "no container") GTEST_SKIP() << "the system lets nobody have a namespace";
  EXPECT_THAT(anybody, AllOf(HasSubstr(absl::StrCat("pid ", host.pid())), Not(HasSubstr("uid"))));
  EXPECT_THAT(in_container({}), AllOf(StartsWith("PERMISSION_DENIED: "),
                                      HasSubstr("a user whom the system does not name")));
}

// A daemon listens as root and becomes another user: SO_PEERCRED alone tells of root for ever.
TEST_F(IdentityTest, AClientKnowsWhoServesAndNotWhoHasListened) {
  if (!IsMetAtSocket()) GTEST_SKIP() << "what tells of users here is who has made the object";
  const Host host(kNobody, FreshAddress().ToString(), {}, &kRoot);
  EXPECT_EQ(WhoServes(host.address(), Expecting("65534")),
            absl::StrCat("uid 65534 gid 65534 groups 65534 pid ", host.pid(), " with a pidfd"));
}

}  // namespace
}  // namespace nigh::testing
