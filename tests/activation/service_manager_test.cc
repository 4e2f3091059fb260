#include "nigh/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/server.h"
#include "nigh/transport/unique_fd.h"
#include "tests/support/temporary_folder.h"

namespace nigh {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Listens as a service manager does.
class Manager {
 public:
  // `name`: as in NOTIFY_SOCKET.
  explicit Manager(const std::string& name) {
    sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
    name.copy(address.sun_path, sizeof(address.sun_path) - 1);
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~Manager() { ::unsetenv("NOTIFY_SOCKET"); }

  // What it is told next.
  std::string Next() {
    std::array<char, 4096> text;
    const ssize_t size = ::recv(socket_.get(), text.data(), text.size(), 0);
    return std::string(text.data(), size < 0 ? 0 : static_cast<size_t>(size));
  }

 private:
  const UniqueFd socket_ = UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
};

TEST(ServiceManager, NobodyWantsToKnow) {
  EXPECT_EQ(NotifyServiceManager("READY=1"), absl::OkStatus());
}

TEST(ServiceManager, IsToldByPathAndByAbstractName) {
  const testing::TemporaryFolder folder;
  for (const std::string& name :
       {folder.path() + "/notify", "@nigh-notify-" + std::to_string(::getpid())}) {
    Manager manager(name);
    ASSERT_EQ(NotifyServiceManager("STATUS=12 plugins"), absl::OkStatus());
    EXPECT_EQ(manager.Next(), "STATUS=12 plugins");
  }
}

TEST(ServiceManager, ThatIsNotThereIsAnError) {
  ::setenv("NOTIFY_SOCKET", "/nowhere/notify", 1);
  EXPECT_EQ(NotifyServiceManager("READY=1").code(), absl::StatusCode::kUnavailable);
  ::setenv("NOTIFY_SOCKET", "vsock:2:1234", 1);
  const absl::Status wrong = NotifyServiceManager("READY=1");
  EXPECT_EQ(wrong.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(wrong.message(), HasSubstr("NOTIFY_SOCKET is \"vsock:2:1234\""));
  ::unsetenv("NOTIFY_SOCKET");
}

TEST(ServiceManager, HearsThatAServerIsReadyAndThatItStops) {
  const testing::TemporaryFolder folder;
  Manager manager(folder.path() + "/notify");
  const std::string address = "unix:" + folder.path() + "/socket";
  Server server;
  ASSERT_EQ(server.Listen(address), absl::OkStatus());
  std::thread runner([&] { EXPECT_EQ(server.Run(), absl::OkStatus()); });
  EXPECT_EQ(manager.Next(), "READY=1\nSTATUS=serving at " + address);
  server.Shutdown(absl::ZeroDuration());
  EXPECT_THAT(manager.Next(), StartsWith("STOPPING=1\n"));
  runner.join();
}

}  // namespace
}  // namespace nigh
