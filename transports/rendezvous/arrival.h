#ifndef NIGH_TRANSPORTS_RENDEZVOUS_ARRIVAL_H_
#define NIGH_TRANSPORTS_RENDEZVOUS_ARRIVAL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/transports/rendezvous/process_name.h"

namespace nigh {

// Where a medium has no connections, a client makes both halves of one, under names that nobody can
// guess, and leaves word of them at the place that everybody knows (a FIFO, a queue). The server
// takes that up, opens both and removes the names.
//
//   byte  0          8         12      16              20                        36
//        +----------+---------+-------+---------------+-------------------------+
//        |"nigh arr"| version | pid   | pid namespace | token, hexadecimal      |
//        +----------+---------+-------+---------------+-------------------------+
//
// All numbers are little-endian. The token is the part of the names that differs; a client can thus
// name nothing but its own.
struct Arrival {
  ProcessName client;  // as it says
  std::string token;   // of kTokenSize digits

  static constexpr size_t kSize = 36;
  static constexpr size_t kTokenSize = 16;

  // Of this process, with a new token.
  static Arrival OfThisProcess();

  std::string Encode() const;  // kSize bytes
  // Nothing: the bytes are no arrival.
  static std::optional<Arrival> Decode(absl::string_view bytes);
};

// The names of both halves: what the client reads from, and what the server does.
struct TokenNames {
  TokenNames(absl::string_view prefix, absl::string_view token)
      : to_client(absl::StrCat(prefix, ".", token, ".c")),
        to_server(absl::StrCat(prefix, ".", token, ".s")) {}

  const std::string to_client;
  const std::string to_server;
};

// Whether `name` is one of the two, with whatever token.
bool IsTokenName(absl::string_view name, absl::string_view prefix);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_RENDEZVOUS_ARRIVAL_H_
