// A frame's header: 4 bytes of the largest payload, then the 24.

#include "nigh/transport/frame.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "tests/fuzz/input.h"

namespace nigh::testing {
namespace {

void CheckValid(const FrameHeader& header, size_t max_payload) {
  Expect(FrameKindName(header.kind) != "unknown" && FrameKindName(header.kind) != "no kind",
         "a valid frame's kind has a name");
  Expect(header.length <= max_payload, "a valid frame fits the medium");
  const int never_begun = header.kind == FrameKind::kResponse ? kNeverBegun : 0;
  Expect((header.flags & ~(kSections | kMessage | kEnd | kAck | never_begun)) == 0,
         "no unknown flag is valid, and a RESPONSE alone says that nothing has begun");
  // The assembler and the limits add the two up.
  Expect(uint64_t{header.length} + header.rest <= INT32_MAX || header.rest == 0,
         "a valid payload is less than 2 GiB");
  Expect(header.rest == 0 || header.length != 0, "no piece is empty");
  if (header.kind == FrameKind::kHello || header.kind == FrameKind::kMethod ||
      header.kind == FrameKind::kGoAway) {
    Expect(header.rest == 0, "control frames are never cut");
  }
  // Nothing but how much a medium takes depends on the medium.
  Expect(ValidateFrameHeader(header, SIZE_MAX).ok(), "it is valid on any larger medium");
}

}  // namespace
}  // namespace nigh::testing

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nigh;           // NOLINT(google-build-using-namespace)
  using namespace nigh::testing;  // NOLINT(google-build-using-namespace)
  Input input(data, size);
  const size_t max_payload = input.Take<uint32_t>();
  std::vector<std::byte> bytes(kFrameHeaderSize);
  const ConstByteSpan given = input.TakeBytes(kFrameHeaderSize);
  std::copy(given.begin(), given.end(), bytes.begin());

  const FrameHeader header = DecodeFrameHeader(bytes.data());
  std::vector<std::byte> again(kFrameHeaderSize);
  EncodeFrameHeader(header, again.data());
  Expect(again == bytes, "a header is encoded as it was decoded");
  const absl::Status valid = ValidateFrameHeader(header, max_payload);
  if (valid.ok()) {
    CheckValid(header, max_payload);
  } else {
    Expect(absl::IsInternal(valid) && !valid.message().empty(), "a refusal says why");
    (void)FrameKindName(header.kind);
  }
  return 0;
}
