#ifndef NIGH_TESTS_SYSCALLS_FAULT_SETS_H_
#define NIGH_TESTS_SYSCALLS_FAULT_SETS_H_

#include <linux/seccomp.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"

namespace nigh::testing {

// Which system calls are meant: all of one number, or those whose `argument`, as 32 bits, is
// `value` behind `mask`.
struct Match {
  int number;
  const char* name;
  int argument = -1;
  uint32_t mask = 0xffffffff;
  uint32_t value = 0;
};

// What a caller may see of a fault.
enum class Visible {
  kNo,  // the call succeeds
  // The same, but what is full when a client arrives is taken for a server that takes nobody in.
  kAtArrival,
  kYes,  // it may fail, by a status that says what the system has said
};

// System calls that fail alike.
struct FaultSet {
  const char* name;
  std::vector<Match> calls;
  // Each is tried. kTruncated is no errno.
  std::vector<int> errors;
  Visible visible = Visible::kYes;
  // How many of the calls in a row fail; each number is tried.
  std::vector<int> in_a_row = {1};
  // Of those calls, the ones that count: those that the kernel could fail like this. Null: all.
  // Runs in a thread of the caller's process, for which the caller waits; it must not allocate.
  bool (*counts)(const seccomp_data& call) = nullptr;
  // What a status says of it. Null: what the C library does (strerror).
  const char* says = nullptr;
};

// recvmsg(2) without room for the descriptors that come with a message: they are lost, and the call
// succeeds.
inline constexpr int kTruncated = -1;

absl::Span<const FaultSet> FaultSets();
// The set of the calls that make descriptors.
const FaultSet& DescriptorMakers();

// What `error` is called: "EMFILE".
std::string NameOfError(int error);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_SYSCALLS_FAULT_SETS_H_
