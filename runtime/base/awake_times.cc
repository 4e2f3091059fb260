#include "nigh/runtime/base/awake_times.h"

namespace nigh {

constinit const AwakeTimes kAwakeTimes;

}  // namespace nigh
