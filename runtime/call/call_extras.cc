#include "nigh/runtime/call/call_extras.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/message_extras.h"
#include "nigh/options.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/base/mapping.h"
#include "nigh/runtime/base/sealed_memory.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/frame_sender.h"
#include "nigh/runtime/call/shared_memory.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"

namespace nigh {

namespace {

// With a message and its sections, more would be more than a payload has (ValidateFrameHeader).
constexpr size_t kMostTogether = (size_t{1} << 31) - (size_t{128} << 20);

// Why an attachment of `size` bytes cannot go with a message of `bytes`, or OK.
absl::Status CheckAttachment(absl::string_view call, size_t bytes, size_t size, const Hello& theirs,
                             Peer peer) {
  if ((theirs.features & kTakesAttachments) == 0) {
    return absl::UnimplementedError(
        absl::StrCat(call, ": the ", peer == Peer::kClient ? "client" : "server",
                     " takes no attachments (is its limits.max_attachment 0?)"));
  }
  if (size > theirs.max_attachment) {
    return TooLargeToSend(call, "an attachment", size, peer, theirs.max_attachment);
  }
  if (bytes + size > kMostTogether) {
    return TooLargeToSend(call, "a message with its attachment", bytes + size, peer, kMostTogether);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<AttachmentBuffer> SessionExtras::Allocate(absl::string_view call, size_t size,
                                                         const Hello& theirs, Peer peer,
                                                         FrameSender& sender) {
  if (absl::Status wrong = CheckAttachment(call, 0, size, theirs, peer); !wrong.ok()) return wrong;
  absl::StatusOr<AttachmentBuffer> buffer = sender.AllocateAttachment(size);
  return buffer.ok() ? std::move(buffer) : Prefixed(call, buffer.status());
}

absl::Status SessionExtras::CheckToSend(absl::string_view call, size_t bytes, const Extras& extras,
                                        bool asked, const Hello& theirs, Peer peer) const {
  if (!extras.attachment.empty()) {
    if (absl::Status wrong = CheckAttachment(call, bytes, extras.attachment.size(), theirs, peer);
        !wrong.ok()) {
      return wrong;
    }
  }
  return extras.descriptors == nullptr
             ? absl::OkStatus()
             : CheckDescriptors(call, *extras.descriptors, asked, theirs, peer);
}

absl::Status SessionExtras::CheckDescriptors(absl::string_view call, const Descriptors& descriptors,
                                             bool asked, const Hello& theirs, Peer peer) const {
  const absl::string_view who = peer == Peer::kClient ? "client" : "server";
  if (!asked) {
    return absl::UnimplementedError(absl::StrCat(
        call, ": descriptors cannot go with a message whose type has no nigh.Fd in it"));
  }
  if (lane_ == nullptr) {
    return absl::UnimplementedError(
        absl::StrCat(call,
                     ": this medium carries no descriptors (use local:, shm:, unix:, or "
                     "exec: with ?socket=on)"));
  }
  if (theirs.max_descriptors == 0) {
    return absl::UnimplementedError(absl::StrCat(
        call, ": the ", who,
        " takes no descriptors (does it know a method that has nigh.Fd in its ",
        peer == Peer::kClient ? "replies" : "requests", ", and is its limits.max_descriptors 0?)"));
  }
  const size_t count = descriptors.size();
  if (count > theirs.max_descriptors) {
    return absl::ResourceExhaustedError(absl::StrCat(
        call, ": a message with ", count, " descriptors, where the ", who, " accepts ",
        theirs.max_descriptors, " (raise its ",
        peer == Peer::kClient ? "ChannelOptions" : "ServerOptions", "::limits.max_descriptors)"));
  }
  for (size_t i = 0; i < count; ++i) {
    if (const absl::string_view why = WhyNotPassed(descriptors[i]); !why.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(call, ": descriptor ", i + 1, " of the message ", why));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<FrameExtras> SessionExtras::Take(const FrameHeader& header, ConstByteSpan payload,
                                                Peer peer) const {
  const Announced announced = WhatIsAnnounced(header, payload);
  FrameExtras extras;
  if (announced.descriptors != 0) {
    absl::StatusOr<std::unique_ptr<Descriptors>> taken =
        TakeDescriptors(header, announced.descriptors, peer);
    if (!taken.ok()) return taken.status();
    extras.descriptors = *std::move(taken);
  }
  if (announced.shared.size == 0) return extras;
  if (borrowed_ == nullptr) {
    return absl::InternalError(
        absl::StrCat(FrameKindName(header.kind), " frame of call ", header.call,
                     " with shared memory, which this side has not asked for"));
  }
  absl::StatusOr<Attachment> borrowed = borrowed_->Borrow(announced.shared);
  if (absl::IsInternal(borrowed.status())) return borrowed.status();
  extras.refused = borrowed.status();
  if (borrowed.ok()) extras.shared = *std::move(borrowed);
  return extras;
}

absl::StatusOr<std::unique_ptr<Descriptors>> SessionExtras::TakeDescriptors(
    const FrameHeader& header, uint32_t count, Peer peer) const {
  const auto broken = [&](absl::string_view what) {
    return absl::InternalError(absl::StrCat(FrameKindName(header.kind), " frame of call ",
                                            header.call, " with ", count, " descriptors, ", what));
  };
  if (!accepts_) return broken("which this side has not asked for");
  if ((header.flags & kMessage) == 0) return broken("and without a message");
  std::unique_ptr<Descriptors> taken = lane_->Take();
  if (taken == nullptr) return broken("of which none has come");
  if (taken->complete() ? taken->size() != count : taken->size() > count) {
    return broken(absl::StrCat("where ", taken->size(), " have come"));
  }
  const auto refuse = [&](const auto&... why) {
    taken->Refuse(absl::ResourceExhaustedError(absl::StrCat(why...)));
  };
  const absl::string_view options = peer == Peer::kClient ? "ServerOptions" : "ChannelOptions";
  if (count > limits_.max_descriptors) {
    refuse("received a message with ", count, " descriptors, where ", limits_.max_descriptors,
           " are accepted (raise ", options, "::limits.max_descriptors)");
  } else if (const absl::Status full = count_->Check(); !full.ok()) {
    refuse("received a message with ", count, " descriptors: ", full.message());
  } else if (!taken->complete()) {
    refuse(peer == Peer::kClient ? "the server" : "this process",
           " has no room for the descriptors of a message (raise its limit, ulimit -n), or may not "
           "have one of them");
  }
  return taken;
}

absl::StatusOr<std::shared_ptr<Extras>> SessionExtras::Receive(const PayloadParts& payload,
                                                               FrameExtras& frame,
                                                               bool asked) const {
  if (payload.shared.size != frame.shared.size() && frame.refused.ok()) {
    // A peer has changed what was looked at before.
    return absl::InternalError("an attachment that is not what was announced");
  }
  if (!frame.refused.ok()) return frame.refused;
  if (frame.descriptors == nullptr && payload.attachment.empty() && frame.shared.empty()) {
    return nullptr;
  }
  auto extras = std::make_shared<Extras>();
  if (frame.descriptors != nullptr) {
    if (!asked) {
      return absl::UnimplementedError(
          "descriptors came with a message whose type has no nigh.Fd in it");
    }
    if (const absl::Status& refusal = frame.descriptors->refusal(); !refusal.ok()) return refusal;
    extras->descriptors = std::move(frame.descriptors);
  }
  // Once it is known that its size is accepted. What another user could still change is copied.
  if (frame.shared.empty()) {
    extras->attachment = Keep(payload.attachment, frame);
  } else if (borrowed_->readable_in_place()) {
    extras->attachment = std::move(frame.shared);
  } else {
    extras->attachment = Attachment::Copy(frame.shared.bytes());
  }
  return extras;
}

std::unique_ptr<BorrowedMemories> SessionExtras::MakeBorrowed(const Limits& limits,
                                                              const PeerIdentity& owner) {
  if (!limits.shares_memory || limits.max_attachment == 0) return nullptr;
  // Where the system has no page for it, attachments are copied.
  absl::StatusOr<std::unique_ptr<BorrowedMemories>> made = BorrowedMemories::Make(owner);
  return made.ok() ? *std::move(made) : nullptr;
}

Sent SessionExtras::BeginToShare(FrameSender& sender) const {
  return sender.BeginToLend(borrowed_->TakePageFd());
}

absl::Status SessionExtras::TakeMemory(const FrameHeader& header, FrameSender& sender) const {
  const auto broken = [&](absl::string_view what) {
    return absl::InternalError(absl::StrCat("MEMORY frame of memory ", header.call, ", ", what));
  };
  if (borrowed_ == nullptr) return broken("which this side has not asked for");
  const std::unique_ptr<Descriptors> taken = lane_->Take();
  if (taken == nullptr || taken->size() > 1) return broken("whose one descriptor has not come");
  // It stays in there, to be closed where that may take long: it may be anything.
  const int fd = taken->size() == 1 ? (*taken)[0].get() : -1;
  if (header.call != kReturnsNumber) return borrowed_->Take(header.call, header.aux, fd);
  if (header.aux != kReturnsSize) return broken("of another size than it has");
  // Without it, nothing is lent.
  if (fd < 0) return absl::OkStatus();
  absl::StatusOr<Mapping> page = AttachSealedMemory(fd, kReturnsSize);
  if (absl::IsInvalidArgument(page.status())) return broken(page.status().message());
  if (!page.ok()) return absl::OkStatus();
  return sender.TakeReturns(std::make_shared<const Mapping>(*std::move(page)))
             ? absl::OkStatus()
             : broken("which has come before, or before it was asked for");
}

Attachment SessionExtras::Keep(ConstByteSpan attachment, FrameExtras& frame) const {
  if (attachment.empty()) return Attachment();
  // A short one is copied: it would keep much else with it.
  const bool is_most = frame.owned != nullptr && attachment.size() >= kLeastInPlace &&
                       frame.owned->capacity() - attachment.size() <= attachment.size() / 4;
  if (is_most) {
    auto owner = std::make_shared<const PayloadBuffer>(std::move(*frame.owned));
    frame.owned = nullptr;
    return Attachment(attachment, std::move(owner));
  }
  if (frame.owned != nullptr) return Attachment::Copy(attachment);
  if (frame.kept != nullptr) return Attachment(attachment, std::move(frame.kept));
  std::shared_ptr<const void> kept;
  if (attachment.size() >= kLeastInPlace) kept = connection_.KeepBulk(attachment);
  return kept == nullptr ? Attachment::Copy(attachment) : Attachment(attachment, std::move(kept));
}

}  // namespace nigh
