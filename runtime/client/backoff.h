#ifndef NIGH_RUNTIME_CLIENT_BACKOFF_H_
#define NIGH_RUNTIME_CLIENT_BACKOFF_H_

#include "absl/random/random.h"
#include "absl/time/time.h"

namespace nigh {

// By what factor a pause between attempts, to connect or at a call, is longer than the one before.
inline constexpr double kBackoffGrowth = 1.6;

// A pause of about that length. Those who have failed together do not come back together.
inline absl::Duration Jittered(absl::Duration pause) {
  static thread_local absl::BitGen random;
  return pause * absl::Uniform(random, 0.8, 1.2);
}

}  // namespace nigh

#endif  // NIGH_RUNTIME_CLIENT_BACKOFF_H_
