#ifndef NIGH_TRANSPORT_TRANSPORT_H_
#define NIGH_TRANSPORT_TRANSPORT_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nigh/api.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// Says whether a client may come in. Not OK: it may not, and this is what it is told; the text may
// have 256 bytes.
using Gate = std::function<absl::Status(const PeerIdentity& client)>;

// Accepts new connections at one address. Used by one thread at a time.
class NIGH_API Listener {
 public:
  virtual ~Listener() = default;  // removes the name from the system

  // Before the first Accept. From now on `gate` is asked about each client, before anything is made
  // for it, and who may not come in is told so and sent away. A medium that knows nothing of its
  // clients asks all the same, with what it has.
  virtual void SetGate(Gate gate) { gate_ = std::move(gate); }

  // Returns the next connection, or nullptr if there is none now. An error ends this listener, not
  // its connections. If a single arrival goes wrong (its peer is gone already), that is not an
  // error. OUT_OF_RANGE: the medium is such that no more connections can come. NOT_FOUND: the name
  // has been taken away from the listener; another may listen there once this one is destroyed.
  // RESOURCE_EXHAUSTED ends nothing: somebody came and was turned away, for want of descriptors or
  // memory.
  virtual absl::StatusOr<std::unique_ptr<Connection>> Accept() = 0;

  // Prepares to sleep. Call it when Accept has returned nullptr. Returns a descriptor to poll, or
  // Wake::Ready() if somebody came meanwhile.
  virtual Wake Arm() = 0;

  // The address that others can dial: the one that was asked for, completed by what the system
  // chose (a port).
  virtual const Address& address() const = 0;

 protected:
  const Gate& gate() const { return gate_; }

 private:
  Gate gate_ = [](const PeerIdentity&) { return absl::OkStatus(); };
};

// Who can come to the addresses of a transport.
enum class Reach {
  kAnybody,  // whoever finds the way, and nothing tells who that is
  kUsers,    // users of this machine, and the kernel tells who they are
  kInvited,  // nobody but this process, its relatives, and whom they have handed a descriptor
};

// A socket that listens already, of a medium of this address: from a service manager, say, which
// holds it while no server runs.
struct ListeningSocket {
  Address address;  // that others dial
  UniqueFd socket;
};

// A medium: a scheme and two functions. Neither function blocks longer than a name look-up. A
// connection may still be in progress when `dial` returns; then its Receive tells how that went.
struct Transport {
  // What precedes the colon.
  absl::string_view scheme;

  // INVALID_ARGUMENT: the address can never work. PERMISSION_DENIED: this user may not connect.
  // UNAVAILABLE: nobody is there now.
  absl::StatusOr<std::unique_ptr<Connection>> (*dial)(const Address& address);

  // INVALID_ARGUMENT: as above. ALREADY_EXISTS: a live server is there; it is not disturbed. Any
  // other code: what the system answered.
  absl::StatusOr<std::unique_ptr<Listener>> (*listen)(const Address& address);

  // Whether a name must follow the colon.
  bool has_name = true;

  // Whether who listens there serves the program that has started it, and ends with it: what their
  // terminal sends is then that program's business (Interrupt).
  bool serves_parent = false;

  // Whom a server there has to expect, and a client in the place of the server.
  Reach reach = Reach::kAnybody;

  // Of Reach::kUsers: the one user who can have put there, root aside, what clients find at
  // `address`. Nothing, or null: there is none.
  std::optional<uid_t> (*owner)(const Address& address) = nullptr;

  // As `listen`, on a socket that listens already. Null: the medium has no such socket.
  absl::StatusOr<std::unique_ptr<Listener>> (*listen_on)(ListeningSocket socket) = nullptr;

  // Of an address that stands for sockets which have been handed to this process, each of another
  // medium: to listen there is to listen on all of them. Null: the address is one itself.
  absl::StatusOr<std::vector<ListeningSocket>> (*handed)(const Address& address) = nullptr;
};

using TransportTable = absl::Span<const Transport>;

// All transports of nigh. Defined in //transports:all, which //:nigh links.
NIGH_API TransportTable AllTransports();

// Those of them whose addresses only say where to connect or listen: for options where an address
// comes from elsewhere, a file that others write, a peer. An address of exec: runs a program, and
// those of pipe:, stdio:, systemd: and fd: take over descriptors that may be anybody's. Defined
// there, too.
NIGH_API TransportTable TransportsForUntrustedAddresses();

// Returns the transport that has the scheme of `address`. An empty table stands for
// AllTransports(); a program that only passes tables of its own need not link those.
// INVALID_ARGUMENT: the scheme is unknown, and the message lists those in the table; or the name is
// missing.
NIGH_API absl::StatusOr<const Transport*> FindTransport(TransportTable table,
                                                        const Address& address);

}  // namespace nigh

#endif  // NIGH_TRANSPORT_TRANSPORT_H_
