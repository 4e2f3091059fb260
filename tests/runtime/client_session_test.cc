// A channel against a server that says what the test has written down: for what a server of ours
// says only when it is interrupted at the right moment.

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "nigh/channel.h"
#include "nigh/client_context.h"
#include "nigh/event_loop.h"
#include "nigh/message_io.h"
#include "nigh/method.h"
#include "nigh/runtime/client/client_call.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/inproc/inproc.h"
#include "nigh/transports/stream/socket_stream.h"
#include "nigh/transports/stream/stream_connection.h"
#include "tests/contract/frames.h"

namespace nigh {
namespace {

constexpr Method kChat = {.name = "/test.Test/Chat", .kind = MethodKind::kBidiStreaming};
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

// The server's end of the last connection.
UniqueFd server_end;

void ServerSays(absl::string_view bytes) {
  EXPECT_EQ(::send(server_end.get(), bytes.data(), bytes.size(), 0),
            static_cast<ssize_t>(bytes.size()));
}

absl::StatusOr<std::unique_ptr<Connection>> DialScript(const Address& address) {
  std::array<int, 2> sockets;
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
    return absl::UnavailableError("no socket pair");
  }
  server_end = UniqueFd(sockets[1]);
  const int little = 4096;
  EXPECT_EQ(::setsockopt(sockets[0], SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)), 0);
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

// What has come from the client, frame by frame, as far as `last`.
std::vector<FrameKind> ReceiveUntil(FrameKind last, const std::function<void()>& meanwhile) {
  std::vector<FrameKind> kinds;
  std::string bytes;
  while (kinds.empty() || kinds.back() != last) {
    std::array<char, 65536> chunk;
    const ssize_t got = ::recv(server_end.get(), chunk.data(), chunk.size(), 0);
    if (got == 0) break;
    if (got < 0) {
      meanwhile();
      continue;
    }
    bytes.append(chunk.data(), got);
    while (bytes.size() >= kFrameHeaderSize) {
      const FrameHeader header =
          DecodeFrameHeader(reinterpret_cast<const std::byte*>(bytes.data()));
      if (bytes.size() < kFrameHeaderSize + header.length) break;
      kinds.push_back(header.kind);
      bytes.erase(0, kFrameHeaderSize + header.length);
    }
  }
  return kinds;
}

// A call that is cancelled in the middle of a message for which there is no room.
void CancelInAMessage(const BoundMethods& methods) {
  ClientContext context;
  context.set_timeout(absl::Milliseconds(20));
  ClientCall call(methods[0], context);
  const std::string large(60'000, 'x');
  MessageSource request{absl::string_view(large)};
  EXPECT_TRUE(request.Measure().ok());
  call.Start(&request, /*end=*/true);
  std::string message;
  EXPECT_FALSE(call.Read(MessageTarget(&message)));
  EXPECT_EQ(call.Finish().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST(ClientSession, ACancellationThatFoundNoRoomLeavesWithNoFurtherCall) {
  ChannelOptions options;
  options.transports = kScript;
  const std::shared_ptr<Channel> channel = Dial("script:server", options).value();
  CancelInAMessage(BoundMethods(channel, {&kReplies, 1}));
  const auto wait = [] {
    pollfd readable{.fd = server_end.get(), .events = POLLIN, .revents = 0};
    ::poll(&readable, 1, -1);
  };
  EXPECT_EQ(ReceiveUntil(FrameKind::kCancel, wait).back(), FrameKind::kCancel);
}

TEST(ClientSession, ACancellationThatFoundNoRoomLeavesWhenTheEventLoopIsPolled) {
  ChannelOptions options;
  options.transports = kScript;
  options.event_loop = std::make_shared<EventLoop>();
  const std::shared_ptr<Channel> channel = Dial("script:server", options).value();
  CancelInAMessage(BoundMethods(channel, {&kReplies, 1}));
  const auto pump = [&] { options.event_loop->WaitAndPoll(); };
  EXPECT_EQ(ReceiveUntil(FrameKind::kCancel, pump).back(), FrameKind::kCancel);
}

TEST(ClientSession, AChannelThatGoesDoesNotWaitForRoom) {
  ChannelOptions options;
  options.transports = kScript;
  {
    const std::shared_ptr<Channel> channel = Dial("script:server", options).value();
    CancelInAMessage(BoundMethods(channel, {&kReplies, 1}));
  }
  // The hang-up comes although nothing has been read until now.
  pollfd hang_up{.fd = server_end.get(), .events = POLLRDHUP, .revents = 0};
  EXPECT_EQ(::poll(&hang_up, 1, -1), 1);
}

// A server that takes in the first frames of a connection and then none for a while.
class HaltingServer {
 public:
  explicit HaltingServer(const std::string& address)
      : listener_(ListenInproc(testing::MakeAddress(address)).value()) {}

  // The numbers of the next `requests` calls, in the order of their requests.
  std::vector<uint32_t> Greet(size_t requests) {
    connection_ = testing::Accept(*listener_).value();
    std::string hello(kHelloSize, '\0');
    EncodeHello({.window = 1 << 30, .max_message = 1 << 30, .max_metadata = 1024, .max_calls = 100},
                reinterpret_cast<std::byte*>(hello.data()));
    EXPECT_TRUE(testing::Send(*connection_, {.kind = FrameKind::kHello}, hello).ok());
    std::vector<uint32_t> calls;
    while (calls.size() < requests) {
      const FrameHeader header = testing::Receive(*connection_).value().header;
      if (header.kind == FrameKind::kRequest) calls.push_back(header.call);
    }
    return calls;
  }
  // Until a frame can be received.
  void AwaitFrame() { EXPECT_TRUE(testing::Await(connection_->Arm(Interest::kReceive))); }
  absl::StatusOr<FrameHeader> Receive() {
    absl::StatusOr<testing::OwnedFrame> frame = testing::Receive(*connection_);
    if (!frame.ok()) return frame.status();
    return frame->header;
  }
  void End(uint32_t call) {
    EXPECT_TRUE(testing::Send(*connection_, {.kind = FrameKind::kResponse, .call = call}, "").ok());
  }

 private:
  const std::unique_ptr<Listener> listener_;
  std::unique_ptr<Connection> connection_;
};

void WriteText(ClientCall& call, const std::string& text) {
  MessageSource message{absl::string_view(text)};
  EXPECT_TRUE(message.Measure().ok());
  (void)call.Write(message, /*end=*/true);
}

// What a call that ends leaves unsent goes, and may have been all that another's writer waited for.
TEST(ClientSession, AWriterBehindACallThatEndsGoesOn) {
  HaltingServer server("inproc:halting");
  const std::shared_ptr<Channel> channel = Dial("inproc:halting").value();
  const BoundMethods methods(channel, {&kChat, 1});
  std::vector<uint32_t> ids;
  std::thread greeter([&] { ids = server.Greet(3); });
  ClientContext contexts[3];
  ClientCall leading(methods[0], contexts[0]);
  ClientCall ending(methods[0], contexts[1]);
  ClientCall waiting(methods[0], contexts[2]);
  for (ClientCall* call : {&leading, &ending, &waiting}) call->Start(nullptr, /*end=*/false);
  greeter.join();

  std::thread leader([&] {
    std::string message;
    EXPECT_FALSE(leading.Read(MessageTarget(&message)));
    (void)leading.Finish();
  });
  std::thread first([&] {
    WriteText(ending, std::string(1 << 20, 'x'));  // more than there is room for
    (void)ending.Finish();
  });
  server.AwaitFrame();
  std::thread second([&] {
    WriteText(waiting, "y");
    (void)waiting.Finish();
  });
  server.End(ids[1]);
  first.join();
  absl::StatusOr<FrameHeader> frame = server.Receive();
  while (frame.ok() && frame->call != ids[2]) frame = server.Receive();
  EXPECT_TRUE(frame.ok()) << frame.status();
  server.End(ids[2]);
  server.End(ids[0]);
  second.join();
  leader.join();
}

}  // namespace
}  // namespace nigh
