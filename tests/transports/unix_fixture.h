#ifndef NIGH_TESTS_TRANSPORTS_UNIX_FIXTURE_H_
#define NIGH_TESTS_TRANSPORTS_UNIX_FIXTURE_H_

#include <sys/socket.h>

#include <string>

#include "gtest/gtest.h"
#include "nigh/transport/address.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/rendezvous/socket_name.h"
#include "tests/contract/frames.h"
#include "tests/support/temporary_folder.h"

namespace nigh::testing {

// A directory of the test's own, and the address of a socket in it.
class UnixFixture : public ::testing::Test {
 protected:
  // A socket file with nothing behind it, as a killed server leaves it.
  void LeaveStaleSocket() {
    const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketName name = MakeSocketName(path_, SocketNameKind::kPath);
    ASSERT_EQ(::bind(socket.get(), name.get(), name.size), 0);
    ASSERT_EQ(::listen(socket.get(), 1), 0);
  }

  const TemporaryFolder folder_;
  const std::string& directory_ = folder_.path();
  const std::string path_ = folder_.PathOf("server.sock");
  const std::string text_ = "unix:" + path_;
  const Address address_ = MakeAddress(text_);
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_TRANSPORTS_UNIX_FIXTURE_H_
