// A hostile peer as a program.
//
//   hostile_peer SOCKET SEED ROUNDS
//
// Ends with 0 when all rounds are done, whatever came of them.

#include "tests/shm/hostile_peer.h"

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: hostile_peer SOCKET SEED ROUNDS\n");
    return 2;
  }
  nigh::testing::HostilePeer peer(argv[1], std::strtoull(argv[2], nullptr, 10));
  const int rounds = std::atoi(argv[3]);
  for (int round = 0; round < rounds; ++round) peer.Round();
  return 0;
}
