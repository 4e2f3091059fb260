#include "nigh/testing/fault_lane.h"

#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "nigh/deadline.h"
#include "nigh/testing/fault_script.h"

namespace nigh::testing {
namespace {

// Of a move that noise makes a small one.
constexpr size_t kFewBytes = 16;

// A process that sends itself SIGKILL or SIGSTOP goes no further than this.
void Send(const Fault& fault, pid_t peer) {
  const pid_t whom = fault.to_peer ? peer : ::getpid();
  if (whom != 0) (void)::kill(whom, fault.signal);
}

}  // namespace

FaultLane::FaultLane(std::vector<Fault> faults, const Nuisance& nuisance,
                     std::shared_ptr<FaultyLink> link, std::atomic<uint64_t>& passed)
    : faults_(std::move(faults)),
      nuisance_(nuisance),
      link_(std::move(link)),
      passed_(passed),
      may_hold_(absl::c_any_of(
          faults_, [](const Fault& fault) { return fault.kind == Fault::Kind::kDelay; })),
      is_clear_(faults_.empty() && nuisance.chunk == 0 && nuisance.percent == 0),
      lots_(static_cast<uint32_t>(nuisance.seed + 1)) {}

FaultLane::Step FaultLane::Next(size_t size, bool whole) {
  most_ = nuisance_.chunk;
  if (link_->cut.load(std::memory_order_acquire)) return Step::kCut;
  if (ended_) return Step::kEnd;
  for (; next_ < faults_.size(); ++next_) {
    const Fault& fault = faults_[next_];
    if (fault.at > position_ && (!whole || fault.at >= position_ + size)) break;
    switch (fault.kind) {
      case Fault::Kind::kAgain:
        if (fault.at > position_) continue;  // it is in the midst of a frame: too late
        if (times_ == 0) link_->record->faults.fetch_add(1, std::memory_order_relaxed);
        if (times_++ < fault.times) return Step::kNothing;
        times_ = 0;
        continue;
      case Fault::Kind::kDelay:
        if (fault.at > position_) continue;
        if (held_until_.is_infinite()) {
          link_->record->faults.fetch_add(1, std::memory_order_relaxed);
          held_until_ = Deadline::After(fault.delay);
        }
        if (!held_until_.HasPassed()) return Step::kHeld;
        held_until_ = Deadline::Infinite();
        continue;
      case Fault::Kind::kSignal:
        link_->record->faults.fetch_add(1, std::memory_order_relaxed);
        Send(fault, link_->peer.load(std::memory_order_relaxed));
        continue;
      case Fault::Kind::kDrop:
        return Step::kLose;
      case Fault::Kind::kCorrupt:
        return Step::kCorrupt;
      case Fault::Kind::kCut:
        Done();
        link_->cut.store(true, std::memory_order_release);
        return Step::kCut;
      case Fault::Kind::kEnd:
        Done();
        ended_ = true;
        return Step::kEnd;
    }
  }
  if (nuisance_.percent != 0 && static_cast<int>(lots_() % 100) < nuisance_.percent) {
    if (lots_() % 2 == 0) return Step::kNothing;
    most_ = 1 + lots_() % kFewBytes;
  }
  return Step::kPass;
}

size_t FaultLane::Room(size_t size) const {
  size_t room = most_ == 0 ? size : std::min(size, most_);
  if (next_ < faults_.size()) {
    room = static_cast<size_t>(std::min<uint64_t>(room, faults_[next_].at - position_));
  }
  return room;
}

void FaultLane::Passed(size_t count) {
  position_ += count;
  passed_.fetch_add(count, std::memory_order_relaxed);
}

void FaultLane::Done() {
  link_->record->faults.fetch_add(1, std::memory_order_relaxed);
  ++next_;
}

}  // namespace nigh::testing
