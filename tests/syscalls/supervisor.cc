#include "tests/syscalls/supervisor.h"

#include <dlfcn.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "nigh/transport/unique_fd.h"
#include "tests/syscalls/fault_sets.h"

namespace nigh::testing {
namespace {

// SCM_PIDFD, which older headers lack.
constexpr int kPassedPidfd = 4;

// A filter that stops the calls, and lets all others go on.
std::vector<sock_filter> FilterOf(absl::Span<const Match> calls) {
  const sock_filter load_number =
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, uint32_t{offsetof(seccomp_data, nr)});
  const sock_filter stop = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
  std::vector<sock_filter> program;
  for (const Match& call : calls) {
    const auto number = static_cast<uint32_t>(call.number);
    program.push_back(load_number);
    if (call.argument < 0) {
      program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
    } else {
      const auto at = static_cast<uint32_t>(offsetof(seccomp_data, args) +
                                            sizeof(uint64_t) * static_cast<size_t>(call.argument));
      program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 4));
      program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at));
      program.push_back(BPF_STMT(BPF_ALU | BPF_AND | BPF_K, call.mask));
      program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call.value, 0, 1));
    }
    program.push_back(stop);
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  return program;
}

// Puts this thread, and those that it will make, behind the filter. Returns the descriptor by which
// stopped calls are heard of; none if the kernel does not have that.
UniqueFd Install(absl::Span<const Match> calls) {
  std::vector<sock_filter> filter = FilterOf(calls);
  const sock_fprog program = {.len = static_cast<uint16_t>(filter.size()), .filter = filter.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return UniqueFd();
  return UniqueFd(static_cast<int>(
      ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program)));
}

// Receives in the caller's place, whose memory and descriptors are this thread's. Returns the size,
// or the negative error.
int64_t ReceiveWithoutDescriptors(const seccomp_data& call) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  auto& header = *reinterpret_cast<msghdr*>(call.args[1]);
  const auto flags = static_cast<int>(call.args[2]) | MSG_DONTWAIT;
  const ssize_t size = ::recvmsg(static_cast<int>(call.args[0]), &header, flags);
  if (size < 0) return -errno;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    const bool has_descriptors = part->cmsg_type == SCM_RIGHTS || part->cmsg_type == kPassedPidfd;
    if (part->cmsg_level != SOL_SOCKET || !has_descriptors) continue;
    for (size_t at = CMSG_LEN(0); at < part->cmsg_len; at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, reinterpret_cast<const char*>(part) + at, sizeof(fd));
      ::close(fd);
    }
    header.msg_flags |= MSG_CTRUNC;
  }
  if ((header.msg_flags & MSG_CTRUNC) != 0) header.msg_controllen = 0;
  return size;
}

}  // namespace

const Fault& NoFault() {
  static const Fault none = {.set = &DescriptorMakers()};
  return none;
}

bool CanSupervise() {
  if (::dlsym(RTLD_DEFAULT, "__ubsan_handle_dynamic_type_cache_miss") != nullptr) return false;
  bool can = false;
  // A thread cannot get rid of its filter.
  std::thread([&can] {
    const Match never = {
        .number = SYS_seccomp, .name = "seccomp", .argument = 0, .value = 0xffffffff};
    can = static_cast<bool>(Install({&never, 1}));
  }).join();
  return can;
}

Supervisor::Supervisor(const Fault& fault, Record& record) : fault_(fault), record_(record) {}

void Supervisor::FailNone() {
  fails_none_.store(true);
  fails_all_.store(0);
}

void Supervisor::Run(absl::FunctionRef<void()> code) {
  const UniqueFd over(::eventfd(0, EFD_CLOEXEC));
  constexpr int kNotYet = -1;
  std::atomic<int> notifications = kNotYet;
  std::thread runner([&] {
    UniqueFd installed = Install(fault_.set->calls);
    if (!installed) ::abort();
    notifications.store(installed.release());
    notifications.notify_one();
    code();
    // It may be among the calls that are stopped, but is no part of the code.
    exempt_.store(over.get());
    if (::eventfd_write(over.get(), 1) != 0) ::abort();
    // The C library makes system calls when a thread ends.
    for (;;) ::pause();
  });
  runner.detach();
  notifications.wait(kNotYet);
  notifications_.reset(notifications.load());
  std::array<pollfd, 2> fds = {{{.fd = notifications_.get(), .events = POLLIN, .revents = 0},
                                {.fd = over.get(), .events = POLLIN, .revents = 0}}};
  for (;;) {
    if (::poll(fds.data(), fds.size(), -1) < 0) continue;
    if ((fds[0].revents & POLLIN) != 0) {
      Answer();
    } else if ((fds[1].revents & POLLIN) != 0) {
      eventfd_t once;
      if (::eventfd_read(over.get(), &once) != 0) ::abort();
      break;
    }
  }
}

void Supervisor::Answer() {
  seccomp_notif call;
  std::memset(&call, 0, sizeof(call));
  if (::ioctl(notifications_.get(), SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) return;
  seccomp_notif_resp answer = {.id = call.id, .val = 0, .error = 0, .flags = 0};
  const int before = record_.calls.load();
  const int error = Judge(call.data);
  if (error == 0) {
    answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  } else if (error == kTruncated) {
    const int64_t size = ReceiveWithoutDescriptors(call.data);
    answer.val = std::max(size, int64_t{0});
    answer.error = static_cast<int>(std::min(size, int64_t{0}));
  } else {
    answer.error = -error;
  }
  (void)::ioctl(notifications_.get(), SECCOMP_IOCTL_NOTIF_SEND, &answer);
  const int count = record_.calls.load();
  if (count == before) return;
  const auto at = static_cast<size_t>(count) % Record::kLast;
  record_.entries[at] = {.thread = static_cast<int>(call.pid),
                         .number = call.data.nr,
                         .first_argument = call.data.args[0],
                         .error = error};
}

int Supervisor::Judge(const seccomp_data& call) {
  if (exempt_.load() >= 0 && call.args[0] == static_cast<uint64_t>(exempt_.load())) return 0;
  if (fault_.set->counts != nullptr && !fault_.set->counts(call)) return 0;
  const int count = ++record_.calls;
  int error = fails_all_.load();
  if (error == 0 && !fails_none_.load() && fault_.first > 0 && count >= fault_.first &&
      count < fault_.first + fault_.times) {
    error = fault_.error;
  }
  if (error != 0) ++record_.faults;
  return error;
}

}  // namespace nigh::testing
