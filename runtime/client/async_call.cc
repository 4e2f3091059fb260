#include "nigh/runtime/client/async_call.h"

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/message_lite.h"
#include "nigh/event_loop.h"
#include "nigh/message_io.h"
#include "nigh/mutex.h"
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
    : context_(context), method_(method), call_(method, context_) {}

AsyncClientCall::AsyncClientCall(BoundMethod method, const CallOptions& options)
    : own_(std::in_place, options), context_(*own_), method_(method), call_(method, context_) {}

void AsyncClientCall::Start(const google::protobuf::MessageLite* first, bool end) {
  const std::shared_ptr<Connector> connector = method_.connector->shared_from_this();
  // A child of fork(2) has no thread of its parent's pollers, but is to hear of the failure.
  waiters_.poller = connector->is_of_this_process() ? connector->poller() : SharedPoller();
  if (waiters_.poller == nullptr) {
    return FailToStart(absl::ResourceExhaustedError(absl::StrCat(
        method_.method->name,
        ": the system has no thread to give for calls that no thread waits for (raise the limit on "
        "processes, ulimit -u, or give the channel an event loop, ChannelOptions::event_loop)")));
  }
  call_.exchange_.SetWaiters(&waiters_);
  std::optional<MessageSource> source;
  if (first != nullptr) {
    source.emplace(*first);
    if (absl::Status measured = source->Measure(); !measured.ok()) {
      return FailToStart(absl::Status(
          measured.code(), absl::StrCat(method_.method->name, ": ", measured.message())));
    }
  }
  if (std::optional<absl::Status> status = call_.Prepare(source ? &*source : nullptr)) {
    return FailToStart(*std::move(status));
  }
  if (absl::Status status = connector->Check(method_); !status.ok()) {
    return FailToStart(std::move(status));
  }
  {
    MutexLock lock(mutex_);
    connector_ = connector;
    end_ = end;
    phase_ = Phase::kOpening;
  }
  const auto give_up = [weak = weak_from_this()](const absl::Status& why) {
    if (const std::shared_ptr<AsyncClientCall> self = weak.lock()) self->GiveUp(why);
  };
  const auto watch_deadline = [&] {
    if (context_.deadline().is_infinite()) return;
    timer_ = waiters_.poller->AddTimer(context_.deadline(), &waiters_, [give_up] {
      give_up(absl::DeadlineExceededError("deadline exceeded"));
    });
  };
  std::shared_ptr<ClientSession> session = connector->SessionIfReady();
  if (session != nullptr && OpenOn(std::move(session), source ? &*source : nullptr)) {
    return watch_deadline();
  }
  {
    MutexLock lock(mutex_);
    if (source) first_ = Serialized(*source);
    phase_ = Phase::kConnecting;
  }
  watch_deadline();
  const Cancellation::Id hook =
      call_.context_.cancellation().Add([give_up] { give_up(absl::CancelledError("cancelled")); });
  {
    MutexLock lock(mutex_);
    cancel_hook_ = hook;
    if (phase_ == Phase::kFailed) return;
  }
  Connect();
}

void AsyncClientCall::Connect() {
  std::shared_ptr<Connector> connector;
  {
    MutexLock lock(mutex_);
    connector = connector_;
  }
  if (connector == nullptr) return;  // the call has been given up meanwhile
  const uint64_t waiter = connector->WhenReady(
      &waiters_, context_.wait_for_ready(),
      [self = shared_from_this()](auto session) { self->OnSession(std::move(session)); });
  bool failed = false;
  {
    MutexLock lock(mutex_);
    waiter_ = waiter;
    failed = phase_ == Phase::kFailed || abandoned_;
  }
  if (failed) connector->StopWaiting(waiter);
}

void AsyncClientCall::StopConnecting() {
  std::shared_ptr<Connector> connector;
  uint64_t waiter = 0;
  {
    MutexLock lock(mutex_);
    connector = std::move(connector_);
    waiter = waiter_;
  }
  if (connector != nullptr) connector->StopWaiting(waiter);
}

void AsyncClientCall::OnSession(absl::StatusOr<std::shared_ptr<ClientSession>> session) {
  if (!session.ok()) {
    return FailToStart(Prefixed(method_.method->name, session.status()));
  }
  std::optional<MessageSource> first;
  {
    MutexLock lock(mutex_);
    if (phase_ != Phase::kConnecting || abandoned_) return;
    phase_ = Phase::kOpening;
    if (first_.has_value()) first.emplace(absl::string_view(*first_));
  }
  if (OpenOn(*std::move(session), first ? &*first : nullptr)) return RemoveHooks();
  {
    MutexLock lock(mutex_);
    phase_ = Phase::kConnecting;
  }
  if (call_.context_.cancellation().requested()) return GiveUp(absl::CancelledError("cancelled"));
  Connect();
}

bool AsyncClientCall::OpenOn(std::shared_ptr<ClientSession> session, const MessageSource* first) {
  bool end = false;
  {
    MutexLock lock(mutex_);
    end = end_;
  }
  if (!call_.StartOn(session, first, end)) {
    method_.connector->Retire(*session);
    return false;
  }
  std::array<absl::AnyInvocable<void()>, kCallEvents> early;
  std::shared_ptr<Connector> connector;  // destroyed after the lock
  bool ended_meanwhile = false;
  bool discard = false;
  {
    MutexLock lock(mutex_);
    phase_ = Phase::kOpen;
    connector = std::move(connector_);
    early = std::exchange(early_, {});
    ended_meanwhile = end_ && !end;
    discard = discard_;
    first_.reset();
  }
  // Another thread may have done these while the session did not have the call yet.
  if (ended_meanwhile) (void)call_.WritesDone();
  if (discard) call_.exchange_.Discard();
  for (int event = 0; event < kCallEvents; ++event) {
    if (early[event]) When(static_cast<CallEvent>(event), std::move(early[event]));
  }
  return true;
}

void AsyncClientCall::FailToStart(absl::Status status) {
  std::array<absl::AnyInvocable<void()>, kCallEvents> early;
  {
    MutexLock lock(mutex_);
    if (phase_ != Phase::kConnecting) return;
    phase_ = Phase::kFailed;
    call_.FailToStart(std::move(status));
    early = std::exchange(early_, {});
  }
  StopConnecting();
  RemoveHooks();
  for (absl::AnyInvocable<void()>& callback : early) {
    if (callback) RunSoon(std::move(callback));
  }
}

void AsyncClientCall::RunSoon(absl::AnyInvocable<void()> callback) {
  if (waiters_.poller == nullptr) return callback();
  waiters_.poller->Post(&waiters_, std::move(callback));
}

void AsyncClientCall::GiveUp(const absl::Status& status) {
  Phase phase;
  {
    MutexLock lock(mutex_);
    phase = phase_;
  }
  if (phase == Phase::kOpen) return call_.Fail(status);
  // A thread that is opening the call finds out by itself.
  if (phase != Phase::kConnecting) return;
  FailToStart(absl::Status(status.code(), absl::StrCat(method_.method->name, ": ", status.message(),
                                                       " while connecting")));
}

void AsyncClientCall::RemoveHooks() {
  Cancellation::Id hook = 0;
  {
    MutexLock lock(mutex_);
    hook = std::exchange(cancel_hook_, 0);
  }
  // Without a hook the context may be gone already.
  if (hook != 0) call_.context_.cancellation().Remove(hook);
}

bool AsyncClientCall::Ready(CallEvent event) {
  {
    MutexLock lock(mutex_);
    if (phase_ == Phase::kFailed) return true;
    if (phase_ != Phase::kOpen) return false;
  }
  return call_.exchange_.Ready(event);
}

void AsyncClientCall::When(CallEvent event, absl::AnyInvocable<void()> callback) {
  // The callback may run before this returns, and drop the last other reference.
  const std::shared_ptr<AsyncClientCall> self = shared_from_this();
  absl::AnyInvocable<void()> dropped;  // destroyed after the lock
  {
    MutexLock lock(mutex_);
    if (abandoned_) {
      dropped = std::move(callback);
      return;
    }
    if (phase_ == Phase::kOpen) {
      // With the lock held: Abandon sets abandoned_ under it, and then finds what is registered.
      dropped = call_.exchange_.When(event, std::move(callback));
      return;
    }
    if (phase_ != Phase::kFailed) {
      dropped = std::exchange(early_[static_cast<int>(event)], std::move(callback));
      return;
    }
    if (waiters_.poller != nullptr) return waiters_.poller->Post(&waiters_, std::move(callback));
  }
  callback();
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
    GiveUp(measured);
    return false;
  }
  return TryWriteSource(source, end);
}

std::optional<bool> AsyncClientCall::TryWriteSource(const MessageSource& message, bool end) {
  {
    MutexLock lock(mutex_);
    if (phase_ == Phase::kFailed) return false;
    if (phase_ != Phase::kOpen) return std::nullopt;
  }
  return call_.TryWrite(message, end);
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
        self->TryWriteSource(MessageSource(absl::string_view(bytes)), end);
    if (written.has_value()) return done(*written);
    self->WriteBytes(std::move(bytes), end, std::move(done));
  });
}

bool AsyncClientCall::WritesDone() {
  {
    MutexLock lock(mutex_);
    if (phase_ == Phase::kFailed) return false;
    if (phase_ != Phase::kOpen) return !std::exchange(end_, true);
  }
  return call_.WritesDone();
}

void AsyncClientCall::WaitForInitialMetadata(absl::AnyInvocable<void()> done) {
  When(CallEvent::kInitialMetadata,
       [self = shared_from_this(), done = std::move(done)]() mutable { done(); });
}

void AsyncClientCall::Discard() {
  {
    MutexLock lock(mutex_);
    discard_ = true;
    if (phase_ != Phase::kOpen) return;
  }
  call_.exchange_.Discard();
}

absl::Status AsyncClientCall::TakeStatus() {
  RemoveHooks();
  if (waiters_.poller != nullptr) waiters_.poller->RemoveTimer(timer_);
  return call_.Finish();
}

void AsyncClientCall::Finish(absl::AnyInvocable<void(absl::Status)> done) {
  Discard();
  When(CallEvent::kEnd,
       [self = shared_from_this(), done = std::move(done)]() mutable { done(self->TakeStatus()); });
}

void AsyncClientCall::Abandon() {
  if (!call_.is_of_this_process()) return;
  std::array<absl::AnyInvocable<void()>, kCallEvents> early;
  {
    MutexLock lock(mutex_);
    if (std::exchange(abandoned_, true)) return;
    early = std::exchange(early_, {});
  }
  if (waiters_.poller == nullptr) return;  // never begun
  StopConnecting();
  waiters_.poller->RemoveTimer(timer_);
  RemoveHooks();
  // From here on nobody but the session touches the call.
  waiters_.poller->Revoke(&waiters_);
  if (call_.finished_) return;
  if (call_.session_ != nullptr) {
    // Before Drop: cancelling the call would post the callbacks. What the session posted since the
    // first Revoke is revoked now.
    call_.exchange_.DropWaiters();
    waiters_.poller->Revoke(&waiters_);
  }
  call_.Drop();
}

}  // namespace nigh
