#ifndef NIGH_TRANSPORTS_EXEC_CHILD_H_
#define NIGH_TRANSPORTS_EXEC_CHILD_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

// A child process with pipes for its standard input and output.
//
// One thread forks the child and reaps it. The thread has to last that long, because the kernel
// takes the end of the thread that forked for the end of the parent, and kills the child then
// (PR_SET_PDEATHSIG). Meanwhile the thread passes the child's standard error on.
//
// A process that ends by exit(3) or by returning from main first leaves all children that it still
// has, and waits until they have ended, or their grace has.
class Child {
 public:
  // The first of `words` is the program. `grace`: see Leave; finite. `socket`: it gets one end of a
  // Unix socket in the place of two pipes. UNAVAILABLE: it cannot be started; the message begins
  // with `where`.
  static absl::StatusOr<std::unique_ptr<Child>> Start(std::vector<std::string> words,
                                                      absl::Duration grace, bool socket,
                                                      absl::string_view where);
  // As Leave.
  ~Child();

  pid_t pid() const;
  // Readable once the child has died: a pidfd. No descriptor: the system has none to give.
  UniqueFd Watch() const;
  // This side's ends of two pipes: the child reads from one, and writes to the other. Each can be
  // taken once.
  UniqueFd TakeInput();
  UniqueFd TakeOutput();

  // How the child died and what it last wrote to standard error: "the server PROGRAM (process 12)
  // was killed by signal 11 (Segmentation fault): "..."". Waits for `patience` at most; of a child
  // that still lives it says that it closed the connection.
  std::string DescribeEnd(absl::Duration patience);

  // Has `close` run when the process exits, in the thread that does, while others go on: it closes
  // the child's input. It is replaced by null before what it uses goes; that waits for its end.
  void OnExit(std::function<void()> close);

  // Nobody needs the child any more, and its input has just been closed. Does not wait. A child
  // that is still there after the grace is killed.
  void Leave();

 private:
  class Keeper;
  explicit Child(std::shared_ptr<Keeper> keeper);

  const std::shared_ptr<Keeper> keeper_;  // shared with the thread
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_EXEC_CHILD_H_
