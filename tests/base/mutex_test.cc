#include "nigh/mutex.h"

#include <thread>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "nigh/deadline.h"

namespace nigh {
namespace {

TEST(CondVar, HandsOverWhatWasWrittenUnderTheMutex) {
  Mutex mutex;
  CondVar changed;
  int value = 0;
  std::thread writer([&] {
    MutexLock lock(mutex);
    value = 1;
    changed.Signal();
  });
  {
    MutexLock lock(mutex);
    while (value == 0) changed.WaitUntil(mutex, Deadline::Infinite());
    EXPECT_EQ(value, 1);
  }
  writer.join();
}

TEST(CondVar, ReturnsAtTheDeadlineWithTheMutexHeld) {
  Mutex mutex;
  CondVar never;
  const Deadline deadline = Deadline::After(absl::Milliseconds(1));
  MutexLock lock(mutex);
  while (!deadline.HasPassed()) never.WaitUntil(mutex, deadline);
  std::thread other([&] { EXPECT_FALSE(mutex.TryLock()); });
  other.join();
}

TEST(MutexUnlock, ReleasesForAScope) {
  Mutex mutex;
  MutexLock lock(mutex);
  {
    MutexUnlock unlock(mutex);
    std::thread other([&] { MutexLock theirs(mutex); });
    other.join();
  }
  std::thread other([&] { EXPECT_FALSE(mutex.TryLock()); });
  other.join();
}

}  // namespace
}  // namespace nigh
