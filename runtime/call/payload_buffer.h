#ifndef NIGH_RUNTIME_CALL_PAYLOAD_BUFFER_H_
#define NIGH_RUNTIME_CALL_PAYLOAD_BUFFER_H_

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "nigh/transport/bytes.h"

namespace nigh {

// A payload that is kept. Its memory is not set before it is written, so a large one takes pages
// only for what has come.
class PayloadBuffer {
 public:
  PayloadBuffer() = default;
  explicit PayloadBuffer(ConstByteSpan bytes) { Assign(bytes); }
  PayloadBuffer(PayloadBuffer&& other) noexcept
      : bytes_(std::move(other.bytes_)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  PayloadBuffer& operator=(PayloadBuffer&& other) noexcept {
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }

  ConstByteSpan bytes() const { return {bytes_.get(), size_}; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }

  // Empties it. From then on it has room for `size` bytes. False: the system has not.
  bool Reset(size_t size) {
    size_ = 0;
    if (size <= capacity_) return true;
    capacity_ = 0;
    bytes_.reset();  // before there is another one
    bytes_.reset(new (std::nothrow) std::byte[size]);
    if (bytes_ != nullptr) capacity_ = size;
    return bytes_ != nullptr;
  }
  // Makes it a copy of `bytes`, which are not its own.
  void Assign(ConstByteSpan bytes) {
    if (bytes.size() > capacity_) {
      bytes_.reset(new std::byte[bytes.size()]);
      capacity_ = bytes.size();
    }
    size_ = 0;
    Append(bytes);
  }
  // What there is room for. Extend: so many bytes have been written there.
  ByteSpan room() { return {bytes_.get() + size_, capacity_ - size_}; }
  void Extend(size_t size) { size_ += size; }
  // There is room for them.
  void Append(ConstByteSpan bytes) {
    if (bytes.empty()) return;
    std::memcpy(bytes_.get() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_PAYLOAD_BUFFER_H_
