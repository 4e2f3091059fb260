#ifndef NIGH_TRANSPORTS_SHM_DESCRIPTOR_LETTERS_H_
#define NIGH_TRANSPORTS_SHM_DESCRIPTOR_LETTERS_H_

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/fifo.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/shm/bell.h"

namespace nigh {

// What goes through the socket of a connection whose frames lie in rings: letters, one byte each.
// Those of bells wake somebody (bell.h). The others bring the descriptors of one frame. They leave
// before their frame is published, so they are there when it is.
//
// `socket` is of type SOCK_SEQPACKET and outlives this.
class DescriptorLetters {
 public:
  DescriptorLetters(int socket, std::optional<uid_t> peer) : socket_(socket), peer_(peer) {}

  // The sending thread's.
  //
  // Whether more may be attached before the peer has taken out what was sent. So many letters
  // always fit a socket, and a peer can keep what is in them.
  bool HasRoom() const { return underway_ < kMostUnderway; }
  // The peer has: it has read the frame of each letter that was sent.
  void NoneUnderway();
  void Attach(std::shared_ptr<const Descriptors> descriptors) {
    underway_ += descriptors->size();
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
  // Descriptors may come. Before the first Receive.
  void Accept(std::shared_ptr<DescriptorCount> count) { count_ = std::move(count); }
  bool accepts() const { return count_ != nullptr; }
  // Who sends them, once that is another than who listened.
  void set_peer(std::optional<uid_t> peer) { peer_ = peer; }
  // Takes the next letter.
  Letter Receive() ABSL_LOCKS_EXCLUDED(mutex_);
  // What the oldest letter that has not been opened has brought. Null: none.
  std::unique_ptr<Descriptors> Open() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status status() const ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    return status_;
  }

 private:
  static constexpr size_t kMostUnderway = 256;
  // What an honest peer sends ahead of its frames is less.
  static constexpr size_t kMostKept = kMostUnderway + kMostDescriptors;

  Letter Break(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int socket_;
  std::optional<uid_t> peer_;
  // The sending thread's.
  Fifo<std::shared_ptr<const Descriptors>> attached_;
  size_t underway_ = 0;  // descriptors in what is attached, and in letters
  std::shared_ptr<DescriptorCount> count_;
  mutable Mutex mutex_;
  Fifo<std::unique_ptr<Descriptors>> kept_ ABSL_GUARDED_BY(mutex_);
  size_t kept_count_ ABSL_GUARDED_BY(mutex_) = 0;  // of descriptors in them
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_DESCRIPTOR_LETTERS_H_
