#ifndef NIGH_TRANSPORT_TRANSPORT_H_
#define NIGH_TRANSPORT_TRANSPORT_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"

namespace nigh {

// Takes in new connections at one address. Used by one thread at a time.
class Listener {
 public:
  virtual ~Listener() = default;  // the name disappears from the system

  // The next connection, or nullptr for none now. An error ends this listener, not its connections;
  // what goes wrong with one arrival (a peer gone already) is not an error. OUT_OF_RANGE: by the
  // nature of the medium there will be no more.
  virtual absl::StatusOr<std::unique_ptr<Connection>> Accept() = 0;

  // To be called when Accept has returned nullptr: a descriptor to poll, or that somebody came.
  virtual Wake Arm() = 0;

  // Where others can dial: what was asked for, with what the system chose (a port) filled in.
  virtual const Address& address() const = 0;
};

// A medium: a scheme and two functions. Neither blocks longer than a name look-up; a connection may
// still be on its way when Dial returns, and then its Receive tells how that went.
struct Transport {
  // What precedes the colon.
  absl::string_view scheme;

  // INVALID_ARGUMENT: the address can never work. UNAVAILABLE: nobody is there now.
  absl::StatusOr<std::unique_ptr<Connection>> (*dial)(const Address& address);

  // INVALID_ARGUMENT as above. ALREADY_EXISTS: a live server is there; it is not disturbed.
  // Another code says what the system answered.
  absl::StatusOr<std::unique_ptr<Listener>> (*listen)(const Address& address);

  // Whether something must follow the colon.
  bool has_name = true;
};

using TransportTable = absl::Span<const Transport>;

// Every transport of nigh. Defined in //transports:all, which //:nigh links.
TransportTable AllTransports();

// The transport whose scheme is `address`'s. An empty table stands for AllTransports(): a program
// that passes tables of its own need not link those. INVALID_ARGUMENT that lists the schemes there
// are, or says that a name is missing.
absl::StatusOr<const Transport*> FindTransport(TransportTable table, const Address& address);

}  // namespace nigh

#endif  // NIGH_TRANSPORT_TRANSPORT_H_
