#include "nigh/runtime/server/server_link.h"

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "nigh/message_io.h"
#include "nigh/metadata.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/call/call_sections.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/frame.h"

namespace nigh {

void ServerLink::Respond(uint32_t id, const absl::Status& status, const Metadata& initial,
                         const Metadata& trailing, const MessageSource* reply,
                         const Extras* extras) {
  SectionWriter sections;
  AddMetadata(initial, SectionType::kMetadata, sections);
  AddStatus(status, trailing, client_.max_metadata, sections);
  FrameHeader header{
      .kind = FrameKind::kResponse, .call = id, .aux = static_cast<uint64_t>(status.raw_code())};
  if (reply != nullptr) header.flags |= kMessage;
  if (extras != nullptr) {
    return SendWith(*extras, std::move(header), sections.block(), reply);
  }
  Send(std::move(header), sections.block(), reply);
}

void ServerLink::Refuse(uint32_t id, const absl::Status& status, bool begun) {
  // Never destroyed: threads may still run while the process exits.
  static const Metadata& none = *new Metadata();
  SectionWriter sections;
  AddStatus(status, none, client_.max_metadata, sections);
  Send({.kind = FrameKind::kResponse,
        .flags = begun ? uint8_t{0} : static_cast<uint8_t>(kNeverBegun),
        .call = id,
        .aux = static_cast<uint64_t>(status.raw_code())},
       sections.block());
}

}  // namespace nigh
