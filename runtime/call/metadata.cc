#include "nigh/metadata.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/wire/sections.h"

namespace nigh {
namespace {

bool IsKey(absl::string_view key) {
  return !key.empty() && key.size() <= kMaxSectionKey && absl::c_all_of(key, [](unsigned char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_' || c == '.' || c == '-';
  });
}

bool IsPrintable(absl::string_view value) {
  return absl::c_all_of(value, [](unsigned char c) { return c >= 0x20 && c <= 0x7e; });
}

}  // namespace

absl::Status CheckMetadata(absl::string_view key, absl::string_view value) {
  const auto refuse = [&](absl::string_view why) {
    return absl::InternalError(
        absl::StrCat("metadata key \"", absl::CHexEscape(key.substr(0, 100)), "\": ", why));
  };
  if (!IsKey(key)) return refuse("a key is made of the characters 0-9 a-z _ . - and not empty");
  if (absl::StartsWith(key, "nigh-") || absl::StartsWith(key, "grpc-")) {
    return refuse(R"(keys that begin with "nigh-" or "grpc-" are reserved)");
  }
  if (!absl::EndsWith(key, "-bin") && !IsPrintable(value)) {
    return refuse("its value is not printable ASCII (end the key in \"-bin\" to send any bytes)");
  }
  return absl::OkStatus();
}

void Metadata::Add(absl::string_view key, absl::string_view value) {
  // Copied before it is checked: key and value may lie in memory that a peer is changing.
  const Entry& entry = entries_.emplace_back(key, value);
  if (absl::Status status = CheckMetadata(entry.first, entry.second); !status.ok()) {
    if (status_.ok()) status_ = std::move(status);
    return entries_.pop_back();
  }
  byte_size_ += key.size() + value.size();
}

void Metadata::Remove(absl::string_view key) {
  const auto removed = std::remove_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    if (entry.first != key) return false;
    byte_size_ -= entry.first.size() + entry.second.size();
    return true;
  });
  entries_.erase(removed, entries_.end());
}

std::optional<absl::string_view> Metadata::Get(absl::string_view key) const {
  for (const Entry& entry : entries_) {
    if (entry.first == key) return entry.second;
  }
  return std::nullopt;
}

std::vector<absl::string_view> Metadata::GetAll(absl::string_view key) const {
  std::vector<absl::string_view> values;
  for (const Entry& entry : entries_) {
    if (entry.first == key) values.emplace_back(entry.second);
  }
  return values;
}

}  // namespace nigh
