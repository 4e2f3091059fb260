#ifndef NIGH_TRANSPORT_BYTES_H_
#define NIGH_TRANSPORT_BYTES_H_

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace nigh {

using ByteSpan = absl::Span<std::byte>;
using ConstByteSpan = absl::Span<const std::byte>;

static_assert(std::endian::native == std::endian::little,
              "nigh's frames are little-endian and are copied as they are; port StoreLittle and "
              "LoadLittle for a big-endian machine");

template <std::integral T>
void StoreLittle(T value, std::byte* at) {
  std::memcpy(at, &value, sizeof(value));
}

template <std::integral T>
T LoadLittle(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

// As LoadLittle, for bytes that another process may be changing. They are read exactly once,
// however the compiler inlines and orders the use of the value.
template <std::integral T>
T LoadLittleOnce(const std::byte* at) {
  // The bytes may lie at any address and are no object of type T.
  using Unaligned [[gnu::aligned(1), gnu::may_alias]] = T;
  return *reinterpret_cast<const volatile Unaligned*>(at);
}

inline absl::string_view AsText(ConstByteSpan bytes) {
  return absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

inline ConstByteSpan AsBytes(absl::string_view text) {
  return ConstByteSpan(reinterpret_cast<const std::byte*>(text.data()), text.size());
}

}  // namespace nigh

#endif  // NIGH_TRANSPORT_BYTES_H_
