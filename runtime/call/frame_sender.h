#ifndef NIGH_RUNTIME_CALL_FRAME_SENDER_H_
#define NIGH_RUNTIME_CALL_FRAME_SENDER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/message_extras.h"
#include "nigh/message_io.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/runtime/base/mapping.h"
#include "nigh/runtime/call/byte_count.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/call/shared_memory.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// What became of a frame, or of what waited.
enum class Sent : uint8_t {
  kAll,     // the frame has left; what waited before, if anything, waits on
  kSome,    // something waits, and somebody must see to it; or what waited has left
  kFailed,  // the connection has ended; nothing of the frame has left
};

// The sending half of a session. All threads that send on one connection share it.
//
// A frame that fits is serialised straight into the connection. A frame that does not, because
// there is no room or because it is longer than the connection takes, is kept here. It leaves in
// pieces as room comes. Send therefore never waits: whoever polls the connection calls Resume when
// there may be room. That is nigh's deadlock rule: nobody waits for room without receiving
// meanwhile.
//
// Where the connection has bulk memory, a long message is serialised there, in one piece and
// without the lock, and is then a short frame to all others.
//
// Long messages give way. Calls take turns, piece by piece, and a frame that fits overtakes the
// long messages of other calls. Where that happens, they are held back: a piece leaves with every
// kFramesAPiece-th of the frames that overtake, so that few of those find one ahead of them on the
// other side, and the rest flows once there have been none for kQuietNanos. A long message is then
// serialised without the lock.
//
// Thread-safe. The end of the connection is final; end() says why.
class FrameSender {
 public:
  // `connection` must outlive the sender. So must `kept`, to which the bytes of frames that wait
  // are added; it may be null.
  explicit FrameSender(Connection& connection, ByteCount* kept = nullptr)
      : connection_(connection),
        max_payload_(connection.max_payload()),
        sends_from_memory_(connection.sends_from_memory()),
        waiting_bytes_(kept) {}

  // Sends one frame, or queues it. Fills in header.length and header.rest. `message` may be null,
  // otherwise it has been measured. The header is filled in where it is: a copy of fields that have
  // just been written one by one would wait until they have left the CPU's store buffer.
  Sent Send(FrameHeader&& header, absl::string_view sections, const MessageSource* message)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The same with extras. What they are is said ahead of `sections`.
  Sent SendWith(const Extras& extras, FrameHeader&& header, absl::string_view sections,
                const MessageSource* message) ABSL_LOCKS_EXCLUDED(mutex_);

  // Sends a frame whose payload is `text`, as Send does.
  Sent SendText(FrameHeader&& header, absl::string_view text);

  // `used` is called, with the lock held, when memory is used for a long message that is kept for
  // the next one. Before the first send.
  void OnLongMessage(std::function<void()> used) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    on_long_message_ = std::move(used);
  }
  // Lets go of such memory, or a part of it.
  Trimmed Trim() ABSL_LOCKS_EXCLUDED(mutex_);

  // Memory for an attachment of so many bytes: where they are sent from, if the connection has such
  // memory and they are longer than a frame. RESOURCE_EXHAUSTED: there is no room.
  absl::StatusOr<AttachmentBuffer> AllocateAttachment(size_t size) ABSL_LOCKS_EXCLUDED(mutex_);

  // The peer maps memory that this side shares, from now on. It gets `page`, in which this side
  // counts what it has given back.
  Sent BeginToLend(UniqueFd page) ABSL_LOCKS_EXCLUDED(mutex_);
  // The peer's page. False: it has said so before, or before it was asked.
  bool TakeReturns(std::shared_ptr<const Mapping> page) ABSL_LOCKS_EXCLUDED(mutex_);

  // The connection is no more, as the receiving half knows: nothing is lent any more.
  void EndLending() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    lent_ = nullptr;
  }

  // For who has more to do in one section with a send: decide that it is to be sent, say.
  Mutex& mutex() const ABSL_LOCK_RETURNED(mutex_) { return mutex_; }
  // A long message may be serialised with the lock released; what fits a frame is not.
  Sent SendLocked(FrameHeader&& header, absl::string_view sections, const MessageSource* message)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sends a REQUEST. The first one for header.method follows a METHOD frame, which declares that
  // number to stand for `method_name`. `extras` may be null.
  Sent SendRequestLocked(FrameHeader&& header, const char* method_name, absl::string_view sections,
                         const MessageSource* message, const Extras* extras)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // As Drop.
  bool DropLocked(uint32_t call) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether REQUESTs have left so far in the order in which they were sent.
  bool requests_are_in_order() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return requests_are_in_order_;
  }

  // Sends what waits, as far as there is room, unless it is held back or another thread is sending.
  // kAll: nothing waits any more.
  Sent Resume() ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether long messages are held back: somebody must call Resume again and again, though nothing
  // will tell that there is room. Cheap: takes no lock.
  bool holds_back() const { return holds_back_.load(std::memory_order_acquire); }

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

  // Bytes that the frames which wait take. Cheap: takes no lock.
  size_t waiting_bytes() const { return waiting_bytes_.bytes(); }
  // Descriptors that go with them. Likewise.
  size_t waiting_descriptors() const {
    return waiting_descriptors_.load(std::memory_order_relaxed);
  }

  // Whether frames wait for room, other than long messages that are held back. Cheap: takes no
  // lock.
  bool congested() const { return congested_.load(std::memory_order_acquire); }
  // Whether a writer of many messages may go on: nothing of its own waits, and nothing for room.
  bool HasRoom(uint32_t call) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Returns what to poll for before sleeping, or nothing when nothing waits for room.
  // Wake::ready(): call Resume instead.
  std::optional<Wake> Arm() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Waiting {
    FrameHeader header = {};
    std::shared_ptr<std::byte[]> payload;  // not zeroed: a long message is written once
    ByteSpan bulk = {};                    // where the payload is instead, if not empty
    Attachment attachment = {};            // ends the payload, beyond the bytes that are there
    size_t size = 0;                       // bytes of payload, with that
    size_t sent = 0;                       // bytes of it that have been committed
    uint64_t order = 0;                    // of a REQUEST, among those that have waited
    SharedDescriptors descriptors = nullptr;
    LentUse lent = {};  // of memory in which the attachment is
    // Owns payload and attachment for as long as the connection has some of them to send; or null.
    std::shared_ptr<const void> leaving = nullptr;

    std::byte* bytes() const { return bulk.empty() ? payload.get() : bulk.data(); }
    size_t own_size() const { return size - attachment.size(); }
    // Copies bytes of the payload, from `from` on.
    void CopyTo(size_t from, ByteSpan to) const;
    // What is to be committed next, up to where it goes on elsewhere.
    ConstByteSpan NextPart() const;
    // What the connection keeps while it has some of this to send.
    const std::shared_ptr<const void>& Owner();
    bool has_left() const { return leaving.use_count() <= 1; }
  };

  // So many frames that overtake take a piece of what is held back along.
  static constexpr int kFramesAPiece = 4;
  static constexpr size_t kPieceBeside = size_t{16} << 10;
  static constexpr int64_t kQuietNanos = 30'000;
  // A longer buffer is not kept for the next message.
  static constexpr size_t kMaxSpareBuffer = size_t{2} << 20;
  // A shorter piece is copied into the connection: that takes less than to send it where it is.
  static constexpr size_t kLeastFromMemory = size_t{8} << 10;

  // A frame with extras always waits its turn, which may be now: what sends in place knows nothing
  // of them.
  Sent SendWithLocked(const Extras& extras, FrameHeader&& header, absl::string_view sections,
                      const MessageSource* message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // If an attachment may stay where it is for the peer to read: where that is, and one use of it. A
  // memory that the peer does not know yet is made known to it.
  std::optional<SharedPart> Lend(const Attachment& attachment, LentUse& use)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sends a MEMORY frame.
  void SendMemory(uint32_t number, size_t size, UniqueFd fd) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Sent ResumeLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether a frame may leave ahead of what waits.
  bool MayOvertake(const FrameHeader& header) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Flushes a frame that has overtaken others, with a piece of them now and then.
  Sent FlushBeside() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether no frame has overtaken long messages, or wanted to, for a while.
  bool IsQuiet();
  void NoteOvertaking() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    overtaken_ = true;
    overtakes_.store(overtakes_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  // Serialises a message that is longer than the connection takes straight into pieces, as long as
  // there is room and nobody else wants to send; and the rest, without the lock, into memory.
  // Returns what has to wait, or nothing. The connection may have ended amid it.
  std::optional<Waiting> SendPieces(const FrameHeader& header, const MessageSource& message)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Serialises all of it, without the lock, into memory: the connection's, if `bulk` is some, the
  // attachment, too; else that stays where it is.
  Waiting Serialise(const FrameHeader& header, absl::string_view sections,
                    const MessageSource* message, const Attachment& attachment, size_t size,
                    std::optional<ByteSpan> bulk) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Memory for a frame that has to wait: `bulk`, if it is some; else for what is not `attachment`.
  Waiting Wait(const FrameHeader& header, size_t size, std::optional<ByteSpan> bulk = std::nullopt,
               const Attachment& attachment = Attachment()) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Notes that the first part of a REQUEST leaves, and whether that is its turn.
  void BeginRequest(uint64_t order) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (order != requests_begun_++) requests_are_in_order_ = false;
  }
  // Writes sections and message, which may be null.
  static void WritePayload(absl::string_view sections, const MessageSource* message,
                           std::byte* to) {
    if (!sections.empty()) std::memcpy(to, sections.data(), sections.size());
    if (message != nullptr) message->SerializeTo(to + sections.size());
  }
  // What a frame that waits takes.
  static size_t BytesOf(const Waiting& waiting) { return waiting.size + sizeof(Waiting); }
  // What is kept, and what is not any more, with or without having left.
  void Count(const Waiting& waiting) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Discount(const Waiting& waiting) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DiscountDescriptors(const Waiting& waiting) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Keeps what waits. False: too much waits already, and the connection is given up.
  bool Keep(Waiting waiting) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Nothing more of `waiting` is to be committed. The connection may still have some to send, from
  // memory that counts until it has left.
  void Leave(Waiting waiting) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Lets go of what has left.
  void Settle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes a buffer of `size` bytes for what waits, and gives it back.
  std::shared_ptr<std::byte[]> TakeBuffer(size_t size) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void GiveBack(Waiting& waiting) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether it leaves in one frame that is short to the medium.
  bool IsShort(const Waiting& waiting) const {
    return waiting.size <= max_payload_ || !waiting.bulk.empty();
  }
  // Commits the next piece of `waiting`, of up to `most` bytes. False: no room.
  bool CommitPiece(Waiting& waiting, size_t most) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Of CommitPiece: so many bytes of it, by the connection's memory.
  bool CommitCopied(Waiting& waiting, size_t piece) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Has the frame that is about to leave, or in bulk memory has left, take its descriptors along.
  void AttachDescriptors(Waiting& waiting) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether the frame of some call may leave once there is room.
  bool MayTakeTurn() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !short_turns_.empty() || (!turns_.empty() && !overtaken_);
  }
  // Commits a frame, or a piece of one, of the call whose turn it is. False: no room.
  bool TakeTurn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Gives a call that has something to send its turn, after the others of its kind.
  void AwaitTurn(uint32_t call, const Waiting& waiting) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    (IsShort(waiting) ? short_turns_ : turns_).push_back(call);
  }
  // Gives the connection up: drops all that waits, and makes `error` that of all later sends.
  void Break(absl::Status error) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Sent FlushLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Updates busy_, whether anything waits or is unflushed, holds_back_ and congested_.
  void NoteBusy() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const auto note = [](std::atomic<bool>& word, bool value) {
      if (value != word.load(std::memory_order_relaxed)) {
        word.store(value, std::memory_order_release);
      }
    };
    note(busy_, unflushed_ || serialising_ != 0 || AnythingWaits());
    const bool short_ones_wait = !control_.empty() || !short_turns_.empty();
    note(holds_back_, overtaken_ && !turns_.empty() && !short_ones_wait && !unflushed_);
    note(congested_, short_ones_wait || (!turns_.empty() && !overtaken_));
  }
  bool AnythingWaits() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !control_.empty() || !short_turns_.empty() || !turns_.empty();
  }

  const BirthProcess birth_;
  Connection& connection_;
  const size_t max_payload_;
  const bool sends_from_memory_;
  // Set before anything that stays behind can have an effect: whoever receives an answer to the
  // part that has left sees it.
  std::atomic<bool> busy_ = false;
  std::atomic<bool> holds_back_ = false;
  std::atomic<bool> congested_ = false;
  ByteCount waiting_bytes_;  // changed under the mutex, as is the next
  std::atomic<size_t> waiting_descriptors_ = 0;
  // How many frames have overtaken others, and what IsQuiet has seen of that: how many, and since
  // when there are no more, in steady nanoseconds. Whoever resumes writes these two.
  std::atomic<uint32_t> overtakes_ = 0;
  std::atomic<uint32_t> overtakes_seen_ = 0;
  std::atomic<int64_t> quiet_since_ = 0;
  mutable Mutex mutex_;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;  // error_ is set
  absl::Status error_ ABSL_GUARDED_BY(mutex_);
  bool unflushed_ ABSL_GUARDED_BY(mutex_) = false;
  // Short frames that carry no messages of a call. They leave before all others.
  std::deque<Waiting> control_ ABSL_GUARDED_BY(mutex_);
  // The messages that wait, by call; and the calls in the order of their turns, those that have a
  // frame that fits apart from those that have a long message.
  absl::flat_hash_map<uint32_t, std::deque<Waiting>> queues_ ABSL_GUARDED_BY(mutex_);
  std::deque<uint32_t> short_turns_ ABSL_GUARDED_BY(mutex_);
  std::deque<uint32_t> turns_ ABSL_GUARDED_BY(mutex_);
  // Messages that do not wait any more, and of which the connection may have some to send.
  std::vector<Waiting> leaving_ ABSL_GUARDED_BY(mutex_);
  // Frames have overtaken long messages lately, so these are held back.
  bool overtaken_ ABSL_GUARDED_BY(mutex_) = false;
  int frames_since_piece_ ABSL_GUARDED_BY(mutex_) = 0;
  // Long messages that are being serialised without the lock: all, and those that are to leave in
  // pieces.
  int serialising_ ABSL_GUARDED_BY(mutex_) = 0;
  int cutting_ ABSL_GUARDED_BY(mutex_) = 0;
  // REQUESTs that have waited, and those of them that have begun to leave.
  uint64_t requests_kept_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t requests_begun_ ABSL_GUARDED_BY(mutex_) = 0;
  bool requests_are_in_order_ ABSL_GUARDED_BY(mutex_) = true;
  std::vector<bool> declared_ ABSL_GUARDED_BY(mutex_);          // by method id
  std::unique_ptr<LentMemories> lent_ ABSL_GUARDED_BY(mutex_);  // null: the peer maps none
  std::function<void()> on_long_message_ ABSL_GUARDED_BY(mutex_);
  // The buffer of the last long message, for the next one. The C library would give its pages back
  // to the kernel, and getting new ones takes longer than filling them.
  std::shared_ptr<std::byte[]> spare_ ABSL_GUARDED_BY(mutex_);
  size_t spare_size_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_FRAME_SENDER_H_
