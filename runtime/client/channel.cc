#include "nigh/channel.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/client_context.h"
#include "nigh/deadline.h"
#include "nigh/event_loop.h"
#include "nigh/method.h"
#include "nigh/mutex.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/transport/address.h"
#include "nigh/transport/transport.h"

namespace nigh {
namespace {

// Stands for the number of what is no method's name.
constexpr uint16_t kMalformed = kMaxMethods + 1;

// Every name that a channel can no longer remember, as each kind.
constexpr Method kOneTooMany[] = {{"another method", MethodKind::kUnary},
                                  {"another method", MethodKind::kServerStreaming},
                                  {"another method", MethodKind::kClientStreaming},
                                  {"another method", MethodKind::kBidiStreaming}};

}  // namespace

absl::string_view ChannelStateName(ChannelState state) {
  switch (state) {
    case ChannelState::kIdle:
      return "IDLE";
    case ChannelState::kConnecting:
      return "CONNECTING";
    case ChannelState::kReady:
      return "READY";
    case ChannelState::kTransientFailure:
      return "TRANSIENT_FAILURE";
  }
  return "unknown";
}

absl::StatusOr<std::shared_ptr<Channel>> Channel::Create(absl::string_view text,
                                                         const ChannelOptions& options) {
  absl::StatusOr<Address> address = Address::Parse(text);
  if (!address.ok()) return address.status();
  if (absl::Status status = CheckOptions(options); !status.ok()) return status;
  if (options.event_loop != nullptr) {
    if (absl::Status status = options.event_loop->poller()->Open(); !status.ok()) return status;
  }
  absl::StatusOr<const Transport*> transport = FindTransport(options.transports, *address);
  if (!transport.ok()) return transport.status();
  return std::shared_ptr<Channel>(new Channel(*std::move(address), *transport, options));
}

PeerIdentity Channel::peer() const {
  MutexLock lock(mutex_);
  return session_ == nullptr ? PeerIdentity() : *session_->peer();
}

ChannelState Channel::state() const {
  MutexLock lock(mutex_);
  return state_;
}

void Channel::OnStateChange(std::function<void(ChannelState)> callback) {
  MutexLock lock(mutex_);
  callbacks_.push_back(std::move(callback));
}

void Channel::SetState(ChannelState state) {
  if (state_ == state) return;
  state_ = state;
  if (!callbacks_.empty()) unannounced_.push_back(state);
}

void Channel::Announce() {
  const std::shared_ptr<Channel> self =
      shared_from_this();  // a callback may let go of the last other
  MutexLock lock(mutex_);
  // Whoever announces already takes the newest changes along.
  if (std::exchange(announcing_, true)) return;
  while (!unannounced_.empty()) {
    const ChannelState state = unannounced_.front();
    unannounced_.pop_front();
    const std::vector<std::function<void(ChannelState)>> callbacks = callbacks_;
    MutexUnlock unlock(mutex_);
    for (const auto& callback : callbacks) callback(state);
  }
  announcing_ = false;
}

uint16_t Channel::Bind(absl::Span<const Method> methods) {
  MutexLock lock(mutex_);
  for (const auto& [known, id] : bound_) {
    if (known == methods.data()) return id;
  }
  const bool fits = method_count_ + methods.size() <= kMaxMethods;
  const auto first = static_cast<uint16_t>(fits ? method_count_ : kMaxMethods);
  if (fits) method_count_ += methods.size();
  bound_.emplace_back(methods.data(), first);
  return first;
}

BoundMethod Channel::Bind(absl::string_view name, MethodKind kind) {
  const auto index = static_cast<size_t>(kind);
  MutexLock lock(mutex_);
  auto known = named_.find(name);
  if (known == named_.end()) {
    // Malformed ones count, too: names may come from strangers, through a proxy.
    if (named_.size() >= kMaxMethods) return {this, &kOneTooMany[index], kMaxMethods};
    uint16_t id = kMalformed;
    if (IsMethodName(name)) id = method_count_ < kMaxMethods ? method_count_++ : kMaxMethods;
    auto named = std::make_unique<CalledMethod>(CalledMethod{std::string(name), id, {}});
    for (size_t i = 0; i < named->kinds.size(); ++i) {
      named->kinds[i] = {named->name.c_str(), static_cast<MethodKind>(i)};
    }
    known = named_.emplace(name, std::move(named)).first;
  }
  return {this, &known->second->kinds[index], known->second->id};
}

absl::Status Channel::WaitForReady(absl::Duration timeout) {
  ClientContext context({.timeout = timeout, .wait_for_ready = true});
  static constexpr Method kNone{"connect", MethodKind::kUnary};
  return Connect({this, &kNone, 0}, context).status();
}

absl::Status Channel::Check(const BoundMethod& method) const {
  if (method.id == kMalformed) {
    return absl::InternalError(absl::StrCat(address_.ToString(), ": \"",
                                            absl::CHexEscape(method.method->name),
                                            R"(" is no method (write "/package.Service/Method"))"));
  }
  if (method.id >= kMaxMethods) {
    return absl::ResourceExhaustedError(absl::StrCat(address_.ToString(), ": ", method.method->name,
                                                     ": more than ", kMaxMethods,
                                                     " methods on one channel (use a second one)"));
  }
  if (std::strlen(method.method->name) > kMaxMethodName) {
    return absl::InternalError(absl::StrCat(address_.ToString(), ": ", method.method->name,
                                            ": a method's name is at most ", kMaxMethodName,
                                            " bytes long"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<ClientSession>> Channel::Session(const BoundMethod& method,
                                                                ClientContext& context) {
  if (absl::Status status = Check(method); !status.ok()) return status;
  {
    MutexLock lock(mutex_);
    if (session_ != nullptr) return session_;
  }
  return Connect(method, context);
}

void Channel::Retire(const ClientSession& session) {
  std::shared_ptr<ClientSession> retired;  // goes after the lock
  {
    MutexLock lock(mutex_);
    if (session_.get() != &session) return;
    retired = std::move(session_);
    session_ = nullptr;
    if (session.proven()) {
      pause_ = absl::ZeroDuration();
      SetState(ChannelState::kIdle);
    } else {
      // It said hello and took no call: no better than a server that is not there.
      last_error_ = session.EndStatus();
      next_attempt_ = Deadline::After(NextPause());
      SetState(ChannelState::kTransientFailure);
    }
  }
  retired->LetGo();
  Announce();
}

absl::StatusOr<std::shared_ptr<ClientSession>> Channel::Connect(const BoundMethod& method,
                                                                ClientContext& context) {
  // A state callback may let go of everybody else's reference.
  const std::shared_ptr<Channel> self = shared_from_this();
  // Cancelling wakes this thread from whatever it waits for here.
  const Cancellation::Id hook = context.cancellation_.Add([this] {
    MutexLock lock(mutex_);
    changed_.SignalAll();
    if (attempt_ != nullptr) attempt_->Interrupt();
  });
  absl::StatusOr<std::shared_ptr<ClientSession>> session = ConnectOrWait(method, context);
  context.cancellation_.Remove(hook);
  Announce();
  return session;
}

absl::StatusOr<std::shared_ptr<ClientSession>> Channel::ConnectOrWait(const BoundMethod& method,
                                                                      ClientContext& context) {
  const Deadline deadline = context.deadline();
  const auto describe = [&](absl::string_view what, const absl::Status& why) {
    return absl::StrCat(address_.ToString(), ": ", method.method->name, ": ", what,
                        why.ok() ? "" : " while connecting; the last attempt: ", why.message());
  };
  MutexLock lock(mutex_);
  for (;;) {
    if (session_ != nullptr) return session_;
    if (context.cancellation_.requested()) {
      return absl::CancelledError(describe("cancelled", last_error_));
    }
    if (deadline.HasPassed()) {
      return absl::DeadlineExceededError(describe("deadline exceeded", last_error_));
    }
    if (connecting_ && on_poller_) {
      // This may be the poller's own thread, in a callback: it connects by itself instead.
      ++attempts_;
      connecting_ = on_poller_ = false;
      if (attempt_ != nullptr) attempt_->Close();
      attempt_ = nullptr;
    } else if (connecting_) {
      changed_.WaitUntil(mutex_, deadline);
    } else if (!next_attempt_.HasPassed()) {
      if (!context.wait_for_ready()) return last_error_;
      changed_.WaitUntil(mutex_, std::min(deadline, next_attempt_));
    } else {
      connecting_ = true;
      SetState(ChannelState::kConnecting);
      absl::StatusOr<std::shared_ptr<ClientSession>> session;
      {
        MutexUnlock unlock(mutex_);
        Announce();
        session = Attempt(context);
      }
      attempt_ = nullptr;
      if (session.ok()) {
        Connected(*std::move(session));
      } else if (context.cancellation_.requested() || deadline.HasPassed()) {
        // Cut short by this caller; that says nothing about the server.
        connecting_ = false;
        changed_.SignalAll();
        SetState(ChannelState::kIdle);
        ServeWaiters();
      } else {
        FailedToConnect(session.status());
        if (!context.wait_for_ready()) return last_error_;
      }
    }
  }
}

void Channel::Connected(std::shared_ptr<ClientSession> session) {
  session_ = std::move(session);
  last_error_ = absl::OkStatus();
  connecting_ = false;
  changed_.SignalAll();
  SetState(ChannelState::kReady);
  ServeWaiters();
}

void Channel::FailedToConnect(absl::Status status) {
  last_error_ = std::move(status);
  next_attempt_ = Deadline::After(NextPause());
  connecting_ = false;
  changed_.SignalAll();
  SetState(ChannelState::kTransientFailure);
  ServeWaiters();
}

std::shared_ptr<ClientSession> Channel::NewSession(std::unique_ptr<Connection> connection) {
  // The session may outlive the channel, and its end is then nobody's business.
  auto session =
      std::make_shared<ClientSession>(std::move(connection), address_.ToString(), options_);
  session->OnEnd([channel = weak_from_this(), ended = session.get()] {
    if (const std::shared_ptr<Channel> alive = channel.lock()) alive->Retire(*ended);
  });
  return session;
}

absl::StatusOr<std::shared_ptr<ClientSession>> Channel::Attempt(ClientContext& context) {
  absl::StatusOr<std::unique_ptr<Connection>> connection = transport_->dial(address_);
  if (!connection.ok()) return absl::UnavailableError(connection.status().message());
  const std::shared_ptr<ClientSession> session = NewSession(*std::move(connection));
  if (absl::Status status = session->Open(); !status.ok()) return status;
  {
    MutexLock lock(mutex_);
    attempt_ = session;
  }
  const Deadline limit = Deadline::After(options_.connect_timeout);
  absl::Status status = session->Handshake(std::min(limit, context.deadline()), [&context] {
    return context.cancellation_.requested();
  });
  if (!status.ok()) return status;
  return session;
}

absl::Duration Channel::NextPause() {
  pause_ = std::clamp(pause_ * 1.6, options_.min_backoff, options_.max_backoff);
  static thread_local absl::BitGen random;
  return pause_ * absl::Uniform(random, 0.8, 1.2);
}

}  // namespace nigh
