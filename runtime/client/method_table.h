#ifndef NIGH_RUNTIME_CLIENT_METHOD_TABLE_H_
#define NIGH_RUNTIME_CLIENT_METHOD_TABLE_H_

#include <array>
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

// The numbers by which a channel's connections call its methods. Thread-safe.
class MethodTable {
 public:
  struct Entry {
    const Method* method;
    uint16_t id;
  };

  // The first of `methods`, which must live as long as the table; the others follow. Numbered once,
  // however often asked.
  Entry Bind(absl::Span<const Method> methods) ABSL_LOCKS_EXCLUDED(mutex_);

  // A method by its name, which the table remembers; one of too many, or no method's name, has a
  // number that Check refuses.
  Entry Bind(absl::string_view name, MethodKind kind) ABSL_LOCKS_EXCLUDED(mutex_);

  // Whether calls of the method can be made at all. INTERNAL: its name is none, or too long.
  // RESOURCE_EXHAUSTED: it is one of too many. `channel`: the address, for the message.
  static absl::Status Check(Entry entry, absl::string_view channel);

 private:
  // As each of the four kinds that it may turn out to be; one number on the wire.
  struct Named {
    std::string name;
    uint16_t id;
    std::array<Method, 4> kinds;
  };

  Mutex mutex_;
  std::vector<std::pair<const Method*, uint16_t>> bound_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::unique_ptr<const Named>> named_ ABSL_GUARDED_BY(mutex_);
  size_t count_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_METHOD_TABLE_H_
