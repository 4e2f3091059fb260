// Attachments in each way to make a call and to serve one, and in calls that are made again.

#include <atomic>
#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/nigh.h"
#include "tests/attachments/album.nigh.h"
#include "tests/support/temporary_folder.h"

namespace nigh::testing {
namespace {

using ::testing::ElementsAre;

// One that is short, and one that is longer than a frame of any medium.
constexpr size_t kSizes[] = {100, 300'000};

Page PageOf(int number) {
  Page page;
  page.set_number(number);
  return page;
}

Attachment Letters(size_t size) {
  std::string letters(size, 'a');
  for (size_t i = 0; i < size; ++i) letters[i] = static_cast<char>('a' + i % 23);
  return Attachment::Copy(letters);
}

class AlbumService final : public Album::Service {
 public:
  // So many calls fail before one succeeds.
  std::atomic<int> failures = 0;

 private:
  absl::Status Show(ServerContext& context, const Page& request, Page* reply) override {
    if (failures.fetch_sub(1) > 0) return absl::UnavailableError("not yet");
    *reply = request;
    context.SetAttachment(context.attachment());
    return absl::OkStatus();
  }
  absl::Status Turn(ServerContext& context, ServerStream<Page, Page>& stream) override {
    if (failures.fetch_sub(1) > 0) {
      for (int i = 0; i < 2; ++i) (void)stream.Read();
      return absl::UnavailableError("not yet");
    }
    while (const std::optional<Page> page = stream.Read()) {
      context.SetAttachment(context.attachment());
      if (!stream.Write(*page)) break;
    }
    return absl::OkStatus();
  }
};

class CoAlbumService final : public Album::CoService {
  Task<absl::Status> Show(ServerContext& context, const Page& request, Page* reply) override {
    *reply = request;
    context.SetAttachment(context.attachment());
    co_return absl::OkStatus();
  }
  Task<absl::Status> Turn(ServerContext& context, CoServerStream<Page, Page>& stream) override {
    while (const std::optional<Page> page = co_await stream.Read()) {
      context.SetAttachment(context.attachment());
      const bool written = co_await stream.Write(*page);
      if (!written) break;
    }
    co_return absl::OkStatus();
  }
};

// Passes calls on without knowing their types.
class Proxy final : public GenericService {
 public:
  explicit Proxy(std::shared_ptr<Channel> channel) : stub_(std::move(channel)) {}

 private:
  absl::Status Handle(ServerContext& context, GenericServerStream& stream) override {
    ClientContext onward(context);
    if (const std::optional<std::string> request = stream.SoleRequest()) {
      onward.SetAttachment(context.attachment());
      auto replies = stub_.CallServerStreaming(onward, context.method(), *request);
      while (const std::optional<std::string> reply = replies.Read()) {
        context.SetAttachment(onward.attachment());
        if (!stream.Write(*reply)) break;
      }
      return replies.Finish();
    }
    auto calls = stub_.CallBidiStreaming(onward, context.method());
    while (const std::optional<std::string> request = stream.Read()) {
      onward.SetAttachment(context.attachment());
      if (!calls.Write(*request)) break;
      const std::optional<std::string> reply = calls.Read();
      if (!reply.has_value()) break;
      context.SetAttachment(onward.attachment());
      if (!stream.Write(*reply)) break;
    }
    return calls.Finish();
  }

  const GenericStub stub_;
};

class Ways : public ::testing::TestWithParam<const char*> {
 protected:
  template <class Service>
  std::shared_ptr<Channel> Serve(Service& service, ServerOptions server_options = {},
                                 ChannelOptions options = {}) {
    Server& server = *servers_.emplace_back(std::make_unique<Server>(std::move(server_options)));
    if constexpr (std::is_base_of_v<GenericService, Service>) {
      server.RegisterFallback(service);
    } else {
      server.Register(service);
    }
    const std::string address =
        absl::StrCat(GetParam(), folder_.PathOf(absl::StrCat("server", servers_.size())));
    EXPECT_EQ(server.Listen(address), absl::OkStatus());
    EXPECT_EQ(server.Start(), absl::OkStatus());
    return Dial(address, std::move(options)).value();
  }

  static void ExpectEchoes(const Album::Stub& stub) {
    for (const size_t size : kSizes) {
      ClientContext context;
      context.SetAttachment(Letters(size));
      Page reply;
      ASSERT_EQ(stub.Show(context, PageOf(7), &reply), absl::OkStatus());
      EXPECT_EQ(reply.number(), 7);
      EXPECT_TRUE(context.attachment().text() == Letters(size).text());
      ExpectStreamed(stub, size);
    }
  }
  static void ExpectStreamed(const Album::Stub& stub, size_t size) {
    ClientContext context;
    auto stream = stub.Turn(context);
    for (int i = 0; i < 3; ++i) {
      context.SetAttachment(Letters(size + i));
      EXPECT_TRUE(stream.Write(PageOf(i)));
      const std::optional<Page> page = stream.Read();
      ASSERT_TRUE(page.has_value()) << stream.Finish();
      EXPECT_EQ(page->number(), i);
      EXPECT_TRUE(context.attachment().text() == Letters(size + i).text());
    }
    EXPECT_EQ(stream.Finish(), absl::OkStatus());
  }

  const TemporaryFolder folder_;
  AlbumService service_;
  std::vector<std::unique_ptr<Server>> servers_;
};
INSTANTIATE_TEST_SUITE_P(Over, Ways, ::testing::Values("local:", "shm:", "unix:"),
                         [](const auto& info) {
                           return std::string(info.param, std::string(info.param).size() - 1);
                         });

TEST_P(Ways, HandlersThatBlock) { ExpectEchoes(Album::Stub(Serve(service_))); }

TEST_P(Ways, HandlersThatAreCoroutines) {
  CoAlbumService service;
  ExpectEchoes(Album::Stub(Serve(service)));
  servers_.clear();
}

TEST_P(Ways, HandlersOfBytes) {
  Proxy proxy(Serve(service_));
  ExpectEchoes(Album::Stub(Serve(proxy)));
  servers_.pop_back();
}

TEST_P(Ways, CallersOfBytes) {
  const GenericStub stub(Serve(service_));
  for (const size_t size : kSizes) {
    ClientContext context;
    context.SetAttachment(Letters(size));
    std::string reply;
    const std::string request = PageOf(3).SerializeAsString();
    ASSERT_EQ(stub.Call(context, "/nigh.testing.Album/Show", request, &reply), absl::OkStatus());
    EXPECT_EQ(reply, request);
    EXPECT_TRUE(context.attachment().text() == Letters(size).text());
  }
}

TEST_P(Ways, CallersThatAreCalledBack) {
  Album::Stub stub(Serve(service_));
  for (const size_t size : kSizes) {
    ClientContext context;
    context.SetAttachment(Letters(size));
    Page reply;
    std::promise<absl::Status> end;
    stub.AsyncShow(context, PageOf(1), &reply,
                   [&](const absl::Status& status) { end.set_value(status); });
    EXPECT_EQ(end.get_future().get(), absl::OkStatus());
    EXPECT_TRUE(context.attachment().text() == Letters(size).text());
  }
}

TEST_P(Ways, StreamsThatAreCalledBack) {
  Album::Stub stub(Serve(service_));
  ClientContext context;
  auto stream = stub.AsyncTurn(context);
  Page reply;
  int count = 0;
  std::promise<absl::Status> end;
  std::function<void()> next = [&] {
    context.SetAttachment(Letters(50'000 * count + 1));
    stream.Write(PageOf(count), [&](bool ok) {
      EXPECT_TRUE(ok);
      stream.Read(&reply, [&](bool read) {
        EXPECT_TRUE(read);
        EXPECT_EQ(reply.number(), count);
        EXPECT_TRUE(context.attachment().text() == Letters(50'000 * count + 1).text());
        if (++count < 10) return next();
        EXPECT_TRUE(stream.WritesDone());
        stream.Finish([&](const absl::Status& status) { end.set_value(status); });
      });
    });
  };
  next();
  EXPECT_EQ(end.get_future().get(), absl::OkStatus());
}

Task<absl::Status> ShowAndTurn(Album::Stub& stub, size_t size) {
  ClientContext context;
  context.SetAttachment(Letters(size));
  const Page page = PageOf(5);
  const absl::StatusOr<Page> reply = co_await stub.CoShow(context, page);
  if (!reply.ok()) co_return reply.status();
  EXPECT_TRUE(context.attachment().text() == Letters(size).text());
  ClientContext streamed;
  auto stream = stub.CoTurn(streamed);
  for (int i = 0; i < 3; ++i) {
    streamed.SetAttachment(Letters(size + i));
    const bool written = co_await stream.Write(page);
    EXPECT_TRUE(written);
    const std::optional<Page> turned = co_await stream.Read();
    EXPECT_TRUE(turned.has_value());
    EXPECT_TRUE(streamed.attachment().text() == Letters(size + i).text());
  }
  const absl::Status end = co_await stream.Finish();
  co_return end;
}

TEST_P(Ways, CallersThatAreCoroutines) {
  Album::Stub stub(Serve(service_));
  for (const size_t size : kSizes) {
    EXPECT_EQ(BlockOn(ShowAndTurn(stub, size)), absl::OkStatus());
  }
}

// Notes what it sees.
template <class Call>
class Scales final : public Interceptor<Call> {
 public:
  explicit Scales(std::vector<size_t>& seen) : seen_(seen) {}
  absl::Status OnSend(Call&, const MessageView& message) override {
    seen_.push_back(message.attachment);
    return absl::OkStatus();
  }
  absl::Status OnReceive(Call&, const MessageView& message) override {
    seen_.push_back(message.attachment + 1);
    return absl::OkStatus();
  }

 private:
  std::vector<size_t>& seen_;
};

TEST_P(Ways, InterceptorsSeeTheirSize) {
  std::vector<size_t> server;
  std::vector<size_t> client;
  ServerOptions server_options;
  server_options.interceptors = {std::make_shared<Scales<InterceptedServerCall>>(server)};
  ChannelOptions options;
  options.interceptors = {std::make_shared<Scales<InterceptedClientCall>>(client)};
  const Album::Stub stub(Serve(service_, std::move(server_options), std::move(options)));
  ClientContext context;
  context.SetAttachment(Letters(100));
  Page reply;
  ASSERT_EQ(stub.Show(context, PageOf(1), &reply), absl::OkStatus());
  ClientContext without;
  ASSERT_EQ(stub.Show(without, PageOf(1), &reply), absl::OkStatus());
  servers_.clear();
  EXPECT_THAT(client, ElementsAre(100, 101, 0, 1));
  EXPECT_THAT(server, ElementsAre(101, 100, 1, 0));
}

TEST_P(Ways, ACallThatIsMadeAgainBringsItAgain) {
  ChannelOptions options;
  options.retry.codes = {absl::StatusCode::kUnavailable};
  options.retry.min_backoff = absl::Milliseconds(1);
  Album::Stub stub(Serve(service_, {}, options));
  for (const size_t size : kSizes) {
    ClientContext context;
    context.SetAttachment(Letters(size));
    Page reply;
    service_.failures = 2;
    ASSERT_EQ(stub.Show(context, PageOf(1), &reply), absl::OkStatus());
    EXPECT_EQ(context.attempts(), 3);
    EXPECT_TRUE(context.attachment().text() == Letters(size).text());
  }
}

TEST_P(Ways, AStreamThatIsMadeAgainBringsThemAgain) {
  ChannelOptions options;
  options.retry.codes = {absl::StatusCode::kUnavailable};
  options.retry.min_backoff = absl::Milliseconds(1);
  Album::Stub stub(Serve(service_, {}, options));
  service_.failures = 2;
  ClientContext context;
  auto stream = stub.Turn(context);
  for (int i = 0; i < 2; ++i) {
    context.SetAttachment(Letters(50'000 * i + 100));
    ASSERT_TRUE(stream.Write(PageOf(i)));
  }
  for (int i = 0; i < 2; ++i) {
    const std::optional<Page> page = stream.Read();
    ASSERT_TRUE(page.has_value());
    EXPECT_EQ(page->number(), i);
    EXPECT_TRUE(context.attachment().text() == Letters(50'000 * i + 100).text());
  }
  EXPECT_EQ(stream.Finish(), absl::OkStatus());
  EXPECT_EQ(context.attempts(), 3);
}

}  // namespace
}  // namespace nigh::testing
