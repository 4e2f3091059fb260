#ifndef NIGH_TESTS_CONTRACT_SUBJECT_H_
#define NIGH_TESTS_CONTRACT_SUBJECT_H_

#include <string>

#include "absl/types/span.h"
#include "nigh/transport/address.h"
#include "nigh/transport/transport.h"

namespace nigh::testing {

// A medium that suites run over: a transport, where to listen, and what tests have to know.
struct Subject {
  // As --medium names it.
  const char* name;

  Transport transport;

  // Where to listen. "{dir}" stands for a directory that belongs to this process, "{n}" for a
  // number that is used once on this machine.
  const char* address;

  // Whether the two ends may live in two processes.
  bool processes = true;

  // Moves bytes so slowly that tests should send few of them.
  bool slow = false;

  // How a program that is not nigh reaches a listener: "unix", "unix-abstract", "unix-seqpacket",
  // "tcp"; empty where no stranger can.
  const char* stranger = "";

  // How many connections there may be at once: as many as a test wants, or what the system allows.
  int connections = 1000;

  // Whether it cannot be polled, and so has threads of its own that wait for it.
  bool threads = false;
};

// The media of this program, which links one definition: that of media.cc, which is nigh's own
// media, or that of a transport's author.
absl::Span<const Subject> Media();

// Has this process run over the medium that an argument --medium=NAME names, and takes the argument
// away. It may be missing where there is one medium only. Where no medium is meant, prints which
// there are and exits. To be called first in main().
void ChooseSubject(int* argc, char** argv);

// The argument by which another process of this program chooses the same.
std::string SubjectArgument();

// The medium that was chosen.
const Subject& TheSubject();

// The directory of "{dir}"; made at the first call, removed at exit.
const std::string& SubjectDirectory();

// An address of the subject's to listen at, another one each time.
Address FreshAddress();

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONTRACT_SUBJECT_H_
