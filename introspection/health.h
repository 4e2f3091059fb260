#ifndef NIGH_INTROSPECTION_HEALTH_H_
#define NIGH_INTROSPECTION_HEALTH_H_

#include <coroutine>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/co_service.h"
#include "nigh/health.pb.h"
#include "nigh/mutex.h"
#include "nigh/server_context.h"
#include "nigh/service.h"
#include "nigh/task.h"

namespace nigh {

// Tells supervisors and clients whether a server, and each of its services, can be used:
// grpc.health.v1.Health. The server as a whole, whose name is empty, is SERVING from the beginning;
// of a service it tells what it has been told.
//
// Its handlers are coroutines, so that those who watch cost no thread. Any thread may call it.
class HealthService final : public Service {
 public:
  using Status = health::HealthCheckResponse::ServingStatus;
  // Runs a task in a thread in which handlers may run, soon, and not before it returns.
  using Post = std::function<void(absl::AnyInvocable<void()>)>;

  explicit HealthService(Post post);

  // From now on, `service` is SERVING or NOT_SERVING. Those who watch it hear of the last change,
  // if there are several at once.
  void Set(absl::string_view service, Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  // All are NOT_SERVING from now on, whatever is set. Those who watch hear so, and their calls end
  // with UNAVAILABLE.
  void Shutdown() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Wakes one handler of Watch.
  class Watcher {
   public:
    explicit Watcher(const Post& post) : post_(post) {}

    // Something has changed, or the call is over.
    void Wake() ABSL_LOCKS_EXCLUDED(mutex_);

    // co_await Woken(): since the last time, or from now on.
    struct Awaiter {
      Watcher& watcher;

      bool await_ready() const { return false; }
      bool await_suspend(std::coroutine_handle<> handler) const { return watcher.Sleep(handler); }
      void await_resume() const {}
    };
    Awaiter Woken() { return {*this}; }

   private:
    // False: it has been woken already.
    bool Sleep(std::coroutine_handle<> handler) ABSL_LOCKS_EXCLUDED(mutex_);

    const Post& post_;
    Mutex mutex_;
    bool woken_ ABSL_GUARDED_BY(mutex_) = false;
    std::coroutine_handle<> asleep_ ABSL_GUARDED_BY(mutex_);
  };

  absl::Status Check(ServerContext& context, const health::HealthCheckRequest& request,
                     health::HealthCheckResponse* reply);
  Task<absl::Status> Watch(ServerContext& context, const health::HealthCheckRequest& request,
                           CoServerWriter<health::HealthCheckResponse>& replies);
  absl::Status List(ServerContext& context, const health::HealthListRequest& request,
                    health::HealthListResponse* reply);

  // What those who watch are told: SERVICE_UNKNOWN, nobody has said; and nothing after the last.
  struct Tidings {
    Status status;
    bool last;
  };
  Tidings TidingsOf(const std::string& service) ABSL_LOCKS_EXCLUDED(mutex_);
  Status StatusOf(const std::string& service) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WakeAll() ABSL_LOCKS_EXCLUDED(mutex_);

  const Post post_;
  Mutex mutex_;
  std::map<std::string, Status> statuses_ ABSL_GUARDED_BY(mutex_);
  bool shut_down_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::weak_ptr<Watcher>> watchers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nigh

#endif  // NIGH_INTROSPECTION_HEALTH_H_
