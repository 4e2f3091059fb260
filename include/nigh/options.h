#ifndef NIGH_OPTIONS_H_
#define NIGH_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "nigh/api.h"
#include "nigh/metadata.h"
#include "nigh/method.h"
#include "nigh/transport/waiter.h"

namespace nigh {

class EventLoop;
class InterceptedClientCall;
class InterceptedServerCall;
struct PeerIdentity;
struct Transport;
template <class Call>
class Interceptor;

// Defined in interceptor.h.
using ClientInterceptor = Interceptor<InterceptedClientCall>;
using ServerInterceptor = Interceptor<InterceptedServerCall>;

// What one end of a connection accepts from the other. Each end announces its limits in its hello.
struct Limits {
  size_t max_message = size_t{4} << 20;  // bytes of one message; a larger one: RESOURCE_EXHAUSTED
  // Bytes of the attachment of one message (nigh/message_extras.h), at most 1 GiB; a longer one:
  // RESOURCE_EXHAUSTED. 0: none is accepted.
  size_t max_attachment = size_t{64} << 20;
  // Whether memory that the other end shares is mapped here, and this end's there (SharedBuffer);
  // both have to say so. It takes descriptors of memory, of whoever the other end is.
  bool shares_memory = false;
  size_t max_metadata = 8192;   // bytes of keys and values of one call and direction
  uint32_t max_calls = 1024;    // in flight on one connection; at most 1'048'576
  uint32_t window = 256 << 10;  // bytes that a stream's writer may be ahead of its reader
  // Bytes to which that grows by itself for a stream of long messages whose reader keeps up. The
  // windows of one connection grow by a bounded sum; where that is spent, `window` stays. At most
  // `window`: none ever grows.
  uint32_t max_window = 4 << 20;
  // Descriptors of one message (nigh/message_extras.h), at most 253; more: RESOURCE_EXHAUSTED. 0:
  // none is ever received, whatever the methods say.
  uint32_t max_descriptors = 16;
  // Descriptors of one connection that have come and are neither taken out of their messages nor
  // closed; and, at a server, those of replies that have not left. A message with more:
  // RESOURCE_EXHAUSTED. At least max_descriptors.
  uint32_t max_untaken_descriptors = 256;
};

// The options of one call that are needed most. ClientContext has them all.
struct CallOptions {
  absl::Duration timeout = absl::InfiniteDuration();
  // Whether the call waits for the server to come up instead of failing with UNAVAILABLE.
  bool wait_for_ready = false;
  // Sent with the request. Not owned.
  const Metadata* metadata = nullptr;
};

// Which calls a channel makes once more. A call that no handler has seen always is. This is about
// the others: those of methods whose .proto says that it does no harm, idempotency_level
// NO_SIDE_EFFECTS or IDEMPOTENT, as long as nothing of a reply has come. What a stream has sent is
// kept until then, a window and one message at most, and sent again.
//
// A channel has a budget for these: a server that fails all calls gets few of them twice.
struct RetryPolicy {
  // How often a call is made at most. 1: nothing is repeated.
  int attempts = 3;
  // The pause before the second attempt. It grows by a factor of 1.6 up to `max_backoff`, and is
  // jittered by +-20 %. Beyond that, an attempt waits up to a second for a server to come up.
  absl::Duration min_backoff = absl::Milliseconds(20);
  absl::Duration max_backoff = absl::Seconds(1);
  // Calls that were lost with their connection are made again. These are the server's answers after
  // which calls are, too.
  std::vector<absl::StatusCode> codes = {};
};

struct ChannelOptions {
  Limits limits = {};
  WaitPolicy wait = {};
  // The user, by name or number, whose server has to be there, or root's in its place; "*":
  // anybody's. It concerns addresses that users of the machine can find, where the kernel tells who
  // has said the server's hello; ?server=USER in the address says the same, and counts more. No
  // request leaves for anybody else: calls fail with PERMISSION_DENIED. Empty: a server of this
  // process's user or of root; and, if the address is a path, of the user who alone can have put it
  // there, because nobody else, root aside, may write to its folder or to one above (not /tmp).
  std::string expect_server = {};
  // The limit for one attempt to connect and agree on a version.
  absl::Duration connect_timeout = absl::Seconds(20);
  // The pause between attempts. It starts at `min_backoff` and grows by a factor of 1.6 up to
  // `max_backoff`. Each pause is jittered by +-20 %.
  absl::Duration min_backoff = absl::Milliseconds(50);
  absl::Duration max_backoff = absl::Seconds(5);
  RetryPolicy retry = {};
  // The transports that addresses may name. A program that lists its own need not link the others.
  // The array must outlive the channel. Empty: all of nigh's transports, which //:nigh links.
  absl::Span<const Transport> transports = {};
  // The loop that runs the callbacks and resumes the coroutines of this channel's calls. Null: one
  // thread that all channels of the process share. It exists while one of them needs it.
  std::shared_ptr<EventLoop> event_loop = nullptr;
  // The interceptors that each call of the channel passes through, the outermost first.
  std::vector<std::shared_ptr<ClientInterceptor>> interceptors = {};
};

// What SIGINT means to a server in Server::Run, and SIGHUP where the program has no handler for it.
// A terminal sends them to a program and to the children that it has started, all at once.
enum class Interrupt {
  // kLeftToHost where all addresses are of a kind that serves the program that started this one
  // (stdio:); else kStops.
  kByAddress,
  // SIGINT shuts the server down. SIGHUP does what it would have done without the server.
  kStops,
  // Neither has an effect. The server ends with its input, with Shutdown or by SIGTERM.
  kLeftToHost,
};

// What a server does when one of its addresses is lost: somebody has removed the file or the queue
// by which clients find it. on_error hears of it, and open connections go on.
enum class LostAddress {
  // It listens there again. Where it cannot, because another server has taken the address meanwhile
  // or the directory is gone, on_error hears of that, too, and the rest is as kEndRun.
  kListenAgain,
  // Run shuts the server down, with its grace, and returns the error. A server that is not in Run
  // serves its connections and its other addresses on.
  kEndRun,
};

// Who may connect to a server. Decided by what the kernel tells of a client when it comes, before
// anything is made for it. It concerns the addresses that the users of the machine can find: not
// tcp:, which has no users, and not inproc:, pipe: and stdio:, where nobody comes uninvited. An
// address's mode and group (docs/transports.md) say whom the kernel lets through to this decision.
struct Admission {
  // Names or numbers of those who may, besides root and the server's own user, who always may;
  // members of `groups` likewise. "*" among the users: anybody. A server that has names here does
  // not listen at tcp:.
  std::vector<std::string> users = {};
  std::vector<std::string> groups = {};
  // Decides, where it is set, in the place of all that, root and the own user included, and over
  // tcp: too. Runs in a thread of the server and must not block.
  std::function<bool(const PeerIdentity&)> decide = nullptr;
};

struct ServerOptions {
  Limits limits = {};
  WaitPolicy wait = {};
  // By default: the server's own user, and root.
  Admission admit = {};
  // Who, of these, may call what: by the name of a method, "/package.Service/Method", or of a
  // service, "package.Service". A method's name counts more than its service's, and either more
  // than all that the .proto says ((nigh.allow)); the nearest alone counts, as a whole. "*" stands
  // for the methods that only a fallback serves. Where nobody says anything, everybody of these may
  // call. Others get PERMISSION_DENIED before their request is parsed and before any interceptor
  // runs. Start fails where a name stands for nothing that is served, or for no user or group.
  std::map<std::string, Callers> allow = {};
  // Threads that read requests and run short handlers. 0: one for every two CPUs.
  int pollers = 0;
  // The limit for all threads together: pollers, slow handlers and synchronous stream handlers.
  // Calls that would need another thread wait.
  int max_threads = 4096;
  // The limits for the slow handlers and synchronous stream handlers of one connection, and of all
  // connections of one user. Calls beyond that fail with RESOURCE_EXHAUSTED at once.
  int max_threads_of_connection = 1024;
  int max_threads_of_user = 3072;
  // How long they wait. Then they fail with RESOURCE_EXHAUSTED, which on_error hears of, too, once
  // a second at most. Infinite: until a thread is free.
  absl::Duration thread_timeout = absl::Seconds(1);
  // How many connections there may be, in all and of one user. Users whom the system does not name,
  // those of tcp: among them, count as one. Whoever is beyond that is told so and goes: UNAVAILABLE
  // at the client, and RESOURCE_EXHAUSTED for on_error, once a second at most. docs/limits.md has
  // what one connection costs.
  int max_connections = 16'384;
  int max_connections_of_user = 4096;
  // Bytes that the server keeps for one connection, and for all of one user: requests and messages
  // of streams, from their first piece until they have been read or their handler has returned,
  // metadata, and replies that the client does not take. Calls beyond that fail with
  // RESOURCE_EXHAUSTED. At least four of limits.max_message, whatever this says. Once replies of
  // 16 MiB wait at a connection, or of a quarter of its bytes, nothing is read from it until they
  // have left. A thousand calls at once, of requests and replies of 300 KB, need half of the
  // default; among strangers, it should be less.
  size_t max_bytes_of_connection = size_t{1} << 30;
  size_t max_bytes_of_user = size_t{4} << 30;
  // Descriptors of all connections of one user (limits.max_untaken_descriptors); a message with
  // more: RESOURCE_EXHAUSTED. At most a quarter of what this process may have open (ulimit -n) when
  // the server is made; all users together may have half.
  size_t max_descriptors_of_user = 1024;
  // How long a client may take from when it connects to its hello, which nigh's clients send at
  // once. Then its connection ends, of which on_error hears likewise. Media with one connection, to
  // which the process was born (pipe:, stdio:), wait for ever.
  absl::Duration hello_timeout = absl::Seconds(10);
  // How long Run() lets running calls go on once it is told to stop. A second SIGINT or SIGTERM
  // ends it at once.
  absl::Duration grace = absl::Seconds(5);
  Interrupt interrupt = Interrupt::kByAddress;
  LostAddress lost_address = LostAddress::kListenAgain;
  // Called for an error that no caller can be told: a connection broke the protocol, an address was
  // lost, or a limit, `admit`, `allow` or (nigh.allow) has had connections ended or calls refused,
  // which it hears of once a second at most. Runs in threads of the server and must not block.
  std::function<void(const absl::Status&)> on_error = nullptr;
  // As ChannelOptions::transports; the array must outlive the server.
  absl::Span<const Transport> transports = {};
  // For a server without threads. The program polls the loop (EventLoop::Poll), which polls the
  // connections and runs the handlers: unary functions and coroutines. `pollers` and `max_threads`
  // then have no effect. Null: the server has threads of its own.
  std::shared_ptr<EventLoop> event_loop = nullptr;
  // The interceptors that each call with a handler passes through, the outermost first.
  std::vector<std::shared_ptr<ServerInterceptor>> interceptors = {};
};

// Returns OK, or INVALID_ARGUMENT naming the first option whose value makes no sense.
NIGH_API absl::Status CheckOptions(const ChannelOptions& options);
NIGH_API absl::Status CheckOptions(const ServerOptions& options);

}  // namespace nigh

#endif  // NIGH_OPTIONS_H_
