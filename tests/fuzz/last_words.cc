// What a child writes to its standard error, of which the end is told when the child has died
// (exec/last_words.h): pieces, each a byte of how many bytes, and those.

#include "nigh/transports/exec/last_words.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nigh;           // NOLINT(google-build-using-namespace)
  using namespace nigh::testing;  // NOLINT(google-build-using-namespace)
  constexpr size_t kMostBytes = 1024;
  constexpr int kMostLines = 5;
  Input input(data, size);
  LastWords words;
  std::string said;
  while (!input.empty()) {
    const absl::string_view piece = input.TakeText(input.Take());
    words.Add(piece);
    said.append(piece.data(), piece.size());
  }

  const std::string quoted = words.Quoted();
  absl::string_view text = quoted;
  if (text.empty()) {
    const absl::string_view end =
        absl::string_view(said).substr(said.size() - std::min(said.size(), kMostBytes));
    Expect(absl::StripAsciiWhitespace(end).empty(), "nothing is told where nothing was said");
    return 0;
  }
  Expect(absl::ConsumePrefix(&text, ": \"") && absl::ConsumeSuffix(&text, "\""),
         "words are quoted");
  Expect(std::none_of(text.begin(), text.end(), absl::ascii_iscntrl), "and escaped");
  std::string told;
  Expect(absl::CUnescape(text, &told), "what is escaped can be read");
  Expect(told.size() <= kMostBytes, "they are few");
  Expect(std::count(told.begin(), told.end(), '\n') < kMostLines, "of few lines");
  Expect(absl::EndsWith(absl::StripTrailingAsciiWhitespace(said), told), "and the last ones");
  return 0;
}
