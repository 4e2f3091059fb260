#ifndef NIGH_BENCHMARKS_HARNESS_SERVER_PROCESS_H_
#define NIGH_BENCHMARKS_HARNESS_SERVER_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/unique_fd.h"

namespace nigh::benchmarks {

// As ServerProcess::ResidentBytes, of a process by its number, or of "self".
int64_t ResidentBytes(absl::string_view process);

// A second process of this program, which is the server.
class ServerProcess {
 public:
  // Starts the process with `arguments` and waits until it has told its address.
  static absl::StatusOr<std::unique_ptr<ServerProcess>> Start(
      const std::vector<std::string>& arguments);
  // Closes the process's standard input, at whose end it exits, and waits for that.
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  const std::string& address() const { return address_; }

  // CPU time of all its threads so far, in nanoseconds.
  int64_t CpuNanos() const;
  // Bytes of memory that it has and that are there, with what it shares with others.
  int64_t ResidentBytes() const;
  // How often its threads have gone to sleep so far.
  int64_t VoluntarySwitches() const;

 private:
  ServerProcess() = default;

  pid_t pid_ = -1;
  UniqueFd input_;
  std::string address_;
};

}  // namespace nigh::benchmarks

#endif  // NIGH_BENCHMARKS_HARNESS_SERVER_PROCESS_H_
