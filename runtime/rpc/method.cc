#include "nigh/method.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace nigh {

absl::Status Unimplemented(const Method& method) {
  return absl::UnimplementedError(
      absl::StrCat(method.name, ": the service does not implement this method"));
}

}  // namespace nigh
