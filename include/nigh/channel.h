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
#include "nigh/api.h"
#include "nigh/client_context.h"
#include "nigh/message_extras.h"
#include "nigh/method.h"
#include "nigh/options.h"
#include "nigh/peer_identity.h"

namespace nigh {

struct Address;
class Connector;

// The states of a channel, as in gRPC.
enum class ChannelState {
  kIdle,  // not connected, and nobody has asked it to be
  kConnecting,
  kReady,
  kTransientFailure,  // the last attempt failed; calls fail with its error until the next one is
                      // due
};

NIGH_API absl::string_view ChannelStateName(ChannelState state);

// A server's address and the connection to it. The channel connects when the first call needs it.
// When the connection is lost, the channel connects again; the pause between attempts grows and is
// jittered. A channel is cheap to share: any number of threads and stubs call through it, and all
// their calls share its one connection.
//
// A channel has no thread as long as callers wait for their calls: the caller's thread connects,
// sends and receives. If the connection breaks while nobody calls, the next call notices and
// connects anew. Calls that no thread waits for (callbacks, coroutines) need
// ChannelOptions::event_loop; without it, one thread of the process serves them. If the system has
// no thread to give for that, they fail with RESOURCE_EXHAUSTED, and their callbacks run at once,
// in the thread that leaves them.
class NIGH_API Channel {
 public:
  // As nigh::Dial, below.
  static absl::StatusOr<std::shared_ptr<Channel>> Create(absl::string_view address,
                                                         const ChannelOptions& options);

  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  ChannelState state() const;

  // `callback` runs after each change of state: in the order of the changes, one run at a time, in
  // the thread that made the change, with no lock held.
  void OnStateChange(std::function<void(ChannelState)> callback);

  // Connects if need be. Returns OK once the channel is ready, otherwise an error that says what
  // keeps it from being ready.
  absl::Status WaitForReady(absl::Duration timeout);

  // The server's address (nigh/transport/address.h).
  const Address& address() const;

  // Who the server is, as the kernel tells, and what carries the bytes. Describes the present
  // connection; empty while there is none.
  PeerIdentity peer() const;

  // Memory for an attachment of `size` bytes, in which the server reads it, where the two share
  // memory (shm:, local:). The program fills it when it likes, and may send it as often as it
  // likes; a second time without a copy once the receiver has let go of it. Where the message
  // beside it is longer than some 16 KiB, or it is sent to somebody else, it is copied. Plain
  // memory, which is copied as well, if it is short, or the medium shares none, or the channel is
  // not connected yet (WaitForReady). It waits for nobody, but pages that are used for the first
  // time have to be made: a millisecond for some 4 MiB, in which nothing else is sent. Any thread.
  //
  // RESOURCE_EXHAUSTED: the shared memory is full, or the server does not accept as much.
  // UNIMPLEMENTED: it accepts none.
  absl::StatusOr<AttachmentBuffer> AllocateAttachment(size_t size);

  // For generated code. Makes `methods` known to the channel. Returns the first; the others follow
  // it, by pointer and by id. `methods` must outlive the channel. Binding them again returns the
  // same.
  BoundMethod Bind(absl::Span<const Method> methods);

  // For GenericStub. Binds a method by its name, which the channel remembers. The result is valid
  // as long as the channel or one of its calls exists. If `name` is no method's name, calls fail
  // with INTERNAL. The channel remembers kMaxMethods names; calls of further ones fail with
  // RESOURCE_EXHAUSTED.
  BoundMethod Bind(absl::string_view name, MethodKind kind, Fds fds = Fds::kNowhere);

 private:
  explicit Channel(std::shared_ptr<Connector> connector);

  std::shared_ptr<Connector> connector_;
};

// Returns a channel to `address`. It does not connect before the first call. INVALID_ARGUMENT: the
// address is malformed or its scheme is unknown.
inline absl::StatusOr<std::shared_ptr<Channel>> Dial(absl::string_view address,
                                                     const ChannelOptions& options = {}) {
  return Channel::Create(address, options);
}

// The methods of one service, bound to the channel through which a stub calls them.
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

// What a stub's unary method does: sends `request`, waits for the call to end, and parses the reply
// into `reply`.
NIGH_API absl::Status CallUnary(BoundMethod method, ClientContext& context,
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
