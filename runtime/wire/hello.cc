#include "nigh/runtime/wire/hello.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"

namespace nigh {
namespace {

// The part that every version has: the magic number and the versions.
constexpr size_t kVersionsSize = 8;

}  // namespace

void EncodeHello(const Hello& hello, std::byte* to) {
  StoreLittle(kHelloMagic, to);
  StoreLittle(hello.min_version, to + 4);
  StoreLittle(hello.max_version, to + 6);
  StoreLittle(hello.window, to + 8);
  StoreLittle(hello.max_message, to + 12);
  StoreLittle(hello.max_metadata, to + 20);
  StoreLittle(hello.max_calls, to + 24);
  StoreLittle(hello.features, to + 28);
  StoreLittle(hello.max_attachment, to + 32);
  StoreLittle(hello.max_descriptors, to + 40);
}

absl::StatusOr<Hello> DecodeHello(ConstByteSpan payload) {
  const auto too_short = [&](size_t size) {
    return absl::InternalError(
        absl::StrCat("hello of ", payload.size(), " bytes, shorter than ", size));
  };
  if (payload.size() < kVersionsSize) return too_short(kVersionsSize);
  const std::byte* from = payload.data();
  if (LoadLittleOnce<uint32_t>(from) != kHelloMagic) {
    return absl::InternalError("hello without nigh's magic number");
  }
  Hello hello;
  hello.min_version = LoadLittleOnce<uint16_t>(from + 4);
  hello.max_version = LoadLittleOnce<uint16_t>(from + 6);
  if (hello.min_version == 0 || hello.min_version > hello.max_version) {
    return absl::InternalError(absl::StrCat("hello with impossible versions ", hello.min_version,
                                            " to ", hello.max_version));
  }
  if (kProtocolVersion < hello.min_version || kProtocolVersion > hello.max_version) return hello;
  if (payload.size() < kHelloSize) return too_short(kHelloSize);
  hello.window = LoadLittleOnce<uint32_t>(from + 8);
  hello.max_message = LoadLittleOnce<uint64_t>(from + 12);
  hello.max_metadata = LoadLittleOnce<uint32_t>(from + 20);
  hello.max_calls = LoadLittleOnce<uint32_t>(from + 24);
  hello.features = LoadLittleOnce<uint32_t>(from + 28);
  hello.max_attachment = LoadLittleOnce<uint64_t>(from + 32);
  if (hello.window == 0) return absl::InternalError("hello with a window of 0");
  if (((hello.features & kTakesAttachments) != 0) != (hello.max_attachment != 0)) {
    return absl::InternalError(
        absl::StrCat("hello that takes ", hello.max_attachment != 0 ? "no " : "",
                     "attachments, of up to ", hello.max_attachment, " bytes"));
  }
  hello.max_descriptors = LoadLittleOnce<uint32_t>(from + 40);
  const bool takes_some = (hello.features & kTakesDescriptors) != 0;
  if (takes_some != (hello.max_descriptors != 0) || hello.max_descriptors > kMostDescriptors) {
    return absl::InternalError(absl::StrCat("hello that takes ", takes_some ? "" : "no ",
                                            "descriptors, and up to ", hello.max_descriptors,
                                            " of them with a message"));
  }
  return hello;
}

absl::StatusOr<uint16_t> AgreeOnVersion(const Hello& mine, const Hello& theirs) {
  const uint16_t version = std::min(mine.max_version, theirs.max_version);
  if (version < std::max(mine.min_version, theirs.min_version)) {
    return absl::UnavailableError(
        absl::StrCat("the peer speaks versions ", theirs.min_version, " to ", theirs.max_version,
                     " of nigh's protocol, this process ", mine.min_version, " to ",
                     mine.max_version, " (upgrade the older of the two)"));
  }
  return version;
}

}  // namespace nigh
