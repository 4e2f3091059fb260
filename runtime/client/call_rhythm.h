#ifndef NIGH_RUNTIME_CLIENT_CALL_RHYTHM_H_
#define NIGH_RUNTIME_CLIENT_CALL_RHYTHM_H_

#include <atomic>
#include <cstdint>

namespace nigh {

// Whether callers make one call after the other on a connection, as who waits for a stream's
// message wants to know: they then lead anyway, and it stands back.
//
// Any thread may use it. Threads that count or judge at once may mix up each other's numbers, which
// makes no difference: it is a judgement.
class CallRhythm {
 public:
  // A call's thread waits for its reply behind another that leads, awake; and no more. Its wait has
  // ended.
  void BeginToFollow() { ++following_; }
  void EndToFollow() { --following_; }
  void EndWait() { waits_.store(waits_.load(kRelaxed) + 1, kRelaxed); }

  // Whether somebody follows who would lead.
  bool somebody_follows() const { return following_ != 0; }

  // Whether there is anything to judge: whether steady() may have become true or false.
  bool has_news() const {
    return waits_.load(kRelaxed) != seen_waits_.load(kRelaxed) || somebody_follows() || steady();
  }
  bool steady() const { return steady_.load(kRelaxed); }
  // Judges anew, unless that was done a moment ago. `now` is in steady nanoseconds.
  bool Judge(int64_t now) {
    const int64_t passed = now - judged_at_.load(kRelaxed);
    if (passed < kLeastNanos) return steady();
    const uint32_t waits = waits_.load(kRelaxed);
    const int64_t ended = waits - seen_waits_.load(kRelaxed);
    const bool follows = somebody_follows();
    // Many waits have ended; or there always is one, which does not end as long as others lead.
    const bool steady =
        ended * kNanosPerCall > passed || (follows && seen_following_.load(kRelaxed));
    seen_waits_.store(waits, kRelaxed);
    seen_following_.store(follows, kRelaxed);
    judged_at_.store(now, kRelaxed);
    steady_.store(steady, kRelaxed);
    return steady;
  }

 private:
  static constexpr std::memory_order kRelaxed = std::memory_order_relaxed;
  // A judgement needs some time to look at.
  static constexpr int64_t kLeastNanos = 20'000;
  static constexpr int64_t kNanosPerCall = 25'000;

  std::atomic<uint32_t> waits_ = 0;
  std::atomic<int> following_ = 0;
  // The last judgement, and what it was made of.
  std::atomic<uint32_t> seen_waits_ = 0;
  std::atomic<bool> seen_following_ = false;
  std::atomic<int64_t> judged_at_ = 0;
  std::atomic<bool> steady_ = false;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_CALL_RHYTHM_H_
