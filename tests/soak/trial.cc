#include "tests/soak/trial.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tests/soak/content.h"

namespace nigh::testing {
namespace {

// A call that takes so long hangs.
constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr uint32_t kLongestStream = 8;
constexpr uint32_t kLongestHoldMicros = 300;
constexpr int kComplaintsShown = 10;

uint32_t Below(std::mt19937_64& random, uint32_t bound) {
  // Good enough, and quicker than a uniform distribution.
  return static_cast<uint32_t>((random() >> 32) % bound);
}

// Mostly short; one in a thousand is of any length.
uint32_t DrawSize(std::mt19937_64& random, size_t largest) {
  const uint32_t dice = Below(random, 1000);
  const size_t bound = dice < 800   ? 64
                       : dice < 950 ? 1024
                       : dice < 990 ? 16 << 10
                       : dice < 999 ? 64 << 10
                                    : kLargestData;
  return Below(random, static_cast<uint32_t>(std::min(bound, largest)) + 1);
}

}  // namespace

Plan Plan::Draw(std::mt19937_64& random, const Mix& mix) {
  Plan plan;
  plan.number = random() >> 16;
  const uint32_t dice = Below(random, 20);
  plan.kind = dice < 17 ? Kind::kUnary : static_cast<Kind>(dice - 16);
  plan.size = DrawSize(random, mix.largest);
  plan.reply_size = DrawSize(random, mix.largest);
  if (plan.kind != Kind::kUnary) plan.messages = Below(random, kLongestStream + 1);
  const uint32_t rarity = static_cast<uint32_t>(mix.rarity);
  plan.cancelled = Below(random, rarity) == 0;
  plan.short_deadline = Below(random, rarity) == 0;
  if (plan.cancelled || plan.short_deadline) {
    plan.hold_micros = Below(random, kLongestHoldMicros);
  }
  plan.wait_for_ready = Below(random, 2) == 0;
  return plan;
}

uint64_t Outcomes::total() const {
  uint64_t total = 0;
  for (const auto& kind : calls) {
    for (const Count& way : kind) total += way;
  }
  return total;
}

void Trial::Prepare(ClientContext& context) const {
  context.set_timeout(plan_.short_deadline ? absl::Microseconds(plan_.number % kLongestHoldMicros)
                                           : kPatience);
  context.set_wait_for_ready(plan_.wait_for_ready);
}

bool Trial::NextRequest(Parcel* request) {
  const bool is_stream = plan_.kind == Kind::kClientStream || plan_.kind == Kind::kBidi;
  if (requests_ == (is_stream ? plan_.messages : 1)) return false;
  Fill(plan_.number + requests_, plan_.size, request);
  ++requests_;
  request->set_reply_size(plan_.reply_size);
  request->set_times(plan_.messages);
  request->set_hold_micros(plan_.hold_micros);
  return true;
}

void Trial::Take(const Parcel& reply) {
  uint64_t request = plan_.number + replies_;
  size_t size = plan_.reply_size;
  if (plan_.kind == Kind::kClientStream) {
    const uint64_t count = plan_.messages;
    request = count * plan_.number + count * (count - 1) / 2;
    if (count == 0) size = 0;
    wrong_ = wrong_ || reply.times() != count;
  }
  ++replies_;
  if (IsWhole(reply, AnswerTo(request), size)) {
    outcomes_.replies.fetch_add(1, std::memory_order_relaxed);
  } else {
    wrong_ = true;
  }
}

void Trial::End(const absl::Status& status, int attempts) {
  const bool has_one_reply = plan_.kind == Kind::kUnary || plan_.kind == Kind::kClientStream;
  const uint32_t due = has_one_reply ? 1 : plan_.messages;
  if (wrong_ || replies_ > due || (status.ok() && replies_ != due)) {
    ++outcomes_.wrong;
    Complain(
        absl::StrCat("wrong content: ", replies_, " of ", due, " replies, ", status.ToString()));
  } else if (const std::string why = WhyNot(status); !why.empty()) {
    ++(status.code() == absl::StatusCode::kDataLoss ? outcomes_.wrong : outcomes_.unexpected);
    Complain(absl::StrCat(why, ": ", status.ToString()));
  } else {
    auto& count = status.ok()                   ? outcomes_.ok
                  : absl::IsCancelled(status)   ? outcomes_.cancelled
                  : absl::IsUnavailable(status) ? outcomes_.unavailable
                                                : outcomes_.deadline;
    count.fetch_add(1, std::memory_order_relaxed);
  }
  if (attempts > 1) ++outcomes_.again;
  if (IsSure() && weather_.Had(Weather::kRestart, before_)) ++outcomes_.sure_in_restart;
  outcomes_.calls[static_cast<size_t>(plan_.kind)][static_cast<size_t>(way_)].fetch_add(
      1, std::memory_order_relaxed);
}

std::string Trial::WhyNot(const absl::Status& status) const {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return "";
    case absl::StatusCode::kCancelled:
      return plan_.cancelled ? "" : "nobody has cancelled it";
    case absl::StatusCode::kDeadlineExceeded:
      return plan_.short_deadline ? "" : "it hangs";
    case absl::StatusCode::kUnavailable:
      if (weather_.Had(Weather::kDeath, before_)) return "";
      if (!weather_.Had(Weather::kRestart, before_)) return "its server lives";
      return IsSure() ? "a restart has lost it" : "";
    default:
      return "not among the statuses that may be";
  }
}

void Trial::Complain(absl::string_view what) const {
  static std::atomic<int> shown = 0;
  if (++shown > kComplaintsShown) return;
  const std::string text = absl::StrCat(
      "call ", plan_.number, " (", kKinds[static_cast<size_t>(plan_.kind)], ", ",
      kWays[static_cast<size_t>(way_)], ", ", plan_.messages, " messages, ", plan_.size, " and ",
      plan_.reply_size, " bytes", plan_.cancelled ? ", cancelled" : "",
      plan_.short_deadline ? ", short deadline" : "", plan_.wait_for_ready ? ", waits" : "",
      "): ", what, "\n");
  std::fputs(text.c_str(), stderr);
}

}  // namespace nigh::testing
