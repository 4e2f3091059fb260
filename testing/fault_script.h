#ifndef NIGH_TESTING_FAULT_SCRIPT_H_
#define NIGH_TESTING_FAULT_SCRIPT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace nigh::testing {

struct Fault {
  enum class Kind { kCut, kEnd, kDrop, kCorrupt, kAgain, kDelay, kSignal };

  uint64_t at = 0;  // before this byte of its direction
  Kind kind = Kind::kCut;
  int times = 0;                                // of kAgain
  absl::Duration delay = absl::ZeroDuration();  // of kDelay
  int signal = 0;                               // of kSignal
  bool to_peer = false;                         // of kSignal
};

// What goes wrong all the time, in both directions.
struct Nuisance {
  size_t chunk = 0;  // 0: as much as there is
  uint64_t seed = 0;
  int percent = 0;
};

// What goes wrong on one connection.
struct ConnectionFaults {
  std::vector<Fault> in;  // in the order of their bytes
  std::vector<Fault> out;
  Nuisance nuisance;
  int dial_error = 0;  // an errno; 0: none
};

// The FAULTS of an address (faulty_transport.h), read.
class FaultScript {
 public:
  // INVALID_ARGUMENT, which names the item and says what may stand there.
  static absl::StatusOr<FaultScript> Parse(absl::string_view text);

  // Those of the `connection`-th connection, from 1.
  ConnectionFaults Of(int connection) const;

 private:
  enum class Place { kIn, kOut, kDial };
  struct Entry {
    int connection = 1;  // 0: each
    Place place = Place::kIn;
    Fault fault;
    int dial_error = 0;
  };

  absl::Status Add(absl::string_view item);

  std::vector<Entry> entries_;
  Nuisance nuisance_;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTING_FAULT_SCRIPT_H_
