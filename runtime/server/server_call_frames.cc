// What frames mean for a served call.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "google/protobuf/message_lite.h"
#include "nigh/deadline.h"
#include "nigh/message_io.h"
#include "nigh/metadata.h"
#include "nigh/mutex.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/call/call_sections.h"
#include "nigh/runtime/call/call_state.h"
#include "nigh/runtime/call/window.h"
#include "nigh/runtime/server/dispatcher.h"
#include "nigh/runtime/server/server_call.h"
#include "nigh/runtime/server/server_session.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"

namespace nigh {

size_t ServerCall::SpaceOf(const google::protobuf::MessageLite& message, size_t serialised) {
  // A message without reflection does not say.
  const auto* const full = dynamic_cast<const google::protobuf::Message*>(&message);
  return full == nullptr ? serialised * kParsedPerByte : full->SpaceUsedLong();
}

size_t ServerCall::RequestSpace() {
  if (request_space_ == 0) request_space_ = SpaceOf(*request_, request_size_);
  return request_space_;
}

absl::Status ServerCall::ChargeRequest(const PayloadSizes& sizes) {
  size_t bytes = context_.client_metadata_.byte_size() + kEntry * context_.client_metadata_.size();
  if (sizes.message > kShortRequest) {
    bytes += request_ == nullptr ? sizes.message : RequestSpace();
  }
  // That of a message in the inbox is charged there.
  if (request_ != nullptr) bytes += sizes.attachment;
  return Charge("a request", bytes);
}

absl::Status ServerCall::ChargeLasting() {
  size_t bytes = kOwnBytes;
  if (request_ != nullptr && request_size_ <= kShortRequest) {
    // Asking for it takes longer than most calls with such a request.
    constexpr size_t kTiny = 256;
    bytes += request_size_ <= kTiny ? request_size_ * kParsedPerByte : RequestSpace();
  }
  return Charge("a call", bytes);
}

absl::Status ServerCall::Charge(absl::string_view what, size_t bytes) {
  if (!link_.account()->MayKeep(bytes)) {
    return link_.account()->TooMuchToKeep(context_.method(), what, bytes);
  }
  charged_ += bytes;
  link_.account()->kept().Add(bytes);
  return absl::OkStatus();
}

void ServerCall::EndReading() {
  for (const Message& message : inbox_) {
    link_.account()->kept().Subtract(message.bytes.size() + message.attachment_size() + kEntry);
  }
  inbox_.clear();
  link_.account()->GiveBackOfWindow(window_.TakeGrown());
}

absl::Status ServerCall::TakeSections(const FrameHeader& header, FrameExtras& frame,
                                      ConstByteSpan& message, std::shared_ptr<Extras>& extras) {
  PayloadParts parts = {.message = message};
  const absl::Status taken =
      TakeMetadata(header, link_.limits().max_metadata, parts, context_.client_metadata_);
  if (!taken.ok()) return Prefixed(context_.method(), taken);
  // What the sections have left: a peer may have changed their size since it was looked at.
  if (!IsAccepted(parts.sizes(), link_.limits())) {
    return TooLargeToReceive(context_.method(), parts.sizes(), Peer::kClient, link_.limits());
  }
  absl::StatusOr<std::shared_ptr<Extras>> received =
      link_.extras().Receive(parts, frame, InRequests(context_.method_->fds));
  if (!received.ok()) return Prefixed(context_.method(), received.status());
  extras = *std::move(received);
  message = parts.message;
  return absl::OkStatus();
}

absl::Status ServerCall::TakeRequest(const FrameHeader& header, ConstByteSpan payload,
                                     FrameExtras& frame) {
  if (header.aux != 0) {
    context_.deadline_ = Deadline::After(
        absl::Nanoseconds(static_cast<int64_t>(std::min<uint64_t>(header.aux, INT64_MAX))));
  }
  std::shared_ptr<Extras> extras;
  ConstByteSpan bytes = payload;
  if ((header.flags & (kSections | kAttachment)) != 0) {
    if (absl::Status taken = TakeSections(header, frame, bytes, extras); !taken.ok()) return taken;
  }
  const bool message = (header.flags & kMessage) != 0;
  if (message && request_ != nullptr) {
    request_size_ = bytes.size();
    const absl::Status parsed = MessageTarget(request_.get()).Parse(bytes);
    if (!parsed.ok()) return Prefixed(context_.method(), parsed);
  }
  if (IsCharged(header, payload.size())) {
    const size_t attachment = extras == nullptr ? 0 : extras->attachment.size();
    if (absl::Status charged = ChargeRequest({.message = bytes.size(), .attachment = attachment});
        !charged.ok()) {
      return charged;
    }
  }
  if (extras != nullptr && request_ != nullptr) CallExtras::Receive(context_, std::move(extras));
  if (is_unary()) return absl::OkStatus();

  MutexLock lock(mutex_);
  state_ = CallState(method_.method().kind, CallState::End::kServer);
  window_ = Window(link_.limits().window, link_.client().window);
  (void)state_.Receive(message, (header.flags & kEnd) != 0);
  if (message && request_ == nullptr) {
    (void)window_.Received(SizeInWindow(bytes.size(), extras.get()));
    inbox_.push_back({PayloadBuffer(bytes), std::move(extras)});
    link_.account()->kept().Add(bytes.size() + inbox_.back().attachment_size() + kEntry);
  }
  return absl::OkStatus();
}

void ServerCall::TakeMessage(const FrameHeader& header, ConstByteSpan payload, FrameExtras& frame) {
  MutexLock lock(mutex_);
  if (absl::Status wrong = Take(header, payload, frame); !wrong.ok()) Terminate(wrong);
}

absl::Status ServerCall::Take(const FrameHeader& header, ConstByteSpan payload,
                              FrameExtras& frame) {
  const bool message = (header.flags & kMessage) != 0;
  const auto fail = [this](const absl::Status& why) { return Prefixed(context_.method(), why); };
  std::shared_ptr<Extras> extras;
  PayloadParts parts = {.message = payload};
  const bool has_sections = (header.flags & (kSections | kAttachment)) != 0;
  if (has_sections) {
    Metadata late;
    const absl::Status taken = TakeMetadata(header, link_.limits().max_metadata, parts, late);
    if (!taken.ok()) return fail(taken);
    if (!late.empty() || (frame.descriptors == nullptr && parts.sizes().attachment == 0)) {
      return fail(absl::InternalError("metadata after the request"));
    }
  }
  if (!IsAccepted(parts.sizes(), link_.limits())) {
    return TooLargeToReceive(context_.method(), parts.sizes(), Peer::kClient, link_.limits());
  }
  if (has_sections) {
    absl::StatusOr<std::shared_ptr<Extras>> received =
        link_.extras().Receive(parts, frame, InRequests(context_.method_->fds));
    if (!received.ok()) return fail(received.status());
    extras = *std::move(received);
  }
  const size_t size = parts.message.size() + parts.sizes().attachment;
  if (is_unary()) return fail(absl::InternalError("a message after the end of the requests"));
  if (message && !window_.Received(SizeInWindow(parts.message.size(), extras.get()))) {
    return fail(absl::InternalError("a message without the credit for it"));
  }
  switch (state_.Receive(message, (header.flags & kEnd) != 0)) {
    case Verdict::kTooMany:
    case Verdict::kTooFew:
      return fail(absl::UnimplementedError("the number of requests is not what this method takes"));
    case Verdict::kAfterEnd:
      return fail(absl::InternalError("a message after the end of the requests"));
    case Verdict::kLate:
    case Verdict::kOk:
      break;
  }
  if (message && !link_.account()->MayKeep(size + kEntry)) {
    return link_.account()->TooMuchToKeep(context_.method(), "a message", size);
  }
  if (message) link_.account()->kept().Add(size + kEntry);
  if (message && !has_sections && frame.owned != nullptr) {
    inbox_.push_back({std::move(*frame.owned), nullptr});
  } else if (message) {
    inbox_.push_back({PayloadBuffer(parts.message), std::move(extras)});
  }
  Changed();
  return absl::OkStatus();
}

bool ServerCall::TakeCredit(uint64_t bytes) {
  if (is_unary()) return bytes <= Credit::kMost;  // it needs none
  MutexLock lock(mutex_);
  if (!window_.Granted(bytes)) return false;
  Changed();
  return true;
}

}  // namespace nigh
