// Sessions between a real client and a real server, recorded and played again with one byte
// changed, left out or doubled. Whatever comes of it, it is neither a crash nor a hang, and whoever
// is well-behaved is served as before.

#include <poll.h>

#include <filesystem>
#include <functional>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/channel.h"
#include "nigh/client_context.h"
#include "nigh/options.h"
#include "nigh/transport/frame.h"
#include "tests/hostile/channel_fixture.h"
#include "tests/hostile/raw_peer.h"
#include "tests/hostile/server_fixture.h"
#include "tests/support/descriptors.h"

namespace nigh::hostile {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Calls `play` with `bytes`, changed in each way at each place, and with the place.
void ForEachMutation(const std::string& bytes,
                     const std::function<void(const std::string&, size_t)>& play) {
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const int flip : {0x01, 0x04, 0x80, 0xff}) {
      std::string mutated = bytes;
      mutated[at] = static_cast<char>(mutated[at] ^ flip);
      play(mutated, at);
    }
    std::string shorter = bytes;
    play(shorter.erase(at, 1), at);
    std::string longer = bytes;
    play(longer.insert(at, 1, bytes[at]), at);
    if (::testing::Test::HasFailure()) FAIL() << "with a change at byte " << at;
  }
}

// One call of each kind, all open at once: each has a number of its own, so that what the client
// says is right however fast it is said. Over a channel whose window is smaller than a message, for
// the server's second reply to wait for the reader of the first.
void CallEachKind(Victim::Stub& stub) {
  Note note;
  note.set_data("some text");
  note.set_count(2);
  auto stream = stub.Chat();
  auto requests = stub.Count();
  auto replies = stub.Repeat(note);
  ClientContext context;
  context.AddMetadata("key", "value");
  Note reply;
  EXPECT_TRUE(stub.Echo(context, note, &reply).ok());
  EXPECT_TRUE(stream.Write(note));
  EXPECT_TRUE(requests.Write(note));
  EXPECT_TRUE(requests.WriteLast(note));
  EXPECT_TRUE(stream.Read().has_value());
  EXPECT_TRUE(stream.Finish().ok());
  EXPECT_TRUE(replies.Finish().ok());
  EXPECT_TRUE(requests.Finish().ok());
}

// What a client and a server have said to each other.
struct Recording {
  std::string client;
  std::string server;
};

// Stands between the two until one of them has left.
Recording Relay(RawPeer client, RawPeer server) {
  Recording recording;
  for (;;) {
    pollfd ends[] = {{.fd = client.fd(), .events = POLLIN, .revents = 0},
                     {.fd = server.fd(), .events = POLLIN, .revents = 0}};
    EXPECT_GT(::poll(ends, 2, testing::kPatienceMillis), 0);
    const auto pass = [](const pollfd& end, RawPeer& from, RawPeer& to, std::string& record) {
      if (end.revents == 0) return true;
      const std::string bytes = from.ReceiveBytes();
      record += bytes;
      return !bytes.empty() && to.Send(bytes);
    };
    if (!pass(ends[0], client, server, recording.client) ||
        !pass(ends[1], server, client, recording.server)) {
      return recording;
    }
  }
}

ServerOptions ServerThatHearsMuch() {
  // Small enough for mutated lengths and credits to matter.
  return {.limits = {.max_message = 1000, .max_metadata = 100, .max_calls = 16, .window = 1000}};
}

class MutatedClient : public ServerFixture {
 protected:
  MutatedClient() : ServerFixture(ServerThatHearsMuch()) {}

  std::string Record() {
    const SocketFolder folder;
    RawListener listener(folder.path());
    auto calls = InThread([&] {
      Victim::Stub stub(Dial(folder.address(), {.limits = {.window = 1}}).value());
      CallEachKind(stub);
    });
    RawPeer client = listener.Accept();
    const Recording recording = Relay(std::move(client), Connect());
    calls.get();
    return recording.client;
  }
};

TEST_F(MutatedClient, NeitherCrashesNorHangsTheServer) {
  const std::string session = Record();
  ASSERT_GT(session.size(), 400u);
  int played = 0;
  ForEachMutation(session, [&](const std::string& bytes, size_t) {
    RawPeer peer = Connect();
    peer.Send(bytes);
    peer.FinishSending();
    peer.ReceiveAll();  // until the server hangs up
    if (++played % 100 == 0) ExpectOthersAreServed();
  });
  IgnoreErrors();
}

TEST_F(MutatedClient, IsNoneWhenNothingIsChanged) {
  RawPeer peer = Connect();
  peer.Send(Record());
  int responses = 0;
  while (responses < 4) {
    const OwnedFrame response = peer.ReceiveKind(FrameKind::kResponse);
    EXPECT_TRUE(StatusOf(response).ok()) << StatusOf(response);
    ++responses;
  }
}

// A server that plays a recorded answer to one client, and is not there for another.
class Player {
 public:
  // `hello` at once, and `rest` once the client has asked. With `leaves`, hangs up after the hello.
  Player(RawListener& listener, const std::string& hello, const std::string& rest, bool leaves)
      : playing_(InThread([&listener, hello, rest, leaves] {
          RawPeer peer = listener.Accept();
          listener.Close();
          peer.Send(hello);
          // Until the request has come or the client has given up.
          while (!leaves) {
            const absl::StatusOr<OwnedFrame> frame = peer.Receive();
            if (!frame.ok()) break;
            if (frame->header.kind != FrameKind::kRequest) continue;
            peer.Send(rest);
            break;
          }
          peer.FinishSending();
          peer.ReceiveAll();
        })) {}
  void Join() { playing_.get(); }

 private:
  std::future<void> playing_;
};

class MutatedServer : public ::testing::TestWithParam<VictimMethod> {
 protected:
  // One call; what it ends with.
  static absl::Status Call(Victim::Stub& stub) {
    Note note;
    note.set_data("some text");
    note.set_count(2);
    ClientContext context;
    context.set_timeout(absl::Milliseconds(testing::kPatienceMillis));
    switch (GetParam()) {
      case kEcho: {
        Note reply;
        return stub.Echo(context, note, &reply);
      }
      case kRepeat: {
        auto replies = stub.Repeat(context, note);
        while (replies.Read()) {
        }
        return replies.Finish();
      }
      case kCount:
        return stub.Count(context).Finish().status();
      case kChat: {
        auto stream = stub.Chat(context);
        stream.WriteLast(note);
        while (stream.Read()) {
        }
        return stream.Finish();
      }
    }
    return absl::OkStatus();
  }

  static std::string Record() {
    const SocketFolder real;
    VictimService service;
    Server server;
    server.Register(service);
    EXPECT_TRUE(server.Listen(real.address()).ok());
    EXPECT_TRUE(server.Start().ok());
    const SocketFolder folder;
    RawListener listener(folder.path());
    auto calls = InThread([&] {
      Victim::Stub stub(Dial(folder.address()).value());
      EXPECT_EQ(Call(stub), absl::OkStatus());
    });
    RawPeer client = listener.Accept();
    const Recording recording = Relay(std::move(client), RawPeer::Dial(real.path()));
    calls.get();
    return recording.server;
  }
};

TEST_P(MutatedServer, NeitherCrashesNorHangsTheClient) {
  const size_t hello = kFrameHeaderSize + kHelloSize;
  const std::string session = Record();
  ASSERT_GE(session.size(), hello + kFrameHeaderSize);
  const int descriptors_before = testing::OpenDescriptors();
  {
    const SocketFolder folder;
    ForEachMutation(session, [&](const std::string& bytes, size_t at) {
      std::filesystem::remove(folder.path());
      RawListener listener(folder.path());
      // With a hello that is not the right length nobody knows whether to wait for more.
      const bool leaves = at < hello;
      const size_t cut = leaves ? bytes.size() : hello;
      Player player(listener, bytes.substr(0, cut), bytes.substr(cut), leaves);
      {
        Victim::Stub stub(Dial(folder.address()).value());
        EXPECT_THAT(std::string(Call(stub).message()), Not(HasSubstr("deadline exceeded")));
      }
      player.Join();
    });
  }
  EXPECT_EQ(testing::OpenDescriptors(), descriptors_before) << "descriptors have leaked";
}

std::string KindName(const ::testing::TestParamInfo<VictimMethod>& info) {
  constexpr const char* kNames[] = {"Unary", "ServerStreaming", "ClientStreaming", "BidiStreaming"};
  return kNames[info.param];
}

INSTANTIATE_TEST_SUITE_P(EachKind, MutatedServer, ::testing::Values(kEcho, kRepeat, kCount, kChat),
                         KindName);

}  // namespace
}  // namespace nigh::hostile
