#ifndef NIGH_BENCHMARKS_HARNESS_SAMPLES_H_
#define NIGH_BENCHMARKS_HARNESS_SAMPLES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nigh::benchmarks {

// Every latency of a run, so that percentiles are exact. Memory is touched in advance: a page fault
// must not show up as a slow call.
class Samples {
 public:
  explicit Samples(size_t capacity) : nanos_(capacity) {}

  // Beyond the capacity, samples replace the oldest.
  void Add(int64_t nanos) { nanos_[count_++ % nanos_.size()] = nanos; }

  void Clear() { count_ = 0; }

  void Merge(const Samples& other);

  size_t count() const { return count_; }

  // The smallest latency that at least `part` of all calls (0 < part <= 1) did not exceed,
  // microseconds. Sorts.
  double Percentile(double part);

 private:
  std::vector<int64_t> nanos_;
  size_t count_ = 0;
  bool sorted_ = false;
};

}  // namespace nigh::benchmarks

#endif  // NIGH_BENCHMARKS_HARNESS_SAMPLES_H_
