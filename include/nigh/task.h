#ifndef NIGH_TASK_H_
#define NIGH_TASK_H_

#include <atomic>
#include <coroutine>
#include <exception>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/functional/any_invocable.h"
#include "google/protobuf/message_lite.h"
#include "nigh/event_loop.h"
#include "nigh/mutex.h"

namespace nigh {

template <class T>
class Task;

namespace internal {

// What the promises of all tasks share: the coroutine that goes on when the task is done.
class TaskPromiseBase {
 public:
  struct FinalAwaiter {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) const noexcept {
      return done.promise().continuation_;
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  FinalAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() { exception_ = std::current_exception(); }
  void set_continuation(std::coroutine_handle<> continuation) { continuation_ = continuation; }

 protected:
  void Rethrow() const {
    if (exception_ != nullptr) std::rethrow_exception(exception_);
  }

 private:
  std::coroutine_handle<> continuation_;
  std::exception_ptr exception_;
};

template <class T>
class TaskPromise final : public TaskPromiseBase {
 public:
  Task<T> get_return_object();
  template <class U>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T Take() {
    Rethrow();
    return std::move(*value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class TaskPromise<void> final : public TaskPromiseBase {
 public:
  Task<void> get_return_object();
  void return_void() const {}
  void Take() const { Rethrow(); }
};

}  // namespace internal

// A coroutine that yields one T to the coroutine that awaits it:
//
//   nigh::Task<absl::Status> Greet(Greeter::Stub& greeter) {
//     absl::StatusOr<HelloReply> reply = co_await greeter.CoSayHello(request);
//     ...
//     co_return absl::OkStatus();
//   }
//
// A task is lazy: it begins when it is awaited, or with Start or BlockOn. It then runs in whatever
// thread resumes it. Destroying a suspended task destroys what it holds, and the tasks that it
// awaits; it cancels a call that it awaits. An exception goes to the awaiting coroutine. As in
// every coroutine, parameters taken by reference must outlive the task.
template <class T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = internal::TaskPromise<T>;  // NOLINT(readability-identifier-naming): C++'s

  explicit Task(std::coroutine_handle<promise_type> coroutine) : coroutine_(coroutine) {}
  Task(Task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(coroutine_, other.coroutine_);
    return *this;
  }
  ~Task() {
    if (coroutine_) coroutine_.destroy();
  }

  struct Awaiter {
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) const noexcept {
      coroutine.promise().set_continuation(awaiting);
      return coroutine;
    }
    T await_resume() const { return coroutine.promise().Take(); }

    std::coroutine_handle<promise_type> coroutine;
  };
  // May be awaited once.
  Awaiter operator co_await() const noexcept { return Awaiter{coroutine_}; }

 private:
  std::coroutine_handle<promise_type> coroutine_;
};

namespace internal {

template <class T>
Task<T> TaskPromise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<TaskPromise<T>>::from_promise(*this));
}

inline Task<void> TaskPromise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<TaskPromise<void>>::from_promise(*this));
}

// The callback's type: it takes a T, or nothing.
template <class T>
struct DoneSignature {
  using Type = void(T);
};
template <>
struct DoneSignature<void> {
  using Type = void();
};

}  // namespace internal

// A task that has begun and that nobody awaits. Destroying this object destroys the task and all
// that it holds, unless the task is done. Destroy it only while the task is suspended and nobody
// else may resume it: that is, in the thread that serves the callbacks of the calls that it awaits.
class [[nodiscard]] RunningTask {
 public:
  struct promise_type {  // NOLINT(readability-identifier-naming): C++'s
    struct FinalAwaiter {
      bool await_ready() const noexcept { return false; }
      void await_suspend(std::coroutine_handle<promise_type> done) const noexcept {
        if (done.promise().state.exchange(kDone, std::memory_order_acq_rel) == kDetached) {
          done.destroy();
        }
      }
      void await_resume() const noexcept {}
    };

    RunningTask get_return_object() {
      return RunningTask(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    FinalAwaiter final_suspend() const noexcept { return {}; }
    void return_void() const {}
    // Nobody awaits the task, so nobody can catch this.
    void unhandled_exception() const { std::terminate(); }

    std::atomic<int> state = kRunning;
  };

  RunningTask(RunningTask&& other) noexcept
      : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  RunningTask& operator=(RunningTask&& other) noexcept {
    std::swap(coroutine_, other.coroutine_);
    return *this;
  }
  ~RunningTask() {
    if (coroutine_) coroutine_.destroy();
  }

  // Lets the task destroy itself when it is done.
  void Detach() {
    const auto coroutine = std::exchange(coroutine_, nullptr);
    if (!coroutine) return;
    if (coroutine.promise().state.exchange(kDetached, std::memory_order_acq_rel) == kDone) {
      coroutine.destroy();
    }
  }

 private:
  enum State { kRunning, kDetached, kDone };

  explicit RunningTask(std::coroutine_handle<promise_type> coroutine) : coroutine_(coroutine) {}

  std::coroutine_handle<promise_type> coroutine_;
};

// Begins `task` in this thread, now. When the task is done and all that it held is destroyed,
// `done` gets its value, in the thread in which it ended. An exception that escapes from the task
// ends the program.
template <class T>
RunningTask Start(Task<T> task,
                  absl::AnyInvocable<typename internal::DoneSignature<T>::Type> done) {
  if constexpr (std::is_void_v<T>) {
    co_await task;
    { const Task<T> ended = std::move(task); }
    done();
  } else {
    T value = co_await task;
    { const Task<T> ended = std::move(task); }
    done(std::move(value));
  }
}

namespace internal {

// Resumes a coroutine when `event` is ready for `call`, an AsyncCall or a HandlerCall. Awaiters
// need no cleanup: what a coroutine awaits belongs to another object, whose destructor cancels.
template <class Call>
class EventAwaiter {
 public:
  EventAwaiter(Call& call, typename Call::Event event) : call_(call), event_(event) {}
  bool await_ready() const { return call_.Ready(event_); }
  void await_suspend(std::coroutine_handle<> coroutine) const {
    // The coroutine may be running elsewhere already when this returns.
    call_.When(event_, [coroutine] { coroutine.resume(); });
  }

 protected:
  Call& call_;

 private:
  const typename Call::Event event_;
};

// Resumes a coroutine when `message` is on its way. `how`: TryWrite's further arguments.
template <class Call, class... How>
class WriteAwaiter final {
 public:
  WriteAwaiter(Call& call, const google::protobuf::MessageLite& message, How... how)
      : call_(call), message_(message), how_(how...) {}
  bool await_ready() {
    written_ = std::apply([this](How... how) { return call_.TryWrite(message_, how...); }, how_);
    return written_.has_value();
  }
  void await_suspend(std::coroutine_handle<> coroutine) {
    call_.When(Call::Event::kRoom, [this, coroutine] {
      // Others may have used the room meanwhile.
      if (!await_ready()) return await_suspend(coroutine);
      coroutine.resume();
    });
  }
  bool await_resume() const { return *written_; }

 private:
  Call& call_;
  const google::protobuf::MessageLite& message_;
  const std::tuple<How...> how_;
  std::optional<bool> written_;
};

// A task's value or exception, on its way to the thread that waits for it.
template <class T>
class Outcome {
 public:
  using Value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

  Task<void> Of(Task<T> task) {
    try {
      if constexpr (std::is_void_v<T>) {
        co_await task;
        value_.emplace();
      } else {
        value_.emplace(co_await task);
      }
    } catch (...) {
      exception_ = std::current_exception();
    }
  }

  T Take() {
    if (exception_ != nullptr) std::rethrow_exception(exception_);
    if constexpr (!std::is_void_v<T>) return std::move(*value_);
  }

 private:
  std::optional<Value> value_;
  std::exception_ptr exception_;
};

}  // namespace internal

// Runs `task` to its end while this thread sleeps, and returns its value. For main functions and
// tests. Must not be called in a thread that the task needs.
template <class T>
T BlockOn(Task<T> task) {
  internal::Outcome<T> outcome;
  Mutex mutex;
  CondVar changed;
  bool is_done = false;
  Start<void>(outcome.Of(std::move(task)), [&] {
    MutexLock lock(mutex);
    is_done = true;
    changed.SignalAll();
  }).Detach();
  {
    MutexLock lock(mutex);
    // NOLINTNEXTLINE(bugprone-infinite-loop): another thread ends it
    while (!is_done) changed.Wait(mutex);
  }
  return outcome.Take();
}

// The same in the thread that polls `loop`. Polls it until the task has ended.
template <class T>
T BlockOn(EventLoop& loop, Task<T> task) {
  internal::Outcome<T> outcome;
  bool is_done = false;
  // The task may end in another thread, if it has awaited something that is not of this loop.
  Start<void>(outcome.Of(std::move(task)), [&] {
    loop.Post([&is_done] { is_done = true; });
  }).Detach();
  while (!is_done) loop.WaitAndPoll();  // NOLINT(bugprone-infinite-loop): runs what was posted
  return outcome.Take();
}

}  // namespace nigh

#endif  // NIGH_TASK_H_
