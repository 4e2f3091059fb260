#include "nigh/runtime/client/client_session.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nigh/deadline.h"
#include "nigh/event_loop.h"
#include "nigh/message_io.h"
#include "nigh/mutex.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/call_sections.h"
#include "nigh/runtime/call/call_state.h"
#include "nigh/runtime/client/client_call.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/errno_status.h"

namespace nigh {
namespace {

// A connection at which nobody has looked for longer than this is looked at before it gets a call:
// the server may have been restarted.
constexpr int64_t kStaleNanos = 200'000;

}  // namespace

ClientSession::ClientSession(std::unique_ptr<Connection> connection, std::string name,
                             const ChannelOptions& options)
    : connection_(std::move(connection)),
      name_(std::move(name)),
      limits_(options.limits),
      wait_(options.wait),
      poll_cost_(connection_->poll_cost()),
      own_loop_(options.event_loop != nullptr),
      peer_(std::make_shared<const PeerIdentity>(connection_->peer())),
      interrupt_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      sender_(*connection_),
      receiver_(*connection_),
      waiter_(options.wait),
      slots_(options.limits.max_calls) {
  if (own_loop_) poller_ = options.event_loop->poller();
}

ClientSession::~ClientSession() { connection_->Close(); }

absl::Status ClientSession::Open() const {
  if (interrupt_) return absl::OkStatus();
  return UnavailableErrno(errno, name_, "connect: eventfd");
}

absl::Status ClientSession::EndStatus() const {
  MutexLock lock(mutex_);
  if (!dead_.ok()) return dead_;
  return absl::UnavailableError(
      absl::StrCat(name_, ": ", farewell_.empty() ? "the connection is closing" : farewell_));
}

bool ClientSession::Start(ClientCall& call, const MessageSource* first, bool end) {
  NoticeDeath(SteadyNanos());
  {
    MutexLock lock(mutex_);
    if (!dead_.ok() || going_away_) return false;
    if (absl::Status status = CheckStart(*call.method_.method, call.context_, first);
        !status.ok()) {
      call.status_ = std::move(status);
      call.state_.Close();
      return true;
    }
    if (!TakeId(call)) return true;
    call.window_ = Window(limits_.window, server_.window);
    if (first != nullptr) call.window_.Sent(first->size());
    (void)call.state_.Send(first != nullptr, end);
    call.context_.peer_ = peer_;
  }
  SectionWriter sections;
  AddMetadata(call.context_.sent_, SectionType::kMetadata, sections);
  FrameHeader header{.kind = FrameKind::kRequest,
                     .method = call.method_.id,
                     .call = call.id_,
                     .aux = TimeLeft(call.context_.deadline_)};
  if (first != nullptr) header.flags |= kMessage;
  if (end) header.flags |= kEnd;
  // Without the mutex: serialising takes long, and no other thread sends for this call yet.
  Sent sent = Sent::kFailed;
  {
    MutexLock section(sender_.mutex());
    sent = sender_.SendRequestLocked(header, call.method_.method->name, sections.block(), first);
    ++requests_;
  }
  if (sent != Sent::kFailed && !proven_) proven_ = true;
  if (sent == Sent::kAll && writers_waiting_ == 0) return true;
  MutexLock lock(mutex_);
  AfterSend(sent);
  if (sent != Sent::kFailed) {
    // The caller of a unary method waits for its reply next, and pumps then.
    if (call.method_.method->kind != MethodKind::kUnary) HandOver();
    return true;
  }
  // The server cannot have acted upon a frame that the medium has refused, so the call may begin
  // again on another session. Fail may have ended it meanwhile.
  if (!call.state_.closed()) {
    NoLongerOpen(call);
    FreeId(call.id_);
  }
  call.state_ = CallState(call.method_.method->kind, CallState::End::kClient);
  call.status_ = absl::OkStatus();
  if (dead_.ok()) going_away_ = true;
  return false;
}

std::string ClientSession::NameOf(const Method& method) const {
  return absl::StrCat(name_, ": ", method.name);
}

absl::Status ClientSession::CheckStart(const Method& method, const ClientContext& context,
                                       const MessageSource* first) const {
  const auto refuse = [&](absl::string_view what, uint64_t size, uint64_t limit) {
    return TooLargeToSend(NameOf(method), what, size, Peer::kServer, limit);
  };
  const size_t metadata = context.sent_.byte_size();
  if (metadata > server_.max_metadata) return refuse("metadata", metadata, server_.max_metadata);
  if (first != nullptr && first->size() > server_.max_message) {
    return refuse("a message", first->size(), server_.max_message);
  }
  return absl::OkStatus();
}

absl::Status ClientSession::TooManyCalls(const Method& method) const {
  return absl::ResourceExhaustedError(
      absl::StrCat(NameOf(method), ": ", slots_.made(),
                   " calls in flight already (raise Limits::max_calls on both sides)"));
}

bool ClientSession::TakeId(ClientCall& call) {
  Slot* slot = nullptr;
  {
    MutexLock lock(sender_.mutex());
    slot = slots_.Claim(server_.max_calls);
    if (slot != nullptr) slot->state.Share();
  }
  if (slot == nullptr) {
    call.status_ = TooManyCalls(*call.method_.method);
    call.state_.Close();
    return false;
  }
  slot->call = &call;
  call.id_ = slot->id;
  Opened(call);
  return true;
}

void ClientSession::FreeId(uint32_t id) {
  Slot& slot = *slots_.Find(id);
  slot.call = nullptr;
  FreeSlot(slot);
}

void ClientSession::FreeSlot(Slot& slot) {
  slot.state.Free();
  slots_.GiveBack(slot);
}

bool ClientSession::Write(ClientCall& call, const MessageSource& message, bool end) {
  NoticeDeath(SteadyNanos());
  MutexLock lock(mutex_);
  if (call.state_.can_send()) AwaitSender(call, Event::kRoom);
  const Sent sent = WriteNow(call, message, end);
  // What does not fit leaves only while somebody pumps. That may have to be this thread.
  if (sent == Sent::kSome) AwaitSender(call, Event::kLeft);
  return sent != Sent::kFailed;
}

Sent ClientSession::WriteNow(ClientCall& call, const MessageSource& message, bool end) {
  if (!call.state_.can_send()) return Sent::kFailed;
  if (message.size() > server_.max_message) {
    Abandon(call, TooLargeToSend(NameOf(call), "a message", message.size(), Peer::kServer,
                                 server_.max_message));
    return Sent::kFailed;
  }
  if (call.state_.Send(/*message=*/true, end) != Verdict::kOk) return Sent::kFailed;
  call.window_.Sent(message.size());
  FrameHeader header{.kind = FrameKind::kMessage, .flags = kMessage, .call = call.id_};
  if (end) header.flags |= kEnd;
  // The mutex stays held: once the server's RESPONSE is dispatched, the id may be another call's.
  const Sent sent = sender_.Send(header, "", &message);
  AfterSend(sent);
  return sent;
}

void ClientSession::AwaitSender(ClientCall& call, Event event) {
  // Room or not, a deadline that has passed ends the call; Await(kEnd) sees to that.
  if (call.context_.deadline_.HasPassed()) return Await(call, Event::kEnd, Role::kOther);
  ++writers_waiting_;
  Await(call, event, Role::kOther);
  --writers_waiting_;
}

bool ClientSession::WritesDone(ClientCall& call) {
  MutexLock lock(mutex_);
  if (call.state_.Send(/*message=*/false, /*end=*/true) != Verdict::kOk) return false;
  const Sent sent =
      sender_.Send({.kind = FrameKind::kMessage, .flags = kEnd, .call = call.id_}, "", nullptr);
  AfterSend(sent);
  if (sent == Sent::kSome && call.waiters_ == nullptr) AwaitSender(call, Event::kLeft);
  return sent != Sent::kFailed;
}

void ClientSession::ParseInbox(ClientCall& call) {
  const std::string bytes = std::move(call.inbox_.front());
  call.inbox_.pop_front();
  absl::Status parsed;
  {
    // Parsing takes long. Only this thread, the call's reader, touches the target.
    MutexUnlock unlock(mutex_);
    parsed = call.target_.Parse(AsBytes(bytes));
  }
  Parsed(call, parsed, bytes.size());
}

void ClientSession::Parsed(ClientCall& call, const absl::Status& status, size_t size) {
  call.target_ = MessageTarget();
  if (status.ok()) {
    call.target_filled_ = true;
    return Consumed(call, size);
  }
  absl::Status failure = Prefixed(NameOf(call), status);
  // The call may have ended before its last message was parsed. A malformed message still counts.
  if (call.state_.closed()) call.status_ = failure;
  Abandon(call, std::move(failure));
  call.inbox_.clear();
}

void ClientSession::Consumed(ClientCall& call, size_t size) {
  if (!ServerStreams(call.method_.method->kind) || call.state_.closed()) return;
  const uint64_t grant = call.window_.Consumed(size);
  if (grant == 0) return;
  AfterSend(
      sender_.Send({.kind = FrameKind::kCredit, .call = call.id_, .aux = grant}, "", nullptr));
}

bool ClientSession::Read(ClientCall& call, MessageTarget target) {
  MutexLock lock(mutex_);
  call.target_ = target;
  if (call.inbox_.empty()) Await(call, Event::kMessage, Role::kReader);
  if (!call.target_filled_ && !call.inbox_.empty()) ParseInbox(call);
  call.target_ = MessageTarget();
  HandOver();
  return std::exchange(call.target_filled_, false);
}

void ClientSession::WaitForInitialMetadata(ClientCall& call) {
  MutexLock lock(mutex_);
  Await(call, Event::kInitialMetadata, Role::kOther);
}

void ClientSession::DiscardNow(ClientCall& call) {
  if (!ServerStreams(call.method_.method->kind)) return;
  // The server's writer must not wait for credit from a reader that is gone.
  call.discard_ = true;
  for (const std::string& message : call.inbox_) Consumed(call, message.size());
  call.inbox_.clear();
}

absl::Status ClientSession::Finish(ClientCall& call) {
  MutexLock lock(mutex_);
  DiscardNow(call);
  Await(call, Event::kEnd, Role::kReader);
  // The reply came while another thread pumped, so it was not parsed in place.
  if (call.target_ && !call.inbox_.empty()) ParseInbox(call);
  return call.status_;
}

void ClientSession::Cancel(ClientCall& call, absl::Status status) {
  MutexLock lock(mutex_);
  Abandon(call, std::move(status));
  HandOver();
}

void ClientSession::Abandon(ClientCall& call, absl::Status status) {
  if (call.state_.closed()) return;
  const uint32_t id = call.id_;
  End(call, std::move(status));
  // If the REQUEST has not left, the server never hears of the call and owes no RESPONSE.
  if (DropUnsent(id)) {
    FreeId(id);
    return;
  }
  slots_.Find(id)->call = kAbandoned;
  AfterSend(sender_.Send({.kind = FrameKind::kCancel, .call = id}, "", nullptr));
}

void ClientSession::End(ClientCall& call, absl::Status status) {
  call.status_ = std::move(status);
  call.state_.Close();
  NoLongerOpen(call);
  Changed(call);
  // The leader may be asleep, and the call its own.
  WakePump();
}

void ClientSession::Release(const ClientCall& call) {
  (void)DropUnsent(call.id_);
  FreeId(call.id_);
}

bool ClientSession::DropUnsent(uint32_t id) {
  bool untouched = false;
  if (!sender_.idle()) {
    MutexLock section(sender_.mutex());
    untouched = sender_.DropLocked(id);
    if (untouched) requests_are_exact_ = false;
  }
  AfterDrop();
  return untouched;
}

void ClientSession::AfterDrop() {
  // Writers of other calls may have waited for just that, and no send or Resume will tell them.
  if (!unsent_ || !sender_.idle()) return;
  SetUnsent(false);
  WakeWriters();
}

ClientCall* ClientSession::FindCall(const FrameHeader& header) {
  const Slot* const slot = slots_.Find(header.call);
  ClientCall* const call = slot == nullptr ? nullptr : slot->call;
  if (call != kAbandoned) return call;
  if (header.kind == FrameKind::kResponse) FreeId(header.call);
  return nullptr;
}

void ClientSession::AfterSend(Sent sent) {
  // Other threads have sent since: the sender knows what waits now.
  SetUnsent(sent == Sent::kFailed || !sender_.idle());
  if (!unsent_) return WakeWriters();
  // Not closed yet: what the server sent before it went away is still to be received. Then the pump
  // finds the end.
  if (sent == Sent::kFailed) going_away_ = true;
  WakePump();
  if (open_async_ == 0) return;
  if (const std::shared_ptr<Poller> poller = poller_.lock()) poller->WatchRoom(*this);
}

void ClientSession::WakePump() {
  // No system call unless the pump sleeps. sleeping_ is set under the mutex, before it does.
  if (sleeping_) (void)::eventfd_write(interrupt_.get(), 1);
}

void ClientSession::Interrupt() {
  MutexLock lock(mutex_);
  interrupted_ = true;
  WakePump();
}

void ClientSession::Fail(absl::Status status) {
  connection_->Close();
  {
    MutexLock lock(mutex_);
    if (!dead_.ok()) return;
    dead_ = farewell_.empty()
                ? std::move(status)
                : absl::Status(status.code(), absl::StrCat(status.message(),
                                                           "; the server had said: ", farewell_));
    {
      // From now on no slot is claimed.
      MutexLock section(sender_.mutex());
      closed_ = true;
    }
    for (uint32_t id = 0; id < slots_.made(); ++id) {
      Slot& slot = *slots_.Find(id);
      if (ClientCall* const call = std::exchange(slot.call, nullptr);
          call != nullptr && call != kAbandoned) {
        End(*call, dead_);
      }
      if (slot.state.Lose()) slot.spot.Unpark();
    }
  }
  // After the calls have ended: on_end_ has the connector drop this session.
  NotifyEnd();
}

void ClientSession::NotifyEnd() {
  {
    MutexLock lock(mutex_);
    if (std::exchange(end_notified_, true)) return;
  }
  if (on_end_) on_end_();
}

void ClientSession::NoticeDeath(int64_t now) {
  if (now - last_looked_.load(std::memory_order_relaxed) < kStaleNanos || !TryTakePump()) return;
  // In shared memory, Receive alone does not notice that the peer is gone; arming does.
  (void)receiver_.Arm();
  (void)PumpSome(nullptr);
  ReleasePump();
}

absl::AnyInvocable<void()> ClientSession::When(ClientCall& call, Event event,
                                               absl::AnyInvocable<void()> callback) {
  MutexLock lock(mutex_);
  absl::AnyInvocable<void()> replaced =
      std::exchange(call.waiters_->callbacks[static_cast<int>(event)], std::move(callback));
  if (event == Event::kRoom && replaced == nullptr) ++writers_waiting_;
  Changed(call);
  return replaced;
}

void ClientSession::DropWaiters(ClientCall& call) {
  std::array<absl::AnyInvocable<void()>, kCallEvents> dropped;  // destroyed after the lock
  MutexLock lock(mutex_);
  dropped = std::exchange(call.waiters_->callbacks, {});
  if (dropped[static_cast<int>(Event::kRoom)] != nullptr) --writers_waiting_;
}

bool ClientSession::Ready(const ClientCall& call, Event event) const {
  MutexLock lock(mutex_);
  return IsReady(call, event);
}

std::optional<bool> ClientSession::TryWrite(ClientCall& call, const MessageSource& message,
                                            bool end) {
  MutexLock lock(mutex_);
  if (!IsReady(call, Event::kRoom)) return std::nullopt;
  return WriteNow(call, message, end) != Sent::kFailed;
}

void ClientSession::Discard(ClientCall& call) {
  MutexLock lock(mutex_);
  DiscardNow(call);
}

void ClientSession::Changed(ClientCall& call) {
  call.changed_.SignalAll();
  if (call.waiters_ == nullptr) return;
  for (int event = 0; event < kCallEvents; ++event) {
    absl::AnyInvocable<void()>& callback = call.waiters_->callbacks[event];
    if (callback == nullptr || !IsReady(call, static_cast<Event>(event))) continue;
    if (static_cast<Event>(event) == Event::kRoom) --writers_waiting_;
    call.waiters_->poller->Post(call.waiters_, std::exchange(callback, nullptr));
  }
}

void ClientSession::WakeAsyncWriters() {
  for (uint32_t id = 0; id < slots_.made(); ++id) {
    ClientCall* const call = slots_.Find(id)->call;
    if (call != nullptr && call != kAbandoned && call->waiters_ != nullptr) Changed(*call);
  }
}

void ClientSession::Opened(const ClientCall& call) {
  if (call.waiters_ == nullptr) return;
  poller_ = call.waiters_->poller;
  // The poller has the session until no such call is open; the first one gives it.
  if (++open_async_ > 1) return;
  pump_token_.Need();
  call.waiters_->poller->Add(shared_from_this());
}

void ClientSession::NoLongerOpen(const ClientCall& call) {
  if (call.waiters_ != nullptr && --open_async_ == 0) {
    pump_token_.NeedNoMore();
  }
}

void ClientSession::SetUnsent(bool unsent) {
  if (unsent == unsent_) return;
  unsent_ = unsent;
  unsent ? pump_token_.Need() : pump_token_.NeedNoMore();
}

}  // namespace nigh
