// What frames mean for a served call.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "google/protobuf/message_lite.h"
#include "nigh/deadline.h"
#include "nigh/message_io.h"
#include "nigh/metadata.h"
#include "nigh/mutex.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/call_fds.h"
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

absl::Status ServerCall::ChargeRequest(size_t payload) {
  size_t bytes = context_.client_metadata_.byte_size() + kEntry * context_.client_metadata_.size();
  if (payload > kShortRequest) {
    bytes += request_ == nullptr ? payload : RequestSpace();
  }
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

void ServerCall::ClearInbox() {
  for (const Message& message : inbox_) {
    link_.account()->kept().Subtract(message.bytes.size() + kEntry);
  }
  inbox_.clear();
}

absl::Status ServerCall::TakeRequest(const FrameHeader& header, ConstByteSpan payload) {
  const auto refuse = [this](const absl::Status& why) { return Prefixed(context_.method(), why); };
  const size_t max_message = link_.limits().max_message;
  if (header.aux != 0) {
    context_.deadline_ = Deadline::After(
        absl::Nanoseconds(static_cast<int64_t>(std::min<uint64_t>(header.aux, INT64_MAX))));
  }
  std::unique_ptr<Descriptors> descriptors;
  if ((header.flags & kSections) != 0) {
    if (absl::Status allowed = session_.TakeDescriptors(*context_.method_, descriptors);
        !allowed.ok()) {
      return allowed;
    }
    const absl::Status taken =
        TakeMetadata(header, link_.limits().max_metadata, payload, context_.client_metadata_);
    if (!taken.ok()) return refuse(taken);
    // What the sections have left: a peer may have changed their size since it was looked at.
    if (payload.size() > max_message) {
      return refuse(TooLargeToReceive("a request", payload.size(), Peer::kClient, max_message));
    }
  }
  const bool message = (header.flags & kMessage) != 0;
  if (message && request_ != nullptr) {
    request_size_ = payload.size();
    const absl::Status parsed = MessageTarget(request_.get()).Parse(payload);
    if (!parsed.ok()) return refuse(parsed);
  }
  if (IsCharged(header, payload.size())) {
    if (absl::Status charged = ChargeRequest(payload.size()); !charged.ok()) return charged;
  }
  if (descriptors != nullptr && request_ != nullptr) {
    CallFds::Receive(context_, std::move(descriptors));
  }
  if (is_unary()) return absl::OkStatus();

  MutexLock lock(mutex_);
  state_ = CallState(method_.method().kind, CallState::End::kServer);
  window_ = Window(link_.limits().window, link_.client().window);
  (void)state_.Receive(message, (header.flags & kEnd) != 0);
  if (message && request_ == nullptr) {
    (void)window_.Received(SizeInWindow(payload.size(), descriptors.get()));
    inbox_.push_back({std::string(AsText(payload)), std::move(descriptors)});
    link_.account()->kept().Add(payload.size() + kEntry);
  }
  return absl::OkStatus();
}

void ServerCall::TakeMessage(const FrameHeader& header, ConstByteSpan payload, std::string* owned) {
  MutexLock lock(mutex_);
  if (absl::Status wrong = Take(header, payload, owned); !wrong.ok()) Terminate(wrong);
}

absl::Status ServerCall::Take(const FrameHeader& header, ConstByteSpan payload,
                              std::string* owned) {
  const bool message = (header.flags & kMessage) != 0;
  const auto fail = [this](const absl::Status& why) { return Prefixed(context_.method(), why); };
  std::unique_ptr<Descriptors> descriptors;
  if ((header.flags & kSections) != 0) {
    if (absl::Status allowed = session_.TakeDescriptors(*context_.method_, descriptors);
        !allowed.ok()) {
      return allowed;
    }
    Metadata late;
    const absl::Status taken = TakeMetadata(header, link_.limits().max_metadata, payload, late);
    if (descriptors == nullptr || !taken.ok() || !late.empty()) {
      return fail(absl::InternalError("metadata after the request"));
    }
    owned = nullptr;  // it has the sections, too
  }
  if (payload.size() > link_.limits().max_message) {
    return TooLargeToReceive(context_.method(), payload.size(), Peer::kClient,
                             link_.limits().max_message);
  }
  if (is_unary()) return fail(absl::InternalError("a message after the end of the requests"));
  if (message && !window_.Received(SizeInWindow(payload.size(), descriptors.get()))) {
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
  if (message && !link_.account()->MayKeep(payload.size() + kEntry)) {
    return link_.account()->TooMuchToKeep(context_.method(), "a message", payload.size());
  }
  if (message) link_.account()->kept().Add(payload.size() + kEntry);
  if (message && owned != nullptr) {
    inbox_.push_back({std::move(*owned), nullptr});
  } else if (message) {
    inbox_.push_back({std::string(AsText(payload)), std::move(descriptors)});
  }
  Changed();
  return absl::OkStatus();
}

bool ServerCall::TakeCredit(uint64_t bytes) {
  if (is_unary()) return bytes <= Window::kMaxCredit;  // it needs none
  MutexLock lock(mutex_);
  if (!window_.Granted(bytes)) return false;
  Changed();
  return true;
}

}  // namespace nigh
