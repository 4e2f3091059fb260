#ifndef NIGH_TESTS_TRANSPORTS_UNIX_FIXTURE_H_
#define NIGH_TESTS_TRANSPORTS_UNIX_FIXTURE_H_

#include <stdlib.h>
#include <sys/socket.h>

#include <filesystem>
#include <string>

#include "gtest/gtest.h"
#include "nigh/transport/address.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/rendezvous/socket_name.h"
#include "tests/contract/frames.h"

namespace nigh::testing {

// A directory of the test's own, and the address of a socket in it.
class UnixFixture : public ::testing::Test {
 protected:
  UnixFixture() {
    char pattern[] = "/tmp/nigh_unix_XXXXXX";
    directory_ = ::mkdtemp(pattern);
    path_ = directory_ + "/server.sock";
    text_ = "unix:" + path_;
    address_ = MakeAddress(text_);
  }
  ~UnixFixture() override { std::filesystem::remove_all(directory_); }

  // A socket file with nothing behind it, as a killed server leaves it.
  void LeaveStaleSocket() {
    const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketName name = MakeSocketName(path_, SocketNameKind::kPath);
    ASSERT_EQ(::bind(socket.get(), name.get(), name.size), 0);
    ASSERT_EQ(::listen(socket.get(), 1), 0);
  }

  std::string directory_, path_, text_;
  Address address_;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_TRANSPORTS_UNIX_FIXTURE_H_
