#ifndef NIGH_OPTIONS_H_
#define NIGH_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "nigh/metadata.h"
#include "nigh/transport/waiter.h"

namespace nigh {

class EventLoop;
class InterceptedClientCall;
class InterceptedServerCall;
struct Transport;
template <class Call>
class Interceptor;

// See interceptor.h.
using ClientInterceptor = Interceptor<InterceptedClientCall>;
using ServerInterceptor = Interceptor<InterceptedServerCall>;

// What one end of a connection accepts from the other; each announces its own in the hello.
struct Limits {
  size_t max_message = size_t{4} << 20;  // bytes of one message; beyond: RESOURCE_EXHAUSTED
  size_t max_metadata = 8192;            // bytes of keys and values of one call and direction
  uint32_t max_calls = 16'384;           // in flight on one connection, 1'048'576 at most
  uint32_t window = 256 << 10;           // bytes that a stream's writer may be ahead of its reader
};

// How one call is made, when that is all there is to say; ClientContext says everything.
struct CallOptions {
  absl::Duration timeout = absl::InfiniteDuration();
  // Waits for the server to come up instead of failing with UNAVAILABLE.
  bool wait_for_ready = false;
  // Sent with the request; not owned.
  const Metadata* metadata = nullptr;
};

struct ChannelOptions {
  Limits limits = {};
  WaitPolicy wait = {};
  // For one attempt to connect and agree on a version.
  absl::Duration connect_timeout = absl::Seconds(20);
  // Between attempts: the first pause, which grows by 1.6 each time up to the longest, each +-20 %.
  absl::Duration min_backoff = absl::Milliseconds(50);
  absl::Duration max_backoff = absl::Seconds(5);
  // What addresses may name, and what the program links; must outlive the channel. Empty: all that
  // nigh has, which //:nigh links.
  absl::Span<const Transport> transports = {};
  // Who runs the callbacks and resumes the coroutines of this channel's calls. Null: a thread that
  // all channels of the process share, and that exists while one of them has need of it.
  std::shared_ptr<EventLoop> event_loop = nullptr;
  // What each call of the channel passes through, the outermost first.
  std::vector<std::shared_ptr<ClientInterceptor>> interceptors = {};
};

struct ServerOptions {
  Limits limits = {};
  WaitPolicy wait = {};
  // Threads that read requests and run short handlers; 0: one for every two CPUs.
  int pollers = 0;
  // All threads together: pollers, slow handlers, synchronous stream handlers. Calls beyond wait.
  int max_threads = 4096;
  // What Run() grants to running calls once it is told to stop.
  absl::Duration grace = absl::Seconds(5);
  // Told what goes wrong and has no caller to be told to: a connection that broke the protocol, a
  // listener that failed. By threads of the server; must not block.
  std::function<void(const absl::Status&)> on_error = nullptr;
  // As the channel's.
  absl::Span<const Transport> transports = {};
  // Who polls the connections and runs the handlers, unary functions and coroutines, when the
  // server is to have no thread at all: the program, in EventLoop::Poll. The two numbers of threads
  // above then mean nothing. Null: threads of the server's.
  std::shared_ptr<EventLoop> event_loop = nullptr;
  // What each call that there is a handler for passes through, the outermost first.
  std::vector<std::shared_ptr<ServerInterceptor>> interceptors = {};
};

// INVALID_ARGUMENT that names the first option whose value makes no sense.
absl::Status CheckOptions(const ChannelOptions& options);
absl::Status CheckOptions(const ServerOptions& options);

}  // namespace nigh

#endif  // NIGH_OPTIONS_H_
