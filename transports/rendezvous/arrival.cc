#include "nigh/transports/rendezvous/arrival.h"

#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <string>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "nigh/transport/bytes.h"

namespace nigh {
namespace {

constexpr absl::string_view kMagic = "nigh arr";
constexpr uint32_t kVersion = 1;
constexpr size_t kVersionAt = 8;
constexpr size_t kClientAt = 12;
constexpr size_t kTokenAt = 20;

bool IsToken(absl::string_view text) {
  return text.size() == Arrival::kTokenSize && absl::c_all_of(text, [](unsigned char c) {
           return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
         });
}

}  // namespace

Arrival Arrival::OfThisProcess() {
  std::random_device random;  // the kernel's
  const uint64_t number = (uint64_t{random()} << 32) | random();
  return {.client = ProcessName::OfThisProcess(),
          .token = absl::StrCat(absl::Hex(number, absl::kZeroPad16))};
}

std::string Arrival::Encode() const {
  std::string bytes(kSize, '\0');
  auto* const at = reinterpret_cast<std::byte*>(bytes.data());
  std::memcpy(at, kMagic.data(), kMagic.size());
  StoreLittle(kVersion, at + kVersionAt);
  client.Encode(at + kClientAt);
  std::memcpy(at + kTokenAt, token.data(), kTokenSize);
  return bytes;
}

std::optional<Arrival> Arrival::Decode(absl::string_view bytes) {
  if (bytes.size() < kSize || bytes.substr(0, kMagic.size()) != kMagic) return std::nullopt;
  const auto* const at = reinterpret_cast<const std::byte*>(bytes.data());
  const absl::string_view token = bytes.substr(kTokenAt, kTokenSize);
  if (LoadLittle<uint32_t>(at + kVersionAt) != kVersion || !IsToken(token)) return std::nullopt;
  return Arrival{.client = ProcessName::Decode(at + kClientAt), .token = std::string(token)};
}

bool IsTokenName(absl::string_view name, absl::string_view prefix) {
  return absl::ConsumePrefix(&name, prefix) && absl::ConsumePrefix(&name, ".") &&
         (absl::ConsumeSuffix(&name, ".c") || absl::ConsumeSuffix(&name, ".s")) && IsToken(name);
}

}  // namespace nigh
