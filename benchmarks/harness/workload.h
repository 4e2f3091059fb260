#ifndef NIGH_BENCHMARKS_HARNESS_WORKLOAD_H_
#define NIGH_BENCHMARKS_HARNESS_WORKLOAD_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "benchmarks/harness/server_process.h"
#include "benchmarks/harness/subject.h"

namespace nigh::benchmarks {

struct Load {
  size_t payload = 64;  // bytes of a message
  double seconds = 1;   // how long to measure
  int threads = 1;      // threads that call
  int channels = 1;     // channels that these threads share
  int idle = 0;         // further connections on which nothing happens
  int in_flight = 1;    // calls under way at once (MeasureFlight)
  size_t beside = 0;    // bytes of the calls that another thread makes meanwhile; 0: none does
  double rate = 0;      // calls a second, however long replies take; 0: one call after the other
};

// Names and values, in the order in which they are printed.
using Results = std::vector<std::pair<std::string, double>>;

// Makes calls as `load` says. The results are latencies in microseconds (p50, p90, p99, p999, max),
// calls_per_s, and the CPU time that a call takes in each process, in microseconds (client_cpu,
// server_cpu). With a rate, latency counts from the time at which the call should have begun (open
// loop): it includes the time for which the call had to queue.
//
// With `beside`, another thread makes calls of so many bytes over the first channel, one after the
// other; their number a second is beside_per_s.
//
// `server` is null where the server lives in this process. client_cpu is then that of both ends.
absl::StatusOr<Results> MeasureCalls(Subject& subject, const std::string& address,
                                     const ServerProcess* server, const Load& load);

// Keeps load.in_flight calls under way on one channel. The callback of a call that is over begins
// the next. Results as above; a call's latency includes its wait behind the others.
absl::StatusOr<Results> MeasureFlight(Subject& subject, const std::string& address,
                                      const ServerProcess* server, const Load& load);

// Makes one new connection after the other, and drops them by the dozen. A latency counts from the
// beginning of a connection to the reply to its first call.
absl::StatusOr<Results> MeasureConnect(Subject& subject, const std::string& address,
                                       const ServerProcess* server, const Load& load);

// Measures how many messages a second the server can stream to one client.
absl::StatusOr<Results> MeasureStream(Subject& subject, const std::string& address,
                                      const ServerProcess* server, const Load& load);

// Measures the memory of both processes, in MiB: before any call of load.payload, at most while
// such calls follow each other for load.seconds, and 3 s after that (client_before, client_during,
// client_after; server_...). Before the last one there is a short call.
absl::StatusOr<Results> MeasureMemory(Subject& subject, const std::string& address,
                                      const ServerProcess* server, const Load& load);

// Measures how often a second a server wakes that has load.idle connections and nothing to do, over
// load.seconds.
absl::StatusOr<Results> MeasureIdle(Subject& subject, const std::string& address,
                                    const ServerProcess* server, const Load& load);

}  // namespace nigh::benchmarks

#endif  // NIGH_BENCHMARKS_HARNESS_WORKLOAD_H_
