#ifndef NIGH_BENCHMARKS_RAW_QUEUE_H_
#define NIGH_BENCHMARKS_RAW_QUEUE_H_

#include <string>

#include <memory>

#include "benchmarks/harness/subject.h"

namespace nigh::benchmarks {

// Whether `medium` is "mqueue" or "sysvmq".
bool IsQueue(const std::string& medium);

// Two message queues without names, one each way. The server inherits them, or finds them by their
// numbers.
class RawQueues {
 public:
  explicit RawQueues(const std::string& medium);
  ~RawQueues();
  RawQueues(const RawQueues&) = delete;
  RawQueues& operator=(const RawQueues&) = delete;

  bool ok() const { return up_ >= 0 && down_ >= 0; }
  // MEDIUM:IN:OUT, as the server's command line takes it; IN and OUT are the server's.
  std::string address() const;
  std::unique_ptr<Link> Connect() const;

 private:
  const std::string medium_;
  int up_ = -1;
  int down_ = -1;
};

// The server's half: sends back each message from `in` to `out`, until an empty one comes.
void EchoMessages(const std::string& medium, int in, int out);

}  // namespace nigh::benchmarks

#endif  // NIGH_BENCHMARKS_RAW_QUEUE_H_
