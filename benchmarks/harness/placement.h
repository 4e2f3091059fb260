#ifndef NIGH_BENCHMARKS_HARNESS_PLACEMENT_H_
#define NIGH_BENCHMARKS_HARNESS_PLACEMENT_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace nigh::benchmarks {

// Which CPUs the two ends may use. Results jump by a factor of ten between them, so every number
// names its placement.
enum class Placement {
  kSplit,    // client on CPU 0, server on CPU 1
  kStacked,  // both on CPU 0
  kFree,     // wherever the kernel likes
};

enum class Role { kClient, kServer };

// "split", "stacked" or "free".
absl::StatusOr<Placement> ParsePlacement(absl::string_view name);

// Places the calling thread and those that it creates from now on.
absl::Status Place(Placement placement, Role role);

}  // namespace nigh::benchmarks

#endif  // NIGH_BENCHMARKS_HARNESS_PLACEMENT_H_
