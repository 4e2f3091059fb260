#ifndef NIGH_CHANNEL_H_
#define NIGH_CHANNEL_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "google/protobuf/message_lite.h"
#include "nigh/client_context.h"
#include "nigh/method.h"
#include "nigh/options.h"
#include "nigh/peer_identity.h"

namespace nigh {

struct Address;
class Connector;

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
// There is no thread behind it as long as callers wait for their calls: a caller connects, and a
// channel whose connection breaks while nobody calls notices at the next call, which then connects
// anew. Calls that nobody waits for in a thread need ChannelOptions::event_loop or, without one, a
// thread of the process.
class Channel {
 public:
  // As nigh::Dial, below.
  static absl::StatusOr<std::shared_ptr<Channel>> Create(absl::string_view address,
                                                         const ChannelOptions& options);

  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  ChannelState state() const;

  // `callback` runs after each change of state, in the order of the changes, one at a time, on
  // whatever thread made the change, with no lock held.
  void OnStateChange(std::function<void(ChannelState)> callback);

  // Connects if need be. OK once the channel is ready; otherwise what keeps it from being so.
  absl::Status WaitForReady(absl::Duration timeout);

  // See nigh/transport/address.h.
  const Address& address() const;

  // Who the server is, from the kernel, and what carries the bytes: as of the connection there is;
  // empty while there is none.
  PeerIdentity peer() const;

  // For generated code. Makes `methods` known to the channel and returns the first; the others
  // follow. `methods` must live as long as the channel. Bound once, however often asked.
  BoundMethod Bind(absl::Span<const Method> methods);

  // For GenericStub: a method by its name, which the channel remembers. It holds as long as the
  // channel or a call does. Calls of what is no method's name fail with INTERNAL; those of more
  // names than kMaxMethods, which are not remembered, with RESOURCE_EXHAUSTED.
  BoundMethod Bind(absl::string_view name, MethodKind kind);

 private:
  explicit Channel(std::shared_ptr<Connector> connector);

  const std::shared_ptr<Connector> connector_;
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
      : channel_(std::move(channel)), first_(channel_->Bind(methods)) {}

  BoundMethod operator[](size_t index) const {
    return {first_.connector, first_.method + index, static_cast<uint16_t>(first_.id + index)};
  }

 private:
  std::shared_ptr<Channel> channel_;
  BoundMethod first_;
};

namespace internal {

// What a stub's unary method does: sends `request`, waits, and has `reply` parsed.
absl::Status CallUnary(BoundMethod method, ClientContext& context,
                       const google::protobuf::MessageLite& request,
                       google::protobuf::MessageLite* reply);

template <class Reply>
absl::StatusOr<Reply> CallUnary(BoundMethod method, const google::protobuf::MessageLite& request,
                                const CallOptions& options) {
  ClientContext context(options);
  absl::StatusOr<Reply> reply(absl::in_place);
  const absl::Status status = CallUnary(method, context, request, &*reply);
  if (!status.ok()) return status;
  return reply;
}

}  // namespace internal

}  // namespace nigh

#endif  // NIGH_CHANNEL_H_
