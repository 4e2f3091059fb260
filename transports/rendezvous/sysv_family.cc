#include "nigh/transports/rendezvous/sysv_family.h"

#include <sys/types.h>

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"

namespace nigh {
namespace {

constexpr int kRandomBits = 16;
// With so few random bits somebody may have the key.
constexpr int kAttempts = 100;

}  // namespace

bool SysvFamily::Has(key_t key) const {
  return static_cast<uint32_t>(key) >> kRandomBits == prefix;
}

int SysvFamily::Make(absl::FunctionRef<int(key_t key)> make) const {
  std::random_device random;
  int id = -1;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const uint32_t key = uint32_t{prefix} << kRandomBits | (random() & 0xffff);
    id = make(static_cast<key_t>(key));
    if (id >= 0 || errno != EEXIST) break;
  }
  return id;
}

std::vector<int> SysvFamily::Identifiers() const {
  std::vector<int> found;
  std::ifstream lines(table);
  std::string line;
  std::getline(lines, line);  // the columns' names
  while (std::getline(lines, line)) {
    key_t key = 0;
    int id = 0;
    if (std::istringstream(line) >> key >> id && Has(key)) found.push_back(id);
  }
  return found;
}

}  // namespace nigh
