#ifndef NIGH_TESTS_FUZZ_INPUT_H_
#define NIGH_TESTS_FUZZ_INPUT_H_

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/strings/string_view.h"
#include "nigh/transport/bytes.h"

// What every fuzz target defines: runs one input, and aborts where it finds something wrong.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace nigh::testing {

// The fuzzer's bytes, taken from the front. What is missing at the end reads as zero, so that every
// input means something.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : left_(reinterpret_cast<const std::byte*>(data), size) {}

  bool empty() const { return left_.empty(); }

  template <std::integral T = uint8_t>
  T Take() {
    T value = 0;
    const ConstByteSpan bytes = TakeBytes(sizeof(value));
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }

  // So many bytes, or what there is.
  ConstByteSpan TakeBytes(size_t size) {
    const ConstByteSpan taken = left_.first(std::min(size, left_.size()));
    left_.remove_prefix(taken.size());
    return taken;
  }
  absl::string_view TakeText(size_t size) { return AsText(TakeBytes(size)); }

 private:
  ConstByteSpan left_;
};

// Ends the program, as libFuzzer wants it, where `holds` does not.
inline void Expect(bool holds, absl::string_view what, const char* file = __builtin_FILE(),
                   int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%d: expected: %.*s\n", file, line, static_cast<int>(what.size()),
               what.data());
  std::abort();
}

}  // namespace nigh::testing

#endif  // NIGH_TESTS_FUZZ_INPUT_H_
