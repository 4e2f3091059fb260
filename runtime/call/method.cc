#include "nigh/method.h"

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace nigh {

bool IsMethodName(absl::string_view name) {
  const size_t slash = name.rfind('/');
  return name.size() <= kMaxMethodName && !name.empty() && name.front() == '/' && slash > 1 &&
         slash + 1 < name.size() && absl::c_all_of(name, absl::ascii_isgraph);
}

absl::string_view ServiceOf(absl::string_view method) {
  if (!method.empty()) method.remove_prefix(1);
  return method.substr(0, method.find('/'));
}

absl::Status Unimplemented(const Method& method) {
  return absl::UnimplementedError(
      absl::StrCat(method.name, ": the service does not implement this method"));
}

}  // namespace nigh
