#ifndef NIGH_TRANSPORTS_QUEUE_BLOCKING_HELPER_H_
#define NIGH_TRANSPORTS_QUEUE_BLOCKING_HELPER_H_

#include <pthread.h>

#include <functional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "nigh/mutex.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// A thread that makes a blocking system call for somebody who has to wait for other things as well.
// It comes into being with the first one, and costs nothing while it has nothing to do, or waits.
class BlockingHelper {
 public:
  // `call` blocks in a system call that is a cancellation point (pthreads(7)) and holds nothing
  // meanwhile; it is cancelled there if the helper goes.
  explicit BlockingHelper(std::function<void()> call);
  ~BlockingHelper();
  BlockingHelper(const BlockingHelper&) = delete;
  BlockingHelper& operator=(const BlockingHelper&) = delete;

  // Begins a call, unless one is begun already. False: do not wait for it. It has returned, of
  // which the descriptor may have told somebody who did not collect it; or the system has no
  // thread.
  bool Begin() ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether a call has begun whose end nobody has been told of.
  bool busy() ABSL_LOCKS_EXCLUDED(mutex_);
  // True, once for each call: it has returned.
  bool Collect() ABSL_LOCKS_EXCLUDED(mutex_);

  // Becomes readable, edge-triggered, when a call has returned.
  int fd() const { return returned_.get(); }

 private:
  enum class Stage { kIdle, kBegun, kReturned };

  static void* Run(void* self);
  void Serve() ABSL_LOCKS_EXCLUDED(mutex_);

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
