#ifndef NIGH_RUNTIME_SERVER_DISPATCHER_H_
#define NIGH_RUNTIME_SERVER_DISPATCHER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/generic_service.h"
#include "nigh/interceptor.h"
#include "nigh/method.h"
#include "nigh/options.h"
#include "nigh/runtime/call/interception.h"
#include "nigh/runtime/loop/watchdog.h"
#include "nigh/runtime/loop/worker_pool.h"
#include "nigh/runtime/server/server_call.h"
#include "nigh/service.h"

namespace nigh {

// A method that a server serves, and what it has learnt of how long its handler takes.
class RegisteredMethod {
 public:
  explicit RegisteredMethod(const MethodHandler& handler) : handler_(handler) {}

  const MethodHandler& handler() const { return handler_; }
  const Method& method() const { return *handler_.method; }

  // Whether the next call is better run away from the poller.
  bool IsSlow() const { return slow_.load(std::memory_order_relaxed) > 0; }
  // Whether the next inline run should be timed.
  bool TakesSample() {
    return samples_.fetch_add(1, std::memory_order_relaxed) % kSampleEvery == 0;
  }
  // What a run was found to take.
  void Learn(int64_t nanos) {
    if (nanos > kSlowNanos) {
      slow_.store(kForget, std::memory_order_relaxed);
    } else if (IsSlow()) {
      slow_.fetch_sub(1, std::memory_order_relaxed);
    }
  }

 private:
  // Longer than it takes to wake another thread.
  static constexpr int64_t kSlowNanos = 100'000;
  static constexpr uint32_t kSampleEvery = 16;
  // So many quick runs on another thread, and the method is tried inline again.
  static constexpr int kForget = 16;

  const MethodHandler handler_;
  std::atomic<int> slow_ = 0;
  std::atomic<uint32_t> samples_ = 0;
};

// Finds the handler of a call and the thread that runs it. A unary handler runs on the poller that
// read its request, which costs no hand-off, unless its method has turned out to be slow or says
// otherwise; so does a coroutine up to its first wait, and from each to the next. A synchronous
// stream handler, which waits for its client by nature, has a thread of its own.
class Dispatcher {
 public:
  // `max_threads`: of the pool, which handlers and pollers share. None: there is no pool, and all
  // handlers run on the poller.
  Dispatcher(std::optional<int> max_threads, InterceptorChain<InterceptedServerCall> interceptors)
      : has_pool_(max_threads.has_value()),
        interceptors_(std::move(interceptors)),
        pool_(max_threads.value_or(0)) {}

  // Before the server starts; `service` must outlive it. ALREADY_EXISTS names a method that is
  // served already; INVALID_ARGUMENT one that must have a thread where there is none.
  absl::Status Register(Service& service);

  // The same, for all the methods that no service has, as if they were one. ALREADY_EXISTS: there
  // is a fallback. INVALID_ARGUMENT: as of a stream's handler.
  absl::Status RegisterFallback(GenericService& service);

  // Null when there is no such method. Thread-safe once the server runs.
  RegisteredMethod* Find(absl::string_view name) const;

  // What serves a method of that name that Find does not know: null where nothing does.
  RegisteredMethod* Fallback(absl::string_view name) const;

  // UNIMPLEMENTED for a name that Find does not know: no such service, or no such method of it.
  absl::Status NoSuchMethod(absl::string_view name) const;

  // Runs the call's handler to its response, here and now or elsewhere and soon. By a poller that
  // holds `mark`'s role. False: the role has been taken meanwhile, and with it all that the poller
  // had.
  bool Run(std::unique_ptr<ServerCall> call, InlineMark& mark);

  // Of every call that is run.
  const InterceptorChain<InterceptedServerCall>& interceptors() const { return interceptors_; }
  WorkerPool& pool() { return pool_; }
  Watchdog& watchdog() { return watchdog_; }

 private:
  const bool has_pool_;
  const InterceptorChain<InterceptedServerCall> interceptors_;
  absl::flat_hash_map<std::string, std::unique_ptr<RegisteredMethod>> methods_;
  absl::flat_hash_map<std::string, int> services_;
  std::unique_ptr<RegisteredMethod> fallback_;
  WorkerPool pool_;
  Watchdog watchdog_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_DISPATCHER_H_
