#ifndef NIGH_TRANSPORT_ADDRESS_H_
#define NIGH_TRANSPORT_ADDRESS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace nigh {

// SCHEME:NAME?KEY=VALUE&KEY=VALUE, as in "unix:/run/greeter.sock", "tcp://[::1]:0" or
// "shm:greeter?ring=1MiB". What NAME and the parameters may be, and whether NAME may be empty, as
// in "stdio:", is the transport's own business.
struct Address {
  std::string scheme;
  std::string name;  // what stands between the colon and the question mark
  std::vector<std::pair<std::string, std::string>> parameters;

  // INVALID_ARGUMENT when there is no scheme or a parameter is malformed.
  static absl::StatusOr<Address> Parse(absl::string_view text);

  // The value of the last parameter of that key, or `otherwise`.
  absl::string_view Parameter(absl::string_view key, absl::string_view otherwise = "") const;

  // INVALID_ARGUMENT that names the first parameter whose key is not among `known`.
  absl::Status CheckParameters(std::initializer_list<absl::string_view> known) const;

  // As Parse would read it again.
  std::string ToString() const;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORT_ADDRESS_H_
