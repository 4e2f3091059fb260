#include "tests/contract/stranger.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "nigh/transport/address.h"
#include "tests/contract/frames.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

int ConnectUnix(int socket, absl::string_view name, bool abstract) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path + (abstract ? 1 : 0), sizeof(address.sun_path) - 1);
  return ::connect(socket, reinterpret_cast<const sockaddr*>(&address),
                   offsetof(sockaddr_un, sun_path) + 1 + name.size());
}

int ConnectTcp(int socket, absl::string_view name) {
  uint32_t port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(name.substr(name.rfind(':') + 1), &port));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

}  // namespace

Stranger::Stranger(const Address& address) {
  const absl::string_view how = TheSubject().stranger;
  if (how == "tcp") {
    socket_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(ConnectTcp(socket_.get(), address.name), 0) << std::strerror(errno);
    return;
  }
  const int type = how == "unix-seqpacket" ? SOCK_SEQPACKET : SOCK_STREAM;
  socket_.reset(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  EXPECT_EQ(ConnectUnix(socket_.get(), address.name, how == "unix-abstract"), 0)
      << std::strerror(errno);
}

void Stranger::Write(absl::string_view bytes) {
  EXPECT_EQ(::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(bytes.size()));
}

void Stranger::Hush() { ::shutdown(socket_.get(), SHUT_WR); }

void Stranger::AwaitEnd() {
  // What the other side says by way of greeting comes first.
  char byte;
  ssize_t size;
  do {
    pollfd entry = {.fd = socket_.get(), .events = POLLIN, .revents = 0};
    ASSERT_EQ(::poll(&entry, 1, kPatienceMillis), 1) << "the connection is still open";
    size = ::recv(socket_.get(), &byte, 1, 0);
  } while (size > 0);
}

}  // namespace nigh::testing
