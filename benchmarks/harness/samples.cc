#include "benchmarks/harness/samples.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace nigh::benchmarks {

void Samples::Merge(const Samples& other) {
  const size_t mine = std::min(count_, nanos_.size());
  const size_t theirs = std::min(other.count_, other.nanos_.size());
  nanos_.resize(mine);
  nanos_.insert(nanos_.end(), other.nanos_.begin(),
                other.nanos_.begin() + static_cast<std::ptrdiff_t>(theirs));
  count_ = nanos_.size();
  sorted_ = false;
}

double Samples::Percentile(double part) {
  const size_t kept = std::min(count_, nanos_.size());
  if (kept == 0) return 0;
  if (!sorted_) {
    std::sort(nanos_.begin(), nanos_.begin() + static_cast<std::ptrdiff_t>(kept));
    sorted_ = true;
  }
  const auto rank = static_cast<size_t>(std::ceil(part * static_cast<double>(kept)));
  return static_cast<double>(nanos_[std::clamp<size_t>(rank, 1, kept) - 1]) / 1000.0;
}

}  // namespace nigh::benchmarks
