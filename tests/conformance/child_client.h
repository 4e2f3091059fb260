#ifndef NIGH_TESTS_CONFORMANCE_CHILD_CLIENT_H_
#define NIGH_TESTS_CONFORMANCE_CHILD_CLIENT_H_

#include <memory>
#include <optional>
#include <string>

#include "tests/conformance/child.h"
#include "tests/conformance/script.h"

namespace nigh::testing {

// Starts a client in a process of its own. On each of `connections` connections it makes a bidi
// call with the script `play` and writes a message. Then it reads the last call until that ends.
std::unique_ptr<Child> StartClient(const std::string& address, const Play& play,
                                   int connections = 1);

// If this process was started to be such a client, acts as one and returns what main() is to
// return.
std::optional<int> CallIfAsked(int argc, char** argv);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONFORMANCE_CHILD_CLIENT_H_
