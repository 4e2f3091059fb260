#include "nigh/runtime/wire/refusal.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"

namespace nigh {

std::string EncodeRefusal(const absl::Status& why) {
  const absl::string_view text = why.message().substr(0, kMaxRefusal - kFrameHeaderSize);
  std::string frame(kFrameHeaderSize, '\0');
  EncodeFrameHeader({.length = static_cast<uint32_t>(text.size()),
                     .kind = FrameKind::kGoAway,
                     .aux = static_cast<uint64_t>(why.code())},
                    reinterpret_cast<std::byte*>(frame.data()));
  absl::StrAppend(&frame, text);
  return frame;
}

absl::Status DecodeRefusal(const FrameHeader& header, ConstByteSpan payload) {
  const std::string text =
      absl::StrCat("the server refused: ", absl::Utf8SafeCHexEscape(AsText(payload)));
  for (const absl::StatusCode code :
       {absl::StatusCode::kPermissionDenied, absl::StatusCode::kResourceExhausted}) {
    if (header.aux == static_cast<uint64_t>(code)) return absl::Status(code, text);
  }
  return absl::UnavailableError(text);
}

}  // namespace nigh
