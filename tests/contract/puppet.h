#ifndef NIGH_TESTS_CONTRACT_PUPPET_H_
#define NIGH_TESTS_CONTRACT_PUPPET_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <thread>

#include "absl/strings/string_view.h"
#include "nigh/transport/unique_fd.h"

namespace nigh::testing {

enum class Placement { kThread, kProcess };

// The peer of a test: a thread, or a process of its own, that obeys commands. The answer to a
// command is "ok", "ok RESULT" or the text of a status. A puppet listens or dials first, and has
// one connection from then on.
//
//   listen ADDRESS     "ok ADDRESS" with the address to dial
//   dial ADDRESS
//   accept
//   send CALL SIZE     one frame with Pattern(CALL, SIZE), flushed
//   queue CALL SIZE    the same, not flushed
//   receive COUNT      receives COUNT frames; "ok" if each has its call's pattern
//   echo               sends back what comes, until the connection ends
//   flood COUNT        sends frames 0 to COUNT-1 of FloodSize(), as fast as it can
//   sink               receives until the end; "ok N" if N frames of a flood came in order
//   close
class Puppet {
 public:
  static std::unique_ptr<Puppet> Start(Placement placement);
  // Waits for the puppet's end. Close the connection first: a puppet that is in the middle of a
  // command finishes it.
  ~Puppet();

  // Begins a command.
  void Tell(absl::string_view command);
  // Waits for the answer to the last command. "gone": there will be none.
  std::string Answer();
  std::string Ask(absl::string_view command) {
    Tell(command);
    return Answer();
  }

  // Kills the puppet's process by SIGKILL. Returns when it has ended.
  void Kill();

 private:
  explicit Puppet(UniqueFd control) : control_(std::move(control)) {}

  UniqueFd control_;
  std::thread thread_;
  pid_t process_ = -1;
};

// Returns the payload's size of frame `index` of a flood, between endpoints of that max_payload.
size_t FloodSize(uint32_t index, size_t max_payload);

// If this process was started to be a puppet, acts as one and exits. To be called in main(), after
// ChooseSubject().
void ActIfPuppet(int argc, char** argv);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONTRACT_PUPPET_H_
