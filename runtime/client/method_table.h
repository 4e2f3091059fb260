#ifndef NIGH_RUNTIME_CLIENT_METHOD_TABLE_H_
#define NIGH_RUNTIME_CLIENT_METHOD_TABLE_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nigh/method.h"
#include "nigh/mutex.h"

namespace nigh {

// Numbers the methods of a channel. All its connections call them by these numbers. Thread-safe.
class MethodTable {
 public:
  struct Entry {
    const Method* method;
    uint16_t id;
  };

  // Numbers `methods`, which must live as long as the table, and returns the first. The others have
  // the numbers that follow. The same methods get the same numbers each time.
  Entry Bind(absl::Span<const Method> methods) ABSL_LOCKS_EXCLUDED(mutex_);

  // Numbers a method by its name, which the table copies. A malformed name, or a method that is one
  // too many, gets a number that Check refuses.
  Entry Bind(absl::string_view name, MethodKind kind, Fds fds = Fds::kNowhere)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether replies of some method may bring descriptors. Any thread.
  bool take_fds() const { return take_fds_.load(std::memory_order_acquire); }

  // Fails when calls of the method cannot be made at all. INTERNAL: its name is malformed or too
  // long. RESOURCE_EXHAUSTED: it is one too many. `channel` is the address, for the message.
  static absl::Status Check(Entry entry, absl::string_view channel);

 private:
  // A method under each of the four kinds by which it may be asked for, with descriptors in
  // whatever messages. It has one number.
  struct Named {
    std::string name;
    uint16_t id;
    std::array<std::array<Method, 4>, 4> kinds;  // by Fds
  };

  std::atomic<bool> take_fds_ = false;
  Mutex mutex_;
  std::vector<std::pair<const Method*, uint16_t>> bound_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::unique_ptr<const Named>> named_ ABSL_GUARDED_BY(mutex_);
  size_t count_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_METHOD_TABLE_H_
