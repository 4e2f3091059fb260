#ifndef NIGH_TRANSPORTS_STREAM_VECTORS_H_
#define NIGH_TRANSPORTS_STREAM_VECTORS_H_

#include <sys/uio.h>

#include <array>
#include <cassert>
#include <cstddef>

#include "absl/types/span.h"
#include "nigh/transports/stream/byte_stream.h"

namespace nigh {

// Parts of memory as readv(2) and writev(2) want them. `Span` is ByteSpan or ConstByteSpan.
template <class Span>
class Vectors {
 public:
  explicit Vectors(absl::Span<const Span> parts) : size_(parts.size()) {
    assert(size_ <= vectors_.size());
    for (size_t i = 0; i < size_; ++i) {
      vectors_[i] = {.iov_base = const_cast<std::byte*>(parts[i].data()),
                     .iov_len = parts[i].size()};
    }
  }

  iovec* data() { return vectors_.data(); }
  size_t size() const { return size_; }

 private:
  std::array<iovec, ByteStream::kMostParts> vectors_;  // not set beyond size_
  const size_t size_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_STREAM_VECTORS_H_
