#ifndef NIGH_TESTING_FAULT_LANE_H_
#define NIGH_TESTING_FAULT_LANE_H_

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "nigh/deadline.h"
#include "nigh/testing/fault_script.h"

namespace nigh::testing {

// What a status says of a connection that was cut.
inline constexpr absl::string_view kCutMessage = "a fault (nigh/testing) has cut the connection";

// What is counted of all connections at one address. Any thread.
struct FaultRecord {
  std::atomic<int> connections = 0;
  std::atomic<uint64_t> in = 0;
  std::atomic<uint64_t> out = 0;
  std::atomic<int> faults = 0;
};

// What both directions of one connection share. Any thread.
struct FaultyLink {
  explicit FaultyLink(std::shared_ptr<FaultRecord> record) : record(std::move(record)) {}

  const std::shared_ptr<FaultRecord> record;
  // The peer's process, once that is known; 0: it is not.
  std::atomic<pid_t> peer = 0;
  std::atomic<bool> cut = false;
};

// One direction of a faulty connection: how many bytes have passed, and what is to go wrong next.
// Its thread asks Next() before it moves anything, and says what it has moved. Used by one thread
// at a time.
class FaultLane {
 public:
  enum class Step {
    kPass,     // nothing goes wrong with the first Room() of them
    kNothing,  // there is nothing now, or no room
    kHeld,     // the same until held_until()
    kLose,     // one byte, or the frame that has it, and then call Done()
    kCorrupt,  // likewise
    kCut,      // the connection has ended
    kEnd,      // this direction has
  };

  FaultLane(std::vector<Fault> faults, const Nuisance& nuisance, std::shared_ptr<FaultyLink> link,
            std::atomic<uint64_t>& passed);

  // What happens to the next `size` bytes. If a fault is among them and not before the first, bytes
  // can be moved up to there (Room). With `whole`, the bytes are a frame that cannot be divided:
  // then it happens to all of them. Signals are sent in here.
  Step Next(size_t size, bool whole);
  // How many of `size` bytes may be moved in one go, after kPass.
  size_t Room(size_t size) const;
  // Where in the bytes that Next was asked about the fault is, after kLose and kCorrupt.
  size_t FaultIn() const { return static_cast<size_t>(faults_[next_].at - position_); }

  // So many bytes have passed, or were lost.
  void Passed(size_t count);
  // The fault that Next has told of has come about.
  void Done();
  // It cannot come about, here.
  void Skip() { ++next_; }

  Deadline held_until() const { return held_until_; }
  // Whether kHeld can come, and a descriptor is needed that tells of its end.
  bool may_hold() const { return may_hold_; }
  // Whether everything passes as if there were no lane.
  bool is_clear() const { return is_clear_; }

 private:
  const std::vector<Fault> faults_;  // in order
  const Nuisance nuisance_;
  const std::shared_ptr<FaultyLink> link_;
  std::atomic<uint64_t>& passed_;  // of all connections
  const bool may_hold_;
  const bool is_clear_;

  uint64_t position_ = 0;
  size_t next_ = 0;  // of faults_
  int times_ = 0;    // that the next fault, a kAgain, has come about
  Deadline held_until_;
  bool ended_ = false;
  std::minstd_rand lots_;
  size_t most_ = 0;  // bytes in the next move; 0: any number
};

}  // namespace nigh::testing

#endif  // NIGH_TESTING_FAULT_LANE_H_
