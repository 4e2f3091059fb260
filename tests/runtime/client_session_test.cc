// A channel against a server that says what the test has written down: for what a server of ours
// says only when it is interrupted at the right moment.

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <fstream>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/message_lite.h"
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

// A message that knows which thread has parsed it.
class ParsedBy final : public google::protobuf::MessageLite {
 public:
  std::thread::id thread;  // none: it has not been parsed

  void Clear() override { thread = std::this_thread::get_id(); }
  const char* _InternalParse(const char*, google::protobuf::internal::ParseContext*) override {
    return nullptr;
  }
  std::string GetTypeName() const override { return "ParsedBy"; }
  MessageLite* New(google::protobuf::Arena*) const override { return new ParsedBy; }
  bool IsInitialized() const override { return true; }
  void CheckTypeAndMergeFrom(const MessageLite&) override {}
  size_t ByteSizeLong() const override { return 0; }
  int GetCachedSize() const override { return 0; }
  uint8_t* _InternalSerialize(uint8_t* target,
                              google::protobuf::io::EpsCopyOutputStream*) const override {
    return target;
  }
};

// A connection whose server, room and time fix the order of what a reader and a writer of one call
// do, when the deadline passes under the writer's hands while the reader follows:
//
//   writer: Write, which looks whether the server is still there and so receives ...
//   reader:                       Read, which finds somebody receiving, and sleeps
//   writer: ... CREDIT; sends; there is no room; the deadline passes; receives MESSAGE
class DeadlineAmidWrite final : public Connection {
 public:
  struct Script {
    std::function<void()> await_reader;    // until it sleeps
    std::function<void()> await_deadline;  // until it has passed
    std::thread::id writer;
    std::atomic<bool> begun = false;  // the write has
  };
  static inline Script* script = nullptr;

  std::optional<ByteSpan> Claim(size_t payload) override {
    if (step_ >= 2) {
      script->await_deadline();
      has_no_room_ = true;
      return std::nullopt;
    }
    claim_.resize(payload);
    return ByteSpan(claim_);
  }
  void Commit(const FrameHeader&) override {}
  Flushed Flush() override { return step_ < 2 ? Flushed::kAll : Flushed::kSome; }

  Received Receive(absl::Span<Frame> frames) override {
    if (step_ == 0) {
      frames[0] = Say({.kind = FrameKind::kHello}, HelloBytes().substr(kFrameHeaderSize));
      return {.frames = 1};
    }
    if (!script->begun || std::this_thread::get_id() != script->writer) return {};
    if (step_ == 1) {
      script->await_reader();
      frames[0] = Say({.kind = FrameKind::kCredit, .aux = 1000}, "");
      return {.frames = 1};
    }
    if (step_ > 2 || !has_no_room_) return {};
    frames[0] = Say({.kind = FrameKind::kMessage, .flags = kMessage}, "");
    return {.frames = 1};
  }
  void Release(size_t) override {}
  absl::Status End(Interest) const override { return absl::OkStatus(); }
  Wake Arm(Interest) override { return {.fd = quiet_.get(), .events = POLLIN}; }
  Waiter::PollCost poll_cost() const override { return Waiter::PollCost::kSystemCall; }
  void Close() override {}
  size_t max_payload() const override { return 4096; }
  const PeerIdentity& peer() const override { return peer_; }

 private:
  Frame Say(FrameHeader header, const std::string& payload) {
    ++step_;
    said_ = payload;
    header.length = static_cast<uint32_t>(said_.size());
    return Frame{header, AsBytes(said_)};
  }

  std::atomic<int> step_ = 0;  // frames said
  std::atomic<bool> has_no_room_ = false;
  std::string said_;
  std::vector<std::byte> claim_;
  const UniqueFd quiet_{::eventfd(0, EFD_CLOEXEC)};
  const PeerIdentity peer_{.address = "ordered:"};
};

// Until the thread sleeps, as the kernel tells, or has ended.
void AwaitAsleep(pid_t thread) {
  for (;; std::this_thread::yield()) {
    std::ifstream stat(absl::StrCat("/proc/self/task/", thread, "/stat"));
    std::string line;
    if (!std::getline(stat, line) || line[line.rfind(')') + 2] == 'S') return;
  }
}

// The message of a Read that has returned is its caller's: nobody else may be parsing into it.
TEST(ClientSession, AWriterWhoseDeadlinePassesLeavesTheReadersMessageAlone) {
  const auto dial = +[](const Address&) -> absl::StatusOr<std::unique_ptr<Connection>> {
    return std::make_unique<DeadlineAmidWrite>();
  };
  const Transport transports[] = {{"ordered", dial, ListenScript, /*has_name=*/false}};
  ChannelOptions options;
  options.transports = transports;
  for (int round = 0; round < 20; ++round) {
    DeadlineAmidWrite::Script script;
    DeadlineAmidWrite::script = &script;
    const std::shared_ptr<Channel> channel = Dial("ordered:", options).value();
    ClientContext context;
    context.set_timeout(absl::Milliseconds(20));
    ClientCall call(BoundMethods(channel, {&kChat, 1})[0], context);
    call.Start(nullptr, /*end=*/false);

    std::latch read(1);
    std::atomic<pid_t> reader_id = 0;
    ParsedBy message;
    std::thread reader([&] {
      read.wait();
      reader_id = ::gettid();
      (void)call.Read(MessageTarget(&message));
    });
    script.writer = std::this_thread::get_id();
    script.await_reader = [&] {
      read.count_down();
      while (reader_id == 0) std::this_thread::yield();
      AwaitAsleep(reader_id);
    };
    script.await_deadline = [&] {
      while (!context.deadline().HasPassed()) std::this_thread::yield();
    };
    // A session that has been silent for a while is looked at before it is written to.
    const Deadline silent = Deadline::After(absl::Milliseconds(1));
    while (!silent.HasPassed()) std::this_thread::yield();
    script.begun = true;
    MessageSource text{absl::string_view("text")};
    EXPECT_TRUE(text.Measure().ok());
    (void)call.Write(text);
    reader.join();
    if (message.thread != std::thread::id()) {
      EXPECT_NE(message.thread, script.writer) << "in round " << round;
    }
    EXPECT_FALSE(call.Finish().ok());
  }
}

}  // namespace
}  // namespace nigh
