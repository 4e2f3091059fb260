#include "nigh/runtime/server/server_session.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nigh/deadline.h"
#include "nigh/message_io.h"
#include "nigh/metadata.h"
#include "nigh/method.h"
#include "nigh/mutex.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/call_sections.h"
#include "nigh/runtime/call/call_state.h"
#include "nigh/runtime/call/own_hello.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/server/dispatcher.h"
#include "nigh/runtime/server/server_call.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/frame.h"

namespace nigh {
namespace {

// Frames that one connection may handle in a turn. Then others get theirs, so a flood starves
// nobody.
constexpr int kFramesPerTurn = 16;
// The most calls that one connection keeps for later requests.
constexpr int kSpareCalls = 32;

}  // namespace

ServerSession::ServerSession(std::unique_ptr<Connection> connection, Poller& poller,
                             Dispatcher& dispatcher, const Limits& limits)
    : connection_(std::move(connection)),
      poller_(poller),
      dispatcher_(dispatcher),
      limits_(limits),
      poll_cost_(connection_->poll_cost()),
      peer_(std::make_shared<const PeerIdentity>(connection_->peer())),
      sender_(*connection_),
      receiver_(*connection_) {}

ServerSession::~ServerSession() { connection_->Close(); }

void ServerSession::Open() {
  std::byte payload[kHelloSize];
  EncodeHello(OwnHello(limits_), payload);
  AfterSend(sender_.SendText({.kind = FrameKind::kHello}, AsText(payload)));
}

ServerSession::Turn ServerSession::TakeTurn(InlineMark& mark) {
  for (int frames = 0; frames < kFramesPerTurn; ++frames) {
    const Frame* const frame = receiver_.Next();
    if (frame == nullptr && !receiver_.ended()) {
      return frames == 0 ? Turn::kNothing : Turn::kDrained;
    }
    if (frame == nullptr) {
      const absl::Status end = connection_->End(Interest::kReceive);
      Fail(end, end.code() == absl::StatusCode::kInternal);
      return Turn::kEnded;
    }
    std::unique_ptr<ServerCall> to_run;
    const absl::Status handled = Dispatch(*frame, to_run);
    // Before the handler runs: it may be slow, and if it loses the role, the connection is another
    // thread's by then.
    receiver_.Release();
    if (!handled.ok()) {
      // The last frame that the client gets, so that its user learns what is wrong.
      (void)sender_.SendText({.kind = FrameKind::kGoAway},
                             handled.message().substr(0, kMinMaxPayload));
      Fail(absl::Status(handled.code(),
                        absl::StrCat(connection_->peer().address, ": ", handled.message())),
           /*broken=*/true);
      return Turn::kEnded;
    }
    if (to_run == nullptr) continue;
    if (!dispatcher_.Run(std::move(to_run), mark)) return Turn::kRoleLost;
    // One request a turn is the rule, and the poller's business; many may take long together.
    if (frames > 0) mark.PutOff(SteadyNanos());
  }
  return Turn::kBusy;
}

absl::Status ServerSession::Dispatch(const Frame& frame, std::unique_ptr<ServerCall>& to_run) {
  const FrameHeader& header = frame.header;
  if (absl::Status valid = ValidateFrameHeader(header, connection_->max_payload()); !valid.ok()) {
    return valid;
  }
  if (header.kind == FrameKind::kHello) return OnHello(frame.payload);
  if (!hello_received_) {
    return absl::InternalError(
        absl::StrCat("a ", FrameKindName(header.kind), " frame before the hello"));
  }
  switch (header.kind) {
    case FrameKind::kMethod:
      return OnMethod(header, frame.payload);
    case FrameKind::kRequest:
    case FrameKind::kMessage:
      if (absl::Status status = assembler_.Interrupt(header); !status.ok()) return status;
      if (header.rest != 0) return BeginPieces(frame);
      if (header.kind == FrameKind::kRequest) return OnRequest(header, frame.payload, to_run);
      return OnMessage(header, frame.payload, nullptr);
    case FrameKind::kPiece: {
      absl::StatusOr<std::optional<Assembler::Whole>> whole = assembler_.Add(frame);
      if (!whole.ok()) return whole.status();
      if (!whole->has_value()) return absl::OkStatus();
      Assembler::Whole& finished = **whole;
      absl::Status handled =
          finished.header.kind == FrameKind::kRequest
              ? OnRequest(finished.header, AsBytes(finished.payload), to_run)
              : OnMessage(finished.header, AsBytes(finished.payload), &finished.payload);
      assembler_.GiveBack(finished.payload);
      return handled;
    }
    case FrameKind::kCancel:
      OnCancel(header.call);
      return absl::OkStatus();
    case FrameKind::kCredit:
      return OnCredit(header);
    case FrameKind::kPing:
      if ((header.flags & kAck) == 0) {
        AfterSend(sender_.Send({.kind = FrameKind::kPing, .flags = kAck, .aux = header.aux}, "",
                               nullptr));
      }
      return absl::OkStatus();
    case FrameKind::kGoAway:
      return absl::OkStatus();  // the client is about to leave; its hang-up says the rest
    default:
      return absl::InternalError(
          absl::StrCat("a ", FrameKindName(header.kind), " frame from a client"));
  }
}

absl::Status ServerSession::OnHello(ConstByteSpan payload) {
  if (hello_received_) return absl::InternalError("a second hello");
  absl::StatusOr<Hello> hello = DecodeHello(payload);
  if (!hello.ok()) return hello.status();
  if (absl::StatusOr<uint16_t> version = AgreeOnVersion(OwnHello(limits_), *hello); !version.ok()) {
    return version.status();
  }
  client_ = *hello;
  hello_received_ = true;
  return absl::OkStatus();
}

absl::Status ServerSession::OnMethod(const FrameHeader& header, ConstByteSpan payload) {
  const absl::string_view name = AsText(payload);
  if (header.method >= kMaxMethods || name.empty() || name.size() > kMaxMethodName) {
    return absl::InternalError(absl::StrCat("METHOD frame that declares ", header.method,
                                            " with a name of ", name.size(), " bytes"));
  }
  MutexLock lock(mutex_);
  if (header.method >= methods_.size()) methods_.resize(header.method + 1);
  DeclaredMethod& declared = methods_[header.method];
  if (declared.method != nullptr || !declared.name.empty()) {
    return absl::InternalError(
        absl::StrCat("METHOD frame that declares ", header.method, " again"));
  }
  declared.method = dispatcher_.Find(name);
  if (declared.method == nullptr) {
    declared.method = dispatcher_.Fallback(name);
    if (declared.method != nullptr) declared.named = std::make_unique<NamedMethod>(name);
  }
  if (declared.method == nullptr) declared.name = std::string(name);
  return absl::OkStatus();
}

absl::Status ServerSession::CheckRequest(const FrameHeader& header, ConstByteSpan payload,
                                         absl::Status& refusal) {
  MutexLock lock(mutex_);
  // A response that has not left yet cannot have told the client that the number is free.
  if (header.call >= limits_.max_calls || FindCall(header.call) != nullptr ||
      sender_.OwesResponse(header.call)) {
    return absl::InternalError(
        absl::StrCat("REQUEST frame for call ", header.call, ", which is ",
                     header.call >= limits_.max_calls ? "beyond the limit" : "still open"));
  }
  if (header.method >= methods_.size() ||
      (methods_[header.method].method == nullptr && methods_[header.method].name.empty())) {
    return absl::InternalError(
        absl::StrCat("REQUEST frame for method ", header.method, ", which was not declared"));
  }
  const DeclaredMethod& declared = methods_[header.method];
  if (draining_) {
    refusal = absl::UnavailableError("the server is shutting down");
  } else if (declared.method == nullptr) {
    refusal = dispatcher_.NoSuchMethod(declared.name);
  } else if (const size_t size = MessageSize(header, payload); size > limits_.max_message) {
    refusal =
        TooLargeToReceive(declared.description().name, size, Peer::kClient, limits_.max_message);
  } else if (!ClientStreams(declared.description().kind) &&
             (header.flags & (kMessage | kEnd)) != (kMessage | kEnd)) {
    refusal = absl::UnimplementedError(absl::StrCat(
        declared.description().name, ": this method takes exactly one request message"));
  } else if (handlers_ >= static_cast<int>(limits_.max_calls)) {
    refusal = absl::ResourceExhaustedError(absl::StrCat(
        declared.description().name, ": ", handlers_,
        " handlers of this connection run already (raise ServerOptions::limits.max_calls)"));
  }
  return absl::OkStatus();
}

absl::Status ServerSession::BeginPieces(const Frame& frame) {
  const FrameHeader& header = frame.header;
  if (header.kind == FrameKind::kRequest) {
    absl::Status refusal;
    if (absl::Status broken = CheckRequest(header, frame.payload, refusal); !broken.ok()) {
      return broken;
    }
    if (refusal.ok()) return assembler_.Begin(frame);
    Refuse(header.call, refusal);  // the pieces to come continue nothing and are dropped
    return absl::OkStatus();
  }
  MutexLock lock(mutex_);
  ServerCall* const call = FindCall(header.call);
  if (call == nullptr) return absl::OkStatus();
  const size_t size = MessageSize(header, frame.payload);
  if (size <= limits_.max_message) return assembler_.Begin(frame);
  call->AssertHeld();
  call->Terminate(
      TooLargeToReceive(call->context_.method(), size, Peer::kClient, limits_.max_message));
  return absl::OkStatus();
}

absl::Status ServerSession::OnRequest(const FrameHeader& header, ConstByteSpan payload,
                                      std::unique_ptr<ServerCall>& to_run) {
  absl::Status refusal;
  if (absl::Status broken = CheckRequest(header, payload, refusal); !broken.ok()) return broken;
  std::unique_ptr<ServerCall> call;
  if (refusal.ok()) {
    MutexLock lock(mutex_);
    call = NewCall(header.method);
  } else {
    Refuse(header.call, refusal);
    return absl::OkStatus();
  }
  ServedContext& context = call->context_;
  if (header.aux != 0) {
    context.deadline_ = Deadline::After(
        absl::Nanoseconds(static_cast<int64_t>(std::min<uint64_t>(header.aux, INT64_MAX))));
  }
  refusal = TakeMetadata(header, limits_.max_metadata, payload, context.client_metadata_);
  // What the sections have left: a peer may have changed their size since it was looked at.
  if (refusal.ok() && payload.size() > limits_.max_message) {
    refusal = TooLargeToReceive("a request", payload.size(), Peer::kClient, limits_.max_message);
  }
  const bool message = (header.flags & kMessage) != 0;
  if (refusal.ok() && message && call->request_ != nullptr) {
    refusal = MessageTarget(call->request_.get()).Parse(payload);
    call->request_size_ = payload.size();
  }
  if (!refusal.ok()) {
    Refuse(header.call, Prefixed(context.method(), refusal));
    Recycle(std::move(call));
    return absl::OkStatus();
  }
  absl::Status over;
  {
    MutexLock lock(mutex_);
    over = over_;
    if (over.ok()) Admit(header, payload, *call);
  }
  if (over.ok()) {
    to_run = std::move(call);
  } else {
    // All calls were cancelled while this one was being parsed, which happens without the mutex.
    Refuse(header.call, over);
    Recycle(std::move(call));
  }
  return absl::OkStatus();
}

void ServerSession::Admit(const FrameHeader& header, ConstByteSpan payload, ServerCall& call) {
  ++handlers_;
  call.AssertHeld();
  call.Open(header, payload, client_.window);
  if (header.call >= calls_.size()) calls_.resize(header.call + 1);
  calls_[header.call] = &call;
}

absl::Status ServerSession::OnMessage(const FrameHeader& header, ConstByteSpan payload,
                                      std::string* owned) {
  MutexLock lock(mutex_);
  ServerCall* const call = FindCall(header.call);
  if (call == nullptr) return absl::OkStatus();  // it crossed the response on its way
  call->AssertHeld();
  if (absl::Status wrong = call->Take(header, payload, owned); !wrong.ok()) call->Terminate(wrong);
  return absl::OkStatus();
}

void ServerSession::OnCancel(uint32_t id) {
  const absl::Status cancelled = absl::CancelledError("cancelled by the client");
  {
    MutexLock lock(mutex_);
    if (ServerCall* const call = FindCall(id)) {
      // Otherwise megabytes may lie there until the id comes again.
      assembler_.Abandon(id);
      call->AssertHeld();
      return call->Terminate(cancelled);
    }
  }
  // A request that has not arrived in full is answered, too: every request is answered once. An
  // unfinished message belongs to a call that has had its answer.
  const bool request = assembler_.Unfinished(id) == FrameKind::kRequest;
  assembler_.Abandon(id);
  if (request) Refuse(id, cancelled);
}

absl::Status ServerSession::OnCredit(const FrameHeader& header) {
  MutexLock lock(mutex_);
  ServerCall* const call = FindCall(header.call);
  if (call == nullptr) return absl::OkStatus();
  call->AssertHeld();
  if (call->TakeCredit(header.aux)) return absl::OkStatus();
  return absl::InternalError("CREDIT frame with more credit than any window");
}

void ServerSession::Fail(const absl::Status& status, bool broken) {
  CancelAll(status);
  connection_->Close();
  // A client that has left is no error to report.
  if (broken && on_broken_) on_broken_(status);
  {
    MutexLock lock(mutex_);
    ended_ = true;
  }
  NotifyIdle();
}

std::unique_ptr<ServerCall> ServerSession::NewCall(uint16_t method) {
  ++running_;
  DeclaredMethod& declared = methods_[method];
  std::unique_ptr<ServerCall> call;
  if (declared.spare.empty()) {
    call = std::make_unique<ServerCall>(shared_from_this(), *declared.method, method);
    call->context_.peer_ = peer_;
    call->context_.method_ = &declared.description();
  } else {
    call = std::move(declared.spare.back());
    declared.spare.pop_back();
    --spares_;
    // A spare call has no reference to its session: the session owns it, and neither would ever go.
    call->session_ = shared_from_this();
  }
  return call;
}

void ServerSession::Recycle(std::unique_ptr<ServerCall> call) {
  call->interception_ = nullptr;
  const std::shared_ptr<ServerSession> session = std::move(call->session_);
  // A timer that is due is a task already. RemoveTimer is too late for it, and Revoke takes it
  // back.
  if (std::optional<Poller::TimerId> timer = std::exchange(call->deadline_timer_, std::nullopt)) {
    session->poller_.RemoveTimer(*timer);
    session->poller_.Revoke(call.get());
  }
  // Waits for a callback that is running. The callback may need the mutex.
  call->context_.cancellation_.Remove(std::exchange(call->context_.callback_, 0));
  bool idle = false;
  {
    MutexLock lock(session->mutex_);
    call->AssertHeld();
    call->orphaned_ = call->pins_ > 0;
    // The last of those that use the call without the mutex takes it back, in Unpin.
    if (call->orphaned_) return (void)call.release();
    idle = session->Forget(std::move(call));
  }
  if (idle) session->NotifyIdle();
}

void ServerSession::Unpin(ServerCall& call) {
  bool idle = false;
  {
    MutexLock lock(mutex_);
    call.AssertHeld();
    if (--call.pins_ > 0 || !call.orphaned_) return;
    idle = Forget(std::unique_ptr<ServerCall>(&call));
  }
  if (idle) NotifyIdle();
}

bool ServerSession::Forget(std::unique_ptr<ServerCall> call) {
  Uncount(*call);
  Keep(std::move(call));
  return --running_ == 0;
}

void ServerSession::NotifyIdle() {
  bool drained = false;
  bool ended = false;
  {
    MutexLock lock(mutex_);
    if (running_ > 0) return;
    drained = draining_;
    ended = ended_ && !std::exchange(end_notified_, true);
  }
  // Without the mutex, for they are the server's code. OnEnd comes last: the server lets go of the
  // session in it.
  if (drained && on_drained_) on_drained_();
  if (ended && on_end_) on_end_();
}

void ServerSession::Uncount(ServerCall& call) {
  call.AssertHeld();
  if (std::exchange(call.counted_, false)) --handlers_;
}

void ServerSession::Keep(std::unique_ptr<ServerCall> call) {
  std::vector<std::unique_ptr<ServerCall>>& spare = methods_[call->method_id_].spare;
  if (spares_ >= kSpareCalls || ended_) return;
  call->AssertHeld();
  call->Renew();
  spare.push_back(std::move(call));
  ++spares_;
}

void ServerSession::AfterSend(Sent sent) {
  if (sent == Sent::kAll) return;
  if (sent == Sent::kFailed) return connection_->Close();  // the poller will find it closed
  poller_.WatchRoom(*this);
}

void ServerSession::Refuse(uint32_t id, const absl::Status& status) {
  SendResponse(id, status, nullptr, nullptr);
}

void ServerSession::SendResponse(uint32_t id, const absl::Status& status, ServedContext* context,
                                 const MessageSource* reply) {
  // Never destroyed: threads may still run while the process exits.
  static const Metadata& none = *new Metadata();
  SectionWriter sections;
  if (context != nullptr) AddMetadata(context->initial_, SectionType::kMetadata, sections);
  AddStatus(status, context == nullptr ? none : context->trailing_, client_.max_metadata, sections);
  FrameHeader header{
      .kind = FrameKind::kResponse, .call = id, .aux = static_cast<uint64_t>(status.raw_code())};
  if (reply != nullptr) header.flags |= kMessage;
  AfterSend(sender_.Send(header, sections.block(), reply));
}

void ServerSession::CancelAll(const absl::Status& status) {
  MutexLock lock(mutex_);
  over_ = status;
  for (size_t id = 0; id < calls_.size(); ++id) {
    ServerCall* const call = calls_[id];
    if (call == nullptr) continue;
    call->AssertHeld();
    call->Terminate(status);
  }
}

void ServerSession::ResumeSending() {
  const Sent sent = sender_.Resume();
  AfterSend(sent);
  if (sent == Sent::kSome) return;
  {
    MutexLock lock(mutex_);
    // A congested sender has held back the writers of all calls.
    for (ServerCall* call : calls_) {
      if (call == nullptr) continue;
      call->AssertHeld();
      call->Changed();
    }
  }
  NotifyIdle();
}

void ServerSession::Drain() {
  {
    MutexLock lock(mutex_);
    draining_ = true;
  }
  AfterSend(sender_.SendText({.kind = FrameKind::kGoAway}, "the server is shutting down"));
}

bool ServerSession::Idle() const {
  MutexLock lock(mutex_);
  return running_ == 0;
}

bool ServerSession::Drained() const {
  MutexLock lock(mutex_);
  return running_ == 0 && (ended_ || sender_.idle());
}

}  // namespace nigh
