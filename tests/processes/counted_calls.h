#ifndef NIGH_TESTS_PROCESSES_COUNTED_CALLS_H_
#define NIGH_TESTS_PROCESSES_COUNTED_CALLS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "nigh/client_context.h"
#include "tests/processes/host.nigh.h"

namespace nigh::testing {

// A call of a method that counts a number in the server's Tally, and answers with it.
struct CountedCall {
  const char* name;
  // Makes the call, and waits for its end. Returns the number that the server has answered with;
  // DATA_LOSS: it has answered otherwise.
  absl::StatusOr<uint64_t> (*make)(const Host::Stub& stub, ClientContext& context, uint64_t number);
};

// One of each kind, waited for by a thread, by callbacks and by a coroutine.
inline constexpr int kCountedCalls = 12;
extern const CountedCall kEveryCountedCall[kCountedCalls];

}  // namespace nigh::testing

#endif  // NIGH_TESTS_PROCESSES_COUNTED_CALLS_H_
