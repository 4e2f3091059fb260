#include "nigh/runtime/base/birth_process.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#include "nigh/deadline.h"

namespace nigh::internal {
namespace {

// Where the kernel gives no page to wipe. fork(3) runs the handler below, fork(2) itself does not.
std::atomic<uint64_t> unwiped_word = 0;

// Returns the word of whichever thread was first.
std::atomic<uint64_t>* Publish(std::atomic<uint64_t>* word) {
  std::atomic<uint64_t>* other = nullptr;
  return epoch_word.compare_exchange_strong(other, word, std::memory_order_acq_rel) ? word : other;
}

std::atomic<uint64_t>* MakeWord() {
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  void* const at =
      ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED || ::madvise(at, page, MADV_WIPEONFORK) != 0) {
    if (at != MAP_FAILED) ::munmap(at, page);
    ::pthread_atfork(nullptr, nullptr, [] { unwiped_word.store(0, std::memory_order_relaxed); });
    return Publish(&unwiped_word);
  }
  std::atomic<uint64_t>* const word = Publish(new (at) std::atomic<uint64_t>(0));
  if (word != at) ::munmap(at, page);
  return word;
}

}  // namespace

constinit std::atomic<std::atomic<uint64_t>*> epoch_word = nullptr;

uint64_t RenewEpoch() {
  std::atomic<uint64_t>* word = epoch_word.load(std::memory_order_acquire);
  if (word == nullptr) word = MakeWord();
  // A child is younger than its parent.
  uint64_t epoch = 0;
  const auto now = static_cast<uint64_t>(SteadyNanos()) | 1;
  return word->compare_exchange_strong(epoch, now, std::memory_order_relaxed) ? now : epoch;
}

}  // namespace nigh::internal

namespace nigh {

void BirthProcess::ExitIfInherited() const {
  if (!is_this()) ::_exit(EXIT_FAILURE);
}

}  // namespace nigh
