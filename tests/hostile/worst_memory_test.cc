// What a server holds in memory for a client that does its worst, and for a user with several, as
// its process has it: no more than WorstMemoryOfConnection and WorstMemoryOfUser say.

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "nigh/options.h"
#include "nigh/runtime/server/worst_memory.h"
#include "nigh/server.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "tests/hostile/hoarder.nigh.h"
#include "tests/hostile/raw_peer.h"
#include "tests/hostile/socket_folder.h"

namespace nigh::hostile {
namespace {

constexpr size_t kMiB = size_t{1} << 20;
constexpr uint32_t kCalls = 256;
constexpr int kConnections = 4;

// What is freed goes back to the kernel: the C library would keep some, in an arena for each
// thread, which is not the server's doing.
void KeepNothingFreed() {
  EXPECT_EQ(::mallopt(M_ARENA_MAX, 1), 1);
  EXPECT_EQ(::mallopt(M_MMAP_THRESHOLD, 64 << 10), 1);
  EXPECT_EQ(::mallopt(M_TRIM_THRESHOLD, 64 << 10), 1);
}

enum Method : uint16_t { kHold, kIgnore, kGrow, kEchoTree, kMethods };

ServerOptions SmallOptions() {
  return {.limits = {.max_message = kMiB,
                     .max_attachment = kMiB,
                     .max_calls = kCalls,
                     .window = 64 << 10},
          .pollers = 1,
          .max_threads = 20,
          // More than there are: calls wait for one, with their requests.
          .max_threads_of_connection = kCalls,
          .max_threads_of_user = kCalls * kConnections,
          .thread_timeout = absl::InfiniteDuration(),
          .max_connections_of_user = kConnections,
          .max_bytes_of_connection = 8 * kMiB,
          .max_bytes_of_user = 16 * kMiB};
}

class HoarderService final : public Hoarder::Service {
  absl::Status Hold(ServerContext&, const Tree&, Tree*) override {
    for (;;) ::pause();
  }
  absl::Status Ignore(ServerContext&, ServerStream<Tree, Tree>&) override {
    for (;;) ::pause();
  }
  absl::Status Grow(ServerContext&, const Tree&, Tree* reply) override {
    reply->set_fruit(std::string(1'000'000, 'x'));
    return absl::OkStatus();
  }
  absl::Status Echo(ServerContext&, const Tree& request, Tree* reply) override {
    *reply = request;
    return absl::OkStatus();
  }
};

// A serialised Tree of `size` bytes that is as large as can be once it has been parsed.
std::string Twigs(size_t size) {
  std::string tree;
  while (tree.size() + 2 <= size) tree.append("\x0a\x00", 2);
  return tree;
}

// What a client can do to have memory kept.
struct Hoard {
  const char* name;
  void (*fill)(RawPeer& peer);
  // What it is bounded by.
  size_t (*bound)(const WorstMemory& worst);
};

std::ostream& operator<<(std::ostream& out, const Hoard& hoard) { return out << hoard.name; }

// Sends one REQUEST, in pieces.
void SendLong(RawPeer& peer, FrameHeader header, absl::string_view payload) {
  constexpr size_t kPiece = 60'000;
  header.kind = FrameKind::kRequest;
  header.rest = static_cast<uint32_t>(payload.size() - std::min(payload.size(), kPiece));
  peer.Send(FrameBytes(header, payload.substr(0, kPiece)));
  for (payload.remove_prefix(std::min(payload.size(), kPiece)); !payload.empty();
       payload.remove_prefix(std::min(payload.size(), kPiece))) {
    const absl::string_view piece = payload.substr(0, kPiece);
    peer.Send(PieceBytes(header.call, piece, static_cast<uint32_t>(payload.size() - piece.size())));
  }
}

constexpr uint8_t kOne = kMessage | kEnd;

void BeginRequests(RawPeer& peer) {
  for (uint32_t call = 0; call < kCalls; ++call) {
    // All but its last bytes come.
    const std::string request(60'000, '\0');
    peer.Send(FrameBytes({.kind = FrameKind::kRequest,
                          .flags = kOne,
                          .method = kHold,
                          .call = call,
                          .rest = kMiB - 70'000},
                         request));
    for (size_t rest = kMiB - 70'000; rest > 60'000; rest -= 60'000) {
      peer.Send(PieceBytes(call, request, static_cast<uint32_t>(rest - 60'000)));
    }
  }
}

void SendMetadata(RawPeer& peer) {
  SectionWriter sections;
  for (int i = 0; i < 7000; ++i) sections.Add(SectionType::kMetadata, "k", "");
  for (uint32_t call = 0; call < kCalls; ++call) {
    SendLong(peer, {.flags = kSections, .method = kIgnore, .call = call}, sections.block());
  }
}

void HaveShortRequestsParsed(RawPeer& peer) {
  const std::string twigs = Twigs(4096);
  for (uint32_t call = 0; call < kCalls; ++call) peer.Send(RequestBytes(call, kHold, twigs));
}

void HaveLongRequestsParsed(RawPeer& peer) {
  const std::string twigs = Twigs(kMiB);
  for (uint32_t call = 0; call < kCalls; ++call) {
    SendLong(peer, {.flags = kOne, .method = kHold, .call = call}, twigs);
  }
}

void SendStreamsThatNobodyReads(RawPeer& peer) {
  const std::string twigs = Twigs(100);
  for (uint32_t call = 0; call < kCalls; ++call) {
    peer.Send(RequestBytes(call, kIgnore, twigs, /*end=*/false));
    std::string messages;
    for (int i = 0; i < 300; ++i) messages += MessageBytes(call, twigs);
    peer.Send(messages);
  }
}

void DeclareMethods(RawPeer& peer) {
  for (uint32_t method = kMethods; method < 4096; ++method) {
    std::string name = absl::StrCat("/", method, "/");
    name.resize(256, 'x');
    peer.Send(MethodBytes(static_cast<uint16_t>(method), name));
  }
}

void HaveCallsKept(RawPeer& peer) {
  // Each about 60 KB when it has been parsed, and its reply as large; or 120, which is not kept.
  for (int round = 0; round < 4; ++round) {
    const std::string twigs = Twigs(round % 2 == 0 ? 2000 : 4000);
    for (uint32_t call = 0; call < 64; ++call) peer.Send(RequestBytes(call, kEchoTree, twigs));
    for (uint32_t call = 0; call < 64; ++call) peer.ReceiveKind(FrameKind::kResponse);
  }
}

// Each call is made once with a long message, and then with short ones, at the same time as others.
void HaveLongCallsKept(RawPeer& peer) {
  Tree tree;
  tree.set_fruit(std::string(300'000, 'x'));
  const std::string fruit = tree.SerializeAsString();
  for (uint32_t most = 1; most <= 32; ++most) {
    for (uint32_t call = 1; call < most; ++call) peer.Send(RequestBytes(call, kEchoTree, ""));
    SendLong(peer, {.flags = kOne, .method = kEchoTree, .call = 0}, fruit);
    for (uint32_t call = 0; call < most; ++call) peer.ReceiveKind(FrameKind::kResponse);
  }
}

void HaveAttachmentsKept(RawPeer& peer) {
  constexpr uint32_t kSize = 300'000;
  SectionWriter sections;
  sections.AddAttachment(kSize);
  const std::string payload = absl::StrCat(sections.block(), std::string(kSize, 'x'));
  for (uint32_t call = 0; call < kCalls; ++call) {
    SendLong(peer, {.flags = kOne | kSections | kAttachment, .method = kHold, .call = call},
             payload);
  }
}

// One byte, behind a message that is long until it has been parsed.
void HaveShortAttachmentsKept(RawPeer& peer) {
  SectionWriter sections;
  sections.AddAttachment(1);
  std::string payload(sections.block());
  // The same field again and again: the last one counts.
  while (payload.size() + 3 < kMiB) payload.append("\x12\x00", 2);
  payload.append("x");
  for (uint32_t call = 0; call < kCalls; ++call) {
    SendLong(peer, {.flags = kOne | kSections | kAttachment, .method = kHold, .call = call},
             payload);
  }
}

void TakeNoReplies(RawPeer& peer) {
  for (uint32_t call = 0; call < kCalls; ++call) peer.Send(RequestBytes(call, kGrow, ""));
}

const Hoard kHoards[] = {
    {"BeginsRequests", &BeginRequests, [](const WorstMemory& w) { return w.kept; }},
    {"SendsMetadata", &SendMetadata, [](const WorstMemory& w) { return w.kept; }},
    // Those that are refused are kept as calls for later ones.
    {"HasShortRequestsParsed", &HaveShortRequestsParsed,
     [](const WorstMemory& w) { return w.kept + w.spare + w.spare_calls; }},
    {"HasLongRequestsParsed", &HaveLongRequestsParsed,
     [](const WorstMemory& w) { return w.kept + w.parsing + w.spare; }},
    {"SendsStreamsThatNobodyReads", &SendStreamsThatNobodyReads,
     [](const WorstMemory& w) { return w.kept; }},
    {"DeclaresMethods", &DeclareMethods, [](const WorstMemory& w) { return w.methods; }},
    // Whether handlers run one after the other or, having been slow, at once in the pool: what
    // was in flight then is the allocator's still.
    {"HasCallsKept", &HaveCallsKept,
     [](const WorstMemory& w) { return w.spare + w.spare_calls + w.kept; }},
    {"HasLongCallsKept", &HaveLongCallsKept,
     [](const WorstMemory& w) { return w.spare + w.spare_calls; }},
    // Those that are refused are kept as calls for later ones.
    {"HasAttachmentsKept", &HaveAttachmentsKept,
     [](const WorstMemory& w) { return w.kept + w.spare_calls; }},
    {"HasShortAttachmentsKept", &HaveShortAttachmentsKept,
     [](const WorstMemory& w) { return w.kept + w.spare + w.spare_calls; }},
    {"TakesNoReplies", &TakeNoReplies,
     [](const WorstMemory& w) { return w.kept + w.replies + w.spare; }},
};

class WorstMemoryTest : public ::testing::TestWithParam<Hoard> {
 protected:
  WorstMemoryTest() {
    std::array<int, 2> ends;
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const UniqueFd listening(ends[0]);
    UniqueFd says(ends[1]);
    server_ = ::fork();
    if (server_ != 0) {
      says.reset();
      char word;
      EXPECT_EQ(::read(listening.get(), &word, 1), 1) << "the server does not listen";
      return;
    }
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    KeepNothingFreed();
    HoarderService service;
    Server server(SmallOptions());
    server.Register(service);
    if (!server.Listen(folder_.address()).ok() || !server.Start().ok()) ::_exit(1);
    if (::write(says.get(), "x", 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  void SetUp() override { GTEST_SKIP() << "the sanitizer's own memory cannot be told from it"; }
#endif
  ~WorstMemoryTest() override {
    (void)::kill(server_, SIGKILL);
    (void)::waitpid(server_, nullptr, 0);
  }

  RawPeer Connect() {
    RawPeer peer = RawPeer::Dial(folder_.path());
    std::string preamble = HelloBytes();
    const char* const names[] = {"Hold", "Ignore", "Grow", "Echo"};
    for (uint16_t method = 0; method < kMethods; ++method) {
      preamble += MethodBytes(method, absl::StrCat("/nigh.hostile.Hoarder/", names[method]));
    }
    peer.Send(preamble);
    peer.ReceiveKind(FrameKind::kHello);
    return peer;
  }

  // What a client does may be the first that needs a thread.
  static void ExpectAtMost(const WorstMemory& worst, size_t holds) {
    const size_t most = GetParam().bound(worst) + worst.connections + worst.stacks;
    std::printf("%s: %.1f of %.1f MiB\n", GetParam().name, holds / 1048576.0, most / 1048576.0);
    EXPECT_LE(holds, most);
  }
  static size_t MoreThan(size_t before, size_t now) { return now > before ? now - before : 0; }

  // Bytes that the server's process has in memory and shares with nobody.
  size_t MemoryOfServer() const {
    std::ifstream rollup(absl::StrCat("/proc/", server_, "/smaps_rollup"));
    size_t kib = 0;
    for (std::string word; rollup >> word;) {
      size_t value = 0;
      if ((word == "Private_Dirty:" || word == "Private_Clean:") && rollup >> value) kib += value;
    }
    return kib * 1024;
  }

  // What it has once it has dealt with all that `peer` has sent. Where it reads no more of that:
  // has served `other` for a while.
  size_t MemoryWhenDone(RawPeer& peer, RawPeer& other) {
    if (GetParam().fill != &TakeNoReplies) {
      peer.ReceiveUntilPong();
    } else {
      // Where the user has nothing left, all calls are refused, in 180 bytes each.
      peer.AwaitBacklog(static_cast<int>(kCalls) * 128);
      for (int i = 0; i < 300; ++i) other.ReceiveUntilPong();
    }
    return MemoryOfServer();
  }

  const SocketFolder folder_;
  pid_t server_ = -1;
};

TEST_P(WorstMemoryTest, OfOneConnectionIsBounded) {
  const ServerOptions options = SmallOptions();
  RawPeer first = Connect();
  EXPECT_TRUE(first.ReceiveUntilPong().empty());
  const size_t before = MemoryOfServer();
  RawPeer peer = Connect();
  GetParam().fill(peer);
  const size_t holds = MoreThan(before, MemoryWhenDone(peer, first));
  const WorstMemory worst = WorstMemoryOfConnection(options, 0);
  ExpectAtMost(worst, holds);
}

TEST_P(WorstMemoryTest, OfAllConnectionsOfOneUserIsBounded) {
  const ServerOptions options = SmallOptions();
  RawPeer first = Connect();
  EXPECT_TRUE(first.ReceiveUntilPong().empty());
  const size_t before = MemoryOfServer();
  std::vector<RawPeer> peers;
  size_t holds = 0;
  while (peers.size() < kConnections - 1) {
    GetParam().fill(peers.emplace_back(Connect()));
    holds = MoreThan(before, MemoryWhenDone(peers.back(), first));
  }
  const WorstMemory worst = WorstMemoryOfUser(options, 0);
  ExpectAtMost(worst, holds);
}

INSTANTIATE_TEST_SUITE_P(WhoeverDoes, WorstMemoryTest, ::testing::ValuesIn(kHoards),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace nigh::hostile
