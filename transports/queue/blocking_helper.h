#ifndef NIGH_TRANSPORTS_QUEUE_BLOCKING_HELPER_H_
#define NIGH_TRANSPORTS_QUEUE_BLOCKING_HELPER_H_

#include <pthread.h>

#include <functional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// A thread that makes one blocking system call after the other for a caller who must not block. The
// thread starts with the first call, and sleeps whenever there is nothing to do.
class BlockingHelper {
 public:
  // `call` blocks in a system call that is a cancellation point (pthreads(7)). The destructor
  // cancels it there, so it must hold nothing that would leak.
  explicit BlockingHelper(std::function<void()> call);
  ~BlockingHelper();
  BlockingHelper(const BlockingHelper&) = delete;
  BlockingHelper& operator=(const BlockingHelper&) = delete;

  // Begins a call, unless one is under way. False: do not wait for the descriptor. Either a call
  // has returned that nobody has collected yet, and the descriptor may have told of it already; or
  // the system has no thread.
  bool Begin() ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether a call is under way, or has returned and is not collected.
  bool busy() ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether a call has returned. True once for each call.
  bool Collect() ABSL_LOCKS_EXCLUDED(mutex_);

  // Becomes readable, edge-triggered, when a call has returned.
  int fd() const { return returned_.get(); }

 private:
  enum class Stage { kIdle, kBegun, kReturned };

  static void* Run(void* self);
  void Serve() ABSL_LOCKS_EXCLUDED(mutex_);

  const BirthProcess birth_;
  const std::function<void()> call_;
  const UniqueFd returned_;  // an eventfd

  Mutex mutex_;
  CondVar changed_;
  Stage stage_ ABSL_GUARDED_BY(mutex_) = Stage::kIdle;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  pthread_t thread_ = {};  // once started
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_QUEUE_BLOCKING_HELPER_H_
