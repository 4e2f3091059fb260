#ifndef NIGH_TESTS_SOAK_CALLS_H_
#define NIGH_TESTS_SOAK_CALLS_H_

#include "absl/functional/any_invocable.h"
#include "nigh/task.h"
#include "tests/soak/load.nigh.h"
#include "tests/soak/trial.h"

namespace nigh::testing {

// What makes one call: the same for each of the ways.
struct Caller {
  Load::Stub stub;
  const Weather& weather;
  Outcomes& outcomes;
};

// Makes the call in this thread, and returns when it is over.
void CallInThread(const Caller& caller, const Plan& plan);

// Begins the call. `done` is called in the thread of the channel's callbacks when it is over.
void CallBack(const Caller& caller, const Plan& plan, absl::AnyInvocable<void()> done);

// `caller` must outlive the task.
Task<> CallInCoroutine(const Caller& caller, Plan plan);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_SOAK_CALLS_H_
