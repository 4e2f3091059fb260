#ifndef NIGH_BENCHMARKS_HARNESS_SAMPLES_H_
#define NIGH_BENCHMARKS_HARNESS_SAMPLES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nigh::benchmarks {

// Keeps every latency of a run, so that percentiles are exact. The constructor touches the memory:
// a page fault must not show up as a slow call.
class Samples {
 public:
  explicit Samples(size_t capacity) : nanos_(capacity) {}

  // Adds a latency. Once the capacity is used up, it replaces the oldest.
  void Add(int64_t nanos) { nanos_[count_++ % nanos_.size()] = nanos; }

  void Clear() { count_ = 0; }

  void Merge(const Samples& other);

  size_t count() const { return count_; }

  // Returns the smallest latency, in microseconds, that at least `part` of all calls did not
  // exceed; 0 < part <= 1. Sorts the samples.
  double Percentile(double part);

 private:
  std::vector<int64_t> nanos_;
  size_t count_ = 0;
  bool sorted_ = false;
};

}  // namespace nigh::benchmarks

#endif  // NIGH_BENCHMARKS_HARNESS_SAMPLES_H_
