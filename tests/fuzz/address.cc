// An address: its text, and what each transport makes of it before it asks the system.

#include "nigh/transport/address.h"

#include <bit>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/transport.h"
#include "nigh/transports/inproc/inproc.h"
#include "nigh/transports/rendezvous/socket_name.h"
#include "nigh/transports/shm/ring.h"
#include "nigh/transports/shm/shm_options.h"
#include "nigh/transports/tcp/endpoint.h"
#include "tests/fuzz/input.h"

namespace nigh::testing {
namespace {

Address CheckText(const Address& address) {
  const absl::StatusOr<Address> again = Address::Parse(address.ToString());
  Expect(again.ok(), "what ToString writes is an address");
  Expect(again->scheme == address.scheme && again->name == address.name &&
             again->parameters == address.parameters,
         "ToString writes what was read");
  Expect(again->ToString() == address.ToString(), "and writes it again");
  return *again;
}

void CheckTcp(const Address& address) {
  const absl::StatusOr<HostPort> parsed = ParseHostPort(address);
  if (!parsed.ok()) {
    Expect(absl::IsInvalidArgument(parsed.status()), "tcp: refuses with INVALID_ARGUMENT");
    return;
  }
  Address written = address;
  written.name = parsed->ToName();
  const absl::StatusOr<HostPort> again = ParseHostPort(CheckText(written));
  Expect(again.ok() && again->host == parsed->host && again->port == parsed->port,
         "tcp: ToName writes what was read");
}

void CheckUnix(const Address& address, SocketNameKind kind) {
  const absl::StatusOr<SocketName> name = CheckSocketName(address.name, kind, address.ToString());
  if (!name.ok()) {
    Expect(absl::IsInvalidArgument(name.status()), "unix: refuses with INVALID_ARGUMENT");
    return;
  }
  const absl::string_view path(name->name.sun_path, sizeof(name->name.sun_path));
  const size_t at = kind == SocketNameKind::kAbstract ? 1 : 0;
  Expect(path.substr(at, address.name.size()) == address.name, "unix: the name is the address's");
  Expect(name->size <= sizeof(sockaddr_un), "unix: the name fits");
}

void CheckShm(const Address& address) {
  const absl::StatusOr<ShmOptions> options = ParseShmOptions(address);
  if (!options.ok()) {
    Expect(absl::IsInvalidArgument(options.status()), "shm: refuses with INVALID_ARGUMENT");
    return;
  }
  Expect(options->ring_size >= kMinRing && options->ring_size <= kMaxRing &&
             std::has_single_bit(options->ring_size),
         "shm: a ring is as large as it may be");
}

void CheckInproc(const Address& address) {
  const absl::StatusOr<std::unique_ptr<Connection>> nobody = DialInproc(address);
  Expect(!nobody.ok(), "inproc: nobody listens yet");
  const absl::StatusOr<std::unique_ptr<Listener>> listener = ListenInproc(address);
  Expect(listener.ok() == address.parameters.empty(), "inproc: takes any name, no parameters");
  if (!listener.ok()) return;
  Expect((*listener)->address().ToString() == address.ToString(), "inproc: the address stays");
  Expect(absl::IsAlreadyExists(ListenInproc(address).status()), "inproc: a name is taken once");
  Expect(DialInproc(address).ok(), "inproc: who listens can be dialled");
}

}  // namespace
}  // namespace nigh::testing

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nigh;           // NOLINT(google-build-using-namespace)
  using namespace nigh::testing;  // NOLINT(google-build-using-namespace)
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<Address> address = Address::Parse(text);
  if (!address.ok()) {
    Expect(absl::IsInvalidArgument(address.status()), "no address is INVALID_ARGUMENT");
    return 0;
  }
  CheckText(*address);
  for (const auto& [key, value] : address->parameters) {
    Expect(!address->Parameter(key).empty(), "a parameter that is there has a value");
  }
  Expect(FindTransport({}, *address).status().code() == absl::StatusCode::kInvalidArgument,
         "an empty table has no transport");
  CheckTcp(*address);
  CheckUnix(*address, SocketNameKind::kPath);
  CheckUnix(*address, SocketNameKind::kAbstract);
  CheckShm(*address);
  CheckInproc(*address);
  return 0;
}
