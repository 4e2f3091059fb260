#ifndef NIGH_TESTS_CONTRACT_SUBJECT_H_
#define NIGH_TESTS_CONTRACT_SUBJECT_H_

#include <string>

#include "nigh/transport/address.h"
#include "nigh/transport/transport.h"

namespace nigh::testing {

// The transport that a test binary judges. One definition is linked into each; //tests/contract:
// defs.bzl writes it.
struct Subject {
  Transport transport;

  // Where to listen. "{dir}" stands for a directory that belongs to the test binary, "{n}" for a
  // number that is used once on this machine.
  const char* address;

  // Whether the two ends may live in two processes.
  bool processes;

  // Moves bytes so slowly that tests should send few of them.
  bool slow;

  // How a program that is not nigh reaches a listener: "unix", "unix-abstract", "unix-seqpacket",
  // "tcp"; empty where no stranger can.
  const char* stranger;

  // How many connections there may be at once: as many as a test wants, or what the system allows.
  int connections;

  // Whether it cannot be polled, and so has threads of its own that wait for it.
  bool threads;
};

const Subject& TheSubject();

// The directory of "{dir}"; made at the first call, removed at exit.
const std::string& SubjectDirectory();

// An address of the subject's to listen at, another one each time.
Address FreshAddress();

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONTRACT_SUBJECT_H_
