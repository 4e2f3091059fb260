#ifndef NIGH_TESTS_CONFORMANCE_CHILD_CLIENT_H_
#define NIGH_TESTS_CONFORMANCE_CHILD_CLIENT_H_

#include <memory>
#include <optional>
#include <string>

#include "tests/conformance/child.h"
#include "tests/conformance/script.h"

namespace nigh::testing {

// A client in a process of its own, which makes a bidi call with that script on each of so many
// connections, writes a message to each and then reads the last as long as there is anything.
std::unique_ptr<Child> StartClient(const std::string& address, const Play& play,
                                   int connections = 1);

// When this process was started to be such a client, is one; what main() is to return then.
std::optional<int> CallIfAsked(int argc, char** argv);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONFORMANCE_CHILD_CLIENT_H_
