#ifndef NIGH_TESTING_FAULTY_TRANSPORT_H_
#define NIGH_TESTING_FAULTY_TRANSPORT_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/transport.h"

namespace nigh::testing {

// faulty:FAULTS:ADDRESS is the medium of ADDRESS, on which things go wrong for this side. The other
// side has the medium as it is, or faults of its own.
//
//   nigh::ChannelOptions options;
//   options.transports = nigh::testing::FaultyTransports();
//   auto channel = nigh::Dial("faulty:in@57=cut:unix:/run/greeter.sock", options);
//
// Nothing is drawn by lot when a program runs: the same address and the same exchange meet the same
// faults. FAULTS is a list, separated by commas, of
//
//   in@N=WHAT     before byte N, from 0, of all that this side receives on its first connection
//   out@N=WHAT    the same of what it sends
//   #K/...        on its K-th connection; */... on each
//   dial=ERROR    a dial fails with ERROR, such as EMFILE or ENOMEM
//   chunk=N       each read and write moves N bytes at most
//   noise=S/P     P in 100 reads and writes find nothing or move a few bytes, chosen by the seed S
//
// and WHAT one of
//
//   cut           the connection ends; what came before has arrived
//   end           this direction ends: what is sent is lost, what is received is the end
//   drop          the byte is lost
//   corrupt       the byte's bits are turned round
//   again(N)      N reads or writes find nothing, as if interrupted or out of buffers
//   delay(D)      nothing moves for D, as in delay(5ms), by the virtual clock if there is one
//   kill, stop    this process gets SIGKILL or SIGSTOP
//   kill-peer, stop-peer    the peer's process does, if the medium tells which it is
//
// A byte stream is what the sockets, pipes and FIFOs carry: frames, each with its header of 24
// bytes. Media that keep frames apart (shared memory, queues) are counted alike, but a frame there
// is there or not: what would lose a part of it loses it whole, `again`, `delay` and `chunk` take
// effect between frames, and a length cannot be corrupted.
absl::StatusOr<std::unique_ptr<Connection>> DialFaulty(const Address& address);
absl::StatusOr<std::unique_ptr<Listener>> ListenFaulty(const Address& address);

inline constexpr Transport kFaultyTransport = {"faulty", &DialFaulty, &ListenFaulty};

// All of nigh's transports and this one.
TransportTable FaultyTransports();

// From now on ADDRESS may name these transports, besides nigh's own. The table is not copied. To be
// called before any address is dialled.
void AddFaultyTransports(TransportTable table);

// What has happened at one address.
struct FaultCounts {
  int connections = 0;
  // Bytes of frames that have passed.
  uint64_t in = 0;
  uint64_t out = 0;
  // How many of the faults have come about.
  int faults = 0;
};

// Of what this process has dialled, or accepted, at exactly this address (Server::addresses() has
// the one of a listener) since the last ForgetFaults(). With no faults,
// "faulty::unix:/run/greeter.sock", it says how many bytes an exchange has, so that a test can go
// through all of them. Any thread.
FaultCounts CountDialled(absl::string_view address);
FaultCounts CountAccepted(absl::string_view address);

// The next connection at each address is the first again. Any thread.
void ForgetFaults();

}  // namespace nigh::testing

#endif  // NIGH_TESTING_FAULTY_TRANSPORT_H_
