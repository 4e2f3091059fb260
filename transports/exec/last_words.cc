#include "nigh/transports/exec/last_words.h"

#include <cstddef>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace nigh {
namespace {

constexpr size_t kMostBytes = 1024;
constexpr int kMostLines = 5;

}  // namespace

void LastWords::Add(absl::string_view text) {
  kept_.append(text.data(), text.size());
  if (kept_.size() > 2 * kMostBytes) kept_.erase(0, kept_.size() - kMostBytes);
}

std::string LastWords::Quoted() const {
  absl::string_view text = absl::StripAsciiWhitespace(kept_);
  if (text.size() > kMostBytes) text.remove_prefix(text.size() - kMostBytes);
  size_t begin = text.size();
  for (int line = 0; line < kMostLines && begin != absl::string_view::npos && begin != 0; ++line) {
    begin = text.rfind('\n', begin - 1);
  }
  if (begin != absl::string_view::npos && begin < text.size()) text.remove_prefix(begin + 1);
  return text.empty() ? "" : absl::StrCat(": \"", absl::Utf8SafeCHexEscape(text), "\"");
}

}  // namespace nigh
