// How a call ends: its handler returns; or its client, a deadline, an interceptor or a shutdown
// does not let it go on.

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "google/protobuf/message_lite.h"
#include "nigh/deadline.h"
#include "nigh/message_io.h"
#include "nigh/mutex.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/call/call_state.h"
#include "nigh/runtime/call/interception.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/server/server_call.h"
#include "nigh/runtime/server/server_session.h"
#include "nigh/service.h"

namespace nigh {

void ServerCall::Finish(absl::Status status) {
  if (!finished_.exchange(true, std::memory_order_relaxed)) session_.HandlerReturned();
  Conclude(std::move(status));
}

void ServerCall::Return(absl::Status status) {
  // Before the response is out: the client that has it may begin another call at once.
  if (!finished_.load(std::memory_order_relaxed)) session_.HandlerReturned();
  // Likewise: what the handler has not taken is closed, and soon counts no more.
  DropReceived();
  if (!is_unary()) {
    MutexLock lock(mutex_);
    EndReading();
  }
  Conclude(std::move(status));
}

void ServerCall::Conclude(absl::Status status) {
  if (interception_ != nullptr) {
    // A single reply is not written but goes with the response, so interceptors see it here.
    if (status.ok() && !interception_->finished() && reply_ != nullptr) {
      (void)interception_->Send(CallExtras::Sent(context_, {.message = reply_.get()}));
    }
    status = interception_->Finish(std::move(status));
  }
  Respond(std::move(status));
}

void ServerCall::Respond(absl::Status status) {
  if (status.ok()) status = CheckMetadata();
  if (status.ok() && context_.deadline_.HasPassed()) status = DeadlineExceeded(context_.method());
  std::optional<MessageSource> reply;
  if (status.ok() && reply_ != nullptr) {
    reply.emplace(*reply_);
    status = reply->Measure();
    reply_size_ = reply->size();
    if (status.ok() && reply->size() > link_.client().max_message) {
      status = TooLargeToSend(context_.method(), "a reply", reply->size(), Peer::kClient,
                              link_.client().max_message);
    } else if (status.ok() && !link_.sender().idle()) {
      status = CheckToKeep(reply->size());
    }
    if (status.ok() && CallExtras::HasAttached(context_)) status = CheckAttached(reply->size());
    if (!status.ok()) reply.reset();
  } else if (reply_ != nullptr) {
    reply_size_ = reply_->ByteSizeLong();
  }
  reply_sent_ = reply.has_value();
  if (!Answer()) return;
  if (initial_sent_ || context_.initial_.byte_size() > link_.client().max_metadata) {
    context_.initial_.Clear();
  }
  SharedExtras extras;
  if (reply.has_value() && CallExtras::HasAttached(context_)) {
    extras = CallExtras::TakeAttached(context_);
  }
  link_.Respond(id_, status, context_.initial_, context_.trailing_,
                reply.has_value() ? &*reply : nullptr, extras.get());
}

absl::Status ServerCall::CheckToKeep(size_t reply) const {
  size_t bytes = reply;
  if (CallExtras::HasAttached(context_)) bytes += CallExtras::Attached(context_)->attachment.size();
  if (link_.account()->MayKeep(bytes)) return absl::OkStatus();
  return link_.account()->TooMuchToKeep(context_.method(), "a reply", bytes);
}

bool ServerCall::Answer() {
  Phase open = Phase::kOpen;
  if (is_unary()) {
    return phase_.compare_exchange_strong(open, Phase::kAnswered, std::memory_order_acq_rel);
  }
  // A write that has begun is still to be sent before the response.
  MutexLock lock(mutex_);
  const bool answered =
      phase_.compare_exchange_strong(open, Phase::kAnswered, std::memory_order_acq_rel);
  if (answered) Changed();
  return answered;
}

void ServerCall::Terminate(const absl::Status& status) {
  Phase open = Phase::kOpen;
  if (!phase_.compare_exchange_strong(open, Phase::kTerminated, std::memory_order_acq_rel)) return;
  // Under the mutex: a handler that finds the end of its requests must be able to tell why.
  const bool callbacks = context_.cancellation_.Mark();
  Changed();
  link_.Drop(id_);
  link_.Refuse(id_, status, begun_.load(std::memory_order_relaxed));
  if (!callbacks) return;
  // Callbacks are somebody else's code and may take their time, so they run as a task, without the
  // mutex. The pin keeps the call until they have run.
  ++pins_;
  link_.poller().Post(nullptr, [this] {
    context_.cancellation_.RunCallbacks();
    Unpin();
  });
}

void ServerCall::Unpin() {
  {
    MutexLock lock(mutex_);
    if (--pins_ > 0 || !orphaned_) return;
  }
  session_.TakeBack(std::unique_ptr<ServerCall>(this), /*in_role=*/false);
}

void ServerCall::Abort(const absl::Status& status) {
  MutexLock lock(mutex_);
  Terminate(status);
}

void ServerCall::WatchDeadline() {
  if (deadline_timer_.has_value() || context_.deadline_.is_infinite()) return;
  deadline_timer_ = link_.poller().AddTimer(context_.deadline_, this,
                                            [this] { Abort(DeadlineExceeded(context_.method())); });
}

bool ServerCall::EndRejected() {
  Abort(interception_->rejection());
  return false;
}

}  // namespace nigh
