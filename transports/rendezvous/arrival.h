#ifndef NIGH_TRANSPORTS_RENDEZVOUS_ARRIVAL_H_
#define NIGH_TRANSPORTS_RENDEZVOUS_ARRIVAL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/transports/process/process_name.h"

namespace nigh {

// How a client announces itself on a medium that has no connections. The client makes both halves
// of a connection, under names that nobody can guess. It then sends an arrival to the place that
// everybody knows: a FIFO or a queue. The server opens both halves and removes their names.
//
//   byte  0          8         12      16              20                        36
//        +----------+---------+-------+---------------+-------------------------+
//        |"nigh arr"| version | pid   | pid namespace | token, hexadecimal      |
//        +----------+---------+-------+---------------+-------------------------+
//
// All numbers are little-endian. The token is the part of the names that differs from client to
// client. An arrival cannot name anything else.
struct Arrival {
  ProcessName client;  // as the client says
  std::string token;   // of kTokenSize digits

  static constexpr size_t kSize = 36;
  static constexpr size_t kTokenSize = 16;

  // One of this process, with a new random token.
  static Arrival OfThisProcess();

  std::string Encode() const;  // kSize bytes
  // Nothing if `bytes` do not begin with an arrival.
  static std::optional<Arrival> Decode(absl::string_view bytes);
};

// The names of the two halves. The client reads from one, the server from the other.
struct TokenNames {
  TokenNames(absl::string_view prefix, absl::string_view token)
      : to_client(absl::StrCat(prefix, ".", token, ".c")),
        to_server(absl::StrCat(prefix, ".", token, ".s")) {}

  const std::string to_client;
  const std::string to_server;
};

// Whether `name` is one of those two names, for some token.
bool IsTokenName(absl::string_view name, absl::string_view prefix);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_RENDEZVOUS_ARRIVAL_H_
