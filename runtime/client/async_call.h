#ifndef NIGH_RUNTIME_CLIENT_ASYNC_CALL_H_
#define NIGH_RUNTIME_CLIENT_ASYNC_CALL_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/message_lite.h"
#include "nigh/async_stream.h"
#include "nigh/client_context.h"
#include "nigh/message_io.h"
#include "nigh/options.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/runtime/client/client_call.h"
#include "nigh/runtime/client/client_session.h"
#include "nigh/runtime/client/connector.h"
#include "nigh/runtime/loop/poller.h"

namespace nigh {

// The AsyncCall of a client. It waits for events of a ClientCall; when an event has come, it does
// what a caller that waits in a thread would do then. Callbacks that wait keep the call alive.
class AsyncClientCall final : public AsyncCall,
                              public std::enable_shared_from_this<AsyncClientCall> {
 public:
  AsyncClientCall(BoundMethod method, ClientContext& context);
  AsyncClientCall(BoundMethod method, const CallOptions& options);

  // In a child of fork(2), the channel is the parent's.
  ~AsyncClientCall() {
    if (connector_ != nullptr && !connector_->is_of_this_process()) LeaveToParent(connector_);
  }

  ClientContext& context() override { return context_; }
  void Expect(MessageTarget target) override { call_.Expect(target); }
  void Start(const google::protobuf::MessageLite* first, bool end) override;
  void Cancel() override { context_.TryCancel(); }

  void Read(MessageTarget target, Done done) override;
  void Write(const google::protobuf::MessageLite& message, bool end, Done done) override;
  bool WritesDone() override { return call_.WritesDone(); }
  void WaitForInitialMetadata(absl::AnyInvocable<void()> done) override;
  void Finish(absl::AnyInvocable<void(absl::Status)> done) override;
  void Abandon() override;

  bool Ready(CallEvent event) override { return call_.exchange_.Ready(event); }
  void When(CallEvent event, absl::AnyInvocable<void()> callback) override;
  std::optional<bool> TryWrite(const google::protobuf::MessageLite& message, bool end) override;
  bool TakeMessage(MessageTarget target) override { return call_.Read(target); }
  absl::Status TakeStatus() override;
  void Discard() override { call_.exchange_.Discard(); }

 private:
  // The exchange's opener: the call has been lost, and begins anew.
  void BeginAnew();
  // Waits for a session, by a callback.
  void Connect();
  void OnSession(absl::StatusOr<std::shared_ptr<ClientSession>> session);
  // Nothing of the call is left at the poller or the connector.
  void LetGo();
  // Has the call end at its deadline.
  void WatchDeadline();
  // Runs it on the poller; without one, now.
  void RunSoon(absl::AnyInvocable<void()> callback);
  void WriteBytes(std::string bytes, bool end, Done done);

  std::shared_ptr<Connector> connector_;  // since Start
  std::optional<ClientContext> own_;
  ClientContext& context_;
  const BoundMethod method_;
  CallWaiters waiters_;
  ClientCall call_;
  Poller::TimerId deadline_timer_;
  Poller::TimerId pause_timer_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_ASYNC_CALL_H_
