#include "nigh/transports/tcp/tcp.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/tcp/endpoint.h"
#include "nigh/transports/tcp/tcp_stream.h"
#include "tests/contract/frames.h"

namespace nigh {
namespace {

using ::testing::HasSubstr;
using testing::MakeAddress;
using testing::MessageHeader;
using testing::Pattern;
using ::testing::StartsWith;

std::unique_ptr<Listener> Listen(absl::string_view address) {
  auto listener = ListenTcp(MakeAddress(address));
  EXPECT_TRUE(listener.ok()) << listener.status();
  return *std::move(listener);
}

uint16_t PortOf(const Address& address) { return ParseHostPort(address).value().port; }

// An address where nobody listens.
Address NobodysAddress() { return Listen("tcp://127.0.0.1:0")->address(); }

bool HasIpv6() { return ListenTcp(MakeAddress("tcp://[::1]:0")).ok(); }

std::vector<Endpoint> ResolveAll(const std::vector<Address>& addresses) {
  std::vector<Endpoint> endpoints;
  for (const Address& address : addresses) {
    endpoints.push_back(Resolve(ParseHostPort(address).value(), "test").value().front());
  }
  return endpoints;
}

UniqueFd Socket(int family) {
  return UniqueFd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

// Takes `stream` to its end: 0 when it has connected, or the error.
int Finish(TcpStream& stream) {
  for (;;) {
    const int result = stream.Advance();
    if (result != -EAGAIN) return -result;
    EXPECT_TRUE(testing::Await({.fd = stream.write_fd(), .events = stream.write_events()}));
  }
}

TEST(TcpTransport, PortZeroBecomesTheSystemsChoice) {
  auto listener = Listen("tcp://127.0.0.1:0");
  EXPECT_THAT(listener->address().ToString(), StartsWith("tcp://127.0.0.1:"));
  EXPECT_NE(PortOf(listener->address()), 0);
  EXPECT_TRUE(testing::Connect(kTcpTransport, *listener).ok());
}

TEST(TcpTransport, LocalhostIsReachedByNameAndByIpv4Address) {
  auto listener = Listen("tcp://localhost:0");
  EXPECT_THAT(listener->address().name, StartsWith("//localhost:"));
  EXPECT_TRUE(testing::Connect(kTcpTransport, *listener).ok());
  auto client = DialTcp(MakeAddress(absl::StrCat("tcp://127.0.0.1:", PortOf(listener->address()))));
  EXPECT_TRUE(testing::Accept(*listener).ok());
}

TEST(TcpTransport, Ipv6StandsInBrackets) {
  if (!HasIpv6()) GTEST_SKIP() << "this machine has no IPv6";
  auto listener = Listen("tcp://[::1]:0");
  auto pair = testing::Connect(kTcpTransport, *listener).value();
  EXPECT_THAT(pair.server->peer().address, StartsWith("tcp://[::1]:"));
}

TEST(TcpTransport, AnyIpv6AddressServesIpv4) {
  if (!HasIpv6()) GTEST_SKIP() << "this machine has no IPv6";
  auto listener = Listen("tcp://[::]:0");
  auto client = DialTcp(MakeAddress(absl::StrCat("tcp://127.0.0.1:", PortOf(listener->address()))));
  auto server = testing::Accept(*listener).value();
  EXPECT_THAT(server->peer().address, StartsWith("tcp://127.0.0.1:"));
}

TEST(TcpTransport, ThePeerIsItsAddressAndNoUser) {
  auto listener = Listen("tcp://127.0.0.1:0");
  auto pair = testing::Connect(kTcpTransport, *listener).value();
  const uint16_t port = Endpoint::Local(pair.client->Arm(Interest::kReceive).fd).port();
  EXPECT_EQ(pair.server->peer().address, absl::StrCat("tcp://127.0.0.1:", port));
  EXPECT_EQ(pair.client->peer().address, listener->address().ToString());
  EXPECT_FALSE(pair.server->peer().uid.has_value());
}

TEST(TcpTransport, SendsAtOnce) {
  auto listener = Listen("tcp://127.0.0.1:0");
  auto pair = testing::Connect(kTcpTransport, *listener).value();
  for (Connection* connection : {pair.client.get(), pair.server.get()}) {
    int on = 0;
    socklen_t size = sizeof(on);
    const int socket = connection->Arm(Interest::kReceive).fd;
    ASSERT_EQ(::getsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    EXPECT_NE(on, 0);
  }
}

TEST(TcpTransport, AMachineThatVanishesIsMissedAfterAMinute) {
  auto listener = Listen("tcp://127.0.0.1:0");
  auto pair = testing::Connect(kTcpTransport, *listener).value();
  for (Connection* connection : {pair.client.get(), pair.server.get()}) {
    const int socket = connection->Arm(Interest::kReceive).fd;
    const auto option = [socket](int level, int name) {
      int value = 0;
      socklen_t size = sizeof(value);
      EXPECT_EQ(::getsockopt(socket, level, name, &value, &size), 0);
      return value;
    };
    EXPECT_NE(option(SOL_SOCKET, SO_KEEPALIVE), 0);
    EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE) +
                  option(IPPROTO_TCP, TCP_KEEPINTVL) * option(IPPROTO_TCP, TCP_KEEPCNT),
              60);
  }
}

TEST(TcpTransport, NobodyThereSaysSo) {
  const Address address = NobodysAddress();
  auto client = DialTcp(address);
  EXPECT_EQ(client.ok() ? testing::ReceiveEnd(**client) : client.status(),
            absl::UnavailableError(absl::StrCat(
                address.ToString(), ": connect: Connection refused (is the server running?)")));
}

TEST(TcpTransport, SendersLearnThatNobodyIsThere) {
  auto client = DialTcp(NobodysAddress());
  if (!client.ok()) GTEST_SKIP() << "this system refuses at once";
  const absl::Status status = testing::Send(**client, MessageHeader(1), "x");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr(": connect: Connection refused"));
}

TEST(TcpTransport, AddressesThatCannotWorkSayWhy) {
  const std::pair<const char*, const char*> cases[] = {
      {"tcp:127.0.0.1:80", "no // follows tcp:"},
      {"tcp://", "it has no host"},
      {"tcp://:80", "it has no host"},
      {"tcp://localhost", "it has no port"},
      {"tcp://localhost:", "its port is not a number from 0 to 65535"},
      {"tcp://localhost:http", "its port is not a number from 0 to 65535"},
      {"tcp://localhost:+80", "its port is not a number from 0 to 65535"},
      {"tcp://localhost:65536", "its port is not a number from 0 to 65535"},
      {"tcp://localhost:99999999999", "its port is not a number from 0 to 65535"},
      {"tcp://::1:80", "an IPv6 address needs brackets"},
      {"tcp://[::1:80", "a ] is missing"},
      {"tcp://[[::1]:80", "its host has a bracket too many"},
      {"tcp://::1]:80", "an IPv6 address needs brackets"},
      {"tcp://host]:80", "its host has a bracket too many"},
      {"tcp://[::1]", "it has no port"},
      {"tcp://[]:80", "it has no host"},
      {"tcp://localhost:80?x=1", "has no parameter"},
  };
  for (const auto& [address, why] : cases) {
    for (const absl::Status& status :
         {DialTcp(MakeAddress(address)).status(), ListenTcp(MakeAddress(address)).status()}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << address;
      EXPECT_THAT(std::string(status.message()), HasSubstr(why)) << address;
    }
  }
  EXPECT_THAT(std::string(DialTcp(MakeAddress("tcp://localhost:0")).status().message()),
              HasSubstr("port 0 is for listening"));
}

TEST(TcpTransport, UnknownHostIsUnavailable) {
  const absl::Status status = DialTcp(MakeAddress("tcp://no-such-host.invalid:80")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()),
              StartsWith("tcp://no-such-host.invalid:80: look up no-such-host.invalid: "));
}

TEST(TcpTransport, AnAddressThatIsNotOursCannotBeListenedOn) {
  const absl::Status status = ListenTcp(MakeAddress("tcp://192.0.2.1:0")).status();
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("tcp://192.0.2.1:0: listen: Cannot assign requested address"));
}

// A queue of new connections that is full makes the system ignore further ones for now.
class TcpStillConnecting : public ::testing::Test {
 protected:
  void SetUp() override {
    server_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in any = {};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::bind(server_.get(), reinterpret_cast<const sockaddr*>(&any), sizeof(any)), 0);
    ASSERT_EQ(::listen(server_.get(), 0), 0);
    const Address address =
        MakeAddress(absl::StrCat("tcp://127.0.0.1:", Endpoint::Local(server_.get()).port()));
    filler_ = DialTcp(address).value();
    // Connected, so that its place in the queue is taken.
    ASSERT_TRUE(testing::FlushAll(*filler_).ok());
    ASSERT_TRUE(testing::Send(*filler_, MessageHeader(0), "x").ok());
    client_ = DialTcp(address).value();
  }

  UniqueFd server_;
  std::unique_ptr<Connection> filler_, client_;
};

TEST_F(TcpStillConnecting, FramesAreKeptUntilItHasConnected) {
  ASSERT_TRUE(testing::TryQueue(*client_, MessageHeader(1), "early"));
  EXPECT_FALSE(testing::TryFlush(*client_).value());
  EXPECT_EQ(testing::TryReceive(*client_).value(), std::nullopt);
  EXPECT_FALSE(testing::Await(client_->Arm(Interest::kReceive), 0));
  EXPECT_FALSE(testing::Await(client_->Arm(Interest::kSend), 0));
  const UniqueFd filler(::accept(server_.get(), nullptr, nullptr));
  ASSERT_TRUE(testing::FlushAll(*client_).ok());
  const UniqueFd accepted(::accept(server_.get(), nullptr, nullptr));
  char bytes[kFrameHeaderSize + 5];
  EXPECT_EQ(::recv(accepted.get(), bytes, sizeof(bytes), MSG_WAITALL),
            static_cast<ssize_t>(sizeof(bytes)));
  EXPECT_EQ(absl::string_view(bytes + kFrameHeaderSize, 5), "early");
}

TEST_F(TcpStillConnecting, CloseEndsIt) {
  EXPECT_EQ(testing::TryReceive(*client_).value(), std::nullopt);
  const Wake wake = client_->Arm(Interest::kReceive);
  client_->Close();
  EXPECT_TRUE(testing::Await(wake));
  EXPECT_EQ(testing::ReceiveEnd(*client_).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(testing::Send(*client_, MessageHeader(1), "x").code(), absl::StatusCode::kUnavailable);
}

TEST(TcpStream, TriesTheAddressesOfANameInOrder) {
  auto listener = Listen("tcp://127.0.0.1:0");
  TcpStream stream(Socket(AF_INET),
                   ResolveAll({NobodysAddress(), NobodysAddress(), listener->address()}));
  EXPECT_EQ(Finish(stream), 0);
  EXPECT_TRUE(stream.connected());
  EXPECT_TRUE(testing::Accept(*listener).ok());
}

TEST(TcpStream, TriesIpv4AfterIpv6OnTheSameSocket) {
  if (!HasIpv6()) GTEST_SKIP() << "this machine has no IPv6";
  auto listener = Listen("tcp://127.0.0.1:0");
  const Address nobody = MakeAddress(absl::StrCat("tcp://[::1]:", PortOf(NobodysAddress())));
  std::vector<Endpoint> candidates = ResolveAll({nobody, listener->address()});
  for (Endpoint& candidate : candidates) candidate = candidate.ToV6();
  TcpStream stream(Socket(AF_INET6), candidates);
  EXPECT_EQ(Finish(stream), 0);
  auto server = testing::Accept(*listener);
  EXPECT_TRUE(server.ok());
}

TEST(TcpStream, TheLastRefusalIsTheAnswer) {
  TcpStream stream(Socket(AF_INET), ResolveAll({NobodysAddress(), NobodysAddress()}));
  EXPECT_EQ(Finish(stream), ECONNREFUSED);
  EXPECT_FALSE(stream.connected());
  EXPECT_EQ(Finish(stream), ECONNREFUSED);
}

// The system may give a client the very port that it dials.
TEST(TcpStream, ASocketThatMeetsItselfWasRefused) {
  UniqueFd socket = Socket(AF_INET);
  const std::vector<Endpoint> any = ResolveAll({MakeAddress("tcp://127.0.0.1:0")});
  ASSERT_EQ(::bind(socket.get(), any[0].get(), any[0].size()), 0);
  const Endpoint own = Endpoint::Local(socket.get());
  TcpStream stream(std::move(socket), {own});
  EXPECT_EQ(Finish(stream), ECONNREFUSED);
}

TEST(TcpStream, WhatWasFlushedArrivesThoughTheSenderLeftFramesUnread) {
  auto listener = Listen("tcp://127.0.0.1:0");
  auto pair = testing::Connect(kTcpTransport, *listener).value();
  ASSERT_TRUE(testing::Send(*pair.client, MessageHeader(0), Pattern(0, 1000)).ok());
  ASSERT_TRUE(testing::Await(pair.server->Arm(Interest::kReceive)));
  // More than the client's side of the system takes, so that much of it has not left this side yet.
  uint32_t flushed = 0;
  while (testing::TryQueue(*pair.server, MessageHeader(flushed), Pattern(flushed, 60'000)) &&
         testing::TryFlush(*pair.server).value()) {
    ++flushed;
  }
  pair.server->Close();
  pair.server.reset();
  for (uint32_t call = 0; call < flushed; ++call) {
    const auto frame = testing::Receive(*pair.client);
    ASSERT_TRUE(frame.ok()) << call << " of " << flushed << ": " << frame.status();
    EXPECT_EQ(frame->payload, Pattern(call, 60'000));
  }
  EXPECT_EQ(testing::ReceiveEnd(*pair.client).code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace nigh
