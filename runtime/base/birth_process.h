#ifndef NIGH_RUNTIME_BASE_BIRTH_PROCESS_H_
#define NIGH_RUNTIME_BASE_BIRTH_PROCESS_H_

#include <atomic>
#include <cstdint>
#include <new>
#include <utility>

namespace nigh {

namespace internal {

// A word of a page that the kernel wipes in a child of fork(2); null until the first use.
extern std::atomic<std::atomic<uint64_t>*> epoch_word;
uint64_t RenewEpoch();

}  // namespace internal

// A number that no two processes have of which one has come from the other by fork(2), however that
// was called. It takes two loads. Async-signal-safe but for its first use in a program.
inline uint64_t ProcessEpoch() {
  const std::atomic<uint64_t>* const word = internal::epoch_word.load(std::memory_order_acquire);
  const uint64_t epoch = word == nullptr ? 0 : word->load(std::memory_order_relaxed);
  return epoch != 0 ? epoch : internal::RenewEpoch();
}

// The process in which an object was made. An object that a child of fork(2) has inherited must
// leave alone what the two now share: no name is removed, no byte sent, no thread waited for. The
// child does not have the threads, and mutexes that others held stay locked: this is to be asked
// before anything else.
class BirthProcess {
 public:
  BirthProcess() : epoch_(ProcessEpoch()) {}
  bool is_this() const { return epoch_ == ProcessEpoch(); }
  // For threads of nigh's own, after code of the program's: a child of fork(2) that comes back to
  // one has nothing to go on with, and ends.
  void ExitIfInherited() const;

 private:
  uint64_t epoch_;
};

// For destructors in a child of fork(2): what `object` holds is the parent's, and is never
// destroyed here.
template <class T>
void LeaveToParent(T& object) {
  new (std::nothrow) T(std::move(object));
}

}  // namespace nigh

#endif  // NIGH_RUNTIME_BASE_BIRTH_PROCESS_H_
