#include "nigh/runtime/server/server_session.h"

#include <atomic>
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
#include "absl/strings/string_view.h"
#include "nigh/deadline.h"
#include "nigh/method.h"
#include "nigh/mutex.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/own_hello.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/server/call_rules.h"
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
constexpr absl::string_view kShuttingDown = "the server is shutting down";

}  // namespace

ServerSession::ServerSession(std::unique_ptr<Connection> connection, Reach reach, Poller& poller,
                             Dispatcher& dispatcher, CallRules& rules, const Limits& limits,
                             std::shared_ptr<Account> account)
    : link_(std::move(connection), *this, poller, limits, std::move(account),
            dispatcher.takes_fds()),
      // The server has its pollers until all sessions have gone.
      cooling_([&poller] { return std::shared_ptr<Poller>(std::shared_ptr<void>(), &poller); },
               [this] { return Cool(); }),
      reach_(reach),
      dispatcher_(dispatcher),
      rules_(rules),
      poll_cost_(link_.connection().poll_cost()),
      receiver_(link_.connection()),
      assembler_(link_.connection()) {
  link_.sender().OnLongMessage([this] { cooling_.Use(weak_from_this()); });
}

ServerSession::~ServerSession() {
  link_.account()->kept().Subtract(assembling_);
  link_.account()->spare().Subtract(assembler_spare_);
  Close();
  KeepReturned();
}

void ServerSession::Open() {
  std::byte payload[kHelloSize];
  EncodeHello(OwnHello(link_.limits(), link_.extras().accepts_descriptors(),
                       link_.extras().shares_memory()),
              payload);
  link_.SendText({.kind = FrameKind::kHello}, AsText(ConstByteSpan(payload)));
}

ServerSession::Turn ServerSession::TakeTurn(InlineMark& mark) {
  if (link_.sender().holds_back()) (void)ResumeSending();
  for (int frames = 0; frames < kFramesPerTurn; ++frames) {
    if (frames > 0 && receiver_.SeemsDrained()) return Turn::kDrained;
    // A client that takes no replies gets no more of them.
    if (link_.MuchWaits()) {
      paused_ = true;
      (void)ResumeSending();
      if (paused_) return Turn::kQuiet;
    }
    const Frame* const frame = receiver_.Next();
    if (frame == nullptr) {
      if (!receiver_.ended()) {
        if (receiver_.TakeSoon()) return Turn::kSoon;
        return frames == 0 ? Turn::kNothing : Turn::kDrained;
      }
      const absl::Status end = link_.connection().End(Interest::kReceive);
      // By the peer's fault: what it sent makes no sense, or is far too much.
      Fail(end, absl::IsInternal(end) || absl::IsResourceExhausted(end));
      return Turn::kEnded;
    }
    const bool handled = Dispatch(*frame);
    // Before the handler runs: it may be slow, and if it loses the role, the connection is another
    // thread's by then.
    receiver_.Release();
    if (!handled) {
      // The last frame that the client gets, so that its user learns what is wrong.
      (void)link_.sender().SendText({.kind = FrameKind::kGoAway, .aux = requests_},
                                    violation_.message().substr(0, kMinMaxPayload));
      Fail(Prefixed(link_.peer()->address, violation_), /*broken=*/true);
      return Turn::kEnded;
    }
    if (arrived_ == nullptr) continue;
    // If the role is lost, the session may be gone.
    if (!dispatcher_.Run(std::move(arrived_), mark)) return Turn::kRoleLost;
    // One request a turn is the rule, and the poller's business; many may take long together.
    if (frames > 0) mark.PutOff(SteadyNanos());
  }
  return Turn::kBusy;
}

bool ServerSession::Violated(absl::Status violation) {
  violation_ = std::move(violation);
  return false;
}

bool ServerSession::Dispatch(const Frame& frame) {
  const FrameHeader& header = frame.header;
  if (!IsLegalFrameHeader(header, link_.connection().max_received_payload())) {
    return Violated(ValidateFrameHeader(header, link_.connection().max_received_payload()));
  }
  if (header.kind == FrameKind::kHello) return OnHello(frame.payload);
  if (!hello_received_) {
    return Violated(absl::InternalError(
        absl::StrCat("a ", FrameKindName(header.kind), " frame before the hello")));
  }
  switch (header.kind) {
    case FrameKind::kMethod:
      return OnMethod(header, frame.payload);
    case FrameKind::kRequest:
    case FrameKind::kMessage: {
      if ((header.flags & kSections) == 0) return DispatchMessage(frame);
      absl::StatusOr<FrameExtras> taken = link_.extras().Take(header, frame.payload, Peer::kClient);
      if (!taken.ok()) return Violated(taken.status());
      extras_ = *std::move(taken);
      const bool handled = DispatchMessage(frame);
      extras_ = {};
      return handled;
    }
    case FrameKind::kPiece:
      return OnPiece(frame);
    case FrameKind::kCancel:
      OnCancel(header.call);
      return true;
    case FrameKind::kCredit:
      return OnCredit(header);
    case FrameKind::kMemory: {
      absl::Status taken = link_.extras().TakeMemory(header, link_.sender());
      return taken.ok() || Violated(std::move(taken));
    }
    case FrameKind::kPing:
      if ((header.flags & kAck) == 0) {
        link_.Send({.kind = FrameKind::kPing, .flags = kAck, .aux = header.aux});
      }
      return true;
    case FrameKind::kGoAway:
      return true;  // the client is about to leave; its hang-up says the rest
    default:
      return Violated(absl::InternalError(
          absl::StrCat("a ", FrameKindName(header.kind), " frame from a client")));
  }
}

bool ServerSession::DispatchMessage(const Frame& frame) {
  const FrameHeader& header = frame.header;
  if (absl::Status status = assembler_.Interrupt(header); !status.ok()) {
    return Violated(std::move(status));
  }
  // The role alone writes it.
  if (header.kind == FrameKind::kRequest) {
    requests_.store(requests_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  if (header.rest != 0) return BeginPieces(frame);
  if (header.kind == FrameKind::kRequest) return OnRequest(header, frame.payload, false);
  return OnMessage(header, frame.payload);
}

bool ServerSession::OnHello(ConstByteSpan payload) {
  if (hello_received_) return Violated(absl::InternalError("a second hello"));
  const absl::StatusOr<Hello> hello = DecodeHello(payload);
  if (!hello.ok()) return Violated(hello.status());
  const absl::Status agreed = AgreeOnVersion(OwnHello(link_.limits()), *hello).status();
  if (!agreed.ok()) return Violated(agreed);
  link_.SetClient(*hello);
  hello_received_ = true;
  if (on_greeted_) on_greeted_();
  return true;
}

bool ServerSession::OnMethod(const FrameHeader& header, ConstByteSpan payload) {
  const absl::string_view name = AsText(payload);
  if (header.method >= kMaxMethods || name.empty() || name.size() > kMaxMethodName) {
    return Violated(absl::InternalError(absl::StrCat("METHOD frame that declares ", header.method,
                                                     " with a name of ", name.size(), " bytes")));
  }
  if (header.method >= methods_.size()) methods_.resize(header.method + 1);
  DeclaredMethod& declared = methods_[header.method];
  if (declared.declared()) {
    return Violated(
        absl::InternalError(absl::StrCat("METHOD frame that declares ", header.method, " again")));
  }
  declared.method = dispatcher_.Find(name);
  if (declared.method == nullptr) {
    declared.method = dispatcher_.Fallback(name);
    if (declared.method != nullptr) {
      declared.named = std::make_unique<NamedMethod>(name, dispatcher_.fallback_fds());
    }
  }
  // Asked once, so that a call pays nothing for it.
  declared.denied = declared.method != nullptr && !rules_.MayCall(name, peer(), reach_);
  if (declared.denied) declared.method = nullptr;
  if (declared.method == nullptr) declared.name = std::string(name);
  return true;
}

bool ServerSession::CheckRequest(const FrameHeader& header) {
  const bool beyond = header.call >= link_.limits().max_calls;
  // A response that has not left yet cannot have told the client that the number is free.
  if (beyond || FindCall(header.call) != nullptr || link_.sender().OwesResponse(header.call)) {
    return Violated(
        absl::InternalError(absl::StrCat("REQUEST frame for call ", header.call, ", which is ",
                                         beyond ? "beyond the limit" : "still open")));
  }
  if (header.method >= methods_.size() || !methods_[header.method].declared()) {
    return Violated(absl::InternalError(
        absl::StrCat("REQUEST frame for method ", header.method, ", which was not declared")));
  }
  return true;
}

absl::Status ServerSession::Refusal(const FrameHeader& header, ConstByteSpan payload) const {
  const DeclaredMethod& declared = methods_[header.method];
  if (declared.method == nullptr) {
    return declared.denied ? rules_.Refuse(declared.name, peer())
                           : dispatcher_.NoSuchMethod(declared.name);
  }
  const Method& method = declared.description();
  const Limits& limits = link_.limits();
  if (const PayloadSizes sizes = KeptSizes(header, payload, limits.max_metadata);
      !IsAccepted(sizes, limits)) {
    return TooLargeToReceive(method.name, sizes, Peer::kClient, limits);
  }
  if (!ClientStreams(method.kind) && (header.flags & (kMessage | kEnd)) != (kMessage | kEnd)) {
    return absl::UnimplementedError(
        absl::StrCat(method.name, ": this method takes exactly one request message"));
  }
  if (const uint32_t running = running_handlers(); running >= limits.max_calls) {
    return absl::ResourceExhaustedError(absl::StrCat(
        method.name, ": ", running,
        " handlers of this connection run already (raise ServerOptions::limits.max_calls)"));
  }
  return absl::OkStatus();
}

void ServerSession::ChargeAssembler() {
  const auto charge = [](ByteCount& count, size_t& charged, size_t bytes) {
    count.Subtract(std::exchange(charged, bytes));
    count.Add(bytes);
  };
  charge(link_.account()->kept(), assembling_, assembler_.announced());
  charge(link_.account()->spare(), assembler_spare_, assembler_.spare());
}

bool ServerSession::MayKeep(size_t bytes) {
  if (link_.account()->MayKeep(bytes)) return true;
  KeepReturned();
  ChargeAssembler();
  return link_.account()->MayKeep(bytes);
}

bool ServerSession::BeginPieces(const Frame& frame) {
  const FrameHeader& header = frame.header;
  const size_t announced = size_t{header.length} + header.rest;
  if (header.kind == FrameKind::kRequest) {
    if (!CheckRequest(header)) return false;
    // The pieces to come of a request that is refused continue nothing and are dropped.
    if (const absl::Status refusal = Refusal(header, frame.payload); !refusal.ok()) {
      link_.Refuse(header.call, refusal);
      return true;
    }
    if (!MayKeep(announced)) {
      link_.Refuse(header.call,
                   link_.account()->TooMuchToKeep(methods_[header.method].description().name,
                                                  "a request", announced));
      return true;
    }
    // A server that shuts down waits for the rest.
    if (!count_.Add()) {
      link_.Refuse(header.call, absl::UnavailableError(kShuttingDown), /*begun=*/false);
      Uncount();
      return true;
    }
    ++unfinished_requests_;
  } else {
    ServerCall* const call = FindCall(header.call);
    if (call == nullptr) return true;
    const Limits& limits = link_.limits();
    if (const PayloadSizes sizes = KeptSizes(header, frame.payload, limits.max_metadata);
        !IsAccepted(sizes, limits)) {
      call->Abort(TooLargeToReceive(methods_[call->method_id()].description().name, sizes,
                                    Peer::kClient, limits));
      return true;
    }
    if (!MayKeep(announced)) {
      call->Abort(link_.account()->TooMuchToKeep(methods_[call->method_id()].description().name,
                                                 "a message", announced));
      return true;
    }
  }
  absl::Status begun = assembler_.Begin(frame, std::move(extras_));
  ChargeAssembler();
  if (!absl::IsResourceExhausted(begun)) return begun.ok() || Violated(std::move(begun));
  // The system has no memory for it: that is no fault of the client's.
  if (header.kind == FrameKind::kRequest) {
    link_.Refuse(header.call, begun);
    --unfinished_requests_;
    Uncount();
  } else if (ServerCall* const call = FindCall(header.call)) {
    call->Abort(begun);
  }
  return true;
}

bool ServerSession::OnPiece(const Frame& frame) {
  absl::StatusOr<std::optional<Assembler::Whole>> whole = assembler_.Add(frame);
  if (!whole.ok()) return Violated(whole.status());
  if (!whole->has_value()) return true;
  ChargeAssembler();
  Assembler::Whole& finished = **whole;
  extras_ = std::move(finished.extras);
  extras_.owned = &finished.payload;
  const ConstByteSpan payload = finished.payload.bytes();
  bool handled = false;
  if (finished.header.kind == FrameKind::kRequest) {
    --unfinished_requests_;
    handled = OnRequest(finished.header, payload, /*counted=*/true);
  } else {
    handled = OnMessage(finished.header, payload);
  }
  extras_ = {};
  if (link_.account()->MayKeepSpare(finished.payload.capacity()) &&
      assembler_.GiveBack(finished.payload)) {
    ChargeAssembler();
    cooling_.Use(weak_from_this());
  }
  return handled;
}

bool ServerSession::OnRequest(const FrameHeader& header, ConstByteSpan payload, bool counted) {
  if (!CheckRequest(header)) {
    if (counted) Uncount();
    return false;
  }
  if (absl::Status refusal = Refusal(header, payload); !refusal.ok()) {
    link_.Refuse(header.call, refusal);
    if (counted) Uncount();
    return true;
  }
  if (ServerCall::IsCharged(header, payload.size()) && !MayKeep(payload.size())) {
    link_.Refuse(header.call,
                 link_.account()->TooMuchToKeep(methods_[header.method].description().name,
                                                "a request", payload.size()));
    if (counted) Uncount();
    return true;
  }
  std::unique_ptr<ServerCall> call = NewCall(header.method);
  if (absl::Status refusal = call->TakeRequest(header, payload, extras_); !refusal.ok()) {
    link_.Refuse(header.call, refusal);
    Keep(std::move(call));
    if (counted) Uncount();
    return true;
  }
  if (header.call >= calls_.size()) calls_.resize(header.call + 1);
  calls_[header.call] = call.get();
  ++handlers_;
  call->Open(header.call);
  call->SetBegun(true);
  // Last: whoever refuses calls from now on finds this one open, and counts it.
  if (counted ? IsCancelled() : !count_.Add()) {
    call->SetBegun(false);
    TurnAway(std::move(call));
    return true;
  }
  arrived_ = std::move(call);
  return true;
}

bool ServerSession::IsCancelled() const {
  MutexLock lock(mutex_);
  return !over_.ok();
}

void ServerSession::TurnAway(std::unique_ptr<ServerCall> call) {
  absl::Status over;
  {
    MutexLock lock(mutex_);
    over = over_.ok() ? absl::UnavailableError(kShuttingDown) : over_;
  }
  call->Abort(over);
  HandlerReturned();
  (void)call->Settle();  // it has no callbacks yet
  TakeBack(std::move(call), /*in_role=*/true);
}

bool ServerSession::OnMessage(const FrameHeader& header, ConstByteSpan payload) {
  // Without a call, it crossed the response on its way.
  if (ServerCall* const call = FindCall(header.call)) call->TakeMessage(header, payload, extras_);
  return true;
}

void ServerSession::OnCancel(uint32_t id) {
  const absl::Status cancelled = absl::CancelledError("cancelled by the client");
  // A request that has not arrived in full is answered, too: every request is answered once. An
  // unfinished message belongs to a call that has had its answer, or gets it now.
  const bool request = assembler_.Unfinished(id) == FrameKind::kRequest;
  // Otherwise megabytes may lie there until the id comes again.
  assembler_.Abandon(id);
  ChargeAssembler();
  if (ServerCall* const call = FindCall(id)) {
    call->Abort(cancelled);
  } else if (request) {
    link_.Refuse(id, cancelled);
    --unfinished_requests_;
    Uncount();
  }
}

bool ServerSession::OnCredit(const FrameHeader& header) {
  ServerCall* const call = FindCall(header.call);
  if (call == nullptr || call->TakeCredit(header.aux)) return true;
  return Violated(absl::InternalError("CREDIT frame with more credit than any window"));
}

void ServerSession::Fail(const absl::Status& status, bool broken) {
  link_.sender().EndLending();
  CancelAll(status);
  Close();
  // A client that has left is no error to report.
  if (broken && on_broken_) on_broken_(status);
  for (; unfinished_requests_ > 0; --unfinished_requests_) count_.Remove();
  count_.Set(CallCount::kEnded);
  NotifyIdle();
}

void ServerSession::CancelAll(const absl::Status& status) {
  MutexLock lock(mutex_);
  over_ = status;
  count_.Set(CallCount::kCancelled);
  for (ServerCall* const call : all_) call->Abort(status);
}

bool ServerSession::ResumeSending() {
  const bool resumed = link_.Resume();
  const bool reads_again = paused_ && !link_.MuchWaits();
  if (reads_again) paused_ = false;
  if (!resumed) return reads_again || link_.sender().holds_back();
  // A congested sender has held back the writers of all calls.
  for (ServerCall* const call : calls_) {
    if (call != nullptr && call->is_open()) call->LookForRoom();
  }
  NotifyIdle();
  return reads_again;
}

void ServerSession::Dismiss(const absl::Status& why) {
  const std::string text = absl::StrCat(absl::StatusCodeToString(why.code()), ": ", why.message());
  link_.SendText({.kind = FrameKind::kGoAway, .aux = requests_.load(std::memory_order_relaxed)},
                 absl::string_view(text).substr(0, kMinMaxPayload));
  Close();
}

void ServerSession::Drain() {
  count_.Set(CallCount::kDraining);
  // Requests that come later are turned away, see OnRequest.
  link_.SendText({.kind = FrameKind::kGoAway, .aux = requests_.load(std::memory_order_relaxed)},
                 kShuttingDown);
}

}  // namespace nigh
