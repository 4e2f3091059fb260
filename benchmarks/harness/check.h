#ifndef NIGH_BENCHMARKS_HARNESS_CHECK_H_
#define NIGH_BENCHMARKS_HARNESS_CHECK_H_

#include <cstdlib>
#include <iostream>

#include "absl/status/status.h"

namespace nigh::benchmarks {

// Ends the program with a message unless `status` is OK.
inline void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << status << "\n";
  std::_Exit(1);
}

}  // namespace nigh::benchmarks

#endif  // NIGH_BENCHMARKS_HARNESS_CHECK_H_
