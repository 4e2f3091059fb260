// What a frame sender does with a message's extras: descriptors, and attachments wherever they are.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/message_extras.h"
#include "nigh/message_io.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/duplicate_fd.h"
#include "nigh/runtime/base/mapping.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/call/frame_sender.h"
#include "nigh/runtime/call/shared_memory.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

void FrameSender::Waiting::CopyTo(size_t from, ByteSpan to) const {
  if (from < own_size()) {
    const size_t own = std::min(own_size() - from, to.size());
    std::memcpy(to.data(), payload.get() + from, own);
    from += own;
    to.remove_prefix(own);
  }
  if (to.empty()) return;
  std::memcpy(to.data(), attachment.bytes().data() + (from - own_size()), to.size());
}

ConstByteSpan FrameSender::Waiting::NextPart() const {
  if (sent < own_size()) return {payload.get() + sent, own_size() - sent};
  return attachment.bytes().subspan(sent - own_size());
}

const std::shared_ptr<const void>& FrameSender::Waiting::Owner() {
  if (leaving == nullptr) {
    leaving = std::make_shared<const std::pair<std::shared_ptr<const std::byte[]>, Attachment>>(
        payload, attachment);
  }
  return leaving;
}

Sent FrameSender::SendWithLocked(const Extras& extras, FrameHeader&& header,
                                 absl::string_view others, const MessageSource* message) {
  if (broken_) return Sent::kFailed;
  // Before a MEMORY frame, which goes with this one.
  const bool others_waited_first = AnythingWaits();
  LentUse lent;
  const std::optional<SharedPart> shared = Lend(extras.attachment, lent);
  if (broken_) return Sent::kFailed;
  const Attachment& attachment = shared.has_value() ? Attachment() : extras.attachment;
  SectionWriter writer;
  if (const size_t count = extras.descriptor_count(); count != 0) {
    writer.AddDescriptors(static_cast<uint32_t>(count));
  }
  if (shared.has_value()) writer.AddShared(*shared);
  if (!attachment.empty()) writer.AddAttachment(static_cast<uint32_t>(attachment.size()));
  writer.Append(others);
  const absl::string_view sections = writer.block();
  header.flags |= attachment.empty() ? kSections : kSections | kAttachment;
  const size_t size =
      sections.size() + (message == nullptr ? 0 : message->size()) + attachment.size();
  const bool fits = size <= max_payload_;
  // It may lie where it is sent from.
  const std::optional<ByteSpan> in_place =
      fits || attachment.empty()
          ? std::nullopt
          : connection_.ExtendBulk(attachment.bytes(), size - attachment.size());
  Waiting waiting;
  if (fits || in_place.has_value()) {
    waiting = Wait(header, size, in_place, attachment);
    WritePayload(sections, message, waiting.bytes());
  } else {
    waiting =
        Serialise(header, sections, message, attachment, size, connection_.AllocateBulk(size));
  }
  waiting.descriptors = extras.descriptors;
  waiting.lent = std::move(lent);
  // While a long one is serialised, others may come.
  const bool others_waited = fits ? others_waited_first : AnythingWaits();
  if (broken_ || !Keep(std::move(waiting))) return Sent::kSome;
  const Sent sent = ResumeLocked();
  // As of a frame that is sent in place: nothing of it has had an effect.
  if (sent == Sent::kFailed && fits && !others_waited) return Sent::kFailed;
  return sent == Sent::kAll && !others_waited ? Sent::kAll : Sent::kSome;
}

Sent FrameSender::BeginToLend(UniqueFd page) {
  if (!birth_.is_this()) return Sent::kFailed;
  MutexLock lock(mutex_);
  if (broken_) return Sent::kFailed;
  lent_ = std::make_unique<LentMemories>();
  SendMemory(kReturnsNumber, kReturnsSize, std::move(page));
  return broken_ ? Sent::kFailed : ResumeLocked();
}

bool FrameSender::TakeReturns(std::shared_ptr<const Mapping> page) {
  MutexLock lock(mutex_);
  return broken_ || (lent_ != nullptr && lent_->SetReturns(std::move(page)));
}

void FrameSender::SendMemory(uint32_t number, size_t size, UniqueFd fd) {
  Waiting waiting = Wait({.kind = FrameKind::kMemory, .call = number, .aux = size}, /*size=*/0);
  auto descriptors = std::make_shared<Descriptors>();
  descriptors->Add(std::move(fd));
  waiting.descriptors = std::move(descriptors);
  // It leaves before what comes next, as a control frame does.
  (void)Keep(std::move(waiting));
}

std::optional<SharedPart> FrameSender::Lend(const Attachment& attachment, LentUse& use) {
  SharedMemory* const memory = attachment.shared_memory();
  if (memory == nullptr || lent_ == nullptr || !lent_->may_lend() ||
      attachment.size() < kLeastInPlace) {
    return std::nullopt;
  }
  std::shared_ptr<Lent> lent = lent_->Find(*memory);
  if (lent == nullptr) {
    UniqueFd fd = DuplicateFd(memory->fd());
    if (fd) lent = lent_->Add(*memory);
    if (lent == nullptr) return std::nullopt;
    SendMemory(lent->number(), memory->bytes().size(), std::move(fd));
  }
  use = LentUse(lent);
  return SharedPart{
      .memory = lent->number(),
      .size = static_cast<uint32_t>(attachment.size()),
      .offset = static_cast<uint64_t>(attachment.bytes().data() - memory->bytes().data())};
}

absl::StatusOr<AttachmentBuffer> FrameSender::AllocateAttachment(size_t size) {
  // A child of fork(2) has the memory, too, but not who gives it out.
  if (size <= max_payload_ || !birth_.is_this()) return AttachmentBuffer(size);
  MutexLock lock(mutex_);
  if (broken_) return AttachmentBuffer(size);
  if (std::optional<HeldBulk> held = connection_.HoldBulk(size)) {
    if (on_long_message_) on_long_message_();
    return AttachmentBuffer(held->bytes, std::move(held->owner));
  }
  const size_t all = connection_.bulk_size();
  if (all == 0) return AttachmentBuffer(size);
  return absl::ResourceExhaustedError(
      absl::StrCat("no room for ", size, " bytes in the ", all,
                   " of this side's shared memory (let go of attachments of before, or raise bulk= "
                   "in its address)"));
}

}  // namespace nigh
