#include "nigh/runtime/wire/hello.h"

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "nigh/transport/bytes.h"

namespace nigh {
namespace {

constexpr Hello kHello = {.min_version = 1,
                          .max_version = 3,
                          .window = 65'536,
                          .max_message = uint64_t{5} << 32,
                          .max_metadata = 8192,
                          .max_calls = 1000,
                          .features = 5,
                          .max_attachment = uint64_t{6} << 32,
                          .max_descriptors = 16};

std::string Encoded(const Hello& hello) {
  std::byte bytes[kHelloSize];
  EncodeHello(hello, bytes);
  return std::string(AsText(ConstByteSpan(bytes)));
}

TEST(Hello, MakesTheRoundTrip) { EXPECT_EQ(DecodeHello(AsBytes(Encoded(kHello))).value(), kHello); }

TEST(Hello, BeginsWithTheNameOfTheProtocol) { EXPECT_EQ(Encoded(kHello).substr(0, 4), "nigh"); }

TEST(Hello, TruncatedAnywhereIsAnError) {
  const std::string bytes = Encoded(kHello);
  for (size_t size = 0; size < bytes.size(); ++size) {
    const absl::Status status = DecodeHello(AsBytes(bytes).first(size)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << size;
  }
}

TEST(Hello, FieldsOfLaterVersionsAreSkipped) {
  EXPECT_EQ(DecodeHello(AsBytes(Encoded(kHello) + "more")).value(), kHello);
}

TEST(Hello, AnotherProtocolIsRefused) {
  EXPECT_EQ(DecodeHello(AsBytes("GET / HTTP/1.1\r\nHost: localhost\r\n")).status(),
            absl::InternalError("hello without nigh's magic number"));
}

TEST(Hello, ImpossibleNumbersAreRefused) {
  Hello hello = kHello;
  hello.min_version = 0;
  EXPECT_FALSE(DecodeHello(AsBytes(Encoded(hello))).ok());
  hello.min_version = 4;
  EXPECT_FALSE(DecodeHello(AsBytes(Encoded(hello))).ok());
  hello = kHello;
  hello.window = 0;
  EXPECT_FALSE(DecodeHello(AsBytes(Encoded(hello))).ok());
  // More descriptors than the kernel passes, none, or some without the feature.
  for (const uint32_t descriptors : {0U, 254U, UINT32_MAX}) {
    hello = kHello;
    hello.max_descriptors = descriptors;
    EXPECT_FALSE(DecodeHello(AsBytes(Encoded(hello))).ok()) << descriptors;
  }
  hello = kHello;
  hello.features &= ~kTakesDescriptors;
  EXPECT_FALSE(DecodeHello(AsBytes(Encoded(hello))).ok());
  // Attachments of nothing, or some without the feature.
  hello = kHello;
  hello.max_attachment = 0;
  EXPECT_FALSE(DecodeHello(AsBytes(Encoded(hello))).ok());
  hello = kHello;
  hello.features &= ~kTakesAttachments;
  EXPECT_FALSE(DecodeHello(AsBytes(Encoded(hello))).ok());
}

TEST(Hello, RandomBytesNeverPassButByTheMagicNumber) {
  std::mt19937 random(1);
  for (int round = 0; round < 10'000; ++round) {
    std::string bytes(random() % 60, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    if (bytes.substr(0, 4) == "nigh") continue;
    EXPECT_EQ(DecodeHello(AsBytes(bytes)).status().code(), absl::StatusCode::kInternal);
  }
}

TEST(AgreeOnVersion, IsTheHighestThatBothSpeak) {
  const auto agree = [](uint16_t my_min, uint16_t my_max, uint16_t their_min, uint16_t their_max) {
    return AgreeOnVersion({.min_version = my_min, .max_version = my_max},
                          {.min_version = their_min, .max_version = their_max});
  };
  EXPECT_EQ(agree(1, 1, 1, 1).value(), 1);
  EXPECT_EQ(agree(1, 3, 2, 5).value(), 3);
  EXPECT_EQ(agree(2, 5, 1, 3).value(), 3);
  EXPECT_EQ(agree(1, 9, 4, 5).value(), 5);
  EXPECT_EQ(agree(1, 1, 2, 3).status(),
            absl::UnavailableError("the peer speaks versions 2 to 3 of nigh's protocol, this "
                                   "process 1 to 1 (upgrade the older of the two)"));
  EXPECT_EQ(agree(2, 3, 1, 1).status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace nigh
