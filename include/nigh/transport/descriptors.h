#ifndef NIGH_TRANSPORT_DESCRIPTORS_H_
#define NIGH_TRANSPORT_DESCRIPTORS_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "nigh/transport/unique_fd.h"

namespace nigh {

// The most descriptors that travel with one frame: what one sendmsg(2) takes (SCM_MAX_FD).
inline constexpr size_t kMostDescriptors = 253;

// The descriptors that travel with one frame, in order. Those that nobody has taken out by its end
// are closed, elsewhere (CloseElsewhere): they may be a stranger's. Not thread-safe.
class Descriptors {
 public:
  Descriptors() = default;
  // `complete`: false if more have come than this process may have.
  explicit Descriptors(std::vector<UniqueFd> fds, bool complete = true)
      : fds_(std::move(fds)), complete_(complete) {}
  ~Descriptors();
  Descriptors(const Descriptors&) = delete;
  Descriptors& operator=(const Descriptors&) = delete;

  void Add(UniqueFd fd) { fds_.push_back(std::move(fd)); }
  size_t size() const { return fds_.size(); }
  bool complete() const { return complete_; }
  // None: it has been taken.
  const UniqueFd& operator[](size_t index) const { return fds_[index]; }
  UniqueFd Take(size_t index);

  // Counts those that are in here in `untaken`, until each is taken or closed. Once.
  void CountIn(std::shared_ptr<std::atomic<size_t>> untaken);

 private:
  std::vector<UniqueFd> fds_;
  bool complete_ = true;
  std::shared_ptr<std::atomic<size_t>> untaken_;
};

// Closes what a stranger may have sent in a thread that has nothing else to do: close(2) sleeps for
// as long as the sender chose, if it is a socket that lingers, or a file whose server does not
// answer. Returns at once, and has the descriptors closed in this thread only if the system has no
// other to give. Any thread.
void CloseElsewhere(UniqueFd fd);
void CloseElsewhere(std::vector<UniqueFd> fds);

// Waits until everything that was to be closed elsewhere has been. For tests that count.
void AwaitClosings();

}  // namespace nigh

#endif  // NIGH_TRANSPORT_DESCRIPTORS_H_
