// Buffers that a program fills once, and that many read where they are.

#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/mutex.h"
#include "nigh/nigh.h"
#include "nigh/runtime/call/shared_memory.h"
#include "tests/attachments/album.nigh.h"
#include "tests/attachments/place.h"
#include "tests/support/temporary_folder.h"

namespace nigh::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr size_t kSize = 200'000;

SharedBuffer Filled(char fill, size_t size = kSize) {
  absl::StatusOr<SharedBuffer> buffer = SharedBuffer::Create(size);
  EXPECT_EQ(buffer.status(), absl::OkStatus());
  std::memset(buffer->bytes().data(), fill, buffer->size());
  return *std::move(buffer);
}

Page PageOf(int number) {
  Page page;
  page.set_number(number);
  return page;
}

// Notes where attachments are, and keeps them if it is told to.
class Viewer final : public Album::Service {
 public:
  void Keep(bool keeps) {
    MutexLock lock(mutex_);
    keeps_ = keeps;
  }
  std::vector<Attachment> TakeKept() {
    MutexLock lock(mutex_);
    return std::exchange(kept_, {});
  }
  std::string place() {
    MutexLock lock(mutex_);
    return place_;
  }
  // Goes with each reply from now on.
  void Show(Attachment attachment) {
    MutexLock lock(mutex_);
    shows_ = std::move(attachment);
  }

 private:
  absl::Status Show(ServerContext& context, const Page& request, Page* reply) override {
    *reply = request;
    Look(context);
    return absl::OkStatus();
  }
  absl::Status Turn(ServerContext& context, ServerStream<Page, Page>& stream) override {
    while (const std::optional<Page> page = stream.Read()) {
      Look(context);
      if (!stream.Write(*page)) break;
    }
    return absl::OkStatus();
  }
  void Look(ServerContext& context) {
    MutexLock lock(mutex_);
    place_ = PlaceOf(context.attachment().bytes().data());
    if (keeps_) kept_.push_back(context.attachment());
    context.SetAttachment(shows_);
  }

  Mutex mutex_;
  bool keeps_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Attachment> kept_ ABSL_GUARDED_BY(mutex_);
  std::string place_ ABSL_GUARDED_BY(mutex_);
  Attachment shows_ ABSL_GUARDED_BY(mutex_);
};

// A server of a viewer, and a channel to it.
struct Screen {
  Viewer viewer;
  Server server;
  std::shared_ptr<Channel> channel;

  explicit Screen(const ServerOptions& options) : server(options) {}
};

class SharedBufferTest : public ::testing::TestWithParam<const char*> {
 protected:
  static ServerOptions Serving(bool shares) { return {.limits = {.shares_memory = shares}}; }
  static ChannelOptions Calling(bool shares) { return {.limits = {.shares_memory = shares}}; }

  std::unique_ptr<Screen> Open(const ServerOptions& serving = Serving(true),
                               const ChannelOptions& calling = Calling(true)) {
    auto screen = std::make_unique<Screen>(serving);
    screen->server.Register(screen->viewer);
    const std::string address =
        absl::StrCat(GetParam(), folder_.PathOf(absl::StrCat("screen", ++screens_)));
    EXPECT_EQ(screen->server.Listen(address), absl::OkStatus());
    EXPECT_EQ(screen->server.Start(), absl::OkStatus());
    screen->channel = Dial(address, calling).value();
    // By now each side has the page of the other.
    ClientContext context;
    EXPECT_EQ(Send(*screen, Attachment(), context), absl::OkStatus());
    return screen;
  }
  static absl::Status Send(Screen& screen, Attachment attachment, ClientContext& context,
                           int number = 1) {
    context.SetAttachment(std::move(attachment));
    Page reply;
    const absl::Status status = Album::Stub(screen.channel).Show(context, PageOf(number), &reply);
    EXPECT_TRUE(!status.ok() || reply.number() == number);
    return status;
  }
  static absl::Status Send(Screen& screen, Attachment attachment) {
    ClientContext context;
    return Send(screen, std::move(attachment), context);
  }
  // What a handler has had, it lets go of after its reply.
  static bool BecomesFree(const SharedBuffer& buffer) {
    const int64_t patience = SteadyNanos() + 30'000'000'000;
    while (!buffer.IsFree()) {
      if (SteadyNanos() > patience) return false;
      std::this_thread::yield();
    }
    return true;
  }

  const TemporaryFolder folder_;
  int screens_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Over, SharedBufferTest, ::testing::Values("local:", "shm:", "unix:"),
                         [](const auto& info) {
                           return std::string(info.param, std::string(info.param).size() - 1);
                         });

TEST_P(SharedBufferTest, IsFilledOnceForManyReceivers) {
  const std::unique_ptr<Screen> one = Open();
  const std::unique_ptr<Screen> two = Open();
  const SharedBuffer buffer = Filled('a');
  EXPECT_TRUE(buffer.IsFree());
  const std::string place = PlaceOf(buffer.bytes().data());
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(BecomesFree(buffer));
    std::memset(buffer.bytes().data(), 'a' + round, buffer.size());
    for (Screen* const screen : {one.get(), two.get()}) {
      screen->viewer.Keep(true);
      ASSERT_EQ(Send(*screen, buffer.Share()), absl::OkStatus());
      EXPECT_EQ(screen->viewer.place(), place);
    }
    EXPECT_FALSE(buffer.IsFree());
    for (Screen* const screen : {one.get(), two.get()}) {
      const std::vector<Attachment> kept = screen->viewer.TakeKept();
      ASSERT_EQ(kept.size(), 1U);
      EXPECT_EQ(kept[0].text(), std::string(kSize, static_cast<char>('a' + round)));
    }
  }
}

TEST_P(SharedBufferTest, IsFreeOnceTheLastHasLetGo) {
  const std::unique_ptr<Screen> screen = Open();
  const SharedBuffer buffer = Filled('a');
  std::optional<Attachment> here = buffer.Share(10);
  EXPECT_EQ(here->text(), "aaaaaaaaaa");
  EXPECT_FALSE(buffer.IsFree());
  screen->viewer.Keep(true);
  ASSERT_EQ(Send(*screen, buffer.Share()), absl::OkStatus());
  ASSERT_EQ(Send(*screen, buffer.Share(20'000)), absl::OkStatus());
  here.reset();
  EXPECT_FALSE(buffer.IsFree());
  std::vector<Attachment> kept = screen->viewer.TakeKept();
  EXPECT_EQ(kept[1].size(), 20'000U);
  std::thread lets_go([&] { kept.pop_back(); });
  lets_go.join();
  EXPECT_FALSE(buffer.IsFree());
  kept.clear();
  EXPECT_TRUE(BecomesFree(buffer));
}

TEST_P(SharedBufferTest, GoesWithRepliesAndInStreams) {
  const std::unique_ptr<Screen> screen = Open();
  const SharedBuffer buffer = Filled('r');
  const SharedBuffer asks = Filled('q');
  screen->viewer.Show(buffer.Share());
  ClientContext context;
  ASSERT_EQ(Send(*screen, Attachment(), context), absl::OkStatus());
  EXPECT_EQ(PlaceOf(context.attachment().bytes().data()), PlaceOf(buffer.bytes().data()));
  {
    ClientContext streamed;
    auto stream = Album::Stub(screen->channel).Turn(streamed);
    for (int i = 0; i < 5; ++i) {
      streamed.SetAttachment(asks.Share());
      ASSERT_TRUE(stream.Write(PageOf(i)));
      ASSERT_TRUE(stream.Read().has_value());
      EXPECT_EQ(streamed.attachment().text(), std::string(kSize, 'r'));
      EXPECT_EQ(screen->viewer.place(), PlaceOf(asks.bytes().data()));
    }
    EXPECT_EQ(stream.Finish(), absl::OkStatus());
  }
  EXPECT_TRUE(BecomesFree(asks));
  screen->viewer.Show(Attachment());
  EXPECT_FALSE(buffer.IsFree()) << "the first context has it";
}

TEST_P(SharedBufferTest, IsCopiedUnlessBothSidesShare) {
  for (const auto& [server, client] : {std::pair(true, false), std::pair(false, true)}) {
    const std::unique_ptr<Screen> screen = Open(Serving(server), Calling(client));
    const SharedBuffer buffer = Filled('a');
    screen->viewer.Keep(true);
    ASSERT_EQ(Send(*screen, buffer.Share()), absl::OkStatus());
    EXPECT_NE(screen->viewer.place(), PlaceOf(buffer.bytes().data()));
    EXPECT_TRUE(BecomesFree(buffer));
    EXPECT_EQ(screen->viewer.TakeKept().at(0).text(), std::string(kSize, 'a'));
  }
}

TEST_P(SharedBufferTest, IsFreeWhenTheConnectionHasEnded) {
  std::unique_ptr<Screen> screen = Open();
  const SharedBuffer buffer = Filled('a');
  screen->viewer.Keep(true);
  ASSERT_EQ(Send(*screen, buffer.Share()), absl::OkStatus());
  EXPECT_FALSE(buffer.IsFree());
  screen->channel.reset();
  EXPECT_TRUE(BecomesFree(buffer));
  // Whoever has it still may look at it.
  EXPECT_EQ(screen->viewer.TakeKept().at(0).text(), std::string(kSize, 'a'));
}

TEST_P(SharedBufferTest, IsGivenBackByWhoeverDoesNotTakeIt) {
  const std::unique_ptr<Screen> screen = Open();
  const SharedBuffer buffer = Filled('a');
  struct Refused {
    const char* method;
    const char* request;
    absl::StatusCode code;
  };
  for (const Refused& call :
       {Refused{"/nigh.testing.Album/Burn", "", absl::StatusCode::kUnimplemented},
        Refused{"/nigh.testing.Album/Show", "no message", absl::StatusCode::kInternal}}) {
    ClientContext context;
    context.SetAttachment(buffer.Share());
    std::string reply;
    EXPECT_EQ(GenericStub(screen->channel).Call(context, call.method, call.request, &reply).code(),
              call.code);
    context.SetAttachment(Attachment());
    EXPECT_TRUE(BecomesFree(buffer));
  }
}

TEST_P(SharedBufferTest, ThoseThatAreNoMoreMakeRoomForOthers) {
  const std::unique_ptr<Screen> screen = Open();
  std::vector<SharedBuffer> buffers;
  for (uint32_t i = 0; i < kMostMemories + 3; ++i) {
    buffers.push_back(Filled('a', 20'000));
    ASSERT_EQ(Send(*screen, buffers.back().Share()), absl::OkStatus());
    const bool in_place = screen->viewer.place() == PlaceOf(buffers.back().bytes().data());
    EXPECT_EQ(in_place, i < kMostMemories) << i;
  }
  for (const SharedBuffer& buffer : buffers) EXPECT_TRUE(BecomesFree(buffer));
  buffers.erase(buffers.begin() + 10, buffers.end());
  for (int i = 0; i < 3; ++i) {
    const SharedBuffer buffer = Filled('b', 20'000);
    screen->viewer.Keep(true);
    ASSERT_EQ(Send(*screen, buffer.Share()), absl::OkStatus());
    EXPECT_EQ(screen->viewer.place(), PlaceOf(buffer.bytes().data()));
    EXPECT_FALSE(buffer.IsFree());
    EXPECT_EQ(screen->viewer.TakeKept().at(0).text(), std::string(20'000, 'b'));
    EXPECT_TRUE(BecomesFree(buffer));
  }
}

TEST_P(SharedBufferTest, ThreadsShareOneAtOnce) {
  const std::unique_ptr<Screen> screen = Open();
  const SharedBuffer buffer = Filled('a');
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) ASSERT_EQ(Send(*screen, buffer.Share()), absl::OkStatus());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(BecomesFree(buffer));
}

TEST(SharedBuffer, OverMediaWithoutDescriptorsIsCopied) {
  Server server(ServerOptions{.limits = {.shares_memory = true}});
  Viewer viewer;
  server.Register(viewer);
  ASSERT_EQ(server.Listen("tcp://127.0.0.1:0"), absl::OkStatus());
  ASSERT_EQ(server.Start(), absl::OkStatus());
  const auto channel =
      Dial(server.addresses().front(), ChannelOptions{.limits = {.shares_memory = true}}).value();
  const SharedBuffer buffer = Filled('a');
  viewer.Keep(true);
  ClientContext context;
  context.SetAttachment(buffer.Share());
  Page reply;
  ASSERT_EQ(Album::Stub(channel).Show(context, PageOf(1), &reply), absl::OkStatus());
  EXPECT_EQ(viewer.TakeKept().at(0).text(), std::string(kSize, 'a'));
}

TEST(SharedBuffer, OfNothingOrOfTooMuchIsNone) {
  for (const size_t size : {size_t{0}, (size_t{1} << 30) + 1, SIZE_MAX}) {
    EXPECT_EQ(SharedBuffer::Create(size).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace nigh::testing
