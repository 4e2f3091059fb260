#ifndef NIGH_RUNTIME_CALL_EXCEPTION_STATUS_H_
#define NIGH_RUNTIME_CALL_EXCEPTION_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace nigh {

// UNKNOWN, for the exception that is being handled: `who`, "the handler", threw it in a call of
// `method`. Within a catch block.
absl::Status ExceptionStatus(absl::string_view method, absl::string_view who);

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_EXCEPTION_STATUS_H_
