#include "nigh/transport/unique_fd.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace nigh {
namespace {

constexpr size_t kBits = 64;
// Descriptors beyond this are not kept. 2^20 is the system's limit (fs.nr_open) as a rule.
constexpr size_t kMaxKept = size_t{1} << 20;

// A bit for each descriptor: a child may only look at memory that needs no lock. Pages of it that
// nobody touches take no memory.
constinit std::array<std::atomic<uint64_t>, kMaxKept / kBits> kept = {};
constinit std::atomic<size_t> words_in_use = 0;  // of kept

bool IsWithin(int fd) { return fd >= 0 && static_cast<size_t>(fd) < kMaxKept; }
std::atomic<uint64_t>& WordOf(int fd) { return kept[static_cast<size_t>(fd) / kBits]; }
uint64_t BitOf(int fd) { return uint64_t{1} << (static_cast<size_t>(fd) % kBits); }

// Forgets them all.
template <class Visit>
void TakeEachKept(Visit visit) {
  const size_t words = words_in_use.exchange(0, std::memory_order_relaxed);
  for (size_t word = 0; word < words; ++word) {
    for (uint64_t bits = kept[word].exchange(0, std::memory_order_relaxed); bits != 0;
         bits &= bits - 1) {
      visit(static_cast<int>(word * kBits) + std::countr_zero(bits));
    }
  }
}

// In the child, after fork(3). The descriptors' numbers stay taken: those who still have them must
// not find the child's own files there.
void ReplaceKept() {
  const auto open = [] { return ::open("/dev/null", O_RDWR | O_CLOEXEC); };
  int null = open();
  bool takes_a_place = false;
  TakeEachKept([&](int fd) {
    // With no descriptor left, the first one makes room. Without a /dev/null, all are just closed.
    if (null < 0) {
      ::close(fd);
      null = open();
    }
    if (null == fd) {
      takes_a_place = true;
    } else if (null >= 0) {
      ::dup3(null, fd, O_CLOEXEC);
    }
  });
  if (null >= 0 && !takes_a_place) ::close(null);
}

[[maybe_unused]] const int kRegistered = ::pthread_atfork(nullptr, nullptr, &ReplaceKept);

}  // namespace

void KeepFromChildren(int fd) {
  if (!IsWithin(fd)) return;
  const size_t needed = static_cast<size_t>(fd) / kBits + 1;
  size_t words = words_in_use.load(std::memory_order_relaxed);
  while (words < needed && !words_in_use.compare_exchange_weak(words, needed)) {
  }
  WordOf(fd).fetch_or(BitOf(fd), std::memory_order_relaxed);
}

void ForgetKeptFromChildren(int fd) {
  if (!IsWithin(fd)) return;
  std::atomic<uint64_t>& word = WordOf(fd);
  if ((word.load(std::memory_order_relaxed) & BitOf(fd)) == 0) return;
  word.fetch_and(~BitOf(fd), std::memory_order_relaxed);
}

void UniqueFd::Own(int fd) {
  if (fd_ >= 0) {
    ForgetKeptFromChildren(fd_);
    ::close(fd_);
  }
  fd_ = fd;
}

}  // namespace nigh
