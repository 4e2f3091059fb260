// A channel against a server that says what the test has written down: for what a server of ours
// says only when it is interrupted at the right moment.

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "nigh/base/unique_fd.h"
#include "nigh/channel.h"
#include "nigh/client_call.h"
#include "nigh/client_context.h"
#include "nigh/message_io.h"
#include "nigh/method.h"
#include "nigh/transport/transport.h"
#include "nigh/transports/stream/socket_stream.h"
#include "nigh/transports/stream/stream_connection.h"
#include "nigh/wire/frame.h"
#include "nigh/wire/hello.h"

namespace nigh {
namespace {

constexpr Method kReplies = {.name = "/test.Test/Replies", .kind = MethodKind::kServerStreaming};

std::string FrameBytes(FrameHeader header, absl::string_view payload) {
  header.length = static_cast<uint32_t>(payload.size());
  std::string bytes(kFrameHeaderSize, '\0');
  EncodeFrameHeader(header, reinterpret_cast<std::byte*>(bytes.data()));
  return bytes.append(payload.data(), payload.size());
}

std::string HelloBytes() {
  std::string payload(kHelloSize, '\0');
  EncodeHello({.window = 1 << 16, .max_message = 1 << 16, .max_metadata = 1024, .max_calls = 1},
              reinterpret_cast<std::byte*>(payload.data()));
  return FrameBytes({.kind = FrameKind::kHello}, payload);
}

// The server's end of the one connection that can be made.
UniqueFd server_end;

void ServerSays(absl::string_view bytes) {
  EXPECT_EQ(::send(server_end.get(), bytes.data(), bytes.size(), 0),
            static_cast<ssize_t>(bytes.size()));
}

absl::StatusOr<std::unique_ptr<Connection>> DialScript(const Address& address) {
  std::array<int, 2> sockets;
  if (server_end ||
      ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
    return absl::UnavailableError("no second connection");
  }
  server_end = UniqueFd(sockets[1]);
  ServerSays(HelloBytes());
  return std::make_unique<StreamConnection>(std::make_unique<SocketStream>(UniqueFd(sockets[0])),
                                            PeerIdentity{.address = address.ToString()});
}

absl::StatusOr<std::unique_ptr<Listener>> ListenScript(const Address&) {
  return absl::UnimplementedError("nobody listens");
}

constexpr Transport kScript[] = {{"script", DialScript, ListenScript}};

// One call, which the server answers with `script`: its messages, one after the other, and how it
// ended.
std::pair<std::string, absl::Status> Call(BoundMethod method, absl::string_view script) {
  ClientContext context;
  ClientCall call(method, context);
  MessageSource request(absl::string_view("request"));
  EXPECT_TRUE(request.Measure().ok());
  call.Start(&request, /*end=*/true);
  ServerSays(script);
  std::string all;
  std::string message;
  while (call.Read(MessageTarget(&message))) all += message;
  return {all, call.Finish()};
}

TEST(ClientSession, AResponseAbandonsTheMessageThatItInterrupts) {
  ChannelOptions options;
  options.transports = kScript;
  const std::shared_ptr<Channel> channel = Dial("script:server", options).value();
  const BoundMethods methods(channel, {&kReplies, 1});

  // The first call is cancelled by the server when half of a message has left.
  const auto [first, first_status] = Call(
      methods[0], FrameBytes({.kind = FrameKind::kMessage, .flags = kMessage, .rest = 4}, "half") +
                      FrameBytes({.kind = FrameKind::kResponse, .aux = 8}, ""));
  EXPECT_EQ(first, "");
  EXPECT_EQ(first_status.code(), absl::StatusCode::kResourceExhausted);
  // The second has the same number and gets a message in pieces, too.
  const auto [second, second_status] = Call(
      methods[0], FrameBytes({.kind = FrameKind::kMessage, .flags = kMessage, .rest = 3}, "who") +
                      FrameBytes({.kind = FrameKind::kPiece}, "le!") +
                      FrameBytes({.kind = FrameKind::kResponse}, ""));
  EXPECT_EQ(second, "whole!");
  EXPECT_TRUE(second_status.ok()) << second_status;
}

}  // namespace
}  // namespace nigh
