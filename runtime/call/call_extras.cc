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
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"

namespace nigh {

namespace {

// With a message and its sections, more would be more than a payload has (ValidateFrameHeader).
constexpr size_t kMostTogether = (size_t{1} << 31) - (size_t{128} << 20);

// No memory of the peer's is kept for an attachment of so many bytes and less.
constexpr size_t kCopied = size_t{16} << 10;

absl::Status CheckAttachment(absl::string_view call, size_t bytes, const Attachment& attachment,
                             const Hello& theirs, Peer peer) {
  if ((theirs.features & kTakesAttachments) == 0) {
    return absl::UnimplementedError(
        absl::StrCat(call, ": the ", peer == Peer::kClient ? "client" : "server",
                     " takes no attachments (is its limits.max_attachment 0?)"));
  }
  if (attachment.size() > theirs.max_attachment) {
    return TooLargeToSend(call, "an attachment", attachment.size(), peer, theirs.max_attachment);
  }
  if (bytes + attachment.size() > kMostTogether) {
    return TooLargeToSend(call, "a message with its attachment", bytes + attachment.size(), peer,
                          kMostTogether);
  }
  return absl::OkStatus();
}

}  // namespace

void AddExtras(const Extras* extras, SectionWriter& sections) {
  if (extras == nullptr) return;
  if (const size_t count = extras->descriptor_count(); count != 0) {
    sections.AddDescriptors(static_cast<uint32_t>(count));
  }
  if (!extras->attachment.empty()) {
    sections.AddAttachment(static_cast<uint32_t>(extras->attachment.size()));
  }
}

absl::Status SessionExtras::CheckToSend(absl::string_view call, size_t bytes, const Extras& extras,
                                        bool asked, const Hello& theirs, Peer peer) const {
  if (!extras.attachment.empty()) {
    if (absl::Status wrong = CheckAttachment(call, bytes, extras.attachment, theirs, peer);
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

absl::StatusOr<std::unique_ptr<Descriptors>> SessionExtras::Take(const FrameHeader& header,
                                                                 ConstByteSpan payload,
                                                                 Peer peer) const {
  const uint32_t count = WhatIsAnnounced(header, payload).descriptors;
  if (count == 0) return nullptr;
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

absl::StatusOr<std::shared_ptr<Extras>> SessionExtras::Receive(ConstByteSpan attachment,
                                                               FrameExtras& frame,
                                                               bool asked) const {
  if (frame.descriptors == nullptr && attachment.empty()) return nullptr;
  auto extras = std::make_shared<Extras>();
  if (frame.descriptors != nullptr) {
    if (!asked) {
      return absl::UnimplementedError(
          "descriptors came with a message whose type has no nigh.Fd in it");
    }
    if (const absl::Status& refusal = frame.descriptors->refusal(); !refusal.ok()) return refusal;
    extras->descriptors = std::move(frame.descriptors);
  }
  if (attachment.empty()) return extras;
  extras->attachment = Keep(attachment, frame);
  return extras;
}

Attachment SessionExtras::Keep(ConstByteSpan attachment, FrameExtras& frame) const {
  // A string that holds sections, message and attachment is longer than any that lies in its own
  // object, so the bytes stay where they are.
  if (frame.owned != nullptr) {
    return Attachment(attachment, std::make_shared<const std::string>(std::move(*frame.owned)));
  }
  if (frame.kept != nullptr) return Attachment(attachment, std::move(frame.kept));
  std::shared_ptr<const void> kept;
  if (attachment.size() > kCopied) kept = connection_.KeepBulk(attachment);
  return kept == nullptr ? Attachment::Copy(attachment) : Attachment(attachment, std::move(kept));
}

}  // namespace nigh
