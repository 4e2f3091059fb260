#ifndef NIGH_RUNTIME_SERVER_DISPATCHER_H_
#define NIGH_RUNTIME_SERVER_DISPATCHER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/generic_service.h"
#include "nigh/interceptor.h"
#include "nigh/method.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/runtime/call/interception.h"
#include "nigh/runtime/loop/watchdog.h"
#include "nigh/runtime/loop/worker_pool.h"
#include "nigh/runtime/server/report_rate.h"
#include "nigh/runtime/server/server_call.h"
#include "nigh/service.h"

namespace nigh {

class Poller;

// What a server has learnt about how long the runs of a handler take. Thread-safe. It is an
// estimate that guards no other data, so relaxed order will do.
class Pace {
 public:
  // Whether the next run should be away from the poller.
  bool IsSlow() const { return slow_.load(std::memory_order_relaxed) > 0; }
  // Whether the next inline run should be timed.
  bool TakesSample() {
    // Two pollers at once may count one run instead of two.
    const uint32_t runs = runs_.load(std::memory_order_relaxed);
    runs_.store(runs + 1, std::memory_order_relaxed);
    return runs % kSampleEvery == 0;
  }
  // Whether every run that was timed lately was quick.
  bool IsQuick() const { return quick_.load(std::memory_order_relaxed) >= kProven; }
  // Takes note that a run lasted `nanos`.
  void Learn(int64_t nanos) {
    if (nanos > kSlowNanos) {
      slow_.store(kForget, std::memory_order_relaxed);
      quick_.store(0, std::memory_order_relaxed);
    } else {
      if (IsSlow()) slow_.fetch_sub(1, std::memory_order_relaxed);
      if (!IsQuick()) quick_.fetch_add(1, std::memory_order_relaxed);
    }
  }

 private:
  // A run that lasts longer than this is slow. It is longer than waking another thread takes.
  static constexpr int64_t kSlowNanos = 100'000;
  static constexpr uint32_t kSampleEvery = 16;
  // After so many quick runs on another thread, the next one is tried inline again.
  static constexpr int kForget = 16;
  // So many quick runs that were timed, and none that was not, make it quick.
  static constexpr int kProven = 4;

  std::atomic<int> slow_ = 0;
  std::atomic<int> quick_ = 0;
  std::atomic<uint32_t> runs_ = 0;
};

// A method that a server serves.
class RegisteredMethod {
 public:
  explicit RegisteredMethod(const MethodHandler& handler) : handler_(handler) {}

  const MethodHandler& handler() const { return handler_; }
  const Method& method() const { return *handler_.method; }

  // Of calls with long requests, or of the others: a method that is quick with short ones and takes
  // its time with long ones is both, and neither makes the other run elsewhere.
  Pace& pace(bool is_long) { return is_long ? long_pace_ : short_pace_; }

 private:
  const MethodHandler handler_;
  Pace short_pace_;
  Pace long_pace_;
};

// Finds the handler of a call and the thread that runs it.
//
// A unary handler runs inline: on the poller that read its request, which saves a hand-off. It runs
// in the pool if its method has turned out to be slow, with requests as long as this one's, or says
// so (Dispatch). A coroutine runs on the poller up to its first wait, and from each wait to the
// next. A synchronous stream handler waits for its client by nature, so it has a thread of the
// pool.
//
// Two things are handed from thread to thread. The role of polling belongs to one thread at a time.
// The call is a unique_ptr<ServerCall>; whoever has it runs the handler. Below, `role` and `call`
// mark what a thread holds; time goes down.
//
//   the poller's thread                       the watchdog           a thread of the pool
//   ----------------------------------------  ---------------------  ----------------------------
//
//   A quick handler, inline:
//   role call  Run: mark.Enter
//   role call  Serve: handler, response
//   role call  mark.Leave returns true
//   role       TakeBack: call to its session
//   role       reads the next request
//
//   A slow handler, inline:
//   role call  Run: mark.Enter
//   role call  Serve: handler begins
//   role call    ...                                an alarm: looks
//        call    ...                          role  an alarm: Take
//        call    ...                                SubmitUrgent --> role       Poller::Drive
//        call    ... response                                        role         ...
//        call  mark.Leave returns false                              role         ...
//              TakeBack: call to returned_                           role         ...
//              Run returns false, Drive ends                         role         ...
//              free for the pool                                     role         ...
//
//   A handler in the pool:
//   role call  Run: Submit  --------------------------------------->      call  Serve: handler
//   role       reads the next request                                     call    ... response
//   role         ...                                                            Learn, TakeBack
//
//   A coroutine, whose frame owns the call from Serve on:
//   role call  Run: mark.Enter
//   role call  Serve: up to the first wait
//   role       mark.Leave returns true
//   role       reads the next request
//   role call  a task resumes the handler
//   role call    ... response
//   role       a task: TakeBack
//
// Where the pool has no thread for a handler, the call waits for one, for the time that the
// server's options state, and is then refused. If that is because the system has no thread to give,
// a handler that might have run inline does so: threads that are there do the work.
//
// A thread that has lost the role must not touch what the role guards: the poller, and the
// receiving half of its sessions. It keeps its call, and responds as any thread may. A server with
// an event loop has neither a pool nor a watchdog: Leave always returns true.
class Dispatcher {
 public:
  // `max_threads` limits the pool, which handlers and pollers share. nullopt: there is no pool, and
  // all handlers run on the poller. A call waits for a thread for `thread_timeout`. `on_refusal`
  // hears of calls that are refused then, once a second at most; it may be null.
  Dispatcher(std::optional<int> max_threads, InterceptorChain<InterceptedServerCall> interceptors,
             absl::Duration thread_timeout = absl::InfiniteDuration(),
             std::function<void(const absl::Status&)> on_refusal = nullptr)
      : has_pool_(max_threads.has_value()),
        interceptors_(std::move(interceptors)),
        thread_timeout_(thread_timeout),
        on_refusal_(std::move(on_refusal)),
        pool_(max_threads.value_or(0)) {}

  // Adds a service. Before the server starts; `service` must outlive it. ALREADY_EXISTS: names a
  // method that is served already. INVALID_ARGUMENT: names a method that needs a thread, while
  // there is no pool.
  absl::Status Register(Service& service);

  // Adds a service for all methods that no other service has. ALREADY_EXISTS: there is such a
  // service already. INVALID_ARGUMENT: there is no pool, and its handler needs a thread.
  absl::Status RegisterFallback(GenericService& service);

  // Whether requests of some method may bring descriptors.
  bool takes_fds() const { return takes_fds_; }
  // With which messages of the fallback's methods they may travel.
  Fds fallback_fds() const { return fallback_fds_; }

  // Returns the method of that name, or null. Thread-safe once the server runs.
  RegisteredMethod* Find(absl::string_view name) const;

  // Returns what serves a method of that name if Find does not know it. Null: nothing does.
  RegisteredMethod* Fallback(absl::string_view name) const;

  // Returns UNIMPLEMENTED for a name that Find does not know. The message says whether the service
  // is missing or only the method.
  absl::Status NoSuchMethod(absl::string_view name) const;

  // Runs the call's handler to its response: in this thread, now, or in another one, soon. Called
  // by the thread that holds the role of `mark`'s poller. False: the role has been taken away
  // meanwhile; the thread must not touch the poller or its sessions' receiving half any more.
  bool Run(std::unique_ptr<ServerCall> call, InlineMark& mark);

  // The interceptors that every call passes through.
  const InterceptorChain<InterceptedServerCall>& interceptors() const { return interceptors_; }
  WorkerPool& pool() { return pool_; }
  Watchdog& watchdog() { return watchdog_; }

 private:
  // Runs the call in the pool, or here if `may_run_here` and need be. As Run.
  bool RunInPool(std::unique_ptr<ServerCall> call, InlineMark& mark, bool may_run_here);
  // Ends a call whose connection or user has its share of threads or memory. As Run.
  bool RefuseBeyondShare(std::unique_ptr<ServerCall> call, const absl::Status& refusal,
                         ReportRate& rate, InlineMark& mark);
  // Has `poller` look for calls that have waited for too long, from now until none waits.
  void LookOut(Poller& poller) ABSL_LOCKS_EXCLUDED(mutex_);
  void RefuseOverdue(Poller& poller) ABSL_LOCKS_EXCLUDED(mutex_);
  // Why there is no thread; the message begins with `subject`.
  absl::Status Refusal(absl::string_view subject) const;
  void Report(int refused);

  const bool has_pool_;
  const InterceptorChain<InterceptedServerCall> interceptors_;
  const absl::Duration thread_timeout_;
  const std::function<void(const absl::Status&)> on_refusal_;
  absl::flat_hash_map<std::string, std::unique_ptr<RegisteredMethod>> methods_;
  absl::flat_hash_map<std::string, int> services_;
  std::unique_ptr<RegisteredMethod> fallback_;
  bool takes_fds_ = false;
  Fds fallback_fds_ = Fds::kNowhere;
  Mutex mutex_;
  bool looking_out_ ABSL_GUARDED_BY(mutex_) = false;  // a poller has a timer for it
  ReportRate refusals_;                               // of calls for want of threads
  ReportRate beyond_share_;                           // of calls of a connection that has enough
  ReportRate beyond_memory_;                          // likewise
  WorkerPool pool_;
  Watchdog watchdog_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_DISPATCHER_H_
