#ifndef NIGH_CHANNEL_H_
#define NIGH_CHANNEL_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "nigh/base/deadline.h"
#include "nigh/base/mutex.h"
#include "nigh/client_call.h"
#include "nigh/client_context.h"
#include "nigh/client_session.h"
#include "nigh/method.h"
#include "nigh/options.h"
#include "nigh/transport/address.h"
#include "nigh/transport/transport.h"

namespace nigh {

// gRPC's states of a channel.
enum class ChannelState {
  kIdle,  // not connected, and nobody has asked it to be
  kConnecting,
  kReady,
  kTransientFailure,  // the last attempt failed; calls fail with its error until the next one is
                      // due
};

absl::string_view ChannelStateName(ChannelState state);

// A server's address, and the connection to it: made when the first call needs it, made again with
// a growing, jittered pause between attempts when it is lost. Cheap to share: any number of threads
// and stubs call through one channel, and their calls share its one connection.
//
// There is no thread behind it. A caller connects, and a channel whose connection breaks while
// nobody calls notices at the next call, which then connects anew.
class Channel : public std::enable_shared_from_this<Channel> {
 public:
  // As nigh::Dial, below.
  static absl::StatusOr<std::shared_ptr<Channel>> Create(absl::string_view address,
                                                         const ChannelOptions& options);

  ~Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  ChannelState state() const ABSL_LOCKS_EXCLUDED(mutex_);

  // `callback` runs after each change of state, in the order of the changes, one at a time, on
  // whatever thread made the change, with no lock held.
  void OnStateChange(std::function<void(ChannelState)> callback) ABSL_LOCKS_EXCLUDED(mutex_);

  // Connects if need be. OK once the channel is ready; otherwise what keeps it from being so.
  absl::Status WaitForReady(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_);

  const Address& address() const { return address_; }

  // For generated code. Makes `methods` known to the channel and returns the id of the first; the
  // others follow. `methods` must live as long as the channel. Bound once, however often asked.
  uint16_t Bind(absl::Span<const Method> methods) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  friend class ClientCall;

  Channel(Address address, const Transport* transport, const ChannelOptions& options)
      : address_(std::move(address)), transport_(transport), options_(options) {}

  // A session that accepts calls, connecting if need be.
  absl::StatusOr<std::shared_ptr<ClientSession>> Session(const BoundMethod& method,
                                                         ClientContext& context)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::shared_ptr<ClientSession>> Connect(const BoundMethod& method,
                                                         ClientContext& context)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::shared_ptr<ClientSession>> ConnectOrWait(const BoundMethod& method,
                                                               ClientContext& context)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::shared_ptr<ClientSession>> Attempt(ClientContext& context)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // `session` takes no calls any more.
  void Retire(const ClientSession& session) ABSL_LOCKS_EXCLUDED(mutex_);
  void SetState(ChannelState state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Tells the callbacks of changes that they have not heard of.
  void Announce() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Duration NextPause() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Address address_;
  const Transport* const transport_;
  const ChannelOptions options_;

  mutable Mutex mutex_;
  CondVar changed_;
  std::shared_ptr<ClientSession> session_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<ClientSession> attempt_ ABSL_GUARDED_BY(mutex_);  // shaking hands
  bool connecting_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status last_error_ ABSL_GUARDED_BY(mutex_);
  absl::Duration pause_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();
  Deadline next_attempt_ ABSL_GUARDED_BY(mutex_) = Deadline::AtNanos(0);
  ChannelState state_ ABSL_GUARDED_BY(mutex_) = ChannelState::kIdle;
  std::vector<std::function<void(ChannelState)>> callbacks_ ABSL_GUARDED_BY(mutex_);
  std::deque<ChannelState> unannounced_ ABSL_GUARDED_BY(mutex_);
  bool announcing_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::pair<const Method*, uint16_t>> bound_ ABSL_GUARDED_BY(mutex_);
  size_t method_count_ ABSL_GUARDED_BY(mutex_) = 0;
};

// A channel to `address`, which is not contacted before the first call. INVALID_ARGUMENT when the
// address is malformed or its scheme unknown.
inline absl::StatusOr<std::shared_ptr<Channel>> Dial(absl::string_view address,
                                                     const ChannelOptions& options = {}) {
  return Channel::Create(address, options);
}

// The methods of a service as a stub calls them through one channel.
class BoundMethods {
 public:
  BoundMethods(std::shared_ptr<Channel> channel, absl::Span<const Method> methods)
      : channel_(std::move(channel)), methods_(methods), first_(channel_->Bind(methods)) {}

  BoundMethod operator[](size_t index) const {
    return {channel_.get(), &methods_[index], static_cast<uint16_t>(first_ + index)};
  }

 private:
  std::shared_ptr<Channel> channel_;
  absl::Span<const Method> methods_;
  uint16_t first_;
};

}  // namespace nigh

#endif  // NIGH_CHANNEL_H_
