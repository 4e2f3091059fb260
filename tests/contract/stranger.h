#ifndef NIGH_TESTS_CONTRACT_STRANGER_H_
#define NIGH_TESTS_CONTRACT_STRANGER_H_

#include "absl/strings/string_view.h"
#include "nigh/transport/address.h"
#include "nigh/transport/unique_fd.h"

namespace nigh::testing {

// A bare socket at the other end of a connection. It sends what nigh would never send. Each of its
// failures fails the test.
class Stranger {
 public:
  // Connects to a listener of the subject at `address`.
  explicit Stranger(const Address& address);

  void Write(absl::string_view bytes);
  // Shuts its sending side down.
  void Hush();
  // Waits until the other side has closed.
  void AwaitEnd();

 private:
  UniqueFd socket_;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONTRACT_STRANGER_H_
