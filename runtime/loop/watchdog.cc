#include "nigh/runtime/loop/watchdog.h"

#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "nigh/deadline.h"
#include "nigh/runtime/base/signals_blocked.h"
#include "nigh/transport/errno_status.h"

namespace nigh {
namespace {

constexpr int64_t kSoonNanos = 1'500'000;
// Beyond the kernel's next tick.
constexpr int64_t kLateNanos = 5'000'000;
// From the first look, which finds a handler, to the second. The first cannot tell when the handler
// began: only one that both looks find overstays.
constexpr int64_t kSecondLookNanos = 300'000;
// The slice that the watchdog's thread asks for. It runs for a few microseconds.
constexpr uint64_t kSliceNanos = 100'000;

// Asks the scheduler for short slices, so that the calling thread, once it wakes, need not wait for
// the end of another's: 3 ms, beside a handler that computes. Kernels before 6.12 take no notice.
// Threads that this one starts have the usual slices.
void AskForShortSlices() {
  // struct sched_attr of sched_setattr(2), for which the C library has no function and no type.
  struct {
    uint32_t size = sizeof(*this);
    uint32_t policy = SCHED_OTHER;
    uint64_t flags = 0x01;  // SCHED_FLAG_RESET_ON_FORK
    int32_t nice = 0;
    uint32_t priority = 0;
    uint64_t runtime = kSliceNanos;
    uint64_t deadline = 0;
    uint64_t period = 0;
  } attributes;
  attributes.nice = ::getpriority(PRIO_PROCESS, 0);
  (void)::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace

void InlineMark::SetAlarm(Alarm alarm, int64_t now) {
  StartTimer(alarm, alarm == Alarm::kSoon ? kSoonNanos : kLateNanos, now);
}

void InlineMark::SetAlarmAgain() { StartTimer(Alarm::kSoon, kSecondLookNanos, SteadyNanos()); }

void InlineMark::StartTimer(Alarm alarm, int64_t nanos, int64_t now) {
  // In this order: whatever the watchdog does between the two, a timer runs in the end. The other
  // way round it could go off in between, and what it has said, that none runs, be lost.
  set_.store(alarm, std::memory_order_seq_cst);
  put_off_.store(now, std::memory_order_relaxed);
  const itimerspec when = {.it_interval = {}, .it_value = {.tv_sec = 0, .tv_nsec = nanos}};
  (void)::timerfd_settime(alarm_.get(), 0, &when, nullptr);
}

void Watchdog::Watch(InlineMark& mark, absl::AnyInvocable<void()> taken) {
  mark.alarm_ =
      UniqueFd(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)).KeptFromChildren();
  if (!mark.alarm_) error_ = errno;
  watched_.push_back({.mark = &mark, .taken = std::move(taken)});
}

absl::Status Watchdog::Start() {
  stop_ = UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)).KeptFromChildren();
  if (!stop_) error_ = errno;
  if (error_ != 0) {
    return ErrnoStatus(absl::StatusCode::kResourceExhausted, error_, "start",
                       "eventfd, timerfd_create");
  }
  const SignalsBlocked blocked;
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error&) {
    return absl::ResourceExhaustedError(
        "start: the system has no thread to give (raise the limit on processes, ulimit -u)");
  }
  return absl::OkStatus();
}

void Watchdog::Stop() {
  if (!thread_.joinable()) return;
  (void)::eventfd_write(stop_.get(), 1);
  thread_.join();
}

void Watchdog::Look(Watched& watched) {
  InlineMark& mark = *watched.mark;
  const uint64_t now = mark.value();
  const bool inside = now % 2 == 1;
  if (inside && now == watched.seen) {
    // Take fails if the handler returns at this moment; its poller then keeps the role.
    if (mark.Take(now)) watched.taken();
  } else if (inside) {
    watched.seen = now;
    return mark.SetAlarmAgain();
  }
  // Nobody needs an alarm until somebody enters. First set_ says so, then the number is read once
  // more: a poller that entered before it saw set_ false has not set the alarm (see Enter).
  mark.set_.store(InlineMark::Alarm::kNone, std::memory_order_seq_cst);
  watched.seen = mark.value();
  if (watched.seen % 2 == 1) mark.SetAlarmAgain();
}

void Watchdog::Run() {
  AskForShortSlices();
  std::vector<pollfd> fds;
  for (const Watched& watched : watched_) {
    fds.push_back({.fd = watched.mark->alarm_.get(), .events = POLLIN, .revents = 0});
  }
  fds.push_back({.fd = stop_.get(), .events = POLLIN, .revents = 0});
  while (fds.back().revents == 0) {
    if (::poll(fds.data(), fds.size(), -1) < 0) continue;
    for (size_t i = 0; i < watched_.size(); ++i) {
      if ((fds[i].revents & POLLIN) == 0) continue;
      // Nothing to read: the alarm has been put off since poll(2) returned. That empties a timerfd.
      uint64_t times;
      if (::read(fds[i].fd, &times, sizeof(times)) < 0) continue;
      alarms_.fetch_add(1, std::memory_order_relaxed);
      Look(watched_[i]);
    }
  }
}

}  // namespace nigh
