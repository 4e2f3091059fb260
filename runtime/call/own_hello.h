#ifndef NIGH_RUNTIME_CALL_OWN_HELLO_H_
#define NIGH_RUNTIME_CALL_OWN_HELLO_H_

#include <cstdint>

#include "nigh/options.h"
#include "nigh/runtime/wire/hello.h"

namespace nigh {

// The hello by which this end of a connection announces its limits. `takes_descriptors`: whether
// messages may bring any. `shares_memory`: whether MEMORY frames may.
inline Hello OwnHello(const Limits& limits, bool takes_descriptors = false,
                      bool shares_memory = false) {
  return {.min_version = kProtocolVersion,
          .max_version = kProtocolVersion,
          .window = limits.window,
          .max_message = limits.max_message,
          .max_metadata = static_cast<uint32_t>(limits.max_metadata),
          .max_calls = limits.max_calls,
          .features = (limits.max_attachment != 0 ? kTakesAttachments : 0) |
                      (takes_descriptors ? kTakesDescriptors : 0) |
                      (shares_memory ? kSharesMemory : 0),
          .max_attachment = limits.max_attachment,
          .max_descriptors = takes_descriptors ? limits.max_descriptors : 0};
}

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_OWN_HELLO_H_
