#ifndef NIGH_TESTS_SOAK_RESOURCES_H_
#define NIGH_TESTS_SOAK_RESOURCES_H_

#include <cstdint>
#include <set>
#include <string>

#include "absl/functional/function_ref.h"

namespace nigh::testing {

// Whether a sanitizer is at work. It makes calls several times slower, keeps freed memory on
// purpose, and counts it elsewhere: memory is not judged then.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

// What a process holds.
struct Resources {
  int descriptors = 0;
  int threads = 0;
  int64_t in_use_kib = 0;  // allocated and not freed
  int memory_mib = 0;      // resident: also what the allocator keeps of what was freed

  static Resources OfThisProcess();
  std::string ToString() const;

  // For a process to tell another what it holds, in one line.
  std::string Encode() const;
  static Resources Decode(const std::string& line);
};

// What `now` has more of than `before`; empty: nothing. What is in use may grow a little, as calls
// and buffers are kept for the next ones; what is resident by `memory_mib`, for each of the
// allocator's arenas keeps what its threads have freed.
std::string Excess(const Resources& before, const Resources& now, int memory_mib);

// What exists beyond processes: names in `folder`, shared memory and queues with nigh's names in
// /dev/shm and /dev/mqueue, and the System V objects of the system. Another program may make some
// of the latter at the same time.
std::set<std::string> NamesOfTheSystem(const std::string& folder);

// Those of them that are not among `before`; empty: none.
std::string NewNames(const std::string& folder, const std::set<std::string>& before);

// Calls `excess` until it returns nothing, for ten seconds at most: the kernel and threads that
// are about to end take a moment. Returns what it returned last.
std::string Settle(absl::FunctionRef<std::string()> excess);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_SOAK_RESOURCES_H_
