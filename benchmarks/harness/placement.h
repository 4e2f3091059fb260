#ifndef NIGH_BENCHMARKS_HARNESS_PLACEMENT_H_
#define NIGH_BENCHMARKS_HARNESS_PLACEMENT_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace nigh::benchmarks {

// Which CPUs the two ends may use. Results differ by a factor of ten between placements, so every
// number is published with its placement.
enum class Placement {
  kSplit,    // client on CPU 0, server on CPU 1
  kStacked,  // both on CPU 0
  kFree,     // wherever the kernel puts them
};

enum class Role { kClient, kServer };

// Parses "split", "stacked" or "free". Anything else is an error.
absl::StatusOr<Placement> ParsePlacement(absl::string_view name);

// Places the calling thread, and the threads that it creates from now on.
absl::Status Place(Placement placement, Role role);

}  // namespace nigh::benchmarks

#endif  // NIGH_BENCHMARKS_HARNESS_PLACEMENT_H_
