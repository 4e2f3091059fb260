// Peers that send descriptors unasked, too many, too few, of the wrong method, and such that
// whoever closes them sleeps. By a Unix socket and by the socket beside rings.

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "nigh/fd.h"
#include "nigh/fd.pb.h"
#include "nigh/mutex.h"
#include "nigh/nigh.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/shm/ring.h"
#include "tests/fds/vault.h"
#include "tests/hostile/raw_peer.h"
#include "tests/hostile/socket_folder.h"
#include "tests/hostile/victim.nigh.h"
#include "tests/shm/raw_peer.h"
#include "tests/support/descriptors.h"

namespace nigh::testing {
namespace {

using ::testing::HasSubstr;

constexpr uint16_t kUnary = 0;
constexpr uint16_t kPlain = 1;
constexpr uint16_t kRequests = 2;

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

std::string Sections(uint32_t descriptors) {
  SectionWriter sections;
  sections.AddDescriptors(descriptors);
  return std::string(sections.block());
}

std::string RequestWith(uint32_t call, uint16_t method, uint32_t descriptors,
                        absl::string_view message = "", uint8_t flags = kEnd) {
  return hostile::FrameBytes({.kind = FrameKind::kRequest,
                              .flags = static_cast<uint8_t>(kSections | kMessage | flags),
                              .method = method,
                              .call = call},
                             absl::StrCat(Sections(descriptors), message));
}

// A Parcel with a file of that number.
std::string ParcelBytes(uint32_t number) {
  Parcel parcel;
  parcel.add_files()->mutable_file()->set_number(number);
  return parcel.SerializeAsString();
}

bool SendWith(int socket, absl::string_view bytes, const std::vector<int>& fds, int flags = 0) {
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

std::string Preamble() {
  return absl::StrCat(hostile::HelloBytes(),
                      hostile::MethodBytes(kUnary, "/nigh.testing.Vault/Unary"),
                      hostile::MethodBytes(kPlain, "/nigh.testing.Vault/Plain"),
                      hostile::MethodBytes(kRequests, "/nigh.testing.Vault/Requests"));
}

// A call that is refused, with these.
void BeRefused(hostile::RawPeer& peer, const std::vector<int>& fds) {
  const auto count = static_cast<uint32_t>(fds.size());
  EXPECT_TRUE(SendWith(peer.fd(), RequestWith(0, kPlain, count), fds));
  EXPECT_EQ(hostile::StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)).code(),
            absl::StatusCode::kUnimplemented);
}

// Likewise. The server's close of it is the last, and sleeps.
void BeRefused(hostile::RawPeer& peer, Lingering& socket) {
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
    EXPECT_EQ(DecodeHello(AsBytes(hello.payload)).value().features, kTakesDescriptors);
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
    EXPECT_THAT(NextError(), HasSubstr(what));
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

TEST_F(HostileFdsTest, FewerThanSaidEndTheConnection) {
  Witness witness;
  hostile::RawPeer peer = ConnectAndGreet();
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kUnary, 2, ParcelBytes(1)), {witness.fd()}));
  ExpectBroken(peer, "with 2 descriptors, where 1 have come");
  witness.AwaitClosed();
}

TEST_F(HostileFdsTest, MoreThanSaidEndTheConnection) {
  Witness witness;
  hostile::RawPeer peer = ConnectAndGreet();
  ASSERT_TRUE(
      SendWith(peer.fd(), RequestWith(0, kUnary, 1, ParcelBytes(1)), {witness.fd(), witness.fd()}));
  ExpectBroken(peer, "with 1 descriptors, where 2 have come");
  witness.AwaitClosed();
}

TEST_F(HostileFdsTest, NoneWhereSomeWereSaidEndTheConnection) {
  hostile::RawPeer peer = ConnectAndGreet();
  ASSERT_TRUE(peer.Send(RequestWith(0, kUnary, 1, ParcelBytes(1))));
  ExpectBroken(peer, "of which none has come");
}

TEST_F(HostileFdsTest, SuchAsBelongToNoFrameEndTheConnection) {
  Witness witness;
  hostile::RawPeer peer = ConnectAndGreet();
  ASSERT_TRUE(SendWith(peer.fd(), hostile::PingBytes(1), {witness.fd()}));
  (void)peer.Send(hostile::PingBytes(2));
  ExpectBroken(peer, "descriptors that belong to no frame");
  witness.AwaitClosed();
}

TEST_F(HostileFdsTest, SuchAsComeAmidAFrameBelongToNone) {
  Witness witness;
  hostile::RawPeer peer = ConnectAndGreet();
  const std::string ping = hostile::PingBytes(1);
  ASSERT_TRUE(peer.Send(ping.substr(0, 10)));
  ASSERT_TRUE(SendWith(peer.fd(), ping.substr(10), {witness.fd()}));
  (void)peer.Send(hostile::PingBytes(2));
  ExpectBroken(peer, "descriptors that belong to no frame");
  witness.AwaitClosed();
}

TEST_F(HostileFdsTest, AMethodThatTakesNoneRefusesThemAndTheConnectionGoesOn) {
  Witness witness;
  hostile::RawPeer peer = ConnectAndGreet();
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kPlain, 1), {witness.fd()}));
  EXPECT_EQ(hostile::StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)).code(),
            absl::StatusCode::kUnimplemented);
  witness.AwaitClosed();
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kPlain, 0), {}));
  EXPECT_EQ(hostile::StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)), absl::OkStatus());
}

TEST_F(HostileFdsTest, ANumberThatDidNotComeIsTheHandlersError) {
  Witness witness;
  hostile::RawPeer peer = ConnectAndGreet();
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kUnary, 1, ParcelBytes(2)), {witness.fd()}));
  EXPECT_EQ(hostile::StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)).code(),
            absl::StatusCode::kInvalidArgument);
  witness.AwaitClosed();
}

TEST_F(HostileFdsTest, WhatNobodyReadsIsClosedWithTheCall) {
  Witness witness;
  hostile::RawPeer peer = ConnectAndGreet();
  // A call with a stream of requests: the first message is one that its handler never asks for,
  // because it cannot be parsed.
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kRequests, 1, "\xff\xff", 0), {witness.fd()}));
  EXPECT_EQ(hostile::StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)).code(),
            absl::StatusCode::kInternal);
  witness.AwaitClosed();
}

TEST_F(HostileFdsTest, ARequestInPiecesThatIsNeverFinishedLeavesNothing) {
  Witness witness;
  {
    hostile::RawPeer peer = ConnectAndGreet();
    FrameHeader header{.kind = FrameKind::kRequest,
                       .flags = kSections | kMessage | kEnd,
                       .method = kUnary,
                       .rest = 1000};
    ASSERT_TRUE(SendWith(peer.fd(), hostile::FrameBytes(header, Sections(1)), {witness.fd()}));
    (void)peer.ReceiveUntilPong();
  }
  witness.AwaitClosed();
}

// The close that the peer wants to sleep in sleeps in a thread of its own.
TEST_F(HostileFdsTest, NobodyWaitsForASocketThatLingersInABrokenConnection) {
  Lingering lingering;
  hostile::RawPeer peer = ConnectAndGreet();
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kUnary, 1, ParcelBytes(1)),
                       {lingering.fd(), lingering.fd()}));
  lingering.LetGo();
  ExpectBroken(peer, "where 2 have come");
  ExpectOthersAreServed();
  lingering.Release();
}

TEST_F(HostileFdsTest, NobodyWaitsForASocketThatLingersInARefusedCall) {
  Lingering lingering;
  hostile::RawPeer peer = ConnectAndGreet();
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kPlain, 1), {lingering.fd()}));
  lingering.LetGo();
  EXPECT_EQ(hostile::StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)).code(),
            absl::StatusCode::kUnimplemented);
  ExpectOthersAreServed();
  lingering.Release();
}

TEST_F(HostileFdsTest, NobodyWaitsForASocketThatLingersAndIsNotTaken) {
  Lingering lingering;
  hostile::RawPeer peer = ConnectAndGreet();
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kUnary, 1), {lingering.fd()}));
  lingering.LetGo();
  EXPECT_EQ(hostile::StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0)), absl::OkStatus());
  ExpectOthersAreServed();
  lingering.Release();
}

TEST_F(HostileFdsTest, NobodyWaitsForWhatLiesUnreadWhenTheServerEnds) {
  Lingering lingering;
  hostile::RawPeer peer = ConnectAndGreet();
  // The poller is kept from reading: its one connection closes with this in the socket.
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kUnary, 2, ParcelBytes(1)), {lingering.fd()}));
  (void)SendWith(peer.fd(), hostile::PingBytes(1), {lingering.fd()});
  (void)SendWith(peer.fd(), hostile::PingBytes(2), {lingering.fd()});
  lingering.LetGo();
  ExpectBroken(peer, "where 1 have come");
  ExpectOthersAreServed();
  lingering.Release();
}

// What is refused is open until its close has returned, and counts.
class FewFdsTest : public HostileFdsTest {
 protected:
  FewFdsTest() : HostileFdsTest({.max_descriptors = 8, .max_untaken_descriptors = 8}) {}
};

TEST_F(FewFdsTest, ThoseThatCannotBeClosedCountAndThenEndTheirConnection) {
  std::vector<Lingering> lingering(2);
  hostile::RawPeer peer = ConnectAndGreet();
  for (Lingering& socket : lingering) BeRefused(peer, socket);
  // Two more close at once, seven would be nine.
  Witness witness;
  BeRefused(peer, {witness.fd(), witness.fd()});
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kUnary, 7, ParcelBytes(1)),
                       std::vector<int>(7, witness.fd())));
  const absl::Status refused = hostile::StatusOf(peer.ReceiveKind(FrameKind::kResponse, 0));
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("9 descriptors of this connection are open, where 8 may be (raise "
                        "ServerOptions::limits.max_untaken_descriptors)"));
  // Two that are open, and 15.
  ASSERT_TRUE(SendWith(peer.fd(), RequestWith(0, kUnary, 15), std::vector<int>(15, witness.fd())));
  ExpectBroken(peer, "17 descriptors of this connection are open, where 8 may be");
  ExpectOthersAreServed();
  for (Lingering& socket : lingering) socket.Release();
  witness.AwaitClosed();
}

TEST_F(HostileFdsTest, WhoHasTooManyToBeClosedIsNotLetInAgain) {
  // As many as a user has threads for, and what waits behind them.
  std::vector<Lingering> lingering(4);
  hostile::RawPeer peer = ConnectAndGreet();
  for (Lingering& socket : lingering) BeRefused(peer, socket);
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  for (int i = 0; i < 5; ++i) BeRefused(peer, std::vector<int>(13, null.get()));
  hostile::RawPeer next = hostile::RawPeer::Dial(folder_.path());
  const OwnedFrame refusal = next.ReceiveKind(FrameKind::kGoAway);
  EXPECT_THAT(refusal.payload, HasSubstr("are still to be closed"));
  EXPECT_THAT(NextError(), HasSubstr("are still to be closed"));
  ExpectOthersAreServed();
  for (Lingering& socket : lingering) socket.Release();
  AwaitClosings();
  EXPECT_EQ(ConnectAndGreet().ReceiveUntilPong().size(), 0U);
}

TEST_F(HostileFdsTest, AClientThatTakesMoreThanTheKernelPassesIsNoClient) {
  hostile::RawPeer peer = hostile::RawPeer::Dial(folder_.path());
  Hello hello = hostile::GenerousHello();
  hello.features = kTakesDescriptors;
  hello.max_descriptors = 1000;
  ASSERT_TRUE(peer.Send(hostile::HelloBytes(hello)));
  ExpectBroken(peer, "up to 1000 of them");
}

// Replies that nobody reads keep descriptors open.
TEST_F(HostileFdsTest, AClientThatReadsNothingIsReadNoMore) {
  hostile::RawPeer peer = hostile::RawPeer::Dial(folder_.path());
  Hello hello = hostile::GenerousHello();
  hello.features = kTakesDescriptors;
  hello.max_descriptors = 16;
  ASSERT_TRUE(peer.Send(hostile::HelloBytes(hello)));
  ASSERT_TRUE(peer.Send(hostile::MethodBytes(kUnary, "/nigh.testing.Vault/Unary")));
  const UniqueFd file = FileOf("x");
  Parcel parcel;
  parcel.add_files()->mutable_file()->set_number(1);
  const int before = OpenDescriptors();
  for (uint32_t call = 0; call < 1000; ++call) {
    const std::string request = RequestWith(call, kUnary, 1, parcel.SerializeAsString());
    if (!SendWith(peer.fd(), request, {file.get()}, MSG_DONTWAIT)) break;
  }
  ExpectOthersAreServed();
  // What the socket holds is not this process's.
  EXPECT_LT(OpenDescriptors() - before, 400);
}

// A client that is answered with one.
TEST_F(HostileFdsTest, AClientsDeadlineDoesNotWaitForASocketThatLingers) {
  Lingering lingering;
  hostile::SocketFolder elsewhere;
  hostile::RawListener listener(elsewhere.path());
  const Vault::Stub stub(*Dial(elsewhere.address()));
  std::thread serves([&] {
    hostile::RawPeer peer = listener.Accept();
    Hello hello = hostile::GenerousHello();
    EXPECT_TRUE(peer.Send(hostile::HelloBytes(hello)));
    const OwnedFrame request = peer.ReceiveKind(FrameKind::kRequest);
    const std::string response = hostile::FrameBytes(
        {.kind = FrameKind::kResponse, .flags = kSections | kMessage, .call = request.header.call},
        Sections(2));
    EXPECT_TRUE(SendWith(peer.fd(), response, {lingering.fd()}));
    lingering.LetGo();
    (void)peer.ReceiveAll();
  });
  ClientContext context;
  Parcel reply;
  EXPECT_EQ(stub.Unary(context, Parcel(), &reply).code(), absl::StatusCode::kInternal);
  serves.join();
  lingering.Release();
}

// Who serves none is sent none, if the kernel can refuse them; else they are closed.
TEST(UnaskedFdsTest, AServerWithoutSuchMethodsNeverHasAny) {
  class EchoService final : public hostile::Victim::Service {
    absl::Status Echo(ServerContext&, const hostile::Note& request, hostile::Note* reply) override {
      *reply = request;
      return absl::OkStatus();
    }
  } service;
  hostile::SocketFolder folder;
  Server server;
  server.Register(service);
  ASSERT_EQ(server.Listen(folder.address()), absl::OkStatus());
  ASSERT_EQ(server.Start(), absl::OkStatus());
  hostile::RawPeer peer = hostile::RawPeer::Dial(folder.path());
  Witness witness;
  const bool sent = SendWith(peer.fd(), hostile::Preamble(), {witness.fd()});
  int refuses = 1;
  socklen_t size = sizeof(refuses);
  const bool can_refuse = ::getsockopt(peer.fd(), SOL_SOCKET, 83, &refuses, &size) == 0;
  EXPECT_EQ(sent, !can_refuse);
  if (!sent) {
    ASSERT_TRUE(peer.Send(hostile::Preamble()));
  }
  (void)peer.ReceiveUntilPong();
  witness.AwaitClosed();
}

// The same beside rings.
class HostileShmFdsTest : public HostileFdsTest {
 protected:
  // Has met the server and said what `frames` say.
  RawPeer Meet(const std::vector<std::string>& frames) {
    RawPeer peer(shm_path());
    EXPECT_TRUE(peer.Offer());
    EXPECT_TRUE(peer.Attach());
    // A letter where nobody sleeps yet would be a storm.
    if (!frames.empty()) Say(peer, frames);
    return peer;
  }
  static void Say(RawPeer& peer, const std::vector<std::string>& frames) {
    for (const std::string& frame : frames) {
      std::memcpy(peer.data().data() + peer.page().tail, frame.data(), frame.size());
      const size_t payload = frame.size() - kFrameHeaderSize;
      peer.page().tail = peer.page().tail + RecordSize(payload);
    }
    (void)peer.Send("d");
  }
  static std::vector<std::string> Greeting() {
    return {hostile::HelloBytes(), hostile::MethodBytes(kUnary, "/nigh.testing.Vault/Unary"),
            hostile::MethodBytes(kPlain, "/nigh.testing.Vault/Plain")};
  }
};

TEST_F(HostileShmFdsTest, NoneWhereSomeWereSaidEndTheConnection) {
  std::vector<std::string> frames = Greeting();
  frames.push_back(RequestWith(0, kUnary, 1, ParcelBytes(1)));
  const RawPeer peer = Meet(frames);
  EXPECT_THAT(NextError(), HasSubstr("of which none has come"));
}

TEST_F(HostileShmFdsTest, OtherNumbersThanSaidEndTheConnection) {
  Witness witness;
  RawPeer peer = Meet({});
  ASSERT_TRUE(peer.Send("f", {witness.fd(), witness.fd()}));
  std::vector<std::string> frames = Greeting();
  frames.push_back(RequestWith(0, kUnary, 1, ParcelBytes(1)));
  Say(peer, frames);
  EXPECT_THAT(NextError(), HasSubstr("where 2 have come"));
  witness.AwaitClosed();
}

TEST_F(HostileShmFdsTest, LettersThatBringThemInTheWrongPlaceEndTheConnection) {
  Witness witness;
  RawPeer peer = Meet({});
  ASSERT_TRUE(peer.Send("d", {witness.fd()}));
  Say(peer, Greeting());
  EXPECT_THAT(NextError(), HasSubstr("a message that is no letter"));
  witness.AwaitClosed();
}

TEST_F(HostileShmFdsTest, NobodyWaitsForASocketThatLingersInAnOffer) {
  Lingering lingering;
  {
    RawPeer peer(shm_path());
    OfferBytes offer;
    ASSERT_TRUE(peer.Send(offer.Encode(), {lingering.fd(), lingering.fd()}));
    lingering.LetGo();
    EXPECT_THAT(NextError(), HasSubstr("descriptors instead of"));
  }
  ExpectOthersAreServed();
  lingering.Release();
}

TEST_F(HostileShmFdsTest, NobodyWaitsForASocketThatLingersInPlaceOfMemory) {
  Lingering lingering;
  {
    RawPeer peer(shm_path());
    OfferBytes offer;
    ASSERT_TRUE(peer.Send(offer.Encode(), {lingering.fd()}));
    lingering.LetGo();
    EXPECT_THAT(NextError(), HasSubstr("is no memory"));
  }
  ExpectOthersAreServed();
  lingering.Release();
}

}  // namespace
}  // namespace nigh::testing
