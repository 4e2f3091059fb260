#ifndef NIGH_TRANSPORTS_EXEC_STDIO_H_
#define NIGH_TRANSPORTS_EXEC_STDIO_H_

#include <memory>

#include "absl/status/statusor.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"

namespace nigh {

// stdio:, where a server listens that its client has started (exec.h). There is one connection,
// over standard input and output, which must be pipes. Listening moves both away, so that nothing
// else can get at them. From then on the program reads nothing from standard input, and what it
// prints to standard output comes out at standard error. When the connection ends, the server's Run
// returns.
//
// Ctrl-C in the terminal is the client's business, which may have calls to make yet: SIGINT and
// SIGHUP do not end a server in Run that listens here alone (ServerOptions::interrupt).
//
// A process listens there once, before it prints anything.
absl::StatusOr<std::unique_ptr<Listener>> ListenStdio(const Address& address);
// INVALID_ARGUMENT: one listens at stdio:.
absl::StatusOr<std::unique_ptr<Connection>> DialStdio(const Address& address);

inline constexpr Transport kStdioTransport = {.scheme = "stdio",
                                              .dial = &DialStdio,
                                              .listen = &ListenStdio,
                                              .has_name = false,
                                              .serves_parent = true,
                                              .reach = Reach::kInvited};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_EXEC_STDIO_H_
