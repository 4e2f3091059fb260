#ifndef NIGH_RUNTIME_SERVER_WORST_MEMORY_H_
#define NIGH_RUNTIME_SERVER_WORST_MEMORY_H_

#include <cstddef>

#include "nigh/options.h"

namespace nigh {

// The most memory that a server with some options holds for one client, whatever that does, in
// bytes and by what it is for. docs/limits.md has it as a table, and says what bounds each.
// tests/hostile/worst_memory_test.cc measures it. What handlers themselves allocate is not in it.
struct WorstMemory {
  size_t kept = 0;         // what counts as such: ServerOptions::max_bytes_of_connection
  size_t parsing = 0;      // one request, before it is known how much its message takes
  size_t replies = 0;      // that handlers write at the same moment, beyond what may be kept
  size_t spare = 0;        // what large messages needed, for a second or two
  size_t spare_calls = 0;  // for later requests
  size_t methods = 0;      // their names
  size_t ring = 0;         // of shared memory
  size_t stacks = 0;       // of threads
  size_t connections = 0;  // all else, buffers above all

  size_t total() const {
    return kept + parsing + replies + spare + spare_calls + methods + ring + stacks + connections;
  }
};

// `ring_size`: of an address of shared memory, with its bulk region for a client of the server's
// own user; 0 for other media.
WorstMemory WorstMemoryOfConnection(const ServerOptions& options, size_t ring_size);
// Of all connections that a user may have.
WorstMemory WorstMemoryOfUser(const ServerOptions& options, size_t ring_size);

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_WORST_MEMORY_H_
