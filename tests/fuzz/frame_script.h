#ifndef NIGH_TESTS_FUZZ_FRAME_SCRIPT_H_
#define NIGH_TESTS_FUZZ_FRAME_SCRIPT_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/sent_fds.h"

namespace nigh::testing {

// One thing that a peer of a session sends. A record of the input is a byte of what it is, and:
//
//   0xc0  descriptors (SentFds), which go with the first byte of the record that comes next, and a
//         byte of how many that one says, if it is a frame; 255: nothing is said
//   0x80  raw bytes: a byte of how many, and those
//   else  a frame; the low four bits are its kind, then come
//           flags 1, method 1, call 1, rest 1, aux 1   or with 0x20, wide:
//           flags 1, method 2, call 4, rest 4, aux 8
//           length 1 and payload                       or with 0x40, filled:
//           length 2 and a byte that the payload repeats
//         0x10: wait for what comes of it
struct Record {
  std::string bytes;
  std::optional<FrameHeader> header = std::nullopt;  // none where the bytes are raw
  bool settle = false;
  SentFds fds = {};  // not without bytes
};

Record NextRecord(Input& input);

// What makes a peer's beginning a good one: a hello of generous limits, and for a client the
// methods of nigh.testing.Fuzzed, numbered in the order of their declaration.
std::string HelloBytes();
std::string MethodBytes();
inline constexpr absl::string_view kMethods[] = {
    "/nigh.testing.Fuzzed/Unary", "/nigh.testing.Fuzzed/Requests", "/nigh.testing.Fuzzed/Replies",
    "/nigh.testing.Fuzzed/Both", "/nigh.testing.Fuzzed/Plain"};

// Takes a session's bytes apart and holds them to proto/PROTOCOL.md, as far as that can be said
// without knowing the order in which the two ends' frames crossed.
class FrameChecker {
 public:
  enum class End { kClient, kServer };
  explicit FrameChecker(End sender) : sender_(sender) {}

  // Bytes as they arrived from the session, and what came with them, if anything did.
  void Take(absl::string_view bytes, const Descriptors* descriptors);
  // No more bytes will come; a session that did not break off ends behind a frame.
  void Finish() const;

  // What was sent to a server so far counts: it may answer nothing else. Raw bytes may hold
  // anything; from then on no answer is too many.
  void Sent(const Record& record);
  void SentAnything() { anything_ = true; }

  // Whether the session has said hello.
  bool HasHello() const { return hello_; }
  // Whether a ping with this number has been answered.
  bool HasPong(uint64_t number) const { return last_pong_ == number; }

 private:
  void Check(const FrameHeader& header, absl::string_view payload);
  void CheckAnswer(const FrameHeader& header);
  void CheckQuestion(const FrameHeader& header, absl::string_view payload);

  const End sender_;
  std::string left_;
  std::deque<size_t> descriptors_;  // how many have come together, for frames to come
  bool hello_ = false;
  bool refused_ = false;  // a server's GO_AWAY came in the place of its hello
  bool anything_ = false;
  uint64_t last_pong_ = 0;
  std::map<uint32_t, int> open_;          // by call: requests that are not answered yet
  std::set<uint32_t> reused_;             // calls made again before the answer had come
  std::map<uint32_t, uint32_t> missing_;  // by call: bytes of a payload still to come
  std::map<uint32_t, bool> response_;     // by call: whether that is a RESPONSE's
  std::map<uint16_t, std::string> declared_;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_FUZZ_FRAME_SCRIPT_H_
