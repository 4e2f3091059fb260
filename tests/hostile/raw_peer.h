#ifndef NIGH_TESTS_HOSTILE_RAW_PEER_H_
#define NIGH_TESTS_HOSTILE_RAW_PEER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "tests/contract/frames.h"

// Frames as bytes, and a peer that sends any bytes at all.
namespace nigh::hostile {

using testing::OwnedFrame;

// The methods of victim.proto, in the order of their declaration by Preamble.
enum VictimMethod : uint16_t { kEcho, kRepeat, kCount, kChat };

// `header.length` is set to the payload's.
std::string FrameBytes(FrameHeader header, absl::string_view payload = "");

// A peer that accepts much.
Hello GenerousHello();
std::string HelloBytes(const Hello& hello = GenerousHello());
std::string MethodBytes(uint16_t method, absl::string_view name);
// A client's hello, and declarations of all methods of Victim.
std::string Preamble();

// kMessage, and kEnd where `end`.
std::string RequestBytes(uint32_t call, uint16_t method, absl::string_view message,
                         bool end = true);
std::string MessageBytes(uint32_t call, absl::string_view message);
std::string PieceBytes(uint32_t call, absl::string_view payload, uint32_t rest);
std::string ResponseBytes(uint32_t call, absl::string_view message);  // OK
std::string CreditBytes(uint32_t call, uint64_t bytes);
std::string PingBytes(uint64_t number);

// One entry, in a block of its own.
std::string SectionBytes(SectionType type, absl::string_view key, absl::string_view value);

// What a RESPONSE says.
absl::Status StatusOf(const OwnedFrame& response);

// A serialised Note.
std::string NoteBytes(absl::string_view data, int count = 0);

// A connected Unix socket that blocks, with patience.
class RawPeer {
 public:
  explicit RawPeer(UniqueFd socket);
  static RawPeer Dial(const std::string& path);

  // False: the other end has closed.
  bool Send(absl::string_view bytes);
  // All at once, with descriptors.
  bool SendWith(absl::string_view bytes, const std::vector<int>& fds);
  // Sends no more, but still receives.
  void FinishSending();
  void Close() { socket_.reset(); }

  // For poll(2), and for those who do not look at frames: what lies there, or nothing at the end.
  int fd() const { return socket_.get(); }
  std::string ReceiveBytes();

  // The next frame. UNAVAILABLE: the other end has closed. DEADLINE_EXCEEDED: out of patience.
  absl::StatusOr<OwnedFrame> Receive();
  // The next frame of that kind, and of that call if one is given, after any others. Fails the test
  // when there is none.
  OwnedFrame ReceiveKind(FrameKind kind, std::optional<uint32_t> call = std::nullopt);
  // Everything until the other end closes, which it must.
  std::vector<OwnedFrame> ReceiveAll();
  // Everything until the answer to a ping sent now, which must come: the other end lives, and has
  // dealt with all that was sent before.
  std::vector<OwnedFrame> ReceiveUntilPong();
  // Waits until so many bytes lie here unread: a good part of what a socket holds.
  void AwaitBacklog(int bytes = 64 << 10);

 private:
  UniqueFd socket_;
  std::string received_;
};

// Where raw servers wait for channels.
class RawListener {
 public:
  explicit RawListener(const std::string& path);

  RawPeer Accept();
  void Close() { socket_.reset(); }
  int fd() const { return socket_.get(); }

 private:
  UniqueFd socket_;
};

}  // namespace nigh::hostile

#endif  // NIGH_TESTS_HOSTILE_RAW_PEER_H_
