#include "nigh/runtime/base/accounts.h"

#include <grp.h>
#include <pwd.h>
#include <sys/types.h>

#include <cerrno>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"

namespace nigh {
namespace {

constexpr size_t kMostText = size_t{1} << 20;  // bytes; a group may have many members

// The last number is nobody's: chown(2) takes it for "as it is".
std::optional<uint32_t> ParseNumber(absl::string_view text) {
  uint32_t number = 0;
  if (!absl::SimpleAtoi(text, &number) || number == std::numeric_limits<uint32_t>::max()) {
    return std::nullopt;
  }
  return number;
}

// `look_up` is getpwnam_r(3) or getgrnam_r(3). It gets room until the entry fits.
template <class Entry, class LookUp>
std::optional<Entry> Find(absl::string_view name, std::vector<char>& text, LookUp look_up) {
  const std::string terminated(name);
  for (text.resize(1024); text.size() <= kMostText; text.resize(4 * text.size())) {
    Entry entry;
    Entry* found = nullptr;
    const int error = look_up(terminated.c_str(), &entry, text.data(), text.size(), &found);
    if (found != nullptr) return entry;
    if (error != ERANGE) break;
  }
  return std::nullopt;
}

}  // namespace

std::optional<uid_t> FindUser(absl::string_view name) {
  if (const std::optional<uint32_t> number = ParseNumber(name)) return number;
  std::vector<char> text;
  const std::optional<passwd> user = Find<passwd>(name, text, &::getpwnam_r);
  return user.has_value() ? std::optional<uid_t>(user->pw_uid) : std::nullopt;
}

std::optional<gid_t> FindGroup(absl::string_view name) {
  if (const std::optional<uint32_t> number = ParseNumber(name)) return number;
  std::vector<char> text;
  const std::optional<group> found = Find<group>(name, text, &::getgrnam_r);
  return found.has_value() ? std::optional<gid_t>(found->gr_gid) : std::nullopt;
}

}  // namespace nigh
