#ifndef NIGH_RUNTIME_CALL_INTERCEPTION_H_
#define NIGH_RUNTIME_CALL_INTERCEPTION_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "nigh/interceptor.h"
#include "nigh/message_io.h"
#include "nigh/method.h"
#include "nigh/mutex.h"
#include "nigh/runtime/call/exception_status.h"

namespace nigh {

// The interceptors of a channel or of a server, composed once. Null if there are none; calls then
// have no Interception.
template <class Call>
using InterceptorChain = std::shared_ptr<const std::vector<std::shared_ptr<Interceptor<Call>>>>;

template <class Call>
InterceptorChain<Call> Compose(const std::vector<std::shared_ptr<Interceptor<Call>>>& list) {
  if (list.empty()) return nullptr;
  return std::make_shared<const std::vector<std::shared_ptr<Interceptor<Call>>>>(list);
}

// The interceptors of one call at work. Hooks run in the calling thread, with no lock held.
template <class Call>
class Interception {
 public:
  Interception(InterceptorChain<Call> chain, const Method& method, typename Call::Context& context)
      : chain_(std::move(chain)), context_(context), state_(method, chain_->size()) {}

  // Calls OnStart of each interceptor, up to the one that rejects or answers the call. Returns
  // nothing if the call goes on, else the status that it ends with: after the replies in answer(),
  // if that is OK.
  std::optional<absl::Status> Start() {
    while (started_ < chain_->size()) {
      reach_ = started_++;  // an interceptor that ends the call sees its end, but no messages
      absl::Status status =
          Run(reach_, [](auto& interceptor, Call& call) { return interceptor.OnStart(call); });
      if (!status.ok()) state_.answer.clear();
      if (!status.ok() || state_.answered) return status;
    }
    reach_ = started_;
    return std::nullopt;
  }

  // The replies of an interceptor that has answered the call. The reader takes them off the front.
  std::deque<std::string>& answer() { return state_.answer; }

  // Call OnSend or OnReceive of each interceptor that the message passes. False: the call is to end
  // with rejection(), and no message passes any more.
  bool Send(const MessageView& message) {
    state_.sent.fetch_add(1, std::memory_order_relaxed);
    return Pass(Call::kSendsInwards,
                [&](auto& interceptor, Call& call) { return interceptor.OnSend(call, message); });
  }
  bool Receive(const MessageView& message) {
    state_.received.fetch_add(1, std::memory_order_relaxed);
    return Pass(!Call::kSendsInwards, [&](auto& interceptor, Call& call) {
      return interceptor.OnReceive(call, message);
    });
  }
  // OK while there is none; the first counts.
  absl::Status rejection() const ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    return rejection_;
  }
  void Reject(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    rejection_.Update(std::move(status));
  }

  // Calls OnFinish of each interceptor that has started, the innermost first. Returns the status
  // that the call really ends with. Later calls return the same.
  absl::Status Finish(absl::Status status) {
    if (end_.has_value()) return *end_;
    if (absl::Status rejected = rejection(); !rejected.ok()) status = std::move(rejected);
    Call(state_, 0, context_).SettleCancelCallbacks();
    for (size_t i = started_; i-- > 0;) {
      absl::Status thrown = Run(i, [&](auto& interceptor, Call& call) {
        interceptor.OnFinish(call, status);
        return absl::OkStatus();
      });
      if (!thrown.ok()) status = std::move(thrown);
    }
    return end_.emplace(std::move(status));
  }
  bool finished() const { return end_.has_value(); }

 private:
  template <class Hook>
  absl::Status Run(size_t index, const Hook& hook) {
    Call call(state_, index, context_);
    try {
      return hook(*(*chain_)[index], call);
    } catch (...) {
      return ExceptionStatus(state_.method.name, "an interceptor");
    }
  }

  template <class Hook>
  bool Pass(bool inwards, const Hook& hook) {
    if (!rejection().ok()) return false;
    for (size_t i = 0; i < reach_; ++i) {
      absl::Status status = Run(inwards ? i : reach_ - 1 - i, hook);
      if (status.ok()) continue;
      Reject(std::move(status));
      return false;
    }
    return true;
  }

  const InterceptorChain<Call> chain_;
  typename Call::Context& context_;
  internal::InterceptedState state_;
  size_t started_ = 0;  // the first so many interceptors have had OnStart called
  size_t reach_ = 0;    // messages pass the first so many
  std::optional<absl::Status> end_;

  mutable Mutex mutex_;
  absl::Status rejection_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_INTERCEPTION_H_
