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
  size_t payload = 64;  // bytes
  double seconds = 1;   // that are measured
  int threads = 1;      // that call
  int channels = 1;     // that they share
  int idle = 0;         // further connections on which nothing happens
  int in_flight = 1;    // calls at once of one thread that waits for none (MeasureFlight)
  double rate = 0;      // calls a second, whatever the answers take; 0: the next when one is done
};

// Name and value, in the order to be printed.
using Results = std::vector<std::pair<std::string, double>>;

// Calls as `load` says. Latencies in microseconds (p50, p90, p99, p999, max), calls_per_s, CPU time
// a call of both processes in microseconds (client_cpu, server_cpu). With a rate, latency counts
// from when the call should have begun (open loop): calls that had to queue show what they waited.
//
// `server` is null where the server lives in this process; client_cpu is then that of both.
absl::StatusOr<Results> MeasureCalls(Subject& subject, const std::string& address,
                                     const ServerProcess* server, const Load& load);

// Keeps load.in_flight calls under way on one channel, begun by callbacks of one another. Results
// as above; a call's latency includes its wait behind the others.
absl::StatusOr<Results> MeasureFlight(Subject& subject, const std::string& address,
                                      const ServerProcess* server, const Load& load);

// From the beginning of a new connection to the answer to its first call, one after the other.
absl::StatusOr<Results> MeasureConnect(Subject& subject, const std::string& address,
                                       const ServerProcess* server, const Load& load);

// Messages a second that the server can stream to one client.
absl::StatusOr<Results> MeasureStream(Subject& subject, const std::string& address,
                                      const ServerProcess* server, const Load& load);

// Wake-ups a second of a server with load.idle connections, and nothing to do for load.seconds.
absl::StatusOr<Results> MeasureIdle(Subject& subject, const std::string& address,
                                    const ServerProcess* server, const Load& load);

}  // namespace nigh::benchmarks

#endif  // NIGH_BENCHMARKS_HARNESS_WORKLOAD_H_
