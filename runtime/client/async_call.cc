#include "nigh/runtime/client/async_call.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/message_lite.h"
#include "nigh/deadline.h"
#include "nigh/event_loop.h"
#include "nigh/message_io.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/client/client_call.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/runtime/client/connector.h"
#include "nigh/runtime/loop/poller.h"

namespace nigh {
namespace {

std::string Serialized(const MessageSource& source) {
  std::string bytes(source.size(), '\0');
  source.SerializeTo(reinterpret_cast<std::byte*>(bytes.data()));
  return bytes;
}

}  // namespace

std::shared_ptr<AsyncCall> NewAsyncCall(BoundMethod method, ClientContext& context) {
  return std::make_shared<AsyncClientCall>(method, context);
}

std::shared_ptr<AsyncCall> NewAsyncCall(BoundMethod method, const CallOptions& options) {
  return std::make_shared<AsyncClientCall>(method, options);
}

AsyncClientCall::AsyncClientCall(BoundMethod method, ClientContext& context)
    : context_(context), method_(method), call_(method, context_, [this] { BeginAnew(); }) {}

AsyncClientCall::AsyncClientCall(BoundMethod method, const CallOptions& options)
    : own_(std::in_place, options),
      context_(*own_),
      method_(method),
      call_(method, context_, [this] { BeginAnew(); }) {}

void AsyncClientCall::Start(const google::protobuf::MessageLite* first, bool end) {
  connector_ = method_.connector->shared_from_this();
  // A child of fork(2) has no thread of its parent's pollers, but is to hear of the failure.
  waiters_.poller = connector_->is_of_this_process() ? connector_->poller() : SharedPoller();
  if (waiters_.poller == nullptr) {
    return call_.Fail(absl::ResourceExhaustedError(
        "the system has no thread to give for calls that no thread waits for (raise the limit on "
        "processes, ulimit -u, or give the channel an event loop, ChannelOptions::event_loop)"));
  }
  call_.exchange_.SetWaiters(&waiters_);
  std::optional<MessageSource> source;
  if (first != nullptr) {
    source.emplace(*first);
    if (absl::Status measured = source->Measure(); !measured.ok()) return call_.Fail(measured);
  }
  const MessageSource* const message = source ? &*source : nullptr;
  if (!call_.Prepare(message)) return;
  call_.exchange_.Begin(message, end, /*lasts=*/false);
  WatchDeadline();
  call_.WatchCancellation();
  std::shared_ptr<ClientSession> session = connector_->SessionIfReady();
  session != nullptr ? OnSession(std::move(session)) : Connect();
}

void AsyncClientCall::WatchDeadline() {
  if (context_.deadline().is_infinite()) return;
  deadline_timer_ =
      waiters_.poller->AddTimer(context_.deadline(), &waiters_, [weak = weak_from_this()] {
        if (const std::shared_ptr<AsyncClientCall> self = weak.lock()) {
          self->call_.Fail(absl::DeadlineExceededError("deadline exceeded"));
        }
      });
}

void AsyncClientCall::BeginAnew() {
  // The call's owner may be about to destroy it.
  const std::shared_ptr<AsyncClientCall> self = weak_from_this().lock();
  if (self == nullptr || !call_.exchange_.waits_for_session()) return;
  const ClientExchange::Beginning beginning = call_.exchange_.beginning();
  if (beginning.refused_by != nullptr) connector_->Retire(*beginning.refused_by);
  if (beginning.pause <= absl::ZeroDuration()) return Connect();
  pause_timer_ = waiters_.poller->AddTimer(
      Deadline::After(beginning.pause), &waiters_, [weak = weak_from_this()] {
        if (const std::shared_ptr<AsyncClientCall> alive = weak.lock()) alive->Connect();
      });
}

void AsyncClientCall::Connect() {
  // Whoever ends the call waits for this task before the context goes.
  if (!call_.exchange_.waits_for_session()) return;
  connector_->WhenReady(
      &waiters_,
      context_.wait_for_ready() ? Deadline::Infinite() : Deadline::After(call_.patience()),
      [self = shared_from_this()](auto session) { self->OnSession(std::move(session)); });
  // It may have been given up meanwhile.
  if (!call_.exchange_.waits_for_session()) connector_->StopWaiting(&waiters_);
}

void AsyncClientCall::OnSession(absl::StatusOr<std::shared_ptr<ClientSession>> session) {
  if (!session.ok()) {
    return call_.exchange_.Settle(Prefixed(method_.method->name, session.status()));
  }
  if (call_.exchange_.Open(*session, method_.id)) return;
  connector_->Retire(**session);
  Connect();
}

void AsyncClientCall::RunSoon(absl::AnyInvocable<void()> callback) {
  if (waiters_.poller == nullptr) return callback();
  waiters_.poller->Post(&waiters_, std::move(callback));
}

void AsyncClientCall::When(CallEvent event, absl::AnyInvocable<void()> callback) {
  // The callback may run before this returns, and drop the last other reference.
  const std::shared_ptr<AsyncClientCall> self = shared_from_this();
  if (waiters_.poller == nullptr) return callback();
  // What it returns is destroyed here, with no lock held.
  (void)call_.exchange_.When(event, std::move(callback));
}

void AsyncClientCall::Read(MessageTarget target, Done done) {
  When(CallEvent::kMessage, [self = shared_from_this(), target, done = std::move(done)]() mutable {
    done(self->call_.Read(target));
  });
}

std::optional<bool> AsyncClientCall::TryWrite(const google::protobuf::MessageLite& message,
                                              bool end) {
  MessageSource source(message);
  if (absl::Status measured = source.Measure(); !measured.ok()) {
    call_.Fail(measured);
    return false;
  }
  return call_.TryWrite(source, end);
}

void AsyncClientCall::Write(const google::protobuf::MessageLite& message, bool end, Done done) {
  const std::optional<bool> written = TryWrite(message, end);
  if (!written.has_value()) {
    MessageSource source(message);
    (void)source.Measure();  // as TryWrite has, without an error
    return WriteBytes(Serialized(source), end, std::move(done));
  }
  RunSoon(
      [self = shared_from_this(), ok = *written, done = std::move(done)]() mutable { done(ok); });
}

void AsyncClientCall::WriteBytes(std::string bytes, bool end, Done done) {
  When(CallEvent::kRoom, [self = shared_from_this(), bytes = std::move(bytes), end,
                          done = std::move(done)]() mutable {
    // Other calls may have used the room up meanwhile; then it waits again.
    const std::optional<bool> written =
        self->call_.TryWrite(MessageSource(absl::string_view(bytes)), end);
    if (written.has_value()) return done(*written);
    self->WriteBytes(std::move(bytes), end, std::move(done));
  });
}

void AsyncClientCall::WaitForInitialMetadata(absl::AnyInvocable<void()> done) {
  When(CallEvent::kInitialMetadata,
       [self = shared_from_this(), done = std::move(done)]() mutable { done(); });
}

absl::Status AsyncClientCall::TakeStatus() {
  LetGo();
  return call_.Finish();
}

void AsyncClientCall::LetGo() {
  if (waiters_.poller == nullptr) return;  // never begun
  connector_->StopWaiting(&waiters_);
  waiters_.poller->RemoveTimer(deadline_timer_);
  waiters_.poller->RemoveTimer(pause_timer_);
}

void AsyncClientCall::Finish(absl::AnyInvocable<void(absl::Status)> done) {
  Discard();
  When(CallEvent::kEnd,
       [self = shared_from_this(), done = std::move(done)]() mutable { done(self->TakeStatus()); });
}

void AsyncClientCall::Abandon() {
  if (!call_.is_of_this_process() || waiters_.poller == nullptr) return;
  // Before it ends, which would post the callbacks.
  call_.exchange_.DropWaiters();
  if (!call_.finished_) call_.Cancel();
  // Whatever still runs finds the call over, and has been waited for when this returns.
  waiters_.poller->Revoke(&waiters_);
  LetGo();
  if (!call_.finished_) call_.Drop();
}

}  // namespace nigh
