#ifndef NIGH_TRANSPORT_DESCRIPTORS_H_
#define NIGH_TRANSPORT_DESCRIPTORS_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/api.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// How many descriptors this process has on a peer's account: from when one has come until it is
// taken out of its message, or until close(2) of it has returned, which may be long after. They
// count for the whole that this is a part of, too. Thread-safe.
class NIGH_API DescriptorCount {
 public:
  struct Limit {
    std::string whose = {};  // "this connection", "user 1000"
    size_t most = 0;
    absl::string_view remedy = {};  // "raise ServerOptions::..."
  };

  // `whole` may be null.
  explicit DescriptorCount(Limit limit, std::shared_ptr<DescriptorCount> whole = nullptr)
      : limit_(std::move(limit)), whole_(std::move(whole)) {}
  DescriptorCount(const DescriptorCount&) = delete;
  DescriptorCount& operator=(const DescriptorCount&) = delete;

  size_t count() const { return count_.load(std::memory_order_relaxed); }
  void Add(size_t count) {
    for (DescriptorCount* part = this; part != nullptr; part = part->whole_.get()) {
      part->count_.fetch_add(count, std::memory_order_relaxed);
    }
  }
  void Subtract(size_t count) {
    for (DescriptorCount* part = this; part != nullptr; part = part->whole_.get()) {
      part->count_.fetch_sub(count, std::memory_order_relaxed);
    }
  }

  // OK, or RESOURCE_EXHAUSTED: this, or a whole, has more than `times` what it may have.
  absl::Status Check(size_t times = 1) const;

 private:
  const Limit limit_;
  const std::shared_ptr<DescriptorCount> whole_;
  std::atomic<size_t> count_ = 0;
};

// A peer whose messages are refused for want of room, and who goes on until this process has so
// many times what it may have, loses the connection.
inline constexpr size_t kFarTooMany = 2;

// The descriptors that travel with one frame, in order. Those that nobody has taken out by its end
// are closed: elsewhere (CloseElsewhere) where that may take long, for they may be a stranger's.
// Not thread-safe.
class NIGH_API Descriptors {
 public:
  // This side's own, to be added.
  Descriptors() : whose_(OwnUser()) {}
  // What has come. `complete`: false if more have come than this process may have.
  Descriptors(std::vector<UniqueFd> fds, bool complete)
      : fds_(std::move(fds)), complete_(complete) {}
  ~Descriptors() { CloseAll(); }
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;

  void Add(UniqueFd fd) { fds_.push_back(std::move(fd)); }
  size_t size() const { return fds_.size(); }
  bool complete() const { return complete_; }
  // None: it has been taken.
  const UniqueFd& operator[](size_t index) const { return fds_[index]; }
  UniqueFd Take(size_t index);
  // Nobody is to have it.
  void Close(size_t index);

  // They are that user's.
  void set_whose(std::optional<uid_t> whose) { whose_ = whose; }
  // Counts those that are in here in `count`, until each is taken or closed. The first time alone.
  void CountIn(std::shared_ptr<DescriptorCount> count);

  // Closes all of them; whoever is to have them learns why.
  void Refuse(absl::Status why);
  // OK: they are here.
  const absl::Status& refusal() const { return refusal_; }

 private:
  void CloseAll();

  std::vector<UniqueFd> fds_;
  bool complete_ = true;
  std::optional<uid_t> whose_;
  std::shared_ptr<DescriptorCount> count_;
  absl::Status refusal_;

  static uid_t OwnUser();
};

// Closes what a stranger may have sent in a thread that has nothing else to do: close(2) sleeps for
// as long as the sender chose, if it is a socket that lingers, or a file whose server does not
// answer; and so does the close of a Unix socket in which such descriptors lie unread. Each user
// who has sent some, `whose`, has a few such threads, which end when there is nothing to do for a
// while. Returns at once, and has the descriptors closed in this thread only if the system has no
// other to give. `count`, which may be null, is told when they have been. Any thread.
NIGH_API void CloseElsewhere(std::optional<uid_t> whose, std::vector<UniqueFd> fds,
                             std::shared_ptr<DescriptorCount> count = nullptr);
NIGH_API void CloseElsewhere(std::optional<uid_t> whose, UniqueFd fd);

// How many of that user's descriptors are still to be closed elsewhere. Any thread.
NIGH_API size_t ClosingsOf(std::optional<uid_t> whose);

// Waits until everything that was to be closed elsewhere has been. For tests that count.
NIGH_API void AwaitClosings();

}  // namespace nigh

#endif  // NIGH_TRANSPORT_DESCRIPTORS_H_
