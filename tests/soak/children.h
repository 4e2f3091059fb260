#ifndef NIGH_TESTS_SOAK_CHILDREN_H_
#define NIGH_TESTS_SOAK_CHILDREN_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/channel.h"
#include "nigh/server.h"
#include "tests/soak/load.h"
#include "tests/soak/service.h"
#include "tests/soak/trial.h"

namespace nigh::testing {

// Outcomes that processes count in together.
class SharedOutcomes {
 public:
  SharedOutcomes();
  // Those of another process.
  explicit SharedOutcomes(const std::string& path);
  ~SharedOutcomes();
  SharedOutcomes(const SharedOutcomes&) = delete;
  SharedOutcomes& operator=(const SharedOutcomes&) = delete;

  // By which another process finds them, while this one lives.
  std::string path() const;
  Outcomes& operator*() const { return *outcomes_; }

 private:
  int fd_;
  Outcomes* outcomes_;
};

// A server of TheSubject() with handlers of one sort.
class LoadServer {
 public:
  LoadServer(bool coroutines, Answers& answers);

  // As Server::Listen, and begins to serve. `patient`: waits until another server lets go of the
  // address.
  absl::Status Serve(absl::string_view address, bool patient);
  std::string address() const { return server_.addresses().front(); }
  void Shutdown();

 private:
  LoadService service_;
  CoLoadService co_service_;
  Server server_;
};

// A channel of TheSubject() that is quick to try again.
std::shared_ptr<Channel> DialLoad(absl::string_view address);

// Makes a call that waits for the server; once more, if a predecessor dies over it.
absl::Status Reach(const std::shared_ptr<Channel>& channel);

// The calls of a medium: short ones where it moves single bytes.
Mix MixOfSubject();

// The arguments by which a Child becomes
//  - a server at each of the two addresses, with functions and with coroutines. Empty: none. It
//    says its addresses, and serves until SIGTERM. At SIGUSR1 it says what it holds (Resources).
//  - a client that calls through two channels, counts in `outcomes`, says "reached" once the server
//    has replied through both, and ends at SIGTERM.
//  - a client that opens a call of Chat, makes a child by fork(2) if `forks`, says that child's
//    process id, or 0, and waits for a reply.
std::vector<std::string> ServerArguments(absl::string_view functions, absl::string_view coroutines,
                                         bool patient);
std::vector<std::string> ClientArguments(absl::string_view address, uint64_t seed,
                                         const SharedOutcomes& outcomes);
std::vector<std::string> WaiterArguments(absl::string_view address, bool forks);

// What main() is: parses the flags, chooses the medium, and, if this process was started with those
// arguments, acts so; else calls `main`.
int MainOrAct(int argc, char** argv, int (*main)());

}  // namespace nigh::testing

#endif  // NIGH_TESTS_SOAK_CHILDREN_H_
