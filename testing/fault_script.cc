#include "nigh/testing/fault_script.h"

#include <signal.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"

namespace nigh::testing {
namespace {

// The name of a fault without an argument, and what it is.
constexpr std::array kPlainFaults = {
    std::make_pair(absl::string_view("cut"), Fault{.kind = Fault::Kind::kCut}),
    std::make_pair(absl::string_view("end"), Fault{.kind = Fault::Kind::kEnd}),
    std::make_pair(absl::string_view("drop"), Fault{.kind = Fault::Kind::kDrop}),
    std::make_pair(absl::string_view("corrupt"), Fault{.kind = Fault::Kind::kCorrupt}),
    std::make_pair(absl::string_view("kill"),
                   Fault{.kind = Fault::Kind::kSignal, .signal = SIGKILL}),
    std::make_pair(absl::string_view("stop"),
                   Fault{.kind = Fault::Kind::kSignal, .signal = SIGSTOP}),
    std::make_pair(absl::string_view("kill-peer"),
                   Fault{.kind = Fault::Kind::kSignal, .signal = SIGKILL, .to_peer = true}),
    std::make_pair(absl::string_view("stop-peer"),
                   Fault{.kind = Fault::Kind::kSignal, .signal = SIGSTOP, .to_peer = true}),
};

std::optional<Fault> ParseFault(absl::string_view text) {
  for (const auto& [name, fault] : kPlainFaults) {
    if (text == name) return fault;
  }
  if (!absl::ConsumeSuffix(&text, ")")) return std::nullopt;
  Fault fault;
  if (absl::ConsumePrefix(&text, "again(")) {
    fault.kind = Fault::Kind::kAgain;
    if (absl::SimpleAtoi(text, &fault.times) && fault.times > 0) return fault;
  } else if (absl::ConsumePrefix(&text, "delay(")) {
    fault.kind = Fault::Kind::kDelay;
    if (absl::ParseDuration(text, &fault.delay) && fault.delay > absl::ZeroDuration()) return fault;
  }
  return std::nullopt;
}

// The number of an error that the system calls `name`; 0: it has none of that name.
int ErrnoOf(absl::string_view name) {
  constexpr int kLast = 133;  // EHWPOISON
  for (int number = 1; number <= kLast; ++number) {
    const char* const known = ::strerrorname_np(number);
    if (known != nullptr && name == known) return number;
  }
  return 0;
}

}  // namespace

absl::StatusOr<FaultScript> FaultScript::Parse(absl::string_view text) {
  FaultScript script;
  for (const absl::string_view item : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    if (absl::Status added = script.Add(item); !added.ok()) return added;
  }
  absl::c_stable_sort(script.entries_,
                      [](const Entry& a, const Entry& b) { return a.fault.at < b.fault.at; });
  return script;
}

absl::Status FaultScript::Add(absl::string_view item) {
  const auto malformed = [whole = item](absl::string_view why) {
    return absl::InvalidArgumentError(absl::StrCat(
        "fault \"", absl::CHexEscape(whole), "\": ", why,
        " (write [#K/ or */] in@BYTE=WHAT, out@BYTE=WHAT or dial=ERROR, or chunk=BYTES, or "
        "noise=SEED/PERCENT; WHAT is cut, end, drop, corrupt, again(TIMES), delay(TIME), kill, "
        "stop, kill-peer or stop-peer)"));
  };
  Entry entry;
  if (absl::ConsumePrefix(&item, "*/")) {
    entry.connection = 0;
  } else if (absl::ConsumePrefix(&item, "#")) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(item, absl::MaxSplits('/', 1));
    if (!absl::SimpleAtoi(parts.first, &entry.connection) || entry.connection <= 0) {
      return malformed("connections are counted from #1");
    }
    item = parts.second;
  }
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(item, absl::MaxSplits('=', 1));
  auto [where, what] = parts;
  if (where == "chunk") {
    const bool good = absl::SimpleAtoi(what, &nuisance_.chunk) && nuisance_.chunk > 0;
    return good ? absl::OkStatus() : malformed("a chunk has one byte at least");
  }
  if (where == "noise") {
    const std::pair<absl::string_view, absl::string_view> numbers =
        absl::StrSplit(what, absl::MaxSplits('/', 1));
    const bool good = absl::SimpleAtoi(numbers.first, &nuisance_.seed) &&
                      absl::SimpleAtoi(numbers.second, &nuisance_.percent) &&
                      nuisance_.percent >= 0 && nuisance_.percent < 100;
    return good ? absl::OkStatus() : malformed("noise has a seed, and a percentage below 100");
  }
  if (where == "dial") {
    entry.place = Place::kDial;
    entry.dial_error = ErrnoOf(what);
    if (entry.dial_error == 0) return malformed("that is no name of an error");
    entries_.push_back(entry);
    return absl::OkStatus();
  }
  entry.place = absl::StartsWith(where, "out@") ? Place::kOut : Place::kIn;
  uint64_t at = 0;
  if ((!absl::ConsumePrefix(&where, "in@") && !absl::ConsumePrefix(&where, "out@")) ||
      !absl::SimpleAtoi(where, &at)) {
    return malformed("it does not say where");
  }
  const std::optional<Fault> fault = ParseFault(what);
  if (!fault.has_value()) return malformed("it does not say what is to go wrong");
  entry.fault = *fault;
  entry.fault.at = at;
  entries_.push_back(entry);
  return absl::OkStatus();
}

ConnectionFaults FaultScript::Of(int connection) const {
  ConnectionFaults faults;
  faults.nuisance = nuisance_;
  for (const Entry& entry : entries_) {
    if (entry.connection != 0 && entry.connection != connection) continue;
    switch (entry.place) {
      case Place::kIn:
        faults.in.push_back(entry.fault);
        break;
      case Place::kOut:
        faults.out.push_back(entry.fault);
        break;
      case Place::kDial:
        faults.dial_error = entry.dial_error;
        break;
    }
  }
  return faults;
}

}  // namespace nigh::testing
