#ifndef NIGH_TRANSPORTS_SHM_DESCRIPTOR_LETTERS_H_
#define NIGH_TRANSPORTS_SHM_DESCRIPTOR_LETTERS_H_

#include <cstddef>
#include <deque>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "nigh/mutex.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transports/shm/bell.h"

namespace nigh {

// What goes through the socket of a connection whose frames lie in rings: letters, one byte each.
// Those of bells wake somebody (bell.h). The others bring the descriptors of one frame. They leave
// before their frame is published, so they are there when it is.
//
// `socket` is of type SOCK_SEQPACKET and outlives this.
class DescriptorLetters {
 public:
  explicit DescriptorLetters(int socket) : socket_(socket) {}

  // The sending thread's.
  //
  // So many letters always fit a socket from which all others have been taken.
  static constexpr size_t kMostAttached = 64;
  bool HasRoom() const { return attached_.size() < kMostAttached; }
  void Attach(std::shared_ptr<const Descriptors> descriptors) {
    attached_.push_back(std::move(descriptors));
  }
  bool has_attached() const { return !attached_.empty(); }
  // Sends what is attached. EAGAIN: some is left, for want of room. Another errno: it cannot be
  // sent. 0: all has been.
  int Send();

  // Any thread.
  enum class Letter {
    kNone,  // there is nothing
    kData,
    kRoom,
    kDescriptors,  // which have been kept
    kEnd,          // the peer has closed
    kReset,        // likewise, and has not read all; what it had sent itself is still to come
    kBroken,       // status() says how
  };
  // Whether descriptors may come. Before the first Receive.
  void Accept() { accepts_ = true; }
  bool accepts() const { return accepts_; }
  // Takes the next letter.
  Letter Receive() ABSL_LOCKS_EXCLUDED(mutex_);
  // What the oldest letter that has not been opened has brought. Null: none.
  std::unique_ptr<Descriptors> Open() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status status() const ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    return status_;
  }

 private:
  // A peer that sends more ahead of their frames means no frames.
  static constexpr size_t kMostKept = 1024;

  Letter Break(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int socket_;
  std::deque<std::shared_ptr<const Descriptors>> attached_;  // the sending thread's
  bool accepts_ = false;
  mutable Mutex mutex_;
  std::deque<std::unique_ptr<Descriptors>> kept_ ABSL_GUARDED_BY(mutex_);
  size_t count_ ABSL_GUARDED_BY(mutex_) = 0;  // of descriptors in them
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_DESCRIPTOR_LETTERS_H_
