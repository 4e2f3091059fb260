#ifndef NIGH_TESTING_GATE_H_
#define NIGH_TESTING_GATE_H_

#include <cstdint>

#include "nigh/deadline.h"
#include "nigh/transport/unique_fd.h"

namespace nigh::testing {

// One descriptor that stands for another, and is deaf to it while it is held. It is to be polled
// for POLLIN. Used by one thread at a time, but for polling.
class Gate {
 public:
  Gate();

  int fd() const { return set_.get(); }

  // What it stands for, once. With `edge_triggered`, `fd` stays ready, and counts once (Wake).
  void Watch(int fd, short events, bool edge_triggered = false);
  bool watches() const { return watched_ >= 0; }

  // Deaf from now on, and ready at `until`, or before: by a virtual clock nobody can tell.
  void Hold(Deadline until);
  // As it was.
  void Open();
  // Of an edge-triggered descriptor: what it has told of before is forgotten.
  void Forget();

 private:
  void Listen(int operation, uint32_t events);

  const UniqueFd set_;
  const UniqueFd alarm_;
  int watched_ = -1;
  uint32_t events_ = 0;
  bool held_ = false;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTING_GATE_H_
