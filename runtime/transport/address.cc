#include "nigh/transport/address.h"

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace nigh {
namespace {

bool IsScheme(absl::string_view text) {
  return !text.empty() && absl::ascii_islower(static_cast<unsigned char>(text[0])) &&
         absl::c_all_of(text, [](unsigned char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' || c == '+';
         });
}

absl::Status Malformed(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("address \"", absl::CHexEscape(text), "\": ", why,
                   " (write SCHEME:NAME, as in unix:/run/greeter.sock or tcp://127.0.0.1:5000)"));
}

}  // namespace

absl::StatusOr<Address> Address::Parse(absl::string_view text) {
  if (text.find('\0') != absl::string_view::npos) return Malformed(text, "it holds a NUL byte");
  const size_t colon = text.find(':');
  if (colon == absl::string_view::npos) return Malformed(text, "it has no scheme");
  if (!IsScheme(text.substr(0, colon))) {
    return Malformed(text, "its scheme is not made of lower-case letters, digits, '-' and '+'");
  }
  Address address;
  address.scheme = std::string(text.substr(0, colon));
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(text.substr(colon + 1), absl::MaxSplits('?', 1));
  // Left to right, so that "%253F" is "%3F".
  address.name = absl::StrReplaceAll(parts.first, {{"%25", "%"}, {"%3F", "?"}, {"%3f", "?"}});
  for (const absl::string_view parameter : absl::StrSplit(parts.second, '&', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> entry =
        absl::StrSplit(parameter, absl::MaxSplits('=', 1));
    if (entry.first.empty() || entry.second.empty()) {
      return Malformed(text, absl::StrCat("its parameter \"", absl::CHexEscape(parameter),
                                          "\" is not of the form KEY=VALUE"));
    }
    address.parameters.emplace_back(entry.first, entry.second);
  }
  return address;
}

absl::string_view Address::Parameter(absl::string_view key, absl::string_view otherwise) const {
  // From the back: of several parameters with one key, the last counts.
  for (auto entry = parameters.rbegin(); entry != parameters.rend(); ++entry) {
    if (entry->first == key) return entry->second;
  }
  return otherwise;
}

absl::Status Address::CheckParameters(std::initializer_list<absl::string_view> known) const {
  for (const auto& [key, value] : parameters) {
    if (absl::c_linear_search(known, key)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("address \"", ToString(), "\": ", scheme, ": has no parameter \"", key, "\" (",
                     known.size() == 0 ? std::string("it takes none")
                                       : absl::StrCat("it takes ", absl::StrJoin(known, ", ")),
                     ")"));
  }
  return absl::OkStatus();
}

std::string Address::ToString() const {
  std::string text =
      absl::StrCat(scheme, ":",
                   absl::StrReplaceAll(
                       name, {{"%25", "%2525"}, {"%3F", "%253F"}, {"%3f", "%253f"}, {"?", "%3F"}}));
  char separator = '?';
  for (const auto& [key, value] : parameters) {
    absl::StrAppend(&text, absl::string_view(&separator, 1), key, "=", value);
    separator = '&';
  }
  return text;
}

}  // namespace nigh
