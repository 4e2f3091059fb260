// Peers that speak another language, or nigh's badly. The frames are whole; that bytes are not is
// the transport's business (tests/contract).

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/transport.h"
#include "tests/conformance/call_suite.h"
#include "tests/conformance/descriptor_check.h"
#include "tests/contract/frames.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

std::string HelloPayload() {
  std::string payload(kHelloSize, '\0');
  EncodeHello({.window = 65'536, .max_message = 1 << 20, .max_metadata = 8192, .max_calls = 100},
              reinterpret_cast<std::byte*>(payload.data()));
  return payload;
}

// A frame that may be anything; often nearly right.
FrameHeader RandomHeader(std::mt19937& random) {
  const auto below = [&](uint32_t limit) { return static_cast<uint32_t>(random() % limit); };
  return {.kind = static_cast<FrameKind>(below(12)),
          .flags = static_cast<uint8_t>(below(4) == 0 ? random() : below(8)),
          .method = static_cast<uint16_t>(below(8) == 0 ? random() : below(3)),
          .call = below(8) == 0 ? static_cast<uint32_t>(random()) : below(3),
          .rest = below(2) == 0 ? 0 : below(1000),
          .aux = below(4) == 0 ? random() : below(20)};
}

std::string RandomPayload(std::mt19937& random) {
  static const std::string names[] = {"/nigh.testing.Scripted/Unary", "/nigh.testing.Scripted/Both",
                                      "", std::string("\x03\0\0\0", 4)};
  if (random() % 2 == 0) return names[random() % std::size(names)];
  std::string payload(random() % 60, '\0');
  for (char& byte : payload) byte = static_cast<char>(random());
  return payload;
}

class Garbage : public CallSuite {
 protected:
  std::unique_ptr<Connection> DialRaw() {
    return TheSubject().transport.dial(MakeAddress(server().address())).value();
  }
  // The server goes on, for those who behave.
  void ExpectServes() { EXPECT_EQ(stub().Unary(BlobOf(1)).status(), absl::OkStatus()); }
};
INSTANTIATE_TEST_SUITE_P(Peer, Garbage, ::testing::ValuesIn(Placements()), PlacementName);

TEST_P(Garbage, InPlaceOfAHelloEndsTheConnection) {
  const std::unique_ptr<Connection> connection = DialRaw();
  ASSERT_EQ(Send(*connection, {.kind = FrameKind::kHello}, "GET / HTTP/1.1"), absl::OkStatus());
  EXPECT_THAT(ReceiveEnd(*connection), HasCode(kUnavailable));
  ExpectServes();
}

TEST_P(Garbage, BeforeTheHelloEndsTheConnection) {
  const std::unique_ptr<Connection> connection = DialRaw();
  ASSERT_EQ(Send(*connection, {.kind = FrameKind::kPing}, ""), absl::OkStatus());
  EXPECT_THAT(ReceiveEnd(*connection), HasCode(kUnavailable));
  ExpectServes();
}

TEST_P(Garbage, OfAnotherVersionIsToldSo) {
  std::string hello(kHelloSize, '\0');
  EncodeHello({.min_version = 77,
               .max_version = 78,
               .window = 1,
               .max_message = 1,
               .max_metadata = 1,
               .max_calls = 1},
              reinterpret_cast<std::byte*>(hello.data()));
  const std::unique_ptr<Connection> connection = DialRaw();
  ASSERT_EQ(Send(*connection, {.kind = FrameKind::kHello}, hello), absl::OkStatus());
  absl::StatusOr<OwnedFrame> frame = Receive(*connection);
  while (frame.ok() && frame->header.kind != FrameKind::kGoAway) frame = Receive(*connection);
  ASSERT_EQ(frame.status(), absl::OkStatus());
  EXPECT_THAT(frame->payload, ::testing::HasSubstr("77"));
  ExpectServes();
}

TEST_P(Garbage, FromClientsHarmsNobodyElse) {
  for (uint32_t seed = 0; seed < static_cast<uint32_t>(Times(400)); ++seed) {
    std::mt19937 random(seed);
    const std::unique_ptr<Connection> connection = DialRaw();
    ASSERT_EQ(Send(*connection, {.kind = FrameKind::kHello}, HelloPayload()), absl::OkStatus());
    absl::Status sent;
    for (int i = 0; i < 50 && sent.ok(); ++i) {
      sent = Send(*connection, RandomHeader(random), RandomPayload(random));
    }
  }
  ExpectServes();
}

class GarbageServers : public ::testing::Test {
  const DescriptorCheck descriptors_;
};

// The call ends, whatever the server says; a deadline is there for the case that it says nothing
// of it.
TEST_F(GarbageServers, HarmNoClient) {
  for (uint32_t seed = 0; seed < static_cast<uint32_t>(Times(200)); ++seed) {
    auto listener = TheSubject().transport.listen(FreshAddress()).value();
    const std::string address = listener->address().ToString();
    std::thread server([&] {
      std::mt19937 random(seed);
      auto connection = Accept(*listener).value();
      // There is no second attempt.
      listener = nullptr;
      absl::Status sent = Send(*connection, {.kind = FrameKind::kHello}, HelloPayload());
      (void)Receive(*connection);
      for (int i = 0; i < 50 && sent.ok(); ++i) {
        sent = Send(*connection, RandomHeader(random), RandomPayload(random));
      }
    });
    auto channel = nigh::Dial(address, {.transports = {&TheSubject().transport, 1}});
    auto stream = Scripted::Stub(*channel).Both({.timeout = absl::Seconds(60)});
    while (stream.Read().has_value()) {
    }
    (void)stream.Finish();
    server.join();
  }
}

TEST_F(GarbageServers, ThatAreNoServersAreUnavailable) {
  auto listener = TheSubject().transport.listen(FreshAddress()).value();
  std::thread server([&] {
    auto connection = Accept(*listener).value();
    (void)Send(*connection, {.kind = FrameKind::kHello}, "220 mail.example.org ESMTP");
    (void)ReceiveEnd(*connection);
  });
  auto channel =
      nigh::Dial(listener->address().ToString(), {.transports = {&TheSubject().transport, 1}});
  EXPECT_THAT(Scripted::Stub(*channel).Unary(Blob()).status(), HasCode(kUnavailable));
  server.join();
}

}  // namespace
}  // namespace nigh::testing
