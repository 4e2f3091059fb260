// How handlers wait for their clients: in a thread of theirs, or as coroutines.

#include <optional>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "nigh/message_io.h"
#include "nigh/mutex.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/server/server_call.h"
#include "nigh/runtime/server/server_session.h"

namespace nigh {

bool ServerSession::IsReady(const ServerCall& call, ServerCall::Event event) const {
  switch (event) {
    case ServerCall::Event::kMessage:
      return !call.inbox_.empty() || !call.state_.can_receive();
    case ServerCall::Event::kRoom:
      return !call.state_.can_send() || (call.credit_ > 0 && !sender_.congested());
  }
  return true;
}

void ServerSession::Changed(ServerCall& call) {
  call.changed_.SignalAll();
  for (int event = 0; event < ServerCall::kEvents; ++event) {
    absl::AnyInvocable<void()>& callback = call.waiting_[event];
    if (callback == nullptr || !IsReady(call, static_cast<ServerCall::Event>(event))) continue;
    poller_.Post(nullptr, std::exchange(callback, nullptr));
  }
}

bool ServerSession::Ready(const ServerCall& call, ServerCall::Event event) const {
  MutexLock lock(mutex_);
  return IsReady(call, event);
}

void ServerSession::When(ServerCall& call, ServerCall::Event event,
                         absl::AnyInvocable<void()> callback) {
  // Before the callback, which may end the call, can run. A deadline that passes ends every wait.
  call.WatchDeadline();
  MutexLock lock(mutex_);
  call.waiting_[static_cast<int>(event)] = std::move(callback);
  Changed(call);
}

std::optional<bool> ServerSession::TryWrite(ServerCall& call, const MessageSource& message) {
  MutexLock lock(mutex_);
  if (!IsReady(call, ServerCall::Event::kRoom)) return std::nullopt;
  return WriteNow(call, message);
}

}  // namespace nigh
