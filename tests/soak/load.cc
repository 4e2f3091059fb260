#include "tests/soak/load.h"

#include <cstddef>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace nigh::testing {

RunningLoad::RunningLoad(std::vector<std::shared_ptr<Channel>> channels, const LoadOptions& options,
                         const Weather& weather, Outcomes& outcomes)
    : options_(options), weather_(weather), outcomes_(outcomes), channels_(std::move(channels)) {
  running_ = options.callbacks + options.coroutines;
  for (int i = 0; i < options.threads; ++i) {
    threads_.emplace_back([this, &chain = NewChain()] { CallInThreads(chain); });
  }
  for (int i = 0; i < options.callbacks; ++i) CallBackNext(NewChain());
  for (int i = 0; i < options.coroutines; ++i) {
    nigh::Start<void>(CallInCoroutines(NewChain()), [this] { EndChain(); }).Detach();
  }
}

RunningLoad::~RunningLoad() {
  Stop();
  Join();
}

void RunningLoad::Join() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  MutexLock lock(mutex_);
  while (running_ > 0) ended_.Wait(mutex_);
}

RunningLoad::Chain& RunningLoad::NewChain() {
  const size_t index = chains_.size();
  return chains_.emplace_back(
      Chain{{Load::Stub(channels_[index % channels_.size()]), weather_, outcomes_},
            std::mt19937_64(options_.seed + index)});
}

bool RunningLoad::TakeCall() {
  return !stopped_.load(std::memory_order_relaxed) &&
         begun_.fetch_add(1, std::memory_order_relaxed) < options_.calls;
}

void RunningLoad::CallInThreads(Chain& chain) {
  while (TakeCall()) CallInThread(chain.caller, Plan::Draw(chain.random, options_.mix));
}

void RunningLoad::CallBackNext(Chain& chain) {
  if (!TakeCall()) return EndChain();
  CallBack(chain.caller, Plan::Draw(chain.random, options_.mix),
           [this, &chain] { CallBackNext(chain); });
}

Task<> RunningLoad::CallInCoroutines(Chain& chain) {
  while (TakeCall()) {
    const Plan plan = Plan::Draw(chain.random, options_.mix);
    co_await CallInCoroutine(chain.caller, plan);
  }
}

void RunningLoad::EndChain() {
  MutexLock lock(mutex_);
  --running_;
  ended_.SignalAll();
}

}  // namespace nigh::testing
