// A unary call is a stream of one: UnaryCall, which takes no lock, and ClientCall, which serves
// every kind of call, come to the same end whatever the server sends.

#include "nigh/runtime/client/unary_call.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "nigh/channel.h"
#include "nigh/client_context.h"
#include "nigh/message_io.h"
#include "nigh/runtime/client/client_call.h"
#include "nigh/runtime/client/unary.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/stream/socket_stream.h"
#include "nigh/transports/stream/stream_connection.h"
#include "tests/contract/frames.h"

namespace nigh {
namespace {

constexpr Method kUnary = {.name = "/test.Test/Unary", .kind = MethodKind::kUnary};
constexpr size_t kMaxMessage = 300;

struct ScriptFrame {
  FrameHeader header;
  std::string payload;
};

// A server that answers so many requests by nothing and the next one by a script. So whoever makes
// the second call may follow whoever waits for the first.
class ScriptedServer {
 public:
  static absl::StatusOr<std::unique_ptr<Connection>> Dial(const Address& address) {
    std::array<int, 2> sockets;
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
      return absl::UnavailableError("no socket pair");
    }
    last->Begin(Wrap(sockets[1], address));
    return Wrap(sockets[0], address);
  }
  static absl::StatusOr<std::unique_ptr<Listener>> Listen(const Address&) {
    return absl::UnimplementedError("nobody listens");
  }

  explicit ScriptedServer(std::vector<ScriptFrame> script, int silent_calls)
      : silent_calls_(silent_calls) {
    Then(std::move(script));
    last = this;
  }
  ~ScriptedServer() {
    for (const std::unique_ptr<Connection>& connection : connections_) connection->Close();
    for (std::thread& thread : threads_) thread.join();
  }

  // What it says on the next connection; the last goes for all further ones.
  void Then(std::vector<ScriptFrame> script) { scripts_.push_back(std::move(script)); }
  int connections() const { return static_cast<int>(connections_.size()); }

  void AwaitRequest() {
    while (!requested_) std::this_thread::yield();
  }

 private:
  static inline ScriptedServer* last = nullptr;

  static std::unique_ptr<Connection> Wrap(int socket, const Address& address) {
    return std::make_unique<StreamConnection>(std::make_unique<SocketStream>(UniqueFd(socket)),
                                              PeerIdentity{.address = address.ToString()});
  }

  void Begin(std::unique_ptr<Connection> connection) {
    Connection& mine = *connections_.emplace_back(std::move(connection));
    std::string hello(kHelloSize, '\0');
    EncodeHello({.window = 1 << 16, .max_message = 1 << 16, .max_metadata = 1024, .max_calls = 4},
                reinterpret_cast<std::byte*>(hello.data()));
    EXPECT_EQ(testing::Send(mine, {.kind = FrameKind::kHello}, hello), absl::OkStatus());
    threads_.emplace_back([this, &mine, script = scripts_.front()] { Serve(mine, script); });
    if (scripts_.size() > 1) scripts_.pop_front();
  }

  void Serve(Connection& connection, const std::vector<ScriptFrame>& script) {
    for (;;) {
      const absl::StatusOr<testing::OwnedFrame> frame = testing::Receive(connection);
      if (!frame.ok()) return;
      if (frame->header.kind != FrameKind::kRequest) continue;
      requested_ = true;
      if (silent_calls_-- > 0) continue;
      for (const ScriptFrame& said : script) {
        FrameHeader header = said.header;
        if (header.kind != FrameKind::kGoAway) header.call = frame->header.call;
        if (!testing::Send(connection, header, said.payload).ok()) return;
      }
    }
  }

  std::deque<std::vector<ScriptFrame>> scripts_;
  std::atomic<int> silent_calls_;
  std::atomic<bool> requested_ = false;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::thread> threads_;
};

constexpr Transport kTransports[] = {{"script", ScriptedServer::Dial, ScriptedServer::Listen}};

// All that a caller learns of its call.
struct End {
  absl::Status status;
  std::string reply;
  std::string initial;
  std::string trailing;

  friend bool operator==(const End&, const End&) = default;
  friend void PrintTo(const End& end, std::ostream* out) {
    *out << end.status << ", reply \"" << end.reply << "\", initial " << end.initial
         << ", trailing " << end.trailing;
  }
};

std::string Text(const Metadata& metadata) {
  std::string text;
  for (const auto& [key, value] : metadata) absl::StrAppend(&text, key, "=", value, " ");
  return text;
}

// A call over a channel of its own, to the last server.
absl::Status CallOnce(std::string* reply) {
  ChannelOptions options;
  options.transports = kTransports;
  const std::shared_ptr<Channel> channel = Dial("script:server", options).value();
  const BoundMethods methods(channel, {&kUnary, 1});
  ClientContext context;
  MessageSource request(absl::string_view("request"));
  EXPECT_EQ(request.Measure(), absl::OkStatus());
  return internal::CallUnary(methods[0], context, request, MessageTarget(reply));
}

enum class How { kGeneral, kLeading, kFollowing };

End MakeCall(const std::vector<ScriptFrame>& script, How how) {
  ScriptedServer server(script, how == How::kFollowing ? 1 : 0);
  ChannelOptions options;
  options.transports = kTransports;
  options.limits.max_message = kMaxMessage;
  const std::shared_ptr<Channel> channel = Dial("script:server", options).value();
  const BoundMethods methods(channel, {&kUnary, 1});
  const auto call = [&](ClientContext& context, std::string* reply) {
    MessageSource request(absl::string_view("request"));
    EXPECT_TRUE(request.Measure().ok());
    return internal::CallUnary(methods[0], context, request, MessageTarget(reply));
  };

  // One that waits for what never comes receives for the other.
  ClientContext leaders;
  std::thread leader;
  if (how == How::kFollowing) {
    EXPECT_EQ(channel->WaitForReady(absl::Seconds(10)), absl::OkStatus());
    leader = std::thread([&] {
      std::string ignored;
      (void)call(leaders, &ignored);
    });
    server.AwaitRequest();
  }
  ClientContext context;
  End end;
  if (how == How::kGeneral) {
    ClientCall general(methods[0], context);
    general.Expect(MessageTarget(&end.reply));
    MessageSource request(absl::string_view("request"));
    EXPECT_TRUE(request.Measure().ok());
    general.Start(&request, /*end=*/true);
    end.status = general.Finish();
  } else {
    end.status = call(context, &end.reply);
  }
  end.initial = Text(context.initial_metadata());
  end.trailing = Text(context.trailing_metadata());
  if (!end.status.ok()) end.reply.clear();
  leaders.TryCancel();
  if (leader.joinable()) leader.join();
  return end;
}

// A server that goes away has answered the request with UNAVAILABLE, having taken it or not.
std::vector<ScriptFrame> Leaving(uint64_t requests_taken) {
  return {{{.kind = FrameKind::kGoAway, .aux = requests_taken}, "leaving"},
          {{.kind = FrameKind::kResponse, .aux = 14}, ""}};
}

TEST(UnaryCall, BeginsAgainWhereTheServerSaysThatItHasNotTakenIt) {
  ScriptedServer server(Leaving(0), /*silent_calls=*/0);
  server.Then({{{.kind = FrameKind::kResponse, .flags = kMessage}, "reply"}});
  End end;
  end.status = CallOnce(&end.reply);
  EXPECT_EQ(end.status, absl::OkStatus());
  EXPECT_EQ(end.reply, "reply");
  EXPECT_EQ(server.connections(), 2);
}

TEST(UnaryCall, BeginsAgainAsOftenAsItIsSentAway) {
  ScriptedServer server(Leaving(0), /*silent_calls=*/0);
  for (int i = 0; i < 4; ++i) server.Then(Leaving(0));
  server.Then({{{.kind = FrameKind::kResponse, .flags = kMessage}, "reply"}});
  std::string reply;
  EXPECT_EQ(CallOnce(&reply).code(), absl::StatusCode::kOk);
  EXPECT_EQ(server.connections(), 6);
}

TEST(UnaryCall, ARefusalThatSaysSoWasNeverBegun) {
  const auto refusal = [](uint8_t flags) {
    return std::vector<ScriptFrame>{{{.kind = FrameKind::kResponse,
                                      .flags = flags,
                                      .aux = static_cast<uint64_t>(absl::StatusCode::kUnavailable)},
                                     ""}};
  };
  for (const uint8_t flags : {uint8_t{0}, static_cast<uint8_t>(kNeverBegun)}) {
    ScriptedServer server(refusal(flags), /*silent_calls=*/0);
    server.Then({{{.kind = FrameKind::kResponse, .flags = kMessage}, "reply"}});
    std::string reply;
    EXPECT_EQ(CallOnce(&reply).code(),
              flags == 0 ? absl::StatusCode::kUnavailable : absl::StatusCode::kOk);
    EXPECT_EQ(server.connections(), flags == 0 ? 1 : 2);
  }
}

TEST(UnaryCall, DoesNotBeginAgainWhereAHandlerMayHaveSeenIt) {
  ScriptedServer server(Leaving(1), /*silent_calls=*/0);
  server.Then({{{.kind = FrameKind::kResponse, .flags = kMessage}, "reply"}});
  std::string reply;
  EXPECT_EQ(CallOnce(&reply).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(server.connections(), 1);
}

class Scribe {
 public:
  explicit Scribe(uint32_t seed) : random_(seed) {}

  // What a server may send for one call, right or wrong. A response comes at last.
  std::vector<ScriptFrame> Script() {
    std::vector<ScriptFrame> script;
    for (uint32_t left = Pick(4); left > 0; --left) {
      Add(script, Pick(4) == 0 ? FrameKind::kResponse : FrameKind::kMessage);
    }
    Add(script, FrameKind::kResponse);
    return script;
  }

 private:
  uint32_t Pick(uint32_t choices) { return random_() % choices; }

  void Add(std::vector<ScriptFrame>& script, FrameKind kind) {
    ScriptFrame frame{.header = {.kind = kind}, .payload = ""};
    const bool response = kind == FrameKind::kResponse;
    if (Pick(3) == 0) {
      SectionWriter sections;
      if (Pick(2) == 0) sections.Add(SectionType::kMetadata, "early", absl::StrCat(Pick(3)));
      if (Pick(8) == 0) sections.Add(SectionType::kMetadata, "Illegal", "");
      if (response && Pick(2) == 0) sections.Add(SectionType::kTrailer, "late", "yes");
      if (response && Pick(2) == 0) sections.Add(SectionType::kStatusMessage, "", "because");
      frame.header.flags |= kSections;
      frame.payload = std::string(sections.block());
      if (frame.payload.empty()) frame.payload = std::string(4, '\0');
    }
    if (response) frame.header.aux = Pick(2) == 0 ? 0 : Pick(20);
    if (Pick(4) != 0) {
      frame.header.flags |= kMessage;
      frame.payload.append(Pick(5) == 0 ? kMaxMessage + Pick(100) : Pick(50), 'm');
    }
    Cut(script, std::move(frame));
  }

  // Now and then into pieces.
  void Cut(std::vector<ScriptFrame>& script, ScriptFrame frame) {
    size_t left = frame.payload.size();
    if (left < 2 || Pick(3) != 0) return script.push_back(std::move(frame));
    FrameHeader header = frame.header;
    for (size_t at = 0; left > 0;) {
      const size_t piece = std::min<size_t>(left, 1 + Pick(200));
      left -= piece;
      header.rest = static_cast<uint32_t>(left);
      script.push_back({header, frame.payload.substr(at, piece)});
      at += piece;
      header = {.kind = FrameKind::kPiece};
    }
  }

  std::mt19937 random_;
};

std::string Describe(const std::vector<ScriptFrame>& script) {
  std::string text;
  for (const ScriptFrame& frame : script) {
    absl::StrAppend(&text, FrameKindName(frame.header.kind), " flags ", frame.header.flags, " aux ",
                    frame.header.aux, ", ", frame.payload.size(), "+", frame.header.rest, "; ");
  }
  return text;
}

class UnaryCallTest : public ::testing::TestWithParam<uint32_t> {};

TEST_P(UnaryCallTest, EndsAsAStreamOfOneDoes) {
  Scribe scribe(GetParam());
  for (int round = 0; round < 40; ++round) {
    const std::vector<ScriptFrame> script = scribe.Script();
    const End general = MakeCall(script, How::kGeneral);
    EXPECT_EQ(MakeCall(script, How::kLeading), general) << Describe(script);
    EXPECT_EQ(MakeCall(script, How::kFollowing), general) << Describe(script);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, UnaryCallTest, ::testing::Range(0u, 100u));

}  // namespace
}  // namespace nigh
