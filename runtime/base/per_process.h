#ifndef NIGH_RUNTIME_BASE_PER_PROCESS_H_
#define NIGH_RUNTIME_BASE_PER_PROCESS_H_

#include <atomic>
#include <memory>

#include "nigh/runtime/base/birth_process.h"

namespace nigh {

// An object of which each process has one of its own: a child of fork(2) begins anew, for what it
// has inherited may be locked for ever. It is made at its first use and never destroyed, because
// somebody may still use it while the process exits. A static PerProcess needs no initialisation.
template <class T>
class PerProcess {
 public:
  // Thread-safe.
  T& Get() {
    Entry* known = current_.load(std::memory_order_acquire);
    if (known == nullptr || !known->birth.is_this()) {
      auto fresh = std::make_unique<Entry>();
      if (current_.compare_exchange_strong(known, fresh.get(), std::memory_order_acq_rel)) {
        known = fresh.release();
      }
    }
    return known->object;
  }

 private:
  struct Entry {
    const BirthProcess birth;
    T object;
  };

  std::atomic<Entry*> current_ = nullptr;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_BASE_PER_PROCESS_H_
