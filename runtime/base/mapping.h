#ifndef NIGH_RUNTIME_BASE_MAPPING_H_
#define NIGH_RUNTIME_BASE_MAPPING_H_

#include <sys/mman.h>

#include <cstddef>
#include <utility>

#include "absl/types/span.h"

namespace nigh {

// Memory that is mapped into this process for as long as this lives.
class Mapping {
 public:
  Mapping() = default;
  // `at` is from mmap(2) or shmat(2). munmap(2) detaches what the latter has attached, too.
  Mapping(void* at, size_t size) : bytes_(static_cast<std::byte*>(at), size) {}
  Mapping(Mapping&& other) noexcept
      : bytes_(std::exchange(other.bytes_, absl::Span<std::byte>())) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Mapping() {
    if (bytes_.data() != nullptr) ::munmap(bytes_.data(), bytes_.size());
  }

  absl::Span<std::byte> bytes() const { return bytes_; }

 private:
  absl::Span<std::byte> bytes_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_BASE_MAPPING_H_
