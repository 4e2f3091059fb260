// Clients that want more than their share of a server: connections, descriptors, bytes, threads.

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/channel.h"
#include "nigh/testing/virtual_clock.h"
#include "nigh/transport/frame.h"
#include "tests/hostile/raw_peer.h"
#include "tests/hostile/server_fixture.h"
#include "tests/support/descriptors.h"

namespace nigh::hostile {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr size_t kMiB = size_t{1} << 20;

// What the server's last word says.
std::string Farewell(RawPeer& peer) {
  for (const OwnedFrame& frame : peer.ReceiveAll()) {
    if (frame.header.kind == FrameKind::kGoAway) return frame.payload;
  }
  return "no farewell";
}

struct WithClock {
  testing::VirtualClock clock;
};

class SilentClient : public WithClock, public ServerFixture {};

TEST_F(SilentClient, IsSentAwayWhenItsTimeForAHelloIsOver) {
  RawPeer peer = Connect();
  peer.ReceiveKind(FrameKind::kHello);  // it has been taken in
  clock.Advance(absl::Seconds(10));
  EXPECT_THAT(Farewell(peer), HasSubstr("no hello has come within 10s"));
  const absl::Status reported = NextError();
  EXPECT_EQ(reported.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(std::string(reported.message()), HasSubstr("ServerOptions::hello_timeout"));
}

TEST_F(SilentClient, IsReportedOnceASecondWithAllThatWentMeanwhile) {
  std::vector<RawPeer> peers;
  for (int i = 0; i < 20; ++i) {
    peers.push_back(Connect());
    peers.back().ReceiveKind(FrameKind::kHello);
  }
  clock.Advance(absl::Seconds(10));
  for (RawPeer& peer : peers) Farewell(peer);
  EXPECT_THAT(std::string(NextError().message()), HasSubstr("so ended 20 connections"));
}

class BabblingClient : public WithClock, public ServerFixture {
 protected:
  BabblingClient() : ServerFixture({.pollers = 1}) {}
};

TEST_F(BabblingClient, IsReportedSixteenTimesAndThenOnceASecond) {
  const auto babble = [&] {
    RawPeer peer = Connect();
    peer.Send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    (void)peer.ReceiveAll();
    // The poller has reported, or not, before it serves the next one.
    ExpectOthersAreServed();
  };
  for (int i = 0; i < 40; ++i) babble();
  for (int i = 0; i < 16; ++i) {
    EXPECT_THAT(std::string(NextError().message()), Not(HasSubstr("so ended")));
  }
  clock.Advance(absl::Seconds(1));
  babble();
  EXPECT_THAT(std::string(NextError().message()), HasSubstr("so ended 25 connections"));
}

TEST_F(SilentClient, MayBeSilentForEverOnceItHasSaidHello) {
  RawPeer peer = ConnectAndGreet();
  EXPECT_TRUE(peer.ReceiveUntilPong().empty());  // the server has its hello
  clock.Advance(absl::Hours(100));
  EXPECT_TRUE(peer.ReceiveUntilPong().empty());
}

TEST(SilentMeeting, EndsWithoutAnOfferOfMemory) {
  testing::VirtualClock clock;
  const SocketFolder folder;
  VictimService service;
  Server server;
  server.Register(service);
  ASSERT_EQ(server.Listen(absl::StrCat("shm:", folder.path())), absl::OkStatus());
  ASSERT_EQ(server.Start(), absl::OkStatus());
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  folder.path().copy(name.sun_path, sizeof(name.sun_path) - 1);
  ASSERT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
  char offer[64];
  ASSERT_GT(::recv(socket.get(), offer, sizeof(offer), 0), 0);
  // The server counts it after it has sent that, so it may begin to wait only now.
  const pollfd ended = {.fd = socket.get(), .events = POLLIN, .revents = 0};
  pollfd polled = ended;
  while (::poll(&polled, 1, 1) == 0) clock.Advance(absl::Seconds(10));
  EXPECT_EQ(::recv(socket.get(), offer, sizeof(offer), 0), 0);
}

class ManyConnections : public ServerFixture {
 protected:
  ManyConnections() : ServerFixture({.max_connections_of_user = 3}) {}
};

TEST_F(ManyConnections, OfOneUserAreRefusedBeyondTheLimit) {
  std::vector<RawPeer> peers;
  for (int i = 0; i < 2; ++i) peers.push_back(ConnectAndGreet());
  const std::string limit = absl::StrCat("3 connections of user ", ::geteuid(),
                                         " are open already (raise "
                                         "ServerOptions::max_connections_of_user)");
  RawPeer beyond = Connect();
  EXPECT_THAT(Farewell(beyond), AllOf(HasSubstr("RESOURCE_EXHAUSTED"), HasSubstr(limit)));
  const absl::Status reported = NextError();
  EXPECT_EQ(reported.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(reported.message()), HasSubstr(limit));
  // A channel's calls say so, too.
  const Victim::Stub stub(Dial(address()).value());
  const absl::Status refused = stub.Echo(Note(), {.timeout = absl::Minutes(1)}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.message()), HasSubstr(limit));
  // Whoever leaves makes room.
  peers.pop_back();
  EXPECT_TRUE(stub.Echo(Note(), {.timeout = absl::Minutes(1), .wait_for_ready = true}).ok());
  IgnoreErrors();
}

class AllDescriptors : public ServerFixture {
 protected:
  // Other than many who say that, and have all descriptors of this process but a few.
  void ExpectSomebodyGetsInBeside(const std::string& words) {
    rlimit before;
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    int go[2];
    ASSERT_EQ(::pipe(go), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      char word;
      (void)!::read(go[0], &word, 1);
      std::vector<RawPeer> others;
      for (int i = 0; i < 60; ++i) {
        others.push_back(Connect());
        (void)others.back().Send(words);
      }
      ::_exit(GetsIn() ? 0 : 1);
    }
    ASSERT_TRUE(LeaveDescriptors(testing::OpenDescriptors() + 20));
    ASSERT_EQ(::write(go[1], "x", 1), 1);
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "nobody else got in";
    const absl::Status reported = NextError();
    EXPECT_EQ(reported.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(reported.message()), HasSubstr("Too many open files"));
    ::close(go[0]);
    ::close(go[1]);
    IgnoreErrors();
  }

 private:
  // Soft limits are a process's own: that of a child stays as it was.
  static bool LeaveDescriptors(rlim_t most) {
    rlimit limit;
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
    limit.rlim_cur = most;
    return ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
  }

  // Who has something to say is turned away until one of those has gone for him.
  bool GetsIn() {
    for (int attempt = 0; attempt < 1000; ++attempt) {
      RawPeer honest = Connect();
      if (!honest.Send(Preamble() + RequestBytes(0, kEcho, NoteBytes("hello")))) continue;
      for (;;) {
        const absl::StatusOr<OwnedFrame> frame = honest.Receive();
        if (!frame.ok()) break;
        if (frame->header.kind == FrameKind::kResponse) return true;
      }
    }
    return false;
  }
};

TEST_F(AllDescriptors, AreNotHeldForEverByThoseWhoSayNothing) { ExpectSomebodyGetsInBeside(""); }

TEST_F(AllDescriptors, AreNotHeldForEverByThoseWhoSayHelloAndCallNothing) {
  ExpectSomebodyGetsInBeside(Preamble());
}

class MuchToKeep : public ServerFixture {
 protected:
  explicit MuchToKeep(const ServerOptions& options = {.limits = {.max_message = kMiB},
                                                      .max_bytes_of_connection = 4 * kMiB})
      : ServerFixture(options) {}

  static std::string FirstPiece(uint32_t call) {
    return FrameBytes({.kind = FrameKind::kRequest,
                       .flags = kMessage | kEnd,
                       .method = kEcho,
                       .call = call,
                       .rest = kMiB - 100},
                      std::string(100, '\0'));
  }
  static void ExpectRefusal(RawPeer& peer, uint32_t call,
                            const std::string& limit =
                                "of 4194304 are kept for this connection already (raise "
                                "ServerOptions::max_bytes_of_connection)") {
    const absl::Status refused = StatusOf(peer.ReceiveKind(FrameKind::kResponse, call));
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(refused.message()), HasSubstr(limit));
  }
};

TEST_F(MuchToKeep, UnfinishedRequestsCountFromTheirFirstPiece) {
  RawPeer peer = ConnectAndGreet();
  for (uint32_t call = 0; call < 5; ++call) peer.Send(FirstPiece(call));
  ExpectRefusal(peer, 4);
  // One that is given up makes room for one more, and for no other.
  peer.Send(FrameBytes({.kind = FrameKind::kCancel, .call = 0}));
  EXPECT_EQ(StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)).code(),
            absl::StatusCode::kCancelled);
  peer.Send(FirstPiece(5) + FirstPiece(6));
  ExpectRefusal(peer, 6);
  // Another connection has bytes of its own.
  RawPeer other = ConnectAndGreet();
  other.Send(FirstPiece(0));
  EXPECT_TRUE(other.ReceiveUntilPong().empty());
}

TEST_F(MuchToKeep, EntriesOfMetadataCountMoreThanTheirBytes) {
  RawPeer peer = ConnectAndGreet();
  SectionWriter sections;
  for (int i = 0; i < 7000; ++i) sections.Add(SectionType::kMetadata, "k", "");
  // They do not fit one frame.
  const std::string payload(sections.block());
  constexpr size_t kFirst = 60'000;
  for (uint32_t call = 0; call < 12; ++call) {
    const auto rest = static_cast<uint32_t>(payload.size() - kFirst);
    peer.Send(FrameBytes({.kind = FrameKind::kRequest,
                          .flags = kSections,
                          .method = kChat,
                          .call = call,
                          .rest = rest},
                         payload.substr(0, kFirst)));
    peer.Send(PieceBytes(call, payload.substr(kFirst), 0));
  }
  // 65 bytes each: nine calls fit.
  for (uint32_t call = 9; call < 12; ++call) ExpectRefusal(peer, call);
  EXPECT_TRUE(peer.ReceiveUntilPong().empty()) << "others were refused";
}

TEST_F(MuchToKeep, WhoTakesNoRepliesIsNotReadAnyMore) {
  RawPeer peer = ConnectAndGreet();
  constexpr uint32_t kRequests = 1000;
  const std::string note = NoteBytes(std::string(60'000, 'x'));
  std::atomic<uint32_t> sent = 0;
  std::thread writer([&] {
    for (uint32_t call = 0; call < kRequests && peer.Send(RequestBytes(call, kEcho, note));
         ++call) {
      sent.store(call + 1);
    }
  });
  peer.AwaitBacklog();
  // Until nothing more has been taken while others were served many times.
  for (uint32_t before = 0, calls = 0; calls < 300; ++calls) {
    ExpectOthersAreServed();
    if (before != sent.load()) calls = 0;
    before = sent.load();
  }
  EXPECT_LT(sent.load(), kRequests) << "the server went on reading";
  // All of it is answered once the replies are taken. If handlers run elsewhere, because they have
  // been slow, some are refused.
  for (uint32_t call = 0; call < kRequests; ++call) {
    const OwnedFrame response = peer.ReceiveKind(FrameKind::kResponse);
    if (response.payload == note) continue;
    ASSERT_EQ(StatusOf(response).code(), absl::StatusCode::kResourceExhausted);
  }
  writer.join();
}

TEST_F(MuchToKeep, WhoTakesNoRepliesAndLeavesIsForgotten) {
  RawPeer peer = ConnectAndGreet();
  const std::string note = NoteBytes(std::string(60'000, 'x'));
  std::thread writer([&] {
    for (uint32_t call = 0; peer.Send(RequestBytes(call % 1000, kEcho, note)); ++call) {
    }
  });
  peer.AwaitBacklog();
  ::shutdown(peer.fd(), SHUT_RDWR);
  writer.join();
  peer.Close();
}

class ManyConnectionsWithMuchToKeep : public MuchToKeep {
 protected:
  ManyConnectionsWithMuchToKeep()
      : MuchToKeep({.limits = {.max_message = kMiB}, .max_bytes_of_user = 6 * kMiB}) {}
};

TEST_F(ManyConnectionsWithMuchToKeep, ShareWhatTheirUserMayHave) {
  const std::string limit = absl::StrCat("of 6291456 are kept for user ", ::geteuid(),
                                         " already (raise ServerOptions::max_bytes_of_user)");
  RawPeer first = ConnectAndGreet();
  RawPeer second = ConnectAndGreet();
  for (uint32_t call = 0; call < 4; ++call) first.Send(FirstPiece(call));
  EXPECT_TRUE(first.ReceiveUntilPong().empty());
  for (uint32_t call = 0; call < 3; ++call) second.Send(FirstPiece(call));
  ExpectRefusal(second, 2, limit);
  // Who leaves gives all of it back.
  first.Close();
  for (;;) {
    second.Send(FirstPiece(3));
    const std::vector<OwnedFrame> answers = second.ReceiveUntilPong();
    if (answers.empty()) break;
    ASSERT_EQ(StatusOf(answers.front()).code(), absl::StatusCode::kResourceExhausted);
  }
}

class ManyThreads : public ServerFixture {
 protected:
  ManyThreads() : ServerFixture({.max_threads_of_connection = 4, .max_threads_of_user = 6}) {}
};

TEST_F(ManyThreads, OfOneConnectionAreRefusedBeyondItsShare) {
  RawPeer peer = ConnectAndGreet();
  for (uint32_t call = 0; call < 6; ++call) {
    peer.Send(RequestBytes(call, kChat, NoteBytes("x"), /*end=*/false));
  }
  for (uint32_t call = 4; call < 6; ++call) {
    const absl::Status refused = StatusOf(peer.ReceiveKind(FrameKind::kResponse, call));
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(refused.message()),
                HasSubstr("4 threads already (raise ServerOptions::max_threads_of_connection)"));
  }
  EXPECT_THAT(std::string(NextError().message()), HasSubstr("max_threads_of_connection"));
  // Others have theirs.
  auto stream = others().Chat();
  EXPECT_TRUE(stream.Write(Note()) && stream.Read().has_value());
  // A stream that ends gives its thread back.
  for (uint32_t call = 0; call < 4; ++call) {
    peer.Send(FrameBytes({.kind = FrameKind::kMessage, .flags = kEnd, .call = call}));
    EXPECT_TRUE(StatusOf(peer.ReceiveKind(FrameKind::kResponse, call)).ok());
  }
  IgnoreErrors();
}

TEST_F(ManyThreads, OfOneUserAreRefusedBeyondItsShare) {
  RawPeer first = ConnectAndGreet();
  RawPeer second = ConnectAndGreet();
  for (uint32_t call = 0; call < 4; ++call) {
    first.Send(RequestBytes(call, kChat, NoteBytes("x"), /*end=*/false));
  }
  for (int replies = 0; replies < 4; ++replies) first.ReceiveKind(FrameKind::kMessage);
  for (uint32_t call = 0; call < 3; ++call) {
    second.Send(RequestBytes(call, kChat, NoteBytes("x"), /*end=*/false));
  }
  const absl::Status refused = StatusOf(second.ReceiveKind(FrameKind::kResponse, 2));
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr(absl::StrCat("handlers of user ", ::geteuid(),
                                     " have 6 threads already (raise "
                                     "ServerOptions::max_threads_of_user)")));
  EXPECT_THAT(std::string(NextError().message()), HasSubstr("max_threads_of_user"));
  // Who is well-behaved is of the same user, and has no thread for now.
  StopServer();
  IgnoreErrors();
}

}  // namespace
}  // namespace nigh::hostile
