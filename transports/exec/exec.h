#ifndef NIGH_TRANSPORTS_EXEC_EXEC_H_
#define NIGH_TRANSPORTS_EXEC_EXEC_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"

namespace nigh {

// exec:PROGRAM ARG...: the client starts the server as its child and speaks over the child's
// standard input and output, where the child listens at "stdio:". Words are separated by spaces; a
// backslash makes the next character, a space or another, part of a word. A PROGRAM without a slash
// is looked for in $PATH.
//
//   grace=1s   how long the child has, once its input has ended, before it is killed; up to 1h
//   socket=on  the two are ends of a Unix socket, over which messages may bring descriptors
//              (nigh/message_extras.h); pipes carry bytes alone, and faster
//
// Each connection has a child of its own. The child's standard error comes out at this process's.
// When the child ends, the status says how it died and what it last wrote there. When the
// connection ends, the child reads the end of its input, and has the grace to clean up.
//
// So it has when this process ends: exit(3), and a return from main, close the input of the
// children that there still are, and wait for all of them at once, until each has ended or its
// grace has. A process that ends by _exit(2), by quick_exit(3) or by a signal cannot wait, and the
// kernel kills its children at once.
//
// A channel whose child has died starts another for the next call.
absl::StatusOr<std::unique_ptr<Connection>> DialExec(const Address& address);
// INVALID_ARGUMENT: one dials exec:.
absl::StatusOr<std::unique_ptr<Listener>> ListenExec(const Address& address);

inline constexpr Transport kExecTransport = {
    .scheme = "exec", .dial = &DialExec, .listen = &ListenExec, .reach = Reach::kInvited};

// "a b\\ c" -> "a", "b c".
std::vector<std::string> SplitWords(absl::string_view text);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_EXEC_EXEC_H_
