#ifndef NIGH_BENCHMARKS_HARNESS_MAIN_H_
#define NIGH_BENCHMARKS_HARNESS_MAIN_H_

#include "benchmarks/harness/subject.h"

namespace nigh::benchmarks {

// The whole program. Parses the flags (--help lists them), starts the server, measures, and prints
// the results as one line of JSON. Returns the exit code.
//
//   int main(int argc, char** argv) {
//     return RunBenchmark(argc, argv, [] { return std::make_unique<MySubject>(); });
//   }
int RunBenchmark(int argc, char** argv, std::unique_ptr<Subject> (*make_subject)());

}  // namespace nigh::benchmarks

#endif  // NIGH_BENCHMARKS_HARNESS_MAIN_H_
