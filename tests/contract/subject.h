#ifndef NIGH_TESTS_CONTRACT_SUBJECT_H_
#define NIGH_TESTS_CONTRACT_SUBJECT_H_

#include <string>

#include "absl/types/span.h"
#include "nigh/transport/address.h"
#include "nigh/transport/transport.h"

namespace nigh::testing {

// A medium that the suites run over: a transport, an address to listen at, and what tests must
// know.
struct Subject {
  // The name by which --medium chooses it.
  const char* name;

  Transport transport;

  // The address to listen at. "{dir}" stands for a directory that belongs to this process, "{n}"
  // for a number that is used only once on this machine.
  const char* address;

  // Whether the two ends may live in two processes.
  bool processes = true;

  // Whether it moves bytes so slowly that tests should send few of them.
  bool slow = false;

  // How a program that is not nigh reaches a listener: by "unix", "unix-abstract", "unix-seqpacket"
  // or "tcp". Empty where none can.
  const char* stranger = "";

  // How many connections there may be at once. The default is as many as a test wants; the system
  // may allow fewer.
  int connections = 1000;

  // Whether it has threads of its own, because it cannot be polled.
  bool threads = false;
};

// Returns the media of this program. It links one definition: media.cc, with nigh's own media, or
// one by the author of a transport.
absl::Span<const Subject> Media();

// Chooses the medium of this process by the argument --medium=NAME, and removes the argument. It
// may be missing if there is only one medium. If it names none, prints the media and exits. To be
// called first in main().
void ChooseSubject(int* argc, char** argv);

// The argument by which another process of this program chooses the same medium.
std::string SubjectArgument();

// The medium that was chosen.
const Subject& TheSubject();

// The directory that "{dir}" stands for. The first call makes it; it is removed at exit.
const std::string& SubjectDirectory();

// Returns an address of the subject to listen at, a different one each time.
Address FreshAddress();

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONTRACT_SUBJECT_H_
