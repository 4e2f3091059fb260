#ifndef NIGH_RUNTIME_CALL_EXCEPTION_STATUS_H_
#define NIGH_RUNTIME_CALL_EXCEPTION_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace nigh {

// Returns UNKNOWN with the text of the exception that is being handled: `who` ("the handler") threw
// it in a call of `method`. To be called in a catch block.
absl::Status ExceptionStatus(absl::string_view method, absl::string_view who);

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_EXCEPTION_STATUS_H_
