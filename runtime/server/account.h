#ifndef NIGH_RUNTIME_SERVER_ACCOUNT_H_
#define NIGH_RUNTIME_SERVER_ACCOUNT_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/call/byte_count.h"
#include "nigh/transport/descriptors.h"

namespace nigh {

// What a server spends on one connection, or on all of one user, and how much that may be: bytes
// that are kept, threads of the pool, descriptors. What a connection takes counts for its user,
// too, until it is given back, which may be after the connection's end: handlers go on.
//
// Thread-safe. No locks: two that ask at the same moment may both be told that there is room.
class Account {
 public:
  // Spare memory may be one in so many parts of what may be kept; and the windows' growth, too.
  static constexpr size_t kShare = 4;

  struct Limits {
    std::string whose = {};  // "this connection", "user 1000"
    size_t bytes = 0;
    int threads = 0;
    size_t descriptors = 0;
    absl::string_view bytes_option = {};  // of ServerOptions, for those who are refused
    absl::string_view threads_option = {};
    absl::string_view descriptors_remedy = {};
  };

  // A user's. `descriptors`: what those of all users count for; may be null.
  explicit Account(Limits limits, std::shared_ptr<DescriptorCount> descriptors = nullptr)
      : Account(std::move(limits), nullptr, std::move(descriptors)) {}
  // A connection's, which is a part of `user`.
  Account(Limits limits, const std::shared_ptr<Account>& user)
      : Account(std::move(limits), user, user->descriptors_) {}

  const Limits& limits() const { return limits_; }
  // What is kept: messages and metadata that have come, and what waits to be sent.
  ByteCount& kept() { return kept_; }

  // Whether so many bytes more may be kept. Where nothing is, one thing of any size may be.
  bool MayKeep(size_t bytes) const { return WhoMayNotKeep(bytes) == nullptr; }
  // Large memory that nothing needs any more but what may come next. It is apart from what is kept.
  ByteCount& spare() { return spare_; }
  // Whether there may be so many bytes more of that: a quarter of what may be kept, at most.
  bool MayKeepSpare(size_t bytes) const { return HasShareFor(bytes, &Account::spare_); }
  // The window of a stream is to grow by so many bytes, of what may come then and be kept. Returns
  // by how many it does: by none where those of all streams have grown by a quarter of what may be
  // kept.
  size_t TakeForWindow(size_t bytes) {
    if (!HasShareFor(bytes, &Account::windows_)) return 0;
    windows_.Add(bytes);
    return bytes;
  }
  void GiveBackOfWindow(size_t bytes) { windows_.Subtract(bytes); }
  // RESOURCE_EXHAUSTED for what MayKeep refuses: `what`, "a reply", of `method`.
  absl::Status TooMuchToKeep(absl::string_view method, absl::string_view what, size_t bytes) const;

  // Descriptors that have come with messages. Part of the user's.
  const std::shared_ptr<DescriptorCount>& descriptors() const { return descriptors_; }
  // Those of replies that have not left. Likewise.
  const std::shared_ptr<DescriptorCount>& departing() const { return departing_; }

  // Takes a thread for a handler of `method`. RESOURCE_EXHAUSTED: there are no more.
  absl::Status TakeThread(absl::string_view method);
  void GiveThreadBack();

 private:
  Account(Limits limits, std::shared_ptr<Account> user, std::shared_ptr<DescriptorCount> whole);

  // Whether `count` may be so many bytes more, for a connection and for its user.
  bool HasShareFor(size_t bytes, ByteCount Account::*count) const {
    for (const Account* account = this; account != nullptr; account = account->user_.get()) {
      if ((account->*count).bytes() + bytes > account->limits_.bytes / kShare) return false;
    }
    return true;
  }
  const Account* WhoMayNotKeep(size_t bytes) const {
    for (const Account* account = this; account != nullptr; account = account->user_.get()) {
      const size_t kept = account->kept_.bytes();
      if (kept != 0 && kept + bytes > account->limits_.bytes) return account;
    }
    return nullptr;
  }

  const Limits limits_;
  const std::shared_ptr<Account> user_;
  ByteCount kept_;
  ByteCount spare_;
  ByteCount windows_;
  const std::shared_ptr<DescriptorCount> descriptors_;
  const std::shared_ptr<DescriptorCount> departing_;
  std::atomic<int> threads_ = 0;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_ACCOUNT_H_
