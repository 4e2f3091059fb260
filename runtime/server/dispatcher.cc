#include "nigh/runtime/server/dispatcher.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/deadline.h"
#include "nigh/method.h"
#include "nigh/runtime/loop/watchdog.h"
#include "nigh/runtime/server/server_call.h"
#include "nigh/runtime/server/server_session.h"
#include "nigh/service.h"

namespace nigh {
namespace {

// "/package.Service/Method" -> "package.Service".
absl::string_view ServiceOf(absl::string_view method) {
  if (!method.empty()) method.remove_prefix(1);
  return method.substr(0, method.find('/'));
}

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
  // A slow coroutine would be slow in pieces, most of which run on the poller anyway.
  const bool slow = method.IsSlow() && method.handler().co_run == nullptr;
  const bool here =
      !has_pool_ || (IsPrompt(method.handler()) &&
                     (dispatch == Dispatch::kInline || (dispatch == Dispatch::kAdaptive && !slow)));
  if (!here) {
    // The pool's thread owns the call from here on. The method is the dispatcher's.
    pool_.Submit([call = std::move(call)]() mutable {
      RegisteredMethod& method = call->method();
      const int64_t start = SteadyNanos();
      call = ServerCall::Serve(std::move(call));
      method.Learn(SteadyNanos() - start);
      if (call == nullptr) return;
      ServerSession& session = call->session();
      session.TakeBack(std::move(call), /*in_role=*/false);
    });
    return true;
  }
  // Between Enter and Leave the watchdog may take the role and give it to another thread. Only
  // Leave tells. The call is served to its end all the same.
  const uint64_t entered =
      mark.Enter(method.IsQuick() ? InlineMark::Usual::kQuick : InlineMark::Usual::kUnknown);
  const bool sample = method.TakesSample();
  const int64_t start = sample ? SteadyNanos() : 0;
  call = ServerCall::Serve(std::move(call));
  const bool kept = mark.Leave(entered);
  if (sample) method.Learn(SteadyNanos() - start);
  // The watchdog has found the run slow, whether it was sampled or not.
  if (!kept) method.Learn(INT64_MAX);
  if (call != nullptr) {
    ServerSession& session = call->session();
    session.TakeBack(std::move(call), kept);
  }
  return kept;
}

}  // namespace nigh
