#ifndef NIGH_RUNTIME_CALL_FLOW_H_
#define NIGH_RUNTIME_CALL_FLOW_H_

#include <cstddef>
#include <cstdint>

namespace nigh {

// What a message takes from the credit of its call and half. The constant stands for what it costs
// to keep however short it is. A message may begin while the balance is positive, whatever its own
// size: the receiver thus keeps a window and one message at most, and a message longer than the
// window still gets through.
constexpr int64_t MessageCost(size_t size) { return static_cast<int64_t>(size) + 64; }

// More credit than any window could mean is a peer that miscounts.
inline constexpr uint64_t kMaxCredit = uint64_t{1} << 40;

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_FLOW_H_
