#ifndef NIGH_RUNTIME_CALL_BYTE_COUNT_H_
#define NIGH_RUNTIME_CALL_BYTE_COUNT_H_

#include <atomic>
#include <cstddef>

namespace nigh {

// A number of bytes, which also count for the whole that this is a part of, as long as this is
// there. Thread-safe.
class ByteCount {
 public:
  // `whole` outlives this; it may be null.
  explicit ByteCount(ByteCount* whole = nullptr) : whole_(whole) {}
  ~ByteCount() {
    if (whole_ != nullptr) whole_->Subtract(bytes());
  }
  ByteCount(const ByteCount&) = delete;
  ByteCount& operator=(const ByteCount&) = delete;

  size_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  void Add(size_t bytes) {
    for (ByteCount* count = this; count != nullptr; count = count->whole_) {
      count->bytes_.fetch_add(bytes, std::memory_order_relaxed);
    }
  }
  void Subtract(size_t bytes) {
    for (ByteCount* count = this; count != nullptr; count = count->whole_) {
      count->bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    }
  }

 private:
  ByteCount* const whole_;
  std::atomic<size_t> bytes_ = 0;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_BYTE_COUNT_H_
