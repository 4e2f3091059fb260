#include "nigh/runtime/client/client_link.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/message_io.h"
#include "nigh/method.h"
#include "nigh/mutex.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/call/frame_sender.h"
#include "nigh/runtime/call/used_context.h"
#include "nigh/runtime/client/pump.h"
#include "nigh/runtime/client/slot.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/frame.h"

namespace nigh {

ClientLink::ClientLink(std::unique_ptr<Connection> connection, std::string name,
                       const Limits& limits, Pump& pump, bool takes_fds)
    : connection_(std::move(connection)),
      name_(std::move(name)),
      limits_(limits),
      peer_(std::make_shared<const PeerIdentity>(connection_->peer())),
      pump_(pump),
      sender_(*connection_),
      extras_(*connection_, limits_, takes_fds,
              std::make_shared<DescriptorCount>(DescriptorCount::Limit{
                  .whose = "this connection",
                  .most = limits.max_untaken_descriptors,
                  .remedy = "raise ChannelOptions::limits.max_untaken_descriptors"})),
      slots_(limits.max_calls) {}

std::string ClientLink::NameOf(const Method& method) const {
  return absl::StrCat(name_, ": ", method.name);
}

absl::Status ClientLink::CheckRequest(const Method& method, const UsedContext& context,
                                      const MessageSource* first) const {
  const auto refuse = [&](absl::string_view what, uint64_t size, uint64_t limit) {
    return TooLargeToSend(NameOf(method), what, size, Peer::kServer, limit);
  };
  const size_t metadata = context.sent().byte_size();
  if (metadata > server_.max_metadata) return refuse("metadata", metadata, server_.max_metadata);
  if (first != nullptr && first->size() > server_.max_message) {
    return refuse("a message", first->size(), server_.max_message);
  }
  return absl::OkStatus();
}

absl::Status ClientLink::TooManyCalls(const Method& method) const {
  return absl::ResourceExhaustedError(
      absl::StrCat(NameOf(method), ": ", slots_.made(),
                   " calls in flight already (raise Limits::max_calls on both sides)"));
}

ClientLink::Opening ClientLink::Open(FrameHeader&& header, const Method& method,
                                     absl::string_view sections, const MessageSource* first,
                                     const Extras* extras, absl::FunctionRef<void(Slot&)> ready) {
  Opening opening;
  Sent sent = Sent::kAll;
  {
    MutexLock section(sender_.mutex());
    if (ended_ || going_away_.load(std::memory_order_relaxed)) return {.refused = true};
    opening.slot = slots_.Claim(server_.max_calls);
    if (opening.slot == nullptr) return opening;
    ready(*opening.slot);
    opening.slot->state.Open();
    header.call = opening.slot->id;
    opening.ordinal = requests_++;
    sent = sender_.SendRequestLocked(std::move(header), method.name, sections, first, extras);
  }
  AfterSend(sent);
  // The server cannot have acted upon a frame that the medium has refused.
  opening.refused = sent == Sent::kFailed;
  if (!opening.refused && !proven_.load(std::memory_order_relaxed)) proven_ = true;
  return opening;
}

Sent ClientLink::Send(FrameHeader&& header, const MessageSource* message) {
  const Sent sent = sender_.Send(std::move(header), "", message);
  AfterSend(sent);
  return sent;
}

Sent ClientLink::SendWith(const Extras& extras, FrameHeader&& header,
                          const MessageSource& message) {
  const Sent sent = sender_.SendWith(extras, std::move(header), "", &message);
  AfterSend(sent);
  return sent;
}

void ClientLink::AfterSend(Sent sent) {
  // Not closed yet: what the server sent before it went away is still to be received. Whoever pumps
  // then finds the end.
  if (sent == Sent::kFailed) going_away_ = true;
  pump_.AfterSend(sent);
}

bool ClientLink::GiveUp(Slot& slot, absl::FunctionRef<void()> left) {
  return GiveUpOnce(slot, [&] {
    if (!slot.state.Leave()) return false;
    left();
    return true;
  });
}

void ClientLink::GiveUpTaken(Slot& slot) {
  (void)GiveUpOnce(slot, [&] {
    slot.state.LeaveTaken();
    return true;
  });
}

bool ClientLink::GiveUpOnce(Slot& slot, absl::FunctionRef<bool()> leave) {
  bool untouched = false;
  Sent sent = Sent::kAll;
  {
    MutexLock section(sender_.mutex());
    if (!leave()) return false;
    // If the REQUEST has not left, the server never hears of the call and owes no RESPONSE.
    untouched = sender_.DropLocked(slot.id);
    if (untouched) {
      requests_are_exact_ = false;
    } else {
      sent = sender_.SendLocked({.kind = FrameKind::kCancel, .call = slot.id}, "", nullptr);
    }
  }
  // A server that answers nevertheless has freed it already.
  if (untouched) MeetLeft(slot);
  AfterSend(sent);
  return true;
}

void ClientLink::Free(Slot& slot) {
  // The server may have answered before all of the request had left.
  if (!sender_.idle()) {
    {
      MutexLock section(sender_.mutex());
      if (sender_.DropLocked(slot.id)) requests_are_exact_ = false;
    }
    AfterSend(Sent::kAll);
  }
  slot.state.Free();
  slots_.GiveBack(slot);
}

void ClientLink::GoAway(absl::string_view farewell, uint64_t taken) {
  going_away_ = true;
  {
    MutexLock lock(mutex_);
    farewell_ = std::string(farewell);
  }
  MutexLock section(sender_.mutex());
  if (requests_are_exact_ && sender_.requests_are_in_order()) {
    taken_.store(taken, std::memory_order_release);
  }
}

void ClientLink::End(absl::Status status) {
  connection_->Close();
  {
    MutexLock lock(mutex_);
    if (!end_.ok()) return;
    end_ = farewell_.empty()
               ? std::move(status)
               : absl::Status(status.code(),
                              absl::StrCat(status.message(), "; the server had said: ", farewell_));
  }
  sender_.EndLending();
  MutexLock section(sender_.mutex());
  ended_ = true;
}

absl::Status ClientLink::EndStatus() const {
  // What is to be sent may have failed already, and whoever receives not have come to the end.
  absl::Status unsent = sender_.end();
  MutexLock lock(mutex_);
  if (!end_.ok()) return end_;
  if (farewell_.empty() && !unsent.ok()) return unsent;
  return absl::UnavailableError(
      absl::StrCat(name_, ": ", farewell_.empty() ? "the connection is closing" : farewell_));
}

}  // namespace nigh
