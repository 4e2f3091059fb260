#ifndef NIGH_TESTS_SOAK_TRIAL_H_
#define NIGH_TESTS_SOAK_TRIAL_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/client_context.h"
#include "tests/soak/load.pb.h"

namespace nigh::testing {

enum class Kind { kUnary, kServerStream, kClientStream, kBidi };
inline constexpr std::array<absl::string_view, 4> kKinds = {"unary", "server stream",
                                                            "client stream", "bidi"};

// How a call is waited for: by a thread, a callback or a coroutine.
enum class Way { kThread, kCallback, kCoroutine };
inline constexpr std::array<absl::string_view, 3> kWays = {"thread", "callback", "coroutine"};

// Which calls are made.
struct Mix {
  size_t largest = size_t{1} << 20;  // bytes of a message, at most kLargestData
  int rarity = 1000;  // one call in so many is cancelled, another has a short deadline
};

// One call as it is to be.
struct Plan {
  uint64_t number = 0;  // of the first message; those that follow count on
  Kind kind = Kind::kUnary;
  uint32_t size = 0;        // bytes of data in each request
  uint32_t reply_size = 0;  // and in each reply
  uint32_t messages = 1;    // of the direction that is a stream, or of both
  uint32_t hold_micros = 0;
  bool cancelled = false;
  bool short_deadline = false;
  bool wait_for_ready = false;

  static Plan Draw(std::mt19937_64& random, const Mix& mix);
};

// The deaths and restarts of a server, as the one who causes them tells those who call it.
// Thread-safe.
class Weather {
 public:
  enum Storm { kDeath, kRestart };

  void Begin(Storm storm) { ++begun_[storm]; }
  // Every channel has reached the successor.
  void End(Storm storm) { ++ended_[storm]; }

  struct Reading {
    std::array<uint64_t, 2> ended;
  };
  Reading Read() const { return {{ended_[kDeath], ended_[kRestart]}}; }
  // Whether there has been such a storm, or still is, since `reading`.
  bool Had(Storm storm, const Reading& reading) const {
    return begun_[storm] != reading.ended[storm];
  }

 private:
  std::array<std::atomic<uint64_t>, 2> begun_ = {};
  std::array<std::atomic<uint64_t>, 2> ended_ = {};
};

// Counts of what became of calls. It may lie in memory that several processes share. Thread-safe.
struct Outcomes {
  using Count = std::atomic<uint64_t>;
  static_assert(Count::is_always_lock_free);

  std::array<std::array<Count, 3>, 4> calls = {};  // by Kind and Way
  Count replies = 0;                               // messages whose content was right
  Count ok = 0;
  Count cancelled = 0;        // as was asked for
  Count deadline = 0;         // a short one, as was asked for
  Count unavailable = 0;      // while the server died
  Count again = 0;            // were sent more than once
  Count sure_in_restart = 0;  // overlapped with a restart, and may not be lost by it
  Count wrong = 0;            // content: a reply that is not the request's, or too few or too many
  Count unexpected = 0;       // a status that nothing has given cause for

  uint64_t total() const;
  uint64_t bad() const { return wrong + unexpected; }
};

// One call under judgement. One thread at a time uses it.
class Trial {
 public:
  // `weather` of the server that is called.
  Trial(const Plan& plan, Way way, const Weather& weather, Outcomes& outcomes)
      : plan_(plan), way_(way), weather_(weather), outcomes_(outcomes), before_(weather.Read()) {}

  const Plan& plan() const { return plan_; }

  // Sets what the plan says. To be called before the call begins.
  void Prepare(ClientContext& context) const;

  // Makes the next request. False: there are no more.
  bool NextRequest(Parcel* request);

  void Take(const Parcel& reply);
  // To be called once, at the end of the call.
  void End(const absl::Status& status, int attempts);

 private:
  // Why `status` should not be the call's; empty: it may be.
  std::string WhyNot(const absl::Status& status) const;
  // Whether a restart does not lose the call: it is made anew, or its handler finishes.
  bool IsSure() const { return plan_.wait_for_ready; }
  void Complain(absl::string_view what) const;

  const Plan plan_;
  const Way way_;
  const Weather& weather_;
  Outcomes& outcomes_;
  const Weather::Reading before_;
  uint32_t requests_ = 0;
  uint32_t replies_ = 0;
  bool wrong_ = false;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_SOAK_TRIAL_H_
