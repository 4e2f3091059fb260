#ifndef NIGH_BENCHMARKS_ATTACKS_H_
#define NIGH_BENCHMARKS_ATTACKS_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/types/span.h"
#include "nigh/transport/address.h"

namespace nigh::benchmarks {

// Whom an attack is on: a server of Echo.
struct Target {
  Address address;
  std::atomic<uint64_t>& rounds;  // counted up by whoever attacks
};

// What a client can do to a server to make work for it. Returns only where it cannot go on.
struct Attack {
  const char* name;
  void (*run)(const Target& target);
};

// Those that work over `scheme`, "shm" or "unix".
absl::Span<const Attack> AttacksOver(const std::string& scheme);

}  // namespace nigh::benchmarks

#endif  // NIGH_BENCHMARKS_ATTACKS_H_
