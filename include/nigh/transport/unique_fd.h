#ifndef NIGH_TRANSPORT_UNIQUE_FD_H_
#define NIGH_TRANSPORT_UNIQUE_FD_H_

#include <utility>

#include "nigh/api.h"

namespace nigh {

// In children that fork(3) makes from now on, `fd` is not what it is here, but stands for
// /dev/null: its being open means something to others (that this side is there, that a name is
// taken), and what a child does with it would be taken for this process's doing. It is to be
// forgotten before it is closed. Any thread.
NIGH_API void KeepFromChildren(int fd);
NIGH_API void ForgetKeptFromChildren(int fd);

// Owns one file descriptor and closes it. Not thread-safe.
class NIGH_API UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) Own(std::exchange(other.fd_, -1));
    return *this;
  }
  ~UniqueFd() { Own(-1); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  // It is the caller's from now on, and its children's.
  int release() {
    ForgetKeptFromChildren(fd_);
    return std::exchange(fd_, -1);
  }
  void reset(int fd = -1) { Own(fd); }

  // As nigh::KeepFromChildren, for as long as the descriptor is owned by this or by whom it is
  // moved to. Without a descriptor, does nothing.
  UniqueFd&& KeptFromChildren() && {
    KeepFromChildren(fd_);
    return std::move(*this);
  }

 private:
  // Closes what is owned. `fd` is as it is, kept or not.
  void Own(int fd);

  int fd_ = -1;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORT_UNIQUE_FD_H_
