#include "benchmarks/attacks.h"

#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "benchmarks/harness/check.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "tests/shm/hostile_peer.h"

namespace nigh::benchmarks {
namespace {

constexpr absl::string_view kUnary = "/nigh.benchmarks.Echo/Unary";
// As many as a server lets a connection have in flight.
constexpr uint32_t kCalls = 1024;
constexpr int kManyConnections = 64;

// A client by hand: it sends frames of any kind. It waits for room by trying again and again, so it
// never leaves its CPU to others.
class Peer {
 public:
  explicit Peer(const Target& target) : target_(target) {
    const absl::StatusOr<const Transport*> transport = FindTransport({}, target.address);
    Check(transport.status());
    absl::StatusOr<std::unique_ptr<Connection>> dialled = (*transport)->dial(target.address);
    if (dialled.ok()) connection_ = *std::move(dialled);
  }

  // False, as what follows: the connection is over.
  bool Greet() {
    std::byte hello[kHelloSize];
    EncodeHello(
        {.window = 1 << 20, .max_message = 4 << 20, .max_metadata = 8192, .max_calls = kCalls},
        hello);
    return Send({.kind = FrameKind::kHello}, AsText(ConstByteSpan(hello))) &&
           Send({.kind = FrameKind::kMethod}, kUnary) && Flush();
  }

  // Drops whatever comes as long as it has to wait for room, if `takes` says so.
  bool Send(FrameHeader header, absl::string_view payload = "", bool takes = true) {
    header.length = static_cast<uint32_t>(payload.size());
    for (;;) {
      if (connection_ == nullptr) return false;
      if (const std::optional<ByteSpan> claim = connection_->Claim(payload.size())) {
        std::copy_n(AsBytes(payload).data(), payload.size(), claim->data());
        connection_->Commit(header);
        return true;
      }
      if (!Flush()) return false;
      if (takes) (void)Take();
      ::sched_yield();
    }
  }
  bool Flush() { return connection_ != nullptr && connection_->Flush() != Flushed::kEnded; }
  // Drops what has come. Returns how many responses were among it; none at the end.
  std::optional<uint32_t> Take() {
    if (connection_ == nullptr) return std::nullopt;
    std::array<Frame, 16> frames;
    const Received received = connection_->Receive(absl::MakeSpan(frames));
    uint32_t responses = 0;
    for (uint32_t i = 0; i < received.frames; ++i) {
      if (frames[i].header.kind == FrameKind::kResponse) ++responses;
    }
    if (received.frames > 0) connection_->Release(received.frames);
    if (received.ended) return std::nullopt;
    return responses;
  }
  void AwaitEnd() {
    // Not every medium tells of its end before it is armed.
    while (Take().has_value()) {
      if (!connection_->Arm(Interest::kReceive).ready()) ::sched_yield();
    }
  }
  void Count(uint64_t rounds = 1) { target_.rounds.fetch_add(rounds, std::memory_order_relaxed); }

 private:
  const Target& target_;
  std::unique_ptr<Connection> connection_;
};

FrameHeader Request(uint32_t call) {
  return {.kind = FrameKind::kRequest, .flags = kMessage | kEnd, .call = call};
}

// A serialised Payload of 64 bytes.
std::string Message() { return std::string("\x0a\x40", 2) + std::string(64, 'x'); }

void Compute(const Target& target) {
  for (;;) target.rounds.fetch_add(1, std::memory_order_relaxed);
}

// Has nothing to do with the server, but is as busy with system calls as one who has.
void TalkToItself(const Target& target) {
  int ends[2];
  Check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0
            ? absl::OkStatus()
            : absl::ErrnoToStatus(errno, "socketpair"));
  const UniqueFd one(ends[0]), other(ends[1]);
  std::array<std::byte, 4096> bytes = {};
  for (;;) {
    if (::send(one.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) return;
    if (::recv(other.get(), bytes.data(), bytes.size(), 0) < 0) return;
    target.rounds.fetch_add(1, std::memory_order_relaxed);
  }
}

void ConnectAndLeave(const Target& target) {
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  target.address.name.copy(name.sun_path, sizeof(name.sun_path) - 1);
  const int type = target.address.scheme == "shm" ? SOCK_SEQPACKET : SOCK_STREAM;
  for (;;) {
    const UniqueFd socket(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0) {
      target.rounds.fetch_add(1, std::memory_order_relaxed);
    }
  }
}

void GreetAndBreak(const Target& target) {
  for (;;) {
    Peer peer(target);
    // A client sends no GO_AWAY with such a call.
    if (!peer.Greet() || !peer.Send({.kind = FrameKind::kResponse, .call = 1}) || !peer.Flush()) {
      continue;
    }
    peer.AwaitEnd();
    peer.Count();
  }
}

void LieInRings(const Target& target) {
  testing::HostilePeer peer(target.address.name, /*seed=*/1);
  for (;;) {
    peer.Round();
    target.rounds.fetch_add(1, std::memory_order_relaxed);
  }
}

void Ping(const Target& target) {
  Peer peer(target);
  if (!peer.Greet()) return;
  while (peer.Send({.kind = FrameKind::kPing}) && peer.Take().has_value()) peer.Count();
}

void CallAndReadNothing(const Target& target) {
  const std::string message = Message();
  for (;;) {
    Peer peer(target);
    if (!peer.Greet()) continue;
    // Beyond these it would break the protocol.
    for (uint32_t call = 0; call < kCalls; ++call) {
      if (!peer.Send(Request(call), message, /*takes=*/false) || !peer.Flush()) break;
      peer.Count();
    }
  }
}

// Keeps as many calls in flight as may be, on each connection.
void CallOver(const Target& target, int connections) {
  struct Caller {
    Peer peer;
    uint32_t next = 0;
    uint32_t open = 0;
  };
  std::vector<Caller> callers;
  for (int i = 0; i < connections; ++i) {
    if (!callers.emplace_back(Peer(target)).peer.Greet()) return;
  }
  const std::string message = Message();
  for (;;) {
    for (Caller& caller : callers) {
      // Replies come in the order of the requests, for the handlers run where these are read.
      for (int burst = 0; burst < 64 && caller.open < kCalls / 2; ++burst, ++caller.open) {
        if (!caller.peer.Send(Request(caller.next++ % kCalls), message, /*takes=*/false)) return;
      }
      if (!caller.peer.Flush()) return;
      while (const std::optional<uint32_t> answered = caller.peer.Take()) {
        if (*answered == 0) break;
        caller.open -= *answered;
        caller.peer.Count(*answered);
      }
    }
  }
}

void CallInAPipeline(const Target& target) { CallOver(target, 1); }
void CallOverManyConnections(const Target& target) { CallOver(target, kManyConnections); }

void CallAndCancel(const Target& target) {
  Peer peer(target);
  if (!peer.Greet()) return;
  const std::string message = Message();
  for (;;) {
    // A number is free again when its answer has come.
    uint32_t open = 0;
    for (; open < kCalls; ++open) {
      if (!peer.Send(Request(open), message, false) ||
          !peer.Send({.kind = FrameKind::kCancel, .call = open}, "", false)) {
        return;
      }
    }
    if (!peer.Flush()) return;
    while (open > 0) {
      const std::optional<uint32_t> answered = peer.Take();
      if (!answered.has_value()) return;
      open -= *answered;
      peer.Count(*answered);
    }
  }
}

void BeginLargeRequests(const Target& target) {
  Peer peer(target);
  if (!peer.Greet()) return;
  const std::string piece(4096, 'x');
  for (;;) {
    for (uint32_t call = 0; call < 64; ++call) {
      FrameHeader header = Request(call);
      header.rest = (4 << 20) - 8192;
      if (!peer.Send(header, piece) || !peer.Send({.kind = FrameKind::kCancel, .call = call})) {
        return;
      }
      peer.Count();
    }
    if (!peer.Flush()) return;
    for (uint32_t open = 64; open > 0;) {
      const std::optional<uint32_t> answered = peer.Take();
      if (!answered.has_value()) return;
      open -= std::min(open, *answered);
    }
  }
}

void StaySilent(const Target& target) {
  std::vector<Peer> peers;
  for (int i = 0; i < 8 * kManyConnections; ++i) {
    if (!peers.emplace_back(target).Greet()) return;
  }
  peers.back().Count();
  for (;;) ::pause();
}

constexpr Attack kAttacks[] = {
    {"lies in rings", &LieInRings},  // over shared memory alone; the others over both
    {"just computes", &Compute},
    {"talks to itself", &TalkToItself},
    {"connects and leaves", &ConnectAndLeave},
    {"greets and breaks the protocol", &GreetAndBreak},
    {"pings", &Ping},
    {"calls, reads no replies", &CallAndReadNothing},
    {"calls, 512 in flight", &CallInAPipeline},
    {"the same on 64 connections", &CallOverManyConnections},
    {"calls and cancels", &CallAndCancel},
    {"begins large requests", &BeginLargeRequests},
    {"512 silent connections", &StaySilent},
};

}  // namespace

absl::Span<const Attack> AttacksOver(const std::string& scheme) {
  return absl::MakeSpan(kAttacks).subspan(scheme == "shm" ? 0 : 1);
}

}  // namespace nigh::benchmarks
