#include "nigh/transports/queue/blocking_helper.h"

#include <pthread.h>
#include <sys/eventfd.h>

#include <functional>
#include <utility>

#include "nigh/mutex.h"
#include "nigh/runtime/base/signals_blocked.h"

namespace nigh {

BlockingHelper::BlockingHelper(std::function<void()> call)
    : call_(std::move(call)),
      returned_(UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)).KeptFromChildren()) {}

BlockingHelper::~BlockingHelper() {
  if (!birth_.is_this()) return;
  {
    MutexLock lock(mutex_);
    if (!started_) return;
    stopping_ = true;
    changed_.SignalAll();
  }
  ::pthread_cancel(thread_);
  ::pthread_join(thread_, nullptr);
}

bool BlockingHelper::Begin() {
  MutexLock lock(mutex_);
  if (!started_) {
    const SignalsBlocked blocked;
    if (::pthread_create(&thread_, nullptr, &Run, this) != 0) return false;
    started_ = true;
  }
  if (stage_ == Stage::kReturned) return false;
  stage_ = Stage::kBegun;
  changed_.SignalAll();
  return true;
}

bool BlockingHelper::busy() {
  MutexLock lock(mutex_);
  return stage_ != Stage::kIdle;
}

bool BlockingHelper::Collect() {
  MutexLock lock(mutex_);
  if (stage_ != Stage::kReturned) return false;
  stage_ = Stage::kIdle;
  return true;
}

void* BlockingHelper::Run(void* self) {
  // Cancelled in its call only, not where it holds the mutex or waits for work.
  ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
  static_cast<BlockingHelper*>(self)->Serve();
  return nullptr;
}

void BlockingHelper::Serve() {
  for (;;) {
    {
      MutexLock lock(mutex_);
      while (stage_ != Stage::kBegun && !stopping_) changed_.Wait(mutex_);
      if (stopping_) return;
    }
    ::pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, nullptr);
    call_();
    ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
    {
      MutexLock lock(mutex_);
      stage_ = Stage::kReturned;
    }
    (void)::eventfd_write(returned_.get(), 1);
  }
}

}  // namespace nigh
