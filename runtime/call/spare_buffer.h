#ifndef NIGH_RUNTIME_CALL_SPARE_BUFFER_H_
#define NIGH_RUNTIME_CALL_SPARE_BUFFER_H_

#include <cstddef>

namespace nigh {

// Each direction of a connection keeps the buffer of its last long message for the next one. It
// does not keep a buffer of more than this many bytes: one message may have needed it once.
inline constexpr size_t kMaxSpareBuffer = size_t{2} << 20;

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_SPARE_BUFFER_H_
