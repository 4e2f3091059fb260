#include "nigh/transports/shm/shm_options.h"

#include <bit>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "nigh/transport/address.h"
#include "nigh/transports/shm/bell.h"
#include "nigh/transports/shm/bulk_region.h"
#include "nigh/transports/shm/memory.h"
#include "nigh/transports/shm/ring.h"

namespace nigh {
namespace {

// "131072", "256KiB", "1MiB".
std::optional<uint64_t> ParseSize(absl::string_view text) {
  uint64_t unit = 1;
  if (absl::ConsumeSuffix(&text, "KiB")) {
    unit = 1024;
  } else if (absl::ConsumeSuffix(&text, "MiB")) {
    unit = 1024 * 1024;
  }
  uint64_t count = 0;
  if (!absl::SimpleAtoi(text, &count) || count > kMaxBulk) return std::nullopt;
  return count * unit;
}

}  // namespace

absl::StatusOr<ShmOptions> ParseShmOptions(const Address& address) {
  if (absl::Status known = address.CheckParameters(
          {"memory", "ring", "bulk", "doorbell", "mode", "group", "server"});
      !known.ok()) {
    return known;
  }
  const auto refuse = [&](absl::string_view key, absl::string_view accepted) {
    return absl::InvalidArgumentError(absl::StrCat("address \"", address.ToString(), "\": ", key,
                                                   "=", address.Parameter(key), " (use ", accepted,
                                                   ")"));
  };
  ShmOptions options;
  if (const absl::string_view text = address.Parameter("memory"); !text.empty()) {
    const std::optional<MemoryKind> memory = ParseMemoryKind(text);
    if (!memory.has_value()) return refuse("memory", "memfd, posix or sysv");
    options.memory = *memory;
  }
  if (const absl::string_view text = address.Parameter("doorbell"); !text.empty()) {
    const std::optional<BellKind> doorbell = ParseBellKind(text);
    if (!doorbell.has_value()) {
      return refuse("doorbell", "eventfd, futex, posix-sem, sysv-sem or signal");
    }
    options.doorbell = *doorbell;
  }
  if (const absl::string_view text = address.Parameter("ring"); !text.empty()) {
    const std::optional<uint64_t> size = ParseSize(text);
    if (!size.has_value() || *size < kMinRing || *size > kMaxRing || !std::has_single_bit(*size)) {
      return refuse("ring", "a power of two from 128KiB to 64MiB");
    }
    options.ring_size = *size;
  }
  if (const absl::string_view text = address.Parameter("bulk"); !text.empty()) {
    const std::optional<uint64_t> size = ParseSize(text);
    if (!size.has_value() || *size > kMaxBulk || *size % kBulkAlignment != 0) {
      return refuse("bulk", "0, or whole MiB up to 1024MiB");
    }
    options.bulk_size = *size;
  }
  return options;
}

}  // namespace nigh
