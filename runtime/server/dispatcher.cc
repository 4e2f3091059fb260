#include "nigh/runtime/server/dispatcher.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/method.h"
#include "nigh/mutex.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/loop/watchdog.h"
#include "nigh/runtime/loop/worker_pool.h"
#include "nigh/runtime/server/server_call.h"
#include "nigh/runtime/server/server_session.h"
#include "nigh/service.h"

namespace nigh {
namespace {

// Whether the handler returns without waiting for its client. A coroutine does: it returns at its
// first co_await.
bool IsPrompt(const MethodHandler& handler) {
  return handler.method->kind == MethodKind::kUnary || handler.co_run != nullptr;
}

absl::Status NeedsPool(const MethodHandler& handler) {
  return absl::InvalidArgumentError(absl::StrCat(
      "register ", handler.method->name,
      ": a stream's handler that waits for its client would keep the event loop from ever "
      "serving it (derive from CoService, or leave ServerOptions::event_loop out)"));
}

}  // namespace

absl::Status Dispatcher::Register(Service& service) {
  for (const MethodHandler& handler : service.handlers()) {
    if (methods_.contains(handler.method->name)) {
      return absl::AlreadyExistsError(absl::StrCat(
          "register ", handler.method->name, ": a service with this method is registered already"));
    }
    if (!has_pool_ && !IsPrompt(handler)) return NeedsPool(handler);
  }
  for (const MethodHandler& handler : service.handlers()) {
    methods_[handler.method->name] = std::make_unique<RegisteredMethod>(handler);
    services_[std::string(ServiceOf(handler.method->name))] += 1;
    takes_fds_ = takes_fds_ || InRequests(handler.method->fds);
  }
  return absl::OkStatus();
}

absl::Status Dispatcher::RegisterFallback(GenericService& service) {
  static constexpr Method kAnyMethod{"a fallback", MethodKind::kBidiStreaming};
  const MethodHandler handler = service.HandlerOf(kAnyMethod);
  if (fallback_ != nullptr) {
    return absl::AlreadyExistsError("register a fallback: the server has one already");
  }
  if (!has_pool_) return NeedsPool(handler);
  fallback_ = std::make_unique<RegisteredMethod>(handler);
  fallback_fds_ = service.fds();
  takes_fds_ = takes_fds_ || InRequests(fallback_fds_);
  return absl::OkStatus();
}

RegisteredMethod* Dispatcher::Find(absl::string_view name) const {
  const auto method = methods_.find(name);
  return method == methods_.end() ? nullptr : method->second.get();
}

RegisteredMethod* Dispatcher::Fallback(absl::string_view name) const {
  return IsMethodName(name) ? fallback_.get() : nullptr;
}

absl::Status Dispatcher::NoSuchMethod(absl::string_view name) const {
  const absl::string_view service = ServiceOf(name);
  return absl::UnimplementedError(
      absl::StrCat(absl::CHexEscape(name), ": ",
                   services_.contains(service) ? "the service has no such method"
                                               : "the server has no such service",
                   " (were client and server built from the same .proto?)"));
}

bool Dispatcher::Run(std::unique_ptr<ServerCall> call, InlineMark& mark) {
  RegisteredMethod& method = call->method();
  const Dispatch dispatch = method.method().dispatch;
  Pace& pace = method.pace(call->has_long_request());
  // A slow coroutine would be slow in pieces, most of which run on the poller anyway.
  const bool slow = pace.IsSlow() && method.handler().co_run == nullptr;
  const bool here =
      !has_pool_ || (IsPrompt(method.handler()) &&
                     (dispatch == Dispatch::kInline || (dispatch == Dispatch::kAdaptive && !slow)));
  // A handler that runs here is over within this turn, as a rule. It lasts if it overstays, as the
  // one before it may have done that still runs.
  if (!here || method.handler().co_run != nullptr || call->session().running_handlers() > 1) {
    if (absl::Status charged = call->ChargeLasting(); !charged.ok()) {
      return RefuseBeyondShare(std::move(call), charged, beyond_memory_, mark);
    }
  }
  if (!here) {
    return RunInPool(std::move(call), mark,
                     IsPrompt(method.handler()) && dispatch == Dispatch::kAdaptive);
  }
  // Between Enter and Leave the watchdog may take the role and give it to another thread. Only
  // Leave tells. The call is served to its end all the same.
  const uint64_t entered =
      mark.Enter(pace.IsQuick() ? InlineMark::Usual::kQuick : InlineMark::Usual::kUnknown);
  const bool sample = pace.TakesSample();
  const int64_t start = sample ? SteadyNanos() : 0;
  call = ServerCall::Serve(std::move(call));
  const bool kept = mark.Leave(entered);
  if (sample) pace.Learn(SteadyNanos() - start);
  // The watchdog has found the run slow, whether it was sampled or not.
  if (!kept) pace.Learn(INT64_MAX);
  if (call != nullptr) {
    ServerSession& session = call->session();
    session.TakeBack(std::move(call), kept);
  }
  return kept;
}

bool Dispatcher::RunInPool(std::unique_ptr<ServerCall> call, InlineMark& mark, bool may_run_here) {
  Poller& poller = call->session().poller();
  const std::shared_ptr<Account> account = call->session().link().account();
  if (absl::Status taken = account->TakeThread(call->method().method().name); !taken.ok()) {
    return RefuseBeyondShare(std::move(call), taken, beyond_share_, mark);
  }
  // Whoever calls this owns the call. The method is the dispatcher's.
  WorkerPool::Task task = [this, account, call = std::move(call)](WorkerPool::Fate fate) mutable {
    RegisteredMethod& method = call->method();
    Pace& pace = method.pace(call->has_long_request());
    const bool overdue = fate == WorkerPool::Fate::kOverdue;
    if (overdue) call->Abort(Refusal(method.method().name));
    const int64_t start = SteadyNanos();
    // One that is over by now gets as far as its interceptors.
    call = ServerCall::Serve(std::move(call));
    account->GiveThreadBack();
    if (!overdue) pace.Learn(SteadyNanos() - start);
    if (call == nullptr) return;
    ServerSession& session = call->session();
    session.TakeBack(std::move(call), /*in_role=*/false);
  };
  const Deadline deadline = Deadline::After(thread_timeout_);
  switch (pool_.Submit(task, deadline)) {
    case WorkerPool::Shortage::kNone:
      return true;
    case WorkerPool::Shortage::kSystem:
      if (may_run_here) {
        const uint64_t entered = mark.Enter();
        task(WorkerPool::Fate::kRun);
        return mark.Leave(entered);
      }
      [[fallthrough]];
    case WorkerPool::Shortage::kLimit:
      break;
  }
  pool_.Queue(std::move(task), deadline);
  LookOut(poller);
  return true;
}

bool Dispatcher::RefuseBeyondShare(std::unique_ptr<ServerCall> call, const absl::Status& refusal,
                                   ReportRate& rate, InlineMark& mark) {
  const int refused = rate.Count(1);
  if (refused != 0 && on_refusal_ != nullptr) {
    on_refusal_(absl::Status(refusal.code(),
                             absl::StrCat(call->session().peer().address, ": serve: ", refused,
                                          " calls were refused: ", refusal.message())));
  }
  const uint64_t entered = mark.Enter();
  call->Abort(refusal);
  // It gets as far as its interceptors.
  call = ServerCall::Serve(std::move(call));
  const bool kept = mark.Leave(entered);
  if (call != nullptr) {
    ServerSession& session = call->session();
    session.TakeBack(std::move(call), kept);
  }
  return kept;
}

void Dispatcher::LookOut(Poller& poller) {
  Deadline next;
  {
    MutexLock lock(mutex_);
    if (looking_out_) return;
    next = pool_.NextOverdue();
    looking_out_ = !next.is_infinite();
  }
  if (!next.is_infinite()) {
    poller.AddTimer(next, nullptr, [this, &poller] { RefuseOverdue(poller); });
  }
}

void Dispatcher::RefuseOverdue(Poller& poller) {
  std::vector<WorkerPool::Task> overdue = pool_.TakeOverdue();
  // The server hears of it no later than its clients.
  if (!overdue.empty()) Report(static_cast<int>(overdue.size()));
  for (WorkerPool::Task& task : overdue) task(WorkerPool::Fate::kOverdue);
  {
    // A call that begins to wait from here on has its own thread look out.
    MutexLock lock(mutex_);
    looking_out_ = false;
  }
  LookOut(poller);
}

absl::Status Dispatcher::Refusal(absl::string_view subject) const {
  const int threads = pool_.threads();
  const std::string begin =
      absl::StrCat(subject, ": no thread was free for ", absl::FormatDuration(thread_timeout_),
                   ": all ", threads, " threads of the server are busy");
  return absl::ResourceExhaustedError(
      threads >= pool_.max_threads()
          ? absl::StrCat(begin,
                         ", with handlers, streams and polling (raise ServerOptions::max_threads)")
          : absl::StrCat(begin,
                         ", and the system has no other to give (raise the limit on processes, "
                         "ulimit -u)"));
}

void Dispatcher::Report(int refused) {
  if (on_refusal_ == nullptr) return;
  refused = refusals_.Count(refused);
  if (refused == 0) return;
  on_refusal_(Refusal(absl::StrCat("serve: ", refused, " calls were refused")));
}

}  // namespace nigh
