#include "benchmarks/harness/placement.h"

#include <sched.h>

#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace nigh::benchmarks {

absl::StatusOr<Placement> ParsePlacement(absl::string_view name) {
  if (name == "split") return Placement::kSplit;
  if (name == "stacked") return Placement::kStacked;
  if (name == "free") return Placement::kFree;
  return absl::InvalidArgumentError(
      absl::StrCat("--placement=", name, ": not split, stacked or free"));
}

absl::Status Place(Placement placement, Role role) {
  if (placement == Placement::kFree) return absl::OkStatus();
  const int cpu = placement == Placement::kSplit && role == Role::kServer ? 1 : 0;
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  if (::sched_setaffinity(0, sizeof(cpus), &cpus) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(
      errno, absl::StrCat("sched_setaffinity to CPU ", cpu, " (try --placement=free)"));
}

}  // namespace nigh::benchmarks
