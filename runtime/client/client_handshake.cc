// How a client session begins: a caller that waits exchanges the hellos, or a poller does.

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"
#include "nigh/runtime/call/own_hello.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"

namespace nigh {

void ClientSession::SendHello() {
  std::array<std::byte, kHelloSize> payload;
  EncodeHello(OwnHello(limits_), payload.data());
  // The medium may still be connecting; then the sender keeps the frame. Errors show up in Receive.
  (void)sender_.SendText({.kind = FrameKind::kHello}, AsText(payload));
}

std::optional<absl::Status> ClientSession::HandshakeStep(Deadline deadline) {
  const auto fail = [&](const absl::Status& status) {
    connection_->Close();
    return absl::UnavailableError(status.message());
  };
  const Frame* const next = receiver_.Next();
  if (receiver_.ended()) return fail(connection_->End(Interest::kReceive));
  if (next == nullptr) {
    if (deadline.HasPassed()) {
      return fail(absl::UnavailableError(absl::StrCat(
          name_,
          ": connect: the server has not said hello in time (does it speak nigh's protocol?)")));
    }
    // This end's hello may still wait for room.
    if (sender_.Resume() == Sent::kFailed) return fail(sender_.end());
    return std::nullopt;
  }
  const Frame& frame = *next;
  absl::Status valid = ValidateFrameHeader(frame.header, connection_->max_payload());
  if (valid.ok() && frame.header.kind == FrameKind::kGoAway) {
    return fail(absl::UnavailableError(absl::StrCat(
        name_,
        ": connect: the server refused: ", absl::Utf8SafeCHexEscape(AsText(frame.payload)))));
  }
  if (valid.ok() && frame.header.kind != FrameKind::kHello) {
    valid = absl::InternalError(
        absl::StrCat("a ", FrameKindName(frame.header.kind), " frame before the hello"));
  }
  absl::StatusOr<Hello> theirs =
      valid.ok() ? DecodeHello(frame.payload) : absl::StatusOr<Hello>(valid);
  receiver_.Release();
  const absl::Status agreed =
      theirs.ok() ? AgreeOnVersion(OwnHello(limits_), *theirs).status() : theirs.status();
  if (!agreed.ok()) {
    return fail(absl::UnavailableError(absl::StrCat(name_, ": connect: ", agreed.message())));
  }
  server_ = *theirs;
  last_looked_.store(SteadyNanos(), std::memory_order_relaxed);
  return absl::OkStatus();
}

absl::Status ClientSession::Handshake(Deadline deadline, const std::function<bool()>& abandon) {
  SendHello();
  for (;;) {
    if (std::optional<absl::Status> done = HandshakeStep(deadline)) return *std::move(done);
    if (abandon()) {
      connection_->Close();
      return absl::UnavailableError("cancelled");
    }
    if (waiter_.PollAgain(poll_cost_)) continue;
    MutexLock lock(mutex_);
    Sleep(deadline);
    waiter_.Slept();
  }
}

void ClientSession::HandshakeOn(const std::shared_ptr<Poller>& poller, Deadline deadline,
                                std::function<void(const absl::Status&)> done) {
  SendHello();
  {
    MutexLock lock(mutex_);
    poller_ = poller;
    greeting_ = std::make_unique<Greeting>(Greeting{deadline, std::move(done)});
  }
  poller->Add(shared_from_this());
  // A turn finds that the time is up. Add has the poller give one soon, even if it sleeps.
  poller->AddTimer(deadline, this, [weak = weak_from_this(), poller = poller.get()] {
    const std::shared_ptr<ClientSession> self = weak.lock();
    if (self == nullptr) return;
    MutexLock lock(self->mutex_);
    if (self->greeting_ != nullptr) poller->Add(self);
  });
}

std::optional<Pollable::Turn> ClientSession::TakeGreetingTurn() {
  Deadline deadline;
  {
    MutexLock lock(mutex_);
    if (greeting_ == nullptr) return std::nullopt;
    deadline = greeting_->deadline;
  }
  // Without the mutex: nobody else receives before the session is known to its connector.
  const std::optional<absl::Status> status = HandshakeStep(deadline);
  if (!status.has_value()) return Turn::kNothing;
  std::unique_ptr<Greeting> greeting;
  {
    MutexLock lock(mutex_);
    greeting = std::move(greeting_);
  }
  greeting->done(*status);
  // The poller lets go. Calls that waited for this add the session again as they open.
  return Turn::kEnded;
}

}  // namespace nigh
