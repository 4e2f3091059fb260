#ifndef NIGH_RUNTIME_CALL_SHARED_MEMORY_H_
#define NIGH_RUNTIME_CALL_SHARED_MEMORY_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/message_extras.h"
#include "nigh/mutex.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/base/mapping.h"
#include "nigh/runtime/base/sealed_memory.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/unique_fd.h"

// Memory that a program fills once, and that several processes read where it is (SharedBuffer).
//
// Its owner makes it known to a connection under a number, by its descriptor, and then says with
// each message which part of it is the attachment. The receiver maps it, and counts what it has let
// go of in a page of its own, which the owner maps in its turn: so any thread of either side may
// let go, without a lock or a frame, and the owner sees by a load for each connection whether
// anybody still reads.
namespace nigh {

// The most memories that one end of a connection knows of the other. The number after the last
// stands for the page in which the sender of it counts.
inline constexpr uint32_t kMostMemories = 63;
inline constexpr uint32_t kReturnsNumber = kMostMemories;

// Of each of a peer's memories, how many uses this side has given back. Counts only grow, and wrap.
struct ReturnsPage {
  std::array<std::atomic<uint32_t>, kMostMemories> returned = {};
};
inline constexpr size_t kReturnsSize = 4096;
static_assert(sizeof(ReturnsPage) <= kReturnsSize);

class SharedMemory;

// A memory of this side's as one connection knows it. Thread-safe.
class Lent {
 public:
  // `page`: where the peer counts.
  Lent(std::weak_ptr<SharedMemory> memory, uint32_t number, std::shared_ptr<const Mapping> page)
      : memory_(std::move(memory)), number_(number), page_(std::move(page)) {}

  uint32_t number() const { return number_; }
  bool Is(const std::weak_ptr<const SharedMemory>& memory) const {
    return !memory_.owner_before(memory) && !memory.owner_before(memory_);
  }
  bool IsNoMore() const { return memory_.expired(); }
  // Before any use: it has the number of `former`, which is back, and the peer counts on.
  void GoOnAfter(const Lent& former) {
    used_.store(former.used_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
  // The connection is no more.
  void End() { over_.store(true, std::memory_order_release); }

  void Begin() { used_.fetch_add(1, std::memory_order_relaxed); }
  void TakeBack() { used_.fetch_sub(1, std::memory_order_relaxed); }
  // Whether nobody at the other end reads it.
  bool IsBack() const;

 private:
  const std::weak_ptr<SharedMemory> memory_;
  const uint32_t number_;
  const std::shared_ptr<const Mapping> page_;
  std::atomic<uint32_t> used_ = 0;
  std::atomic<bool> over_ = false;
};

// One use of it, by a message. If that never leaves, the use is taken back.
class LentUse {
 public:
  LentUse() = default;
  explicit LentUse(std::shared_ptr<Lent> lent) : lent_(std::move(lent)) { lent_->Begin(); }
  LentUse(LentUse&& other) noexcept : lent_(std::move(other.lent_)) {}
  LentUse& operator=(LentUse&& other) noexcept {
    std::swap(lent_, other.lent_);
    return *this;
  }
  ~LentUse() {
    if (lent_ != nullptr) lent_->TakeBack();
  }

  // The message has left.
  void Leave() { lent_ = nullptr; }

 private:
  std::shared_ptr<Lent> lent_;
};

class SharedMemory : public std::enable_shared_from_this<SharedMemory> {
 public:
  explicit SharedMemory(SealedMemory memory) : memory_(std::move(memory)) {}

  ByteSpan bytes() const { return memory_.mapping.bytes(); }
  int fd() const { return memory_.fd.get(); }
  // Keeps the memory, and counts until it is dropped.
  std::shared_ptr<const void> Share();
  void Add(std::shared_ptr<Lent> lent) ABSL_LOCKS_EXCLUDED(mutex_);
  bool IsFree() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Those of connections that have ended.
  void DropEnded() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const SealedMemory memory_;
  std::atomic<size_t> shares_ = 0;
  Mutex mutex_;
  std::vector<std::shared_ptr<Lent>> lent_ ABSL_GUARDED_BY(mutex_);
};

// The memories of this side's that one connection knows. One thread at a time.
class LentMemories {
 public:
  LentMemories() = default;
  LentMemories(const LentMemories&) = delete;
  LentMemories& operator=(const LentMemories&) = delete;
  ~LentMemories() { End(); }

  // As the connection knows `memory`; null: not yet.
  std::shared_ptr<Lent> Find(const SharedMemory& memory) const;
  // Has it known under a number, which is to be said to the peer. Null: there is none left. Once
  // it may lend.
  std::shared_ptr<Lent> Add(SharedMemory& memory);
  // Where the peer counts. False: that has been said before.
  bool SetReturns(std::shared_ptr<const Mapping> page);
  // Whether it has been said.
  bool may_lend() const { return page_ != nullptr; }
  void End();

 private:
  std::array<std::shared_ptr<Lent>, kMostMemories> lent_;
  std::shared_ptr<const Mapping> page_;
};

// The memories of the peer's that this side knows. The receiving thread's; but any thread may let
// go of what has been borrowed.
class BorrowedMemories {
 public:
  // Makes the page in which this side counts. `owner`, whose they are, outlives them; who that is
  // is asked once a memory comes.
  static absl::StatusOr<std::unique_ptr<BorrowedMemories>> Make(const PeerIdentity& owner);

  // For the peer, once.
  UniqueFd TakePageFd() { return std::move(page_fd_); }
  // The peer has said that `fd` is memory `number`, of `size` bytes. INTERNAL: it is not what it
  // should be. Where this process cannot map it, or there was no room for the descriptor, whoever
  // borrows of it is told.
  absl::Status Take(uint32_t number, uint64_t size, int fd);
  // A part of it, where it is. INTERNAL: there is no such part. RESOURCE_EXHAUSTED: the memory
  // could not be mapped; the use is given back.
  absl::StatusOr<Attachment> Borrow(const SharedPart& part);
  // Whether what has been borrowed may be read where it is: the owner is as good as this process.
  bool readable_in_place() const { return of_same_user_.value_or(false); }

 private:
  class Loan;

  BorrowedMemories(const PeerIdentity& owner, std::shared_ptr<const Mapping> page, UniqueFd page_fd)
      : owner_(owner), page_(std::move(page)), page_fd_(std::move(page_fd)) {}

  const PeerIdentity& owner_;
  std::optional<bool> of_same_user_;  // IsSameUser(owner_), once a memory has come
  const std::shared_ptr<const Mapping> page_;
  UniqueFd page_fd_;
  size_t mapped_ = 0;  // bytes
  struct Memory {
    std::shared_ptr<const Mapping> mapping;  // null: not mapped
    size_t size = 0;                         // 0: none is known
  };
  std::array<Memory, kMostMemories> memories_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_SHARED_MEMORY_H_
