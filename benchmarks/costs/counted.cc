// Stands in front of libc's functions: a definition in the program comes before that in a library.

#undef _FORTIFY_SOURCE  // with which libc's headers define some of them, too

#include "benchmarks/costs/counted.h"

#include <dlfcn.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstddef>

namespace nigh::benchmarks {

constinit Counts counts;

void Counts::Reset() {
  for (std::atomic<int64_t>* count :
       {&allocations, &sends, &receives, &blocked, &yields, &sleeps, &looks, &wakeups, &timers}) {
    *count = 0;
  }
}

namespace {

void Count(std::atomic<int64_t>& count) { count.fetch_add(1, std::memory_order_relaxed); }

// What libc's syscall(2) would do; ours stands in front of it.
long SystemCall(long number, const long (&arguments)[6]) {
  using Function = long (*)(long, ...);
  static const auto libcs = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, "syscall"));
  return libcs(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
               arguments[5]);
}

ssize_t CountTransfer(std::atomic<int64_t>& moved, ssize_t result) {
  Count(result > 0 ? moved : counts.blocked);
  return result;
}

}  // namespace
}  // namespace nigh::benchmarks

using nigh::benchmarks::Count;
using nigh::benchmarks::counts;
using nigh::benchmarks::CountTransfer;
using nigh::benchmarks::SystemCall;

extern "C" {

// Streams read and write by syscall(2) itself (transports/stream/socket_stream.cc, pipe_stream.cc).
long syscall(long number, ...) noexcept {
  va_list list;
  va_start(list, number);
  long arguments[6];
  for (long& argument : arguments) argument = va_arg(list, long);
  va_end(list);
  const long result = SystemCall(number, arguments);
  if (number == SYS_recvfrom || number == SYS_read) return CountTransfer(counts.receives, result);
  if (number == SYS_sendto || number == SYS_write) return CountTransfer(counts.sends, result);
  return result;
}

// Shared memory looks at its socket with libc's (transports/shm/shm_connection.cc).
ssize_t recv(int fd, void* buffer, size_t size, int flags) {
  return ::syscall(SYS_recvfrom, fd, buffer, size, flags, nullptr, nullptr);
}

ssize_t send(int fd, const void* buffer, size_t size, int flags) {
  return ::syscall(SYS_sendto, fd, buffer, size, flags, nullptr, 0);
}

ssize_t mq_receive(mqd_t queue, char* to, size_t size, unsigned* priority) {
  const long result = ::syscall(SYS_mq_timedreceive, queue, to, size, priority, nullptr);
  return CountTransfer(counts.receives, result);
}

int mq_send(mqd_t queue, const char* from, size_t size, unsigned priority) {
  const long result = ::syscall(SYS_mq_timedsend, queue, from, size, priority, nullptr);
  Count(result == 0 ? counts.sends : counts.blocked);
  return static_cast<int>(result);
}

ssize_t msgrcv(int queue, void* to, size_t size, long type, int flags) {
  const long result = ::syscall(SYS_msgrcv, queue, to, size, type, flags);
  return CountTransfer(counts.receives, result);
}

int msgsnd(int queue, const void* from, size_t size, int flags) {
  const long result = ::syscall(SYS_msgsnd, queue, from, size, flags);
  Count(result == 0 ? counts.sends : counts.blocked);
  return static_cast<int>(result);
}

int sched_yield() noexcept {
  Count(counts.yields);
  return static_cast<int>(::syscall(SYS_sched_yield));
}

int ppoll(pollfd* fds, nfds_t size, const timespec* timeout, const sigset_t* mask) {
  Count(counts.sleeps);
  // The kernel writes the time that is left; libc's does not.
  timespec left{};
  if (timeout != nullptr) left = *timeout;
  return static_cast<int>(
      ::syscall(SYS_ppoll, fds, size, timeout == nullptr ? nullptr : &left, mask, _NSIG / 8));
}

int epoll_wait(int fd, epoll_event* events, int size, int timeout) {
  Count(timeout == 0 ? counts.looks : counts.sleeps);
  return static_cast<int>(::syscall(SYS_epoll_pwait, fd, events, size, timeout, nullptr, 0));
}

int epoll_pwait2(int fd, epoll_event* events, int size, const timespec* timeout,
                 const sigset_t* mask) {
  Count(counts.sleeps);
  return static_cast<int>(::syscall(SYS_epoll_pwait2, fd, events, size, timeout, mask, _NSIG / 8));
}

int timerfd_settime(int fd, int flags, const itimerspec* time, itimerspec* old) noexcept {
  Count(counts.timers);
  return static_cast<int>(::syscall(SYS_timerfd_settime, fd, flags, time, old));
}

int eventfd_read(int fd, eventfd_t* value) {
  Count(counts.wakeups);
  return ::read(fd, value, sizeof(*value)) == sizeof(*value) ? 0 : -1;
}

int eventfd_write(int fd, eventfd_t value) {
  Count(counts.wakeups);
  return ::write(fd, &value, sizeof(value)) == sizeof(value) ? 0 : -1;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
}  // extern "C"

bool nigh::benchmarks::CountsAllocations() { return false; }
#else

// glibc's own, under the names that it keeps for programs like this one.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* old, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)

// operator new comes down to these, too.
void* malloc(size_t size) {
  Count(counts.allocations);
  return __libc_malloc(size);
}

void* calloc(size_t count, size_t size) {
  Count(counts.allocations);
  return __libc_calloc(count, size);
}

void* realloc(void* old, size_t size) {
  Count(counts.allocations);
  return __libc_realloc(old, size);
}

void* aligned_alloc(size_t alignment, size_t size) {
  Count(counts.allocations);
  return __libc_memalign(alignment, size);
}

int posix_memalign(void** result, size_t alignment, size_t size) {
  Count(counts.allocations);
  *result = __libc_memalign(alignment, size);
  return *result == nullptr ? ENOMEM : 0;
}

}  // extern "C"

bool nigh::benchmarks::CountsAllocations() { return true; }
#endif
