#include "tests/soak/resources.h"

#include <malloc.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "tests/support/descriptors.h"

namespace nigh::testing {
namespace {

// By which what is in use may differ between two moments at which no call is under way: each of
// four connections keeps the buffers of a long message each way, of 1 MiB at most, and 32 calls
// with two messages of up to 64 KiB.
constexpr int64_t kKeptKib = 4 * (2 * 1024 + 32 * 2 * 64);

void AddFolder(const std::string& folder, absl::string_view having, std::set<std::string>& names) {
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(folder, none)) {
    if (absl::StrContains(entry.path().filename().string(), having)) names.insert(entry.path());
  }
}

// The key and the id of each object in /proc/sysvipc/KIND, which begin its line.
void AddSystemV(const std::string& kind, std::set<std::string>& names) {
  std::ifstream table("/proc/sysvipc/" + kind);
  std::string line;
  std::getline(table, line);
  while (std::getline(table, line)) {
    std::istringstream columns(line);
    std::string key;
    std::string id;
    columns >> key >> id;
    names.insert(absl::StrCat("System V ", kind, " ", id));
  }
}

}  // namespace

Resources Resources::OfThisProcess() {
  // A sanitizer has a thread of its own from the program's first one on.
  [[maybe_unused]] static const bool begun = [] {
    std::thread([] {}).join();
    return true;
  }();
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  long pages = 0;
  long resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  const struct mallinfo2 allocated = ::mallinfo2();
  return {.descriptors = OpenDescriptors(),
          .threads = static_cast<int>(std::distance(begin(tasks), end(tasks))),
          .in_use_kib = static_cast<int64_t>((allocated.uordblks + allocated.hblkhd) >> 10),
          .memory_mib = static_cast<int>(resident * ::sysconf(_SC_PAGESIZE) >> 20)};
}

std::string Resources::ToString() const {
  return absl::StrCat(descriptors, " descriptors, ", threads, " threads, ", in_use_kib >> 10,
                      " MiB in use, ", memory_mib, " resident");
}

std::string Resources::Encode() const {
  return absl::StrCat(descriptors, " ", threads, " ", in_use_kib, " ", memory_mib);
}

Resources Resources::Decode(const std::string& line) {
  Resources told;
  std::istringstream(line) >> told.descriptors >> told.threads >> told.in_use_kib >>
      told.memory_mib;
  return told;
}

std::string Excess(const Resources& before, const Resources& now, int memory_mib) {
  const bool grown = !kSanitized && (now.in_use_kib > before.in_use_kib + kKeptKib ||
                                     now.memory_mib > before.memory_mib + memory_mib);
  if (now.descriptors <= before.descriptors && now.threads <= before.threads && !grown) return "";
  return absl::StrCat("before: ", before.ToString(), "; now: ", now.ToString());
}

std::set<std::string> NamesOfTheSystem(const std::string& folder) {
  std::set<std::string> names;
  AddFolder(folder, "", names);
  AddFolder("/dev/shm", "nigh", names);
  AddFolder("/dev/mqueue", "nigh", names);
  for (const char* kind : {"msg", "sem", "shm"}) AddSystemV(kind, names);
  return names;
}

std::string NewNames(const std::string& folder, const std::set<std::string>& before) {
  std::string found;
  for (const std::string& name : NamesOfTheSystem(folder)) {
    if (!before.contains(name)) absl::StrAppend(&found, found.empty() ? "" : ", ", name);
  }
  return found;
}

std::string Settle(absl::FunctionRef<std::string()> excess) {
  const Deadline patience = Deadline::After(absl::Seconds(10));
  std::string found = excess();
  while (!found.empty() && !patience.HasPassed()) {
    // Nobody tells when a thread has ended.
    absl::SleepFor(absl::Milliseconds(1));
    found = excess();
  }
  return found;
}

}  // namespace nigh::testing
