// A HELLO's payload.

#include "nigh/runtime/wire/hello.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nigh;           // NOLINT(google-build-using-namespace)
  using namespace nigh::testing;  // NOLINT(google-build-using-namespace)
  const ConstByteSpan payload(reinterpret_cast<const std::byte*>(data), size);
  const absl::StatusOr<Hello> hello = DecodeHello(payload);
  if (!hello.ok()) {
    Expect(absl::IsInternal(hello.status()), "no hello is INTERNAL");
    return 0;
  }
  Expect(hello->min_version != 0 && hello->min_version <= hello->max_version,
         "an accepted hello makes sense");
  const Hello ours;
  const absl::StatusOr<uint16_t> version = AgreeOnVersion(ours, *hello);
  Expect(version.ok() == AgreeOnVersion(*hello, ours).ok(), "both ends agree whether they agree");
  if (!version.ok()) {
    Expect(absl::IsUnavailable(version.status()), "no common version is UNAVAILABLE");
    return 0;
  }
  Expect(*version >= hello->min_version && *version <= hello->max_version,
         "the agreed version is one that the peer speaks");
  Expect(size >= kHelloSize && hello->window != 0, "one of this version is whole");
  const bool takes_descriptors = (hello->features & kTakesDescriptors) != 0;
  Expect(takes_descriptors == (hello->max_descriptors != 0) &&
             hello->max_descriptors <= kMostDescriptors,
         "who takes descriptors takes as many with a message as can be sent, or fewer");
  std::vector<std::byte> again(kHelloSize);
  EncodeHello(*hello, again.data());
  Expect(std::equal(again.begin(), again.end(), payload.begin()),
         "a hello is encoded as it was decoded");
  return 0;
}
