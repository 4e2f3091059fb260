#ifndef NIGH_TESTS_SOAK_LOAD_H_
#define NIGH_TESTS_SOAK_LOAD_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "nigh/channel.h"
#include "nigh/mutex.h"
#include "nigh/task.h"
#include "tests/soak/calls.h"
#include "tests/soak/trial.h"

namespace nigh::testing {

struct LoadOptions {
  uint64_t seed = 1;
  uint64_t calls = std::numeric_limits<uint64_t>::max();
  Mix mix;
  int threads = 2;     // that call and wait
  int callbacks = 4;   // calls that call back, under way at once
  int coroutines = 4;  // and calls of coroutines
};

// Calls of every kind and in every way, under way until there were enough or Stop is called.
class RunningLoad {
 public:
  // Begins. The channels are used in turn. `weather` and `outcomes` must outlive the object.
  RunningLoad(std::vector<std::shared_ptr<Channel>> channels, const LoadOptions& options,
              const Weather& weather, Outcomes& outcomes);
  // Stops, and waits for the end.
  ~RunningLoad();
  RunningLoad(const RunningLoad&) = delete;
  RunningLoad& operator=(const RunningLoad&) = delete;

  // No further calls begin.
  void Stop() { stopped_ = true; }
  // Waits until the last call is over.
  void Join();

 private:
  // Calls that follow each other.
  struct Chain {
    Caller caller;
    std::mt19937_64 random;
  };

  Chain& NewChain();
  // Whether one more call is to begin.
  bool TakeCall();
  void CallInThreads(Chain& chain);
  void CallBackNext(Chain& chain);
  Task<> CallInCoroutines(Chain& chain);
  void EndChain();

  const LoadOptions options_;
  const Weather& weather_;
  Outcomes& outcomes_;
  const std::vector<std::shared_ptr<Channel>> channels_;
  std::deque<Chain> chains_;
  std::atomic<bool> stopped_ = false;
  std::atomic<uint64_t> begun_ = 0;

  Mutex mutex_;
  CondVar ended_;
  int running_ ABSL_GUARDED_BY(mutex_) = 0;  // chains that no thread waits for

  std::vector<std::thread> threads_;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_SOAK_LOAD_H_
