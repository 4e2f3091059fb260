#ifndef NIGH_BENCHMARKS_RAW_RING_H_
#define NIGH_BENCHMARKS_RAW_RING_H_

#include <memory>

#include "benchmarks/harness/subject.h"

namespace nigh::benchmarks {

// The rings of transports/shm with nothing above them: no framework, no waiting but to look again.
// `memory` is a file descriptor that MakeRings has made; it is mapped for good.

// Makes memory for two rings, one each way. -1: errno says why not.
int MakeRings();

std::unique_ptr<Link> ConnectRings(int memory);

// The server's half: sends back each frame, until one without a payload comes.
void EchoFrames(int memory);

}  // namespace nigh::benchmarks

#endif  // NIGH_BENCHMARKS_RAW_RING_H_
