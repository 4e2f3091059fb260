#ifndef NIGH_TESTS_FDS_HOSTILE_FIXTURE_H_
#define NIGH_TESTS_FDS_HOSTILE_FIXTURE_H_

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "nigh/fd.pb.h"
#include "nigh/mutex.h"
#include "nigh/nigh.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "tests/fds/vault.h"
#include "tests/hostile/raw_peer.h"
#include "tests/hostile/socket_folder.h"
#include "tests/support/descriptors.h"

// What hostile peers send, and a server that they send it to.
namespace nigh::testing {

inline constexpr uint16_t kUnary = 0;
inline constexpr uint16_t kPlain = 1;
inline constexpr uint16_t kRequests = 2;

// A pipe of which the other side gets the write end: its end tells that this has been closed there.
class Witness {
 public:
  Witness() {
    std::array<int, 2> ends;
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    read_.reset(ends[0]);
    write_.reset(ends[1]);
  }
  int fd() const { return write_.get(); }
  // Waits until nobody else has it.
  void AwaitClosed() {
    write_.reset();
    char ignored;
    EXPECT_EQ(::read(read_.get(), &ignored, 1), 0);
  }

 private:
  UniqueFd read_, write_;
};

// A TCP socket whose close sleeps until all that it has sent has been read.
class Lingering {
 public:
  Lingering() {
    const UniqueFd listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in name = {};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(name);
    auto* const address = reinterpret_cast<sockaddr*>(&name);
    EXPECT_EQ(::bind(listening.get(), address, size), 0);
    EXPECT_EQ(::listen(listening.get(), 1), 0);
    EXPECT_EQ(::getsockname(listening.get(), address, &size), 0);
    socket_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(socket_.get(), address, size), 0);
    reader_.reset(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const linger longer = {.l_onoff = 1, .l_linger = 600};
    EXPECT_EQ(::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &longer, sizeof(longer)), 0);
    const std::string much(1 << 20, 'x');
    while (::send(socket_.get(), much.data(), much.size(), MSG_DONTWAIT) > 0) {
    }
  }
  int fd() const { return socket_.get(); }
  ~Lingering() {
    if (closes_.joinable()) closes_.join();
  }
  // To be called when somebody else has it. Whose close is the last, and sleeps, is open.
  void LetGo() {
    closes_ = std::thread([this] { socket_.reset(); });
  }
  // The same before anybody can have closed it.
  void LetGoNow() { socket_.reset(); }
  // Reads all, so that the close that sleeps returns.
  void Release() {
    std::vector<char> bytes(1 << 20);
    while (::read(reader_.get(), bytes.data(), bytes.size()) > 0) {
    }
  }

 private:
  UniqueFd socket_, reader_;
  std::thread closes_;
};

inline std::string Sections(uint32_t descriptors) {
  SectionWriter sections;
  sections.AddDescriptors(descriptors);
  return std::string(sections.block());
}

inline std::string RequestWith(uint32_t call, uint16_t method, uint32_t descriptors,
                               absl::string_view message = "", uint8_t flags = kEnd) {
  return hostile::FrameBytes({.kind = FrameKind::kRequest,
                              .flags = static_cast<uint8_t>(kSections | kMessage | flags),
                              .method = method,
                              .call = call},
                             absl::StrCat(Sections(descriptors), message));
}

// A Parcel with a file of that number.
inline std::string ParcelBytes(uint32_t number) {
  Parcel parcel;
  parcel.add_files()->mutable_file()->set_number(number);
  return parcel.SerializeAsString();
}

inline bool SendWith(int socket, absl::string_view bytes, const std::vector<int>& fds,
                     int flags = 0) {
  iovec part = {.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(kMostDescriptors * sizeof(int))> control = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(rights), fds.data(), fds.size() * sizeof(int));
  }
  return ::sendmsg(socket, &message, MSG_NOSIGNAL | flags) == static_cast<ssize_t>(bytes.size());
}

inline std::string Preamble() {
  return absl::StrCat(hostile::HelloBytes(),
                      hostile::MethodBytes(kUnary, "/nigh.testing.Vault/Unary"),
                      hostile::MethodBytes(kPlain, "/nigh.testing.Vault/Plain"),
                      hostile::MethodBytes(kRequests, "/nigh.testing.Vault/Requests"));
}

// A call that is refused, with these.
inline void BeRefused(hostile::RawPeer& peer, const std::vector<int>& fds) {
  const auto count = static_cast<uint32_t>(fds.size());
  EXPECT_TRUE(SendWith(peer.fd(), RequestWith(0, kPlain, count), fds));
  EXPECT_EQ(hostile::StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)).code(),
            absl::StatusCode::kUnimplemented);
}

// Likewise. The server's close of it is the last, and sleeps.
inline void BeRefused(hostile::RawPeer& peer, Lingering& socket) {
  const std::string request = RequestWith(0, kPlain, 1);
  EXPECT_TRUE(SendWith(peer.fd(), request.substr(0, 1), {socket.fd()}));
  socket.LetGoNow();
  EXPECT_TRUE(peer.Send(request.substr(1)));
  EXPECT_EQ(hostile::StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)).code(),
            absl::StatusCode::kUnimplemented);
}

// A server that takes descriptors, one that does not, and somebody well-behaved who calls them; at
// the end a count of what is left.
class HostileFdsTest : public ::testing::Test {
 protected:
  explicit HostileFdsTest(const Limits& limits = {}) : before_(OpenDescriptors()) {
    server_ = std::make_unique<Server>(ServerOptions{
        .limits = limits, .pollers = 1, .on_error = [this](const absl::Status& status) {
          Report(status);
        }});
    server_->Register(vault_);
    EXPECT_EQ(server_->Listen(folder_.address()), absl::OkStatus());
    EXPECT_EQ(server_->Listen("shm:" + shm_path()), absl::OkStatus());
    EXPECT_EQ(server_->Start(), absl::OkStatus());
    others_ = std::make_unique<Vault::Stub>(*Dial(folder_.address()));
    ExpectOthersAreServed();
  }
  ~HostileFdsTest() override {
    ExpectOthersAreServed();
    others_.reset();
    server_->Shutdown(absl::ZeroDuration());
    server_.reset();
    EXPECT_EQ(OpenDescriptors(), before_);
  }

  std::string shm_path() const { return folder_.path() + ".shm"; }

  hostile::RawPeer ConnectAndGreet() {
    hostile::RawPeer peer = hostile::RawPeer::Dial(folder_.path());
    EXPECT_TRUE(peer.Send(Preamble()));
    const OwnedFrame hello = peer.ReceiveKind(FrameKind::kHello);
    EXPECT_NE(DecodeHello(AsBytes(hello.payload)).value().features & kTakesDescriptors, 0U);
    return peer;
  }

  // A call with a file, by somebody whom the server's one poller serves.
  void ExpectOthersAreServed() {
    ClientContext context;
    Parcel reply;
    EXPECT_EQ(others_->Unary(context, PackFiles(context, {"honest"}), &reply), absl::OkStatus());
    EXPECT_THAT(UnpackFiles(context, reply).value(), ::testing::ElementsAre("that of honest"));
  }

  // The next thing that the server reported; waits for it.
  std::string NextError() {
    MutexLock lock(mutex_);
    while (errors_.empty()) reported_.Wait(mutex_);
    const std::string error = errors_.front();
    errors_.pop_front();
    return error;
  }

  // The connection ends, with `what`.
  void ExpectBroken(hostile::RawPeer& peer, const std::string& what) {
    (void)peer.ReceiveAll();
    EXPECT_THAT(NextError(), ::testing::HasSubstr(what));
  }

  const int before_;
  hostile::SocketFolder folder_;
  VaultService vault_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Vault::Stub> others_;

 private:
  void Report(const absl::Status& status) {
    MutexLock lock(mutex_);
    errors_.push_back(status.ToString());
    reported_.SignalAll();
  }

  Mutex mutex_;
  CondVar reported_;
  std::deque<std::string> errors_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_FDS_HOSTILE_FIXTURE_H_
