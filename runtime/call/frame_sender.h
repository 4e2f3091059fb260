#ifndef NIGH_RUNTIME_CALL_FRAME_SENDER_H_
#define NIGH_RUNTIME_CALL_FRAME_SENDER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/message_io.h"
#include "nigh/mutex.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"

namespace nigh {

// What became of a frame, or of what waited.
enum class Sent : uint8_t {
  kAll,     // everything has left: nobody needs to poll for room
  kSome,    // something waits for room
  kFailed,  // the connection has ended; nothing of the frame has left
};

// The sending half of a session. All threads that send on one connection share it.
//
// A frame that fits is serialised straight into the connection. A frame that does not, because
// there is no room or because it is longer than the connection takes, is kept here. It leaves in
// pieces as room comes. Calls take turns, so a long message does not delay the short messages of
// other calls. Send therefore never waits: whoever polls the connection calls Resume when there may
// be room. That is nigh's deadlock rule: nobody waits for room without receiving meanwhile.
//
// Thread-safe. The end of the connection is final; end() says why.
class FrameSender {
 public:
  // `connection` must outlive the sender.
  explicit FrameSender(Connection& connection) : connection_(connection) {}

  // Sends one frame, or queues it. Fills in header.length and header.rest. `message` may be null,
  // otherwise it has been measured.
  Sent Send(FrameHeader header, absl::string_view sections, const MessageSource* message)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Sends a frame whose payload is `text`, as Send does.
  Sent SendText(FrameHeader header, absl::string_view text);

  // For who has more to do in one section with a send: decide that it is to be sent, say.
  Mutex& mutex() const ABSL_LOCK_RETURNED(mutex_) { return mutex_; }
  Sent SendLocked(FrameHeader header, absl::string_view sections, const MessageSource* message)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sends a REQUEST. The first one for header.method follows a METHOD frame, which declares that
  // number to stand for `method_name`.
  Sent SendRequestLocked(FrameHeader header, const char* method_name, absl::string_view sections,
                         const MessageSource* message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool DropLocked(uint32_t call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Sends what waits, as far as there is room.
  Sent Resume() ABSL_LOCKS_EXCLUDED(mutex_);

  // Says why sends fail. OK while they do not.
  absl::Status end() const ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    return error_;
  }

  // Drops what waits to be sent for `call`. True: its REQUEST was among that and nothing of it has
  // left, so the peer will never hear of the call.
  bool Drop(uint32_t call) ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether everything that was sent for `call` has left.
  bool HasLeft(uint32_t call) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether a RESPONSE of `call` waits and nothing of it has left.
  bool OwesResponse(uint32_t call) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether everything that was sent has left. Cheap: takes no lock.
  bool idle() const { return !busy_.load(std::memory_order_acquire); }

  // Whether frames wait for room. A writer of many messages should then hold back until Resume has
  // returned true.
  bool congested() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Returns what to poll for before sleeping, or nothing when nothing waits for room.
  // Wake::ready(): call Resume instead.
  std::optional<Wake> Arm() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Waiting {
    FrameHeader header;
    std::unique_ptr<std::byte[]> payload;  // not zeroed: a long message is written once
    size_t size = 0;                       // bytes of payload
    size_t sent = 0;                       // bytes of it that have been committed
  };

  Sent ResumeLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Serialises a message that is longer than the connection takes straight into pieces, as long as
  // there is room. Returns the rest, which has to wait, or nothing. The connection may have ended
  // amid it.
  std::optional<Waiting> SendPieces(const FrameHeader& header, const MessageSource& message)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Keeps what waits. False: too much waits already, and the connection is given up.
  bool Keep(Waiting waiting) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes a buffer of `size` bytes for what waits, and gives it back.
  std::unique_ptr<std::byte[]> TakeBuffer(size_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GiveBack(Waiting& waiting) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Commits the next piece of `waiting`. False: no room.
  bool CommitPiece(Waiting& waiting) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Commits a piece of the call whose turn it is. False: no room.
  bool TakeTurn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Gives the connection up: drops all that waits, and makes `error` that of all later sends.
  void Break(absl::Status error) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Sent FlushLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Updates busy_: whether anything waits or is unflushed.
  void NoteBusy() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const bool busy = unflushed_ || AnythingWaits();
    if (busy != busy_.load(std::memory_order_relaxed)) {
      busy_.store(busy, std::memory_order_release);
    }
  }
  bool AnythingWaits() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !control_.empty() || !turns_.empty();
  }

  Connection& connection_;
  // Set before anything that stays behind can have an effect: whoever receives an answer to the
  // part that has left sees it.
  std::atomic<bool> busy_ = false;
  mutable Mutex mutex_;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;  // error_ is set
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
  bool unflushed_ ABSL_GUARDED_BY(mutex_) = false;
  // Short frames that carry no messages of a call. They leave before all others.
  std::deque<Waiting> control_ ABSL_GUARDED_BY(mutex_);
  // The messages that wait, by call, and the calls in the order of their turns.
  absl::flat_hash_map<uint32_t, std::deque<Waiting>> queues_ ABSL_GUARDED_BY(mutex_);
  std::deque<uint32_t> turns_ ABSL_GUARDED_BY(mutex_);
  std::vector<bool> declared_ ABSL_GUARDED_BY(mutex_);  // by method id
  // The buffer of the last long message, for the next one. The C library would give its pages back
  // to the kernel, and getting new ones takes longer than filling them.
  std::unique_ptr<std::byte[]> spare_ ABSL_GUARDED_BY(mutex_);
  size_t spare_size_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_FRAME_SENDER_H_
