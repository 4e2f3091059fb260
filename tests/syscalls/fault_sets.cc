#include "tests/syscalls/fault_sets.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace nigh::testing {
namespace {

// Of asm/socket.h, which older ones lack.
constexpr uint32_t kPeerPidfd = 77;

// Eventfds and their like do what is asked at once, or say that there is nothing to do.
bool MovesBytes(const seccomp_data& call) {
  if (call.nr == SYS_openat || call.nr == SYS_msgsnd) return true;
  std::array<char, 32> path;
  std::array<char, 16> object;
  (void)::snprintf(path.data(), path.size(), "/proc/self/fd/%d", static_cast<int>(call.args[0]));
  const ssize_t size = ::readlink(path.data(), object.data(), object.size());
  const absl::string_view name(object.data(), static_cast<size_t>(std::max(size, ssize_t{0})));
  return name.substr(0, 11) != "anon_inode:";
}

// Whether it fails with EAGAIN rather than wait.
bool IsNonBlocking(const seccomp_data& call) {
  switch (call.nr) {
    case SYS_msgsnd:
      return true;
    case SYS_recvfrom:
    case SYS_sendto:
      if ((call.args[3] & MSG_DONTWAIT) != 0) return true;
      break;
    case SYS_recvmsg:
    case SYS_sendmsg:
      if ((call.args[2] & MSG_DONTWAIT) != 0) return true;
      break;
    default:
      break;
  }
  const int flags = ::fcntl(static_cast<int>(call.args[0]), F_GETFL);
  return flags >= 0 && (flags & O_NONBLOCK) != 0 && MovesBytes(call);
}

// The caller of a system call waits for this thread: its memory is this thread's meanwhile, of
// which ThreadSanitizer knows nothing.

// Adding to a semaphore never waits, and so is never interrupted.
ABSL_ATTRIBUTE_NO_SANITIZE_THREAD bool Waits(const seccomp_data& call) {
  if (call.nr != SYS_semop && call.nr != SYS_semtimedop) return true;
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  return reinterpret_cast<const sembuf*>(call.args[1])->sem_op < 0;
}

// With room for descriptors.
ABSL_ATTRIBUTE_NO_SANITIZE_THREAD bool TakesDescriptors(const seccomp_data& call) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  return reinterpret_cast<const msghdr*>(call.args[1])->msg_controllen > 0;
}

constexpr Match Wait(uint32_t operation) {
  return {.number = SYS_futex,
          .name = "futex",
          .argument = 1,
          .mask = ~(FUTEX_PRIVATE_FLAG | uint32_t{FUTEX_CLOCK_REALTIME}),
          .value = operation};
}

const FaultSet& Makers() {
  static const auto& makers = *new FaultSet{
      .name = "descriptors",
      .calls =
          {{SYS_socket, "socket"},
           {SYS_socketpair, "socketpair"},
           {SYS_accept4, "accept4"},
           {SYS_pipe2, "pipe2"},
           {SYS_eventfd2, "eventfd2"},
           {SYS_memfd_create, "memfd_create"},
           {SYS_epoll_create1, "epoll_create1"},
           {SYS_timerfd_create, "timerfd_create"},
           {SYS_inotify_init1, "inotify_init1"},
           {SYS_pidfd_open, "pidfd_open"},
           {SYS_openat, "openat"},
           {SYS_mq_open, "mq_open"},
           {SYS_dup, "dup"},
           {SYS_dup3, "dup3"},
           {.number = SYS_signalfd4, .name = "signalfd4", .argument = 0, .value = 0xffffffff},
           {.number = SYS_fcntl, .name = "fcntl", .argument = 1, .value = F_DUPFD_CLOEXEC},
           {.number = SYS_fcntl, .name = "fcntl", .argument = 1, .value = F_DUPFD},
           {.number = SYS_getsockopt, .name = "getsockopt", .argument = 2, .value = kPeerPidfd}},
      .errors = {EMFILE, ENFILE, ENOMEM}};
  return makers;
}

// What moves bytes or connections whether it may wait or not, and `more`.
std::vector<Match> Movers(std::vector<Match> more) {
  const std::vector<Match> movers = {{SYS_read, "read"},
                                     {SYS_write, "write"},
                                     {SYS_readv, "readv"},
                                     {SYS_writev, "writev"},
                                     {SYS_recvfrom, "recvfrom"},
                                     {SYS_sendto, "sendto"},
                                     {SYS_sendmsg, "sendmsg"},
                                     {SYS_accept4, "accept4"},
                                     {SYS_mq_timedsend, "mq_timedsend"},
                                     {SYS_mq_timedreceive, "mq_timedreceive"}};
  more.insert(more.begin(), movers.begin(), movers.end());
  return more;
}

std::vector<FaultSet> MakeSets() {
  return {
      Makers(),
      {.name = "descriptors that are passed on",
       .calls = {{SYS_recvmsg, "recvmsg"}},
       .errors = {kTruncated},
       .counts = &TakesDescriptors},
      {.name = "memory and room",
       .calls =
           {{.number = SYS_mmap,
             .name = "mmap",
             .argument = 3,
             .mask = MAP_TYPE,
             .value = MAP_SHARED},
            {SYS_ftruncate, "ftruncate"},
            {SYS_fallocate, "fallocate"},
            {SYS_shmget, "shmget"},
            {SYS_shmat, "shmat"},
            {SYS_msgget, "msgget"},
            {SYS_semget, "semget"},
            {SYS_mknodat, "mknodat"},
            {SYS_mkdir, "mkdir"},
            {SYS_bind, "bind"},
            {SYS_inotify_add_watch, "inotify_add_watch"},
            {.number = SYS_epoll_ctl, .name = "epoll_ctl", .argument = 1, .value = EPOLL_CTL_ADD}},
       .errors = {ENOMEM, ENOSPC}},
      {.name = "buffers",
       .calls = {{SYS_write, "write"},
                 {SYS_writev, "writev"},
                 {SYS_mq_timedsend, "mq_timedsend"},
                 {SYS_msgsnd, "msgsnd"},
                 {SYS_connect, "connect"},
                 {SYS_sendto, "sendto"},
                 {SYS_sendmsg, "sendmsg"},
                 {SYS_recvfrom, "recvfrom"},
                 {SYS_recvmsg, "recvmsg"}},
       .errors = {ENOMEM, ENOBUFS},
       .counts = &MovesBytes},
      {.name = "moving bytes, interrupted",
       .calls = Movers({{SYS_recvmsg, "recvmsg"}, {SYS_openat, "openat"}}),
       .errors = {EINTR},
       .visible = Visible::kNo,
       .in_a_row = {1, 3},
       .counts = &MovesBytes},
      {.name = "moving bytes, none there",
       .calls = Movers({{.number = SYS_msgsnd,
                         .name = "msgsnd",
                         .argument = 3,
                         .mask = IPC_NOWAIT,
                         .value = IPC_NOWAIT}}),
       .errors = {EAGAIN},
       .visible = Visible::kAtArrival,
       .in_a_row = {1, 5},
       .counts = &IsNonBlocking},
      {.name = "waits, interrupted",
       .calls =
           {{SYS_poll, "poll"},
            {SYS_ppoll, "ppoll"},
            {SYS_epoll_wait, "epoll_wait"},
            {SYS_epoll_pwait, "epoll_pwait"},
            {SYS_epoll_pwait2, "epoll_pwait2"},
            Wait(FUTEX_WAIT),
            Wait(FUTEX_WAIT_BITSET),
            {SYS_semop, "semop"},
            {SYS_semtimedop, "semtimedop"},
            {.number = SYS_msgsnd, .name = "msgsnd", .argument = 3, .mask = IPC_NOWAIT, .value = 0},
            {.number = SYS_msgrcv, .name = "msgrcv", .argument = 4, .mask = IPC_NOWAIT, .value = 0},
            {SYS_rt_sigtimedwait, "rt_sigtimedwait"},
            {SYS_nanosleep, "nanosleep"},
            {SYS_clock_nanosleep, "clock_nanosleep"}},
       .errors = {EINTR},
       .visible = Visible::kNo,
       .in_a_row = {1, 3},
       .counts = &Waits},
      {.name = "threads",
       .calls = {{SYS_clone3, "clone3"},
                 {.number = SYS_clone,
                  .name = "clone",
                  .argument = 0,
                  .mask = CLONE_THREAD,
                  .value = CLONE_THREAD}},
       .errors = {EAGAIN},
       // Which says more than "Resource temporarily unavailable".
       .says = "no thread"},
  };
}

}  // namespace

absl::Span<const FaultSet> FaultSets() {
  static const auto& sets = *new std::vector<FaultSet>(MakeSets());
  return sets;
}

const FaultSet& DescriptorMakers() { return Makers(); }

std::string NameOfError(int error) {
  return error == kTruncated ? "truncated" : ::strerrorname_np(error);
}

}  // namespace nigh::testing
