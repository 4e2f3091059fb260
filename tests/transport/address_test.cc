#include "nigh/transport/address.h"

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/transport/transport.h"

namespace nigh {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string ParseError(absl::string_view text) {
  const absl::Status status = Address::Parse(text).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(status.message());
}

TEST(Address, HasASchemeANameAndParameters) {
  const Address address = Address::Parse("shm:greeter?ring=1MiB&doorbell=futex").value();
  EXPECT_EQ(address.scheme, "shm");
  EXPECT_EQ(address.name, "greeter");
  EXPECT_EQ(address.Parameter("ring"), "1MiB");
  EXPECT_EQ(address.Parameter("doorbell"), "futex");
  EXPECT_EQ(address.Parameter("memory", "memfd"), "memfd");
}

TEST(Address, ReadsBackAsItWasWritten) {
  for (const char* text : {"unix:/run/greeter.sock", "tcp://[::1]:0", "unix-abstract:a b",
                           "trickle+unix:x", "shm:greeter?ring=1MiB&doorbell=futex", "exec:cat -n",
                           "pipe:3,4", "mqueue:/name", "stdio:", "unix:a:b:c", "shm:x?key=a=b"}) {
    EXPECT_EQ(Address::Parse(text).value().ToString(), text);
  }
}

TEST(Address, AQuestionMarkIsWrittenOtherwise) {
  const Address address = Address::Parse("unix:/tmp/what%3F%253f%25%x?key=value").value();
  EXPECT_EQ(address.name, "/tmp/what?%3f%%x");
  EXPECT_EQ(address.Parameter("key"), "value");
  EXPECT_EQ(Address::Parse(address.ToString()).value().name, address.name);
  EXPECT_EQ((Address{.scheme = "unix", .name = "a?%25%3F", .parameters = {}}.ToString()),
            "unix:a%3F%2525%253F");
}

TEST(Address, TheLastOfSeveralParametersCounts) {
  EXPECT_EQ(Address::Parse("shm:x?ring=1&ring=2").value().Parameter("ring"), "2");
}

TEST(Address, MalformedOnesSayWhatIsWrong) {
  EXPECT_THAT(ParseError(""), HasSubstr("it has no scheme"));
  EXPECT_THAT(ParseError("/run/greeter.sock"), HasSubstr("it has no scheme"));
  EXPECT_THAT(ParseError(":x"), HasSubstr("its scheme is not made of"));
  EXPECT_THAT(ParseError("Unix:x"), HasSubstr("its scheme is not made of"));
  EXPECT_THAT(ParseError("1unix:x"), HasSubstr("its scheme is not made of"));
  EXPECT_THAT(ParseError("shm:x?ring"), HasSubstr("\"ring\" is not of the form KEY=VALUE"));
  EXPECT_THAT(ParseError("shm:x?=1"), HasSubstr("not of the form KEY=VALUE"));
  EXPECT_THAT(ParseError("shm:x?ring="), HasSubstr("not of the form KEY=VALUE"));
  EXPECT_THAT(ParseError(absl::string_view("unix:a\0b", 8)), HasSubstr("it holds a NUL byte"));
}

TEST(Address, ErrorsQuoteTheAddressAndShowAGoodOne) {
  const std::string error = ParseError("x\n");
  EXPECT_THAT(error, StartsWith("address \"x\\n\": "));
  EXPECT_THAT(error, HasSubstr("unix:/run/greeter.sock"));
}

TEST(Address, UnknownParametersAreNamed) {
  const Address address = Address::Parse("shm:x?ring=1&rnig=2").value();
  EXPECT_TRUE(address.CheckParameters({"ring", "rnig"}).ok());
  const absl::Status status = address.CheckParameters({"ring", "memory"});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("has no parameter \"rnig\" (it takes ring, memory)"));
  EXPECT_THAT(std::string(address.CheckParameters({}).message()), HasSubstr("(it takes none)"));
}

TEST(FindTransport, FindsEachByItsScheme) {
  ASSERT_FALSE(AllTransports().empty());
  for (const Transport& transport : AllTransports()) {
    Address address;
    address.scheme = std::string(transport.scheme);
    address.name = transport.has_name ? "x" : "";
    EXPECT_EQ(FindTransport(AllTransports(), address).value(), &transport) << address.scheme;
  }
}

TEST(FindTransport, AnUntrustedAddressOnlySaysWhereToConnect) {
  const TransportTable table = TransportsForUntrustedAddresses();
  EXPECT_EQ(table.size(), AllTransports().size() - 5);
  for (const char* text : {"exec:rm -r x", "pipe:3,4", "stdio:", "systemd:", "fd:3"}) {
    const absl::Status status = FindTransport(table, Address::Parse(text).value()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(FindTransport, KnowsWhichNeedsAName) {
  for (const char* text : {"unix:", "unix:?a=b", "shm:", "exec:"}) {
    const absl::Status status =
        FindTransport(AllTransports(), Address::Parse(text).value()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("nothing follows its scheme")) << text;
  }
  EXPECT_TRUE(FindTransport(AllTransports(), Address::Parse("stdio:").value()).ok());
}

TEST(FindTransport, ListsWhatThereIsWhenThereIsNone) {
  const absl::Status status =
      FindTransport(AllTransports(), Address::Parse("unxi:/x").value()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()),
              StartsWith("address \"unxi:/x\": no transport is called \"unxi\" (there are: "));
  EXPECT_THAT(std::string(status.message()), HasSubstr("unix:, "));
}

}  // namespace
}  // namespace nigh
