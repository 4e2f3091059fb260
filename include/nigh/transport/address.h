#ifndef NIGH_TRANSPORT_ADDRESS_H_
#define NIGH_TRANSPORT_ADDRESS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/api.h"

namespace nigh {

// An address, SCHEME:NAME?KEY=VALUE&KEY=VALUE: "unix:/run/greeter.sock", "tcp://[::1]:0",
// "shm:greeter?ring=1MiB". The transport defines what NAME and the parameters may be, and whether
// NAME may be empty, as in "stdio:". A question mark in it is written %3F, and a percent sign that
// would be read as the beginning of that, or of itself, %25.
struct NIGH_API Address {
  std::string scheme;
  std::string name;  // what stands between the colon and the question mark
  std::vector<std::pair<std::string, std::string>> parameters;

  // INVALID_ARGUMENT: there is no scheme, or a parameter is malformed.
  static absl::StatusOr<Address> Parse(absl::string_view text);

  // The value of the last parameter whose key is `key`, or `otherwise` if there is none.
  absl::string_view Parameter(absl::string_view key, absl::string_view otherwise = "") const;

  // Returns OK, or INVALID_ARGUMENT naming the first parameter whose key is not among `known`.
  absl::Status CheckParameters(std::initializer_list<absl::string_view> known) const;

  // The text from which Parse makes this address again.
  std::string ToString() const;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORT_ADDRESS_H_
