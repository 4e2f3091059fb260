#ifndef NIGH_TRANSPORTS_EXEC_CHILD_H_
#define NIGH_TRANSPORTS_EXEC_CHILD_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// A child process with pipes for its standard input and output. A thread stands by it from before
// its birth until after its death: the kernel takes the end of the thread that forked for the end
// of the parent (PR_SET_PDEATHSIG), it passes the child's standard error on, and it buries the
// child.
class Child {
 public:
  // The first of `words` is the program. UNAVAILABLE: it cannot be started; the message begins with
  // `where`.
  static absl::StatusOr<std::unique_ptr<Child>> Start(std::vector<std::string> words,
                                                      absl::string_view where);
  // As Leave.
  ~Child();

  pid_t pid() const;
  // Of two pipes, each to be taken once: what the child reads, and what it has written.
  UniqueFd TakeInput();
  UniqueFd TakeOutput();

  // How it died and what it last said, "the server PROGRAM (process 12) was killed by signal 11
  // (Segmentation fault): "..."". Waits for `patience` if it is still alive, and says that then.
  std::string Obituary(absl::Duration patience);

  // Nobody needs it any more, and its pipes are closed. Does not wait; it has five seconds to end.
  void Leave();

 private:
  class Keeper;
  explicit Child(std::shared_ptr<Keeper> keeper);

  const std::shared_ptr<Keeper> keeper_;  // shared with the thread
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_EXEC_CHILD_H_
