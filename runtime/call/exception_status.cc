#include "nigh/runtime/call/exception_status.h"

#include <exception>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace nigh {

absl::Status ExceptionStatus(absl::string_view method, absl::string_view who) {
  // A rethrow is the only way to ask for the type of an exception that `catch (...)` has caught.
  try {
    throw;
  } catch (const std::exception& thrown) {
    return absl::UnknownError(
        absl::StrCat(method, ": ", who, " threw an exception: ", thrown.what()));
  } catch (...) {
    return absl::UnknownError(
        absl::StrCat(method, ": ", who, " threw something that is no std::exception"));
  }
}

}  // namespace nigh
