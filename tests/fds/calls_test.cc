// Descriptors in the messages of calls of each kind, over each medium that carries them; and that
// those which cannot say so before anything is sent.
//
// Over 500 lines: what is tested over every medium is one program.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "nigh/channel.h"
#include "nigh/fd.pb.h"
#include "nigh/message_extras.h"
#include "nigh/nigh.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/unique_fd.h"
#include "tests/async/echo.h"
#include "tests/contract/subject.h"
#include "tests/fds/vault.h"
#include "tests/support/descriptors.h"

namespace nigh::testing {
namespace {

using Texts = std::vector<std::string>;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

bool Carries() {
  static const std::set<std::string>& those = *new std::set<std::string>{
      "inproc", "local", "local_socket", "shm", "trickle_unix", "unix", "unix_abstract"};
  const std::string name = TheSubject().name;
  return those.contains(name) || name.rfind("shm_", 0) == 0;
}

// A server, a channel, and at the end a count of the descriptors that are left.
class FdsTest : public ::testing::Test {
 protected:
  void SetUp() override { before_ = OpenDescriptors(); }
  void TearDown() override {
    channel_.reset();
    server_.reset();
    // It still has the channel's session, perhaps; and what it had, it has let go of before it runs
    // a later task.
    while (poller_->load() != 0) std::this_thread::yield();
    Event idle;
    poller_->Post(nullptr, [&idle] { idle.Happen(); });
    idle.Await();
    EXPECT_EQ(OpenDescriptors(), before_);
  }

  void Serve(ServerOptions options = {}) {
    server_.emplace(vault_, FreshAddress().ToString(), std::move(options));
  }
  Vault::Stub Stub(ChannelOptions options = {}) {
    if (!server_.has_value()) Serve();
    channel_ = server_->Dial(options);
    return Vault::Stub(channel_);
  }

  VaultService vault_;
  std::optional<EchoServer> server_;
  std::shared_ptr<Channel> channel_;

 private:
  // Which has descriptors of its own, and would end in its own time.
  const std::shared_ptr<Poller> poller_ = SharedPoller();
  int before_ = 0;
};

class CarriedTest : public FdsTest {
 protected:
  void SetUp() override {
    FdsTest::SetUp();
    if (!Carries()) GTEST_SKIP() << "see RefusedTest";
  }
};

TEST_F(CarriedTest, UnaryCallsSendAndReceiveFiles) {
  const Vault::Stub stub = Stub();
  for (int i = 0; i < 3; ++i) {
    ClientContext context;
    Parcel reply;
    const Parcel request = PackFiles(context, {absl::StrCat("one ", i), "two"});
    ASSERT_EQ(stub.Unary(context, request, &reply), absl::OkStatus());
    const absl::StatusOr<Texts> texts = UnpackFiles(context, reply);
    ASSERT_EQ(texts.status(), absl::OkStatus());
    EXPECT_THAT(*texts, ElementsAre(absl::StrCat("that of one ", i), "that of two"));
  }
}

TEST_F(CarriedTest, CallsWithoutAnyGoOn) {
  const Vault::Stub stub = Stub();
  Note note;
  note.set_text("nothing");
  for (int i = 0; i < 3; ++i) {
    ClientContext context;
    Parcel reply;
    EXPECT_EQ(stub.Unary(context, Parcel(), &reply), absl::OkStatus());
    EXPECT_EQ(reply.files_size(), 0);
    const absl::StatusOr<Note> plain = stub.Plain(note);
    ASSERT_EQ(plain.status(), absl::OkStatus());
    EXPECT_EQ(plain->text(), "nothing");
  }
}

TEST_F(CarriedTest, LongMessagesBringThemToo) {
  const Vault::Stub stub = Stub();
  ClientContext context;
  Parcel request = PackFiles(context, {"long"});
  request.set_padding(std::string(TheSubject().slow ? 70'000 : 1'000'000, 'x'));
  Parcel reply;
  ASSERT_EQ(stub.Unary(context, request, &reply), absl::OkStatus());
  EXPECT_EQ(reply.padding(), request.padding());
  EXPECT_THAT(UnpackFiles(context, reply).value(), ElementsAre("that of long"));
}

TEST_F(CarriedTest, MetadataGoAlong) {
  const Vault::Stub stub = Stub();
  ClientContext context;
  context.AddMetadata("key", std::string(1000, 'v'));
  Parcel reply;
  ASSERT_EQ(stub.Unary(context, PackFiles(context, {"file"}), &reply), absl::OkStatus());
  EXPECT_THAT(UnpackFiles(context, reply).value(), ElementsAre("that of file"));
}

TEST_F(CarriedTest, StreamedRequestsBringFiles) {
  const Vault::Stub stub = Stub();
  ClientContext context;
  auto requests = stub.Requests(context);
  EXPECT_TRUE(requests.Write(PackFiles(context, {"one"})));
  EXPECT_TRUE(requests.Write(PackFiles(context, {})));
  EXPECT_TRUE(requests.Write(PackFiles(context, {"two", "three"})));
  const absl::StatusOr<Parcel> reply = requests.Finish();
  ASSERT_EQ(reply.status(), absl::OkStatus());
  EXPECT_THAT(UnpackFiles(context, *reply).value(),
              ElementsAre("that of one", "that of two", "that of three"));
}

TEST_F(CarriedTest, StreamedRepliesBringFiles) {
  const Vault::Stub stub = Stub();
  ClientContext context;
  auto replies = stub.Replies(context, PackFiles(context, {"one", "two", "three"}));
  Texts all;
  while (const std::optional<Parcel> reply = replies.Read()) {
    const absl::StatusOr<Texts> texts = UnpackFiles(context, *reply);
    ASSERT_EQ(texts.status(), absl::OkStatus());
    all.insert(all.end(), texts->begin(), texts->end());
  }
  EXPECT_EQ(replies.Finish(), absl::OkStatus());
  EXPECT_THAT(all, ElementsAre("that of one", "that of two", "that of three"));
}

TEST_F(CarriedTest, EachMessageOfTwoStreamsHasItsOwn) {
  const Vault::Stub stub = Stub();
  ClientContext context;
  auto stream = stub.Both(context);
  for (int i = 0; i < 20; ++i) {
    Parcel request = PackFiles(context, Texts(i % 3, absl::StrCat("file ", i)));
    request.set_padding(std::string(i % 2 == 0 ? 0 : 1000 * i, 'x'));
    ASSERT_TRUE(stream.Write(request));
    const std::optional<Parcel> reply = stream.Read();
    ASSERT_TRUE(reply.has_value());
    const absl::StatusOr<Texts> texts = UnpackFiles(context, *reply);
    ASSERT_EQ(texts.status(), absl::OkStatus());
    EXPECT_EQ(*texts, Texts(i % 3, absl::StrCat("that of file ", i)));
  }
  EXPECT_TRUE(stream.WritesDone());
  EXPECT_EQ(stream.Finish(), absl::OkStatus());
}

TEST_F(CarriedTest, CallbacksAndCoroutinesTakeThemFromTheirContexts) {
  const Vault::Stub stub = Stub();
  ClientContext context;
  Parcel reply;
  Slot<absl::Status> done;
  const Parcel request = PackFiles(context, {"called back"});
  stub.AsyncUnary(context, request, &reply, done.Setter());
  ASSERT_EQ(done.Get(), absl::OkStatus());
  EXPECT_THAT(UnpackFiles(context, reply).value(), ElementsAre("that of called back"));
}

// Passes on whatever there is, in order.
void PassOn(MessageExtras& from, MessageExtras& to) {
  for (uint32_t number = 1;; ++number) {
    Fd fd;
    fd.set_number(number);
    absl::StatusOr<UniqueFd> next = from.Take(fd, kAllFds);
    if (!next.ok()) return;
    (void)to.Attach(*std::move(next));
  }
}

class Proxy final : public GenericService {
 public:
  explicit Proxy(std::shared_ptr<Channel> channel) : stub_(std::move(channel), Fds::kInBoth) {}
  Fds fds() const override { return Fds::kInBoth; }
  absl::Status Handle(ServerContext& context, GenericServerStream& stream) override {
    ClientContext onward(context);
    const std::optional<std::string> request = stream.SoleRequest();
    if (!request.has_value()) return absl::UnimplementedError("a stream");
    PassOn(context, onward);
    auto replies = stub_.CallServerStreaming(onward, context.method(), *request);
    while (const std::optional<std::string> reply = replies.Read()) {
      PassOn(onward, context);
      if (!stream.Write(*reply)) break;
    }
    return replies.Finish();
  }

 private:
  const GenericStub stub_;
};

TEST_F(CarriedTest, AProxyPassesThemOnWithBytes) {
  Serve();
  Proxy proxy(server_->Dial());
  ServerOptions options;
  options.transports = TransportTable(&TheSubject().transport, 1);
  Server front(options);
  front.RegisterFallback(proxy);
  ASSERT_EQ(front.Listen(FreshAddress().ToString()), absl::OkStatus());
  ASSERT_EQ(front.Start(), absl::OkStatus());
  {
    const Vault::Stub stub(
        nigh::Dial(front.addresses().front(), OnSubject(ChannelOptions())).value());
    ClientContext context;
    Parcel reply;
    ASSERT_EQ(stub.Unary(context, PackFiles(context, {"one", "two"}), &reply), absl::OkStatus());
    EXPECT_THAT(UnpackFiles(context, reply).value(), ElementsAre("that of one", "that of two"));
  }
  front.Shutdown(absl::ZeroDuration());
}

TEST_F(CarriedTest, CallsAtOnceDoNotMixTheirs) {
  const Vault::Stub stub = Stub();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&stub, t] {
      for (int i = 0; i < 20; ++i) {
        const std::string text = absl::StrCat("file ", i, " of ", t);
        ClientContext context;
        Parcel reply;
        Parcel request = PackFiles(context, {text, text});
        request.set_padding(std::string(i * 3000, 'x'));
        ASSERT_EQ(stub.Unary(context, request, &reply), absl::OkStatus());
        ASSERT_THAT(UnpackFiles(context, reply).value(),
                    ElementsAre("that of " + text, "that of " + text));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(CarriedTest, WhatIsNotTakenIsClosed) {
  const Vault::Stub stub = Stub();
  ClientContext context;
  vault_.release.Happen();
  Note reply;
  EXPECT_EQ(stub.Keep(context, PackFiles(context, {"one", "two"}), &reply), absl::OkStatus());
  ClientContext other;
  Parcel untaken;
  EXPECT_EQ(stub.Unary(other, PackFiles(other, {"three"}), &untaken), absl::OkStatus());
}

TEST_F(CarriedTest, WhatIsTakenTwiceOrIsNotThereIsAnError) {
  const Vault::Stub stub = Stub();
  ClientContext context;
  Parcel reply;
  ASSERT_EQ(stub.Unary(context, PackFiles(context, {"one"}), &reply), absl::OkStatus());
  const Fd file = reply.files(0).file();
  EXPECT_TRUE(context.Take(file).ok());
  EXPECT_EQ(context.Take(file).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(context.Take(Fd()).status().code(), absl::StatusCode::kInvalidArgument);
  Fd second;
  second.set_number(2);
  EXPECT_EQ(context.Take(second).status().code(), absl::StatusCode::kInvalidArgument);
}

// One of each kind, and whether it is taken by default.
TEST_F(CarriedTest, KindsAreTakenAsTheReceiverSays) {
  const Vault::Stub stub = Stub();
  const auto answer = [&](UniqueFd fd) {
    ClientContext context;
    Parcel request;
    Parcel reply;
    *request.add_files()->mutable_file() = context.Attach(std::move(fd));
    return stub.Unary(context, request, &reply);
  };
  const auto memory = [](int seals) {
    UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    EXPECT_EQ(::fcntl(fd.get(), F_ADD_SEALS, seals), 0);
    return fd;
  };
  std::array<int, 2> pipe;
  ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC | O_NONBLOCK), 0);
  const UniqueFd writes(pipe[1]);
  EXPECT_EQ(answer(UniqueFd(pipe[0])), absl::OkStatus());
  EXPECT_EQ(answer(UniqueFd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0))), absl::OkStatus());
  EXPECT_EQ(answer(memory(F_SEAL_SHRINK)), absl::OkStatus());
  const auto refused = [&](UniqueFd fd, const std::string& what) {
    ASSERT_TRUE(fd);
    const absl::Status status = answer(std::move(fd));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
  };
  refused(memory(0), "memory without F_SEAL_SHRINK");
  refused(memory(F_SEAL_GROW), "memory without F_SEAL_SHRINK");
  refused(UniqueFd(::open("/tmp", O_RDONLY | O_CLOEXEC)), "a directory");
  refused(UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)), "a device");
  refused(UniqueFd(::open("/dev/null", O_PATH | O_CLOEXEC)), "O_PATH");
  refused(UniqueFd(::eventfd(0, EFD_CLOEXEC)), "eventfd");
  refused(UniqueFd(::epoll_create1(EPOLL_CLOEXEC)), "eventpoll");
  refused(UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0))), "pid");
}

TEST_F(CarriedTest, AMessageHasAsManyAsTheReceiverAccepts) {
  ServerOptions options;
  options.limits.max_descriptors = 2;
  Serve(options);
  const Vault::Stub stub = Stub();
  const auto send = [&](int count) {
    ClientContext context;
    Parcel reply;
    return stub.Unary(context, PackFiles(context, Texts(count, "file")), &reply);
  };
  EXPECT_EQ(send(2), absl::OkStatus());
  const absl::Status refused = send(3);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("ServerOptions::limits.max_descriptors"));
  ClientContext context;
  auto stream = stub.Both(context);
  EXPECT_TRUE(stream.Write(PackFiles(context, {"one", "two"})));
  EXPECT_TRUE(stream.Read().has_value());
  EXPECT_FALSE(stream.Write(PackFiles(context, {"one", "two", "three"})));
  EXPECT_EQ(stream.Finish().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(CarriedTest, RepliesHaveAsManyAsTheClientAccepts) {
  ChannelOptions options;
  options.limits.max_descriptors = 1;
  const Vault::Stub stub = Stub(options);
  ClientContext context;
  Parcel reply;
  EXPECT_EQ(stub.Unary(context, PackFiles(context, {"one"}), &reply), absl::OkStatus());
  ClientContext other;
  const absl::Status refused = stub.Unary(other, PackFiles(other, {"one", "two"}), &reply);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("ChannelOptions::limits.max_descriptors"));
}

TEST_F(CarriedTest, AConnectionHasAsManyAsNobodyHasTaken) {
  ServerOptions options;
  options.limits.max_descriptors = 2;
  options.limits.max_untaken_descriptors = 3;
  Serve(options);
  const Vault::Stub stub = Stub();
  std::thread keeps([&] {
    ClientContext context;
    Note reply;
    EXPECT_EQ(stub.Keep(context, PackFiles(context, {"one", "two"}), &reply), absl::OkStatus());
  });
  vault_.kept.Await();
  ClientContext context;
  Parcel reply;
  const absl::Status refused = stub.Unary(context, PackFiles(context, {"one", "two"}), &reply);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("limits.max_untaken_descriptors"));
  AwaitClosings();
  ClientContext fits;
  EXPECT_EQ(stub.Unary(fits, PackFiles(fits, {"one"}), &reply), absl::OkStatus());
  vault_.release.Happen();
  keeps.join();
  AwaitClosings();
  ClientContext again;
  EXPECT_EQ(stub.Unary(again, PackFiles(again, {"one", "two"}), &reply), absl::OkStatus());
}

// A file that could not be opened, say.
TEST_F(CarriedTest, WhatIsNoDescriptorIsNotSentAndNothingElseFails) {
  const Vault::Stub stub = Stub();
  ClientContext context;
  Parcel request = PackFiles(context, {"one"});
  *request.add_files()->mutable_file() = context.Attach(UniqueFd());
  Parcel reply;
  const absl::Status refused = stub.Unary(context, request, &reply);
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("descriptor 2 of the message is none"));
  ClientContext other;
  EXPECT_EQ(stub.Unary(other, PackFiles(other, {"one"}), &reply), absl::OkStatus());
  EXPECT_EQ(other.received_fds(), 1U);
}

// What may have to be sent again is kept, but not all of a long stream.
TEST_F(CarriedTest, ALongStreamKeepsFewOpen) {
  const Vault::Stub stub = Stub();
  ClientContext context;
  auto requests = stub.Requests(context);
  int most = 0;
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(requests.Write(PackFiles(context, {"x"})));
    if (i % 100 == 99) most = std::max(most, OpenDescriptors());
  }
  EXPECT_LT(most, 400);
  // As many as all of them are too many for one reply.
  EXPECT_EQ(requests.Finish().status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(CarriedTest, ASideThatTakesNoneIsSentNone) {
  ServerOptions options;
  options.limits.max_descriptors = 0;
  Serve(options);
  const Vault::Stub stub = Stub();
  ClientContext context;
  Parcel reply;
  const absl::Status refused = stub.Unary(context, PackFiles(context, {"one"}), &reply);
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("the server takes no descriptors"));
}

TEST_F(CarriedTest, AMethodThatHasNoneInItsMessagesIsSentNone) {
  const Vault::Stub stub = Stub();
  ClientContext context;
  (void)context.Attach(FileOf("one"));
  Note reply;
  const absl::Status refused = stub.Plain(context, Note(), &reply);
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("no nigh.Fd"));
}

TEST_F(CarriedTest, AStubThatComesLaterGetsAConnectionThatTakesThem) {
  if (!server_.has_value()) Serve();
  channel_ = server_->Dial();
  ASSERT_EQ(channel_->WaitForReady(absl::InfiniteDuration()), absl::OkStatus());
  const Vault::Stub stub(channel_);
  ClientContext context;
  Parcel reply;
  ASSERT_EQ(stub.Unary(context, PackFiles(context, {"late"}), &reply), absl::OkStatus());
  EXPECT_THAT(UnpackFiles(context, reply).value(), ElementsAre("that of late"));
}

TEST_F(CarriedTest, ManyMessagesThatNobodyReadsYetKeepTheirs) {
  const Vault::Stub stub = Stub();
  ClientContext context;
  auto stream = stub.Both(context);
  constexpr int kMessages = 60;
  for (int i = 0; i < kMessages; ++i) {
    ASSERT_TRUE(stream.Write(PackFiles(context, {absl::StrCat(i)})));
  }
  EXPECT_TRUE(stream.WritesDone());
  for (int i = 0; i < kMessages; ++i) {
    const std::optional<Parcel> reply = stream.Read();
    ASSERT_TRUE(reply.has_value()) << stream.Finish();
    EXPECT_THAT(UnpackFiles(context, *reply).value(), ElementsAre(absl::StrCat("that of ", i)));
  }
  EXPECT_EQ(stream.Finish(), absl::OkStatus());
}

TEST_F(CarriedTest, ANewServerAtTheAddressGetsThem) {
  Serve();
  const std::string address = server_->address();
  const Vault::Stub stub = Stub();
  ClientContext first;
  Parcel reply;
  ASSERT_EQ(stub.Unary(first, PackFiles(first, {"warm"}), &reply), absl::OkStatus());
  server_.reset();
  server_.emplace(vault_, address);
  ClientContext context;
  context.set_wait_for_ready(true);
  ASSERT_EQ(stub.Unary(context, PackFiles(context, {"again"}), &reply), absl::OkStatus());
  EXPECT_THAT(UnpackFiles(context, reply).value(), ElementsAre("that of again"));
}

class RefusedTest : public FdsTest {
 protected:
  void SetUp() override {
    FdsTest::SetUp();
    if (Carries()) GTEST_SKIP() << "see CarriedTest";
  }
};

TEST_F(RefusedTest, NothingIsSentWhereTheMediumCarriesNone) {
  const Vault::Stub stub = Stub();
  ClientContext context;
  Parcel reply;
  const absl::Status unary = stub.Unary(context, PackFiles(context, {"one"}), &reply);
  EXPECT_EQ(unary.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(unary.message()), HasSubstr("carries no descriptors"));
  EXPECT_EQ(context.attempts(), 0);
  ClientContext streams;
  auto stream = stub.Both(streams);
  EXPECT_FALSE(stream.Write(PackFiles(streams, {"one"})));
  EXPECT_EQ(stream.Finish().code(), absl::StatusCode::kUnimplemented);
  ClientContext without;
  EXPECT_EQ(stub.Unary(without, Parcel(), &reply), absl::OkStatus());
}

}  // namespace
}  // namespace nigh::testing

int main(int argc, char** argv) {
  nigh::testing::ChooseSubject(&argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
