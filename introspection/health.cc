#include "nigh/introspection/health.h"

#include <coroutine>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/co_service.h"
#include "nigh/health.pb.h"
#include "nigh/introspection/callers.h"
#include "nigh/method.h"
#include "nigh/mutex.h"
#include "nigh/server_context.h"
#include "nigh/task.h"

namespace nigh {
namespace {

using health::HealthCheckRequest;
using health::HealthCheckResponse;
using health::HealthListRequest;
using health::HealthListResponse;

constexpr Method kCheck{.name = "/grpc.health.v1.Health/Check",
                        .kind = MethodKind::kUnary,
                        .idempotency = Idempotency::kNoSideEffects,
                        .allow = OwnUserAndRoot};
constexpr Method kWatch{.name = "/grpc.health.v1.Health/Watch",
                        .kind = MethodKind::kServerStreaming,
                        .idempotency = Idempotency::kNoSideEffects,
                        .allow = OwnUserAndRoot};
constexpr Method kList{.name = "/grpc.health.v1.Health/List",
                       .kind = MethodKind::kUnary,
                       .idempotency = Idempotency::kNoSideEffects,
                       .allow = OwnUserAndRoot};

}  // namespace

void HealthService::Watcher::Wake() {
  std::coroutine_handle<> asleep;
  {
    MutexLock lock(mutex_);
    asleep = std::exchange(asleep_, nullptr);
    woken_ = asleep == nullptr;
  }
  if (asleep != nullptr) post_([asleep] { asleep.resume(); });
}

bool HealthService::Watcher::Sleep(std::coroutine_handle<> handler) {
  MutexLock lock(mutex_);
  if (std::exchange(woken_, false)) return false;
  asleep_ = handler;
  return true;
}

HealthService::HealthService(Post post) : post_(std::move(post)) {
  Handle<&HealthService::Check>(kCheck);
  Handle<&HealthService::Watch>(kWatch);
  Handle<&HealthService::List>(kList);
  statuses_.emplace("", HealthCheckResponse::SERVING);
}

void HealthService::Set(absl::string_view service, Status status) {
  {
    MutexLock lock(mutex_);
    statuses_.insert_or_assign(std::string(service), status);
  }
  WakeAll();
}

void HealthService::Shutdown() {
  {
    MutexLock lock(mutex_);
    shut_down_ = true;
  }
  WakeAll();
}

void HealthService::WakeAll() {
  std::vector<std::shared_ptr<Watcher>> watchers;
  {
    MutexLock lock(mutex_);
    for (const std::weak_ptr<Watcher>& watcher : watchers_) {
      if (std::shared_ptr<Watcher> alive = watcher.lock()) watchers.push_back(std::move(alive));
    }
  }
  for (const std::shared_ptr<Watcher>& watcher : watchers) watcher->Wake();
}

HealthService::Status HealthService::StatusOf(const std::string& service) const {
  const auto found = statuses_.find(service);
  if (found == statuses_.end()) return HealthCheckResponse::SERVICE_UNKNOWN;
  return shut_down_ ? HealthCheckResponse::NOT_SERVING : found->second;
}

HealthService::Tidings HealthService::TidingsOf(const std::string& service) {
  MutexLock lock(mutex_);
  return {.status = StatusOf(service), .last = shut_down_};
}

absl::Status HealthService::Check(ServerContext& /*context*/, const HealthCheckRequest& request,
                                  HealthCheckResponse* reply) {
  MutexLock lock(mutex_);
  const Status status = StatusOf(request.service());
  if (status == HealthCheckResponse::SERVICE_UNKNOWN) {
    return absl::NotFoundError(
        absl::StrCat("service ", request.service(), ": the server says nothing of its health"));
  }
  reply->set_status(status);
  return absl::OkStatus();
}

Task<absl::Status> HealthService::Watch(ServerContext& context, const HealthCheckRequest& request,
                                        CoServerWriter<HealthCheckResponse>& replies) {
  const auto watcher = std::make_shared<Watcher>(post_);
  {
    MutexLock lock(mutex_);
    std::erase_if(watchers_, [](const std::weak_ptr<Watcher>& other) { return other.expired(); });
    watchers_.push_back(watcher);
  }
  context.SetCancelCallback([watcher] { watcher->Wake(); });
  std::optional<Status> told;
  for (;;) {
    const Tidings now = TidingsOf(request.service());
    if (told != now.status) {
      HealthCheckResponse reply;
      reply.set_status(now.status);
      if (!co_await replies.Write(reply)) break;
      told = now.status;
    }
    if (now.last) co_return absl::UnavailableError("the server is shutting down");
    if (context.IsCancelled()) break;
    co_await watcher->Woken();
  }
  co_return absl::CancelledError("the watch is over");
}

absl::Status HealthService::List(ServerContext& /*context*/, const HealthListRequest& /*request*/,
                                 HealthListResponse* reply) {
  MutexLock lock(mutex_);
  for (const auto& [service, status] : statuses_) {
    (*reply->mutable_statuses())[service].set_status(StatusOf(service));
  }
  return absl::OkStatus();
}

}  // namespace nigh
