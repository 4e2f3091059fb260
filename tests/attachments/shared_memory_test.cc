// Attachments over shared memory: they lie where they were filled, for both sides, and do not move.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
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
#include "tests/attachments/album.nigh.h"
#include "tests/attachments/place.h"
#include "tests/support/temporary_folder.h"

namespace nigh::testing {
namespace {

using ::testing::HasSubstr;

constexpr size_t kMiB = size_t{1} << 20;

// What a server has met with.
struct Met {
  std::vector<std::string> places = {};  // of the requests' attachments
  std::vector<Attachment> kept = {};
  absl::Status allocated = {};
  std::string reply_place = {};
};

class AlbumService final : public Album::Service {
 public:
  void Keep() {
    MutexLock lock(mutex_);
    keeps_ = true;
  }
  // What has been met since the last time.
  Met Take() {
    MutexLock lock(mutex_);
    return std::exchange(met_, {});
  }

 private:
  absl::Status Show(ServerContext& context, const Page& request, Page* reply) override {
    *reply = request;
    // Calls of several threads are served at once.
    MutexLock lock(mutex_);
    met_.places.push_back(PlaceOf(context.attachment().bytes().data()));
    if (keeps_) met_.kept.push_back(context.attachment());
    absl::StatusOr<AttachmentBuffer> buffer =
        context.AllocateAttachment(context.attachment().size());
    met_.allocated = buffer.status();
    if (!buffer.ok()) return absl::OkStatus();
    std::memcpy(buffer->bytes().data(), context.attachment().bytes().data(), buffer->size());
    met_.reply_place = PlaceOf(buffer->bytes().data());
    context.SetAttachment(*std::move(buffer));
    return absl::OkStatus();
  }
  absl::Status Turn(ServerContext& context, ServerStream<Page, Page>& stream) override {
    while (const std::optional<Page> page = stream.Read()) {
      MutexLock lock(mutex_);
      met_.places.push_back(PlaceOf(context.attachment().bytes().data()));
    }
    return absl::OkStatus();
  }

  Mutex mutex_;
  bool keeps_ ABSL_GUARDED_BY(mutex_) = false;
  Met met_ ABSL_GUARDED_BY(mutex_);
};

class SharedMemory : public ::testing::Test {
 protected:
  void Serve(const std::string& parameters = "") {
    server_.Register(service_);
    const std::string address = absl::StrCat("shm:", folder_.PathOf("server"), parameters);
    ASSERT_EQ(server_.Listen(address), absl::OkStatus());
    ASSERT_EQ(server_.Start(), absl::OkStatus());
    channel_ = Dial(address).value();
    // Once it has answered, the server has this side's memory.
    ClientContext context;
    ASSERT_EQ(Show(context, Attachment()), absl::OkStatus());
    (void)service_.Take();
  }
  // Filled with `fill`.
  Attachment Filled(size_t size, char fill) {
    absl::StatusOr<AttachmentBuffer> buffer = channel_->AllocateAttachment(size);
    EXPECT_EQ(buffer.status(), absl::OkStatus());
    std::memset(buffer->bytes().data(), fill, size);
    return *std::move(buffer);
  }
  absl::Status Show(ClientContext& context, Attachment attachment) {
    context.SetAttachment(std::move(attachment));
    Page reply;
    return Album::Stub(channel_).Show(context, Page(), &reply);
  }

  const TemporaryFolder folder_;
  AlbumService service_;
  Server server_;
  std::shared_ptr<Channel> channel_;
};

TEST_F(SharedMemory, LieWhereTheyWereFilled) {
  Serve();
  ClientContext context;
  const Attachment attachment = Filled(kMiB, 'x');
  const std::string place = PlaceOf(attachment.bytes().data());
  EXPECT_THAT(place, ::testing::Not(HasSubstr(kPrivate)));
  ASSERT_EQ(Show(context, attachment), absl::OkStatus());
  // The same bytes of the same memory, read by the server, and then by the client.
  const Met met = service_.Take();
  EXPECT_EQ(met.places.back(), place);
  EXPECT_EQ(PlaceOf(context.attachment().bytes().data()), met.reply_place);
  EXPECT_EQ(context.attachment().text(), std::string(kMiB, 'x'));
  // And again, once the server has let go of them.
  ClientContext again;
  ASSERT_EQ(Show(again, attachment), absl::OkStatus());
  EXPECT_EQ(service_.Take().places.back(), place);
}

TEST_F(SharedMemory, InStreamsAsWell) {
  Serve();
  ClientContext context;
  auto stream = Album::Stub(channel_).Turn(context);
  std::vector<std::string> places;
  for (int i = 0; i < 5; ++i) {
    const Attachment attachment = Filled(100'000, 'x');
    places.push_back(PlaceOf(attachment.bytes().data()));
    context.SetAttachment(attachment);
    EXPECT_TRUE(stream.Write(Page()));
  }
  EXPECT_EQ(stream.Finish(), absl::OkStatus());
  server_.Shutdown(absl::InfiniteDuration());
  EXPECT_EQ(service_.Take().places, places);
}

TEST_F(SharedMemory, WhatIsSetIsCopiedOnceAndReceivedInPlace) {
  Serve();
  ClientContext context;
  ASSERT_EQ(Show(context, Attachment::Copy(std::string(kMiB, 'y'))), absl::OkStatus());
  EXPECT_THAT(service_.Take().places.back(), ::testing::Not(HasSubstr(kPrivate)));
  EXPECT_EQ(context.attachment().text(), std::string(kMiB, 'y'));
}

TEST_F(SharedMemory, TheOneThatReceivesForOthersDoesNotCopy) {
  Serve();
  // Threads receive for each other.
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 50; ++i) {
        ClientContext context;
        const char fill = static_cast<char>('a' + t);
        context.SetAttachment(Attachment::Copy(std::string(100'000, fill)));
        Page reply;
        ASSERT_EQ(Album::Stub(channel_).Show(context, Page(), &reply), absl::OkStatus());
        ASSERT_EQ(context.attachment().text(), std::string(100'000, fill));
        ASSERT_THAT(PlaceOf(context.attachment().bytes().data()),
                    ::testing::Not(HasSubstr(kPrivate)));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(SharedMemory, AFullRegionIsAnErrorThatNamesIt) {
  Serve("?bulk=4MiB");
  std::vector<Attachment> held;
  for (int i = 0; i < 3; ++i) held.push_back(Filled(kMiB, 'x'));
  const absl::Status full = channel_->AllocateAttachment(kMiB).status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(full.message()), HasSubstr("no room for 1048576 bytes in the 4194304"));
  EXPECT_THAT(std::string(full.message()), HasSubstr("bulk="));
  held.pop_back();
  EXPECT_EQ(channel_->AllocateAttachment(kMiB).status(), absl::OkStatus());
  // Messages go on, in pieces.
  ClientContext context;
  EXPECT_EQ(Show(context, Attachment::Copy(std::string(3 * kMiB, 'z'))), absl::OkStatus());
  EXPECT_EQ(context.attachment().text(), std::string(3 * kMiB, 'z'));
  // And the server hears of it in its turn.
  ClientContext other;
  EXPECT_EQ(Show(other, Attachment::Copy(std::string(5 * kMiB, 'z'))), absl::OkStatus());
  EXPECT_EQ(service_.Take().allocated.code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(SharedMemory, LongerOnesThanAreAcceptedAreNotAllocated) {
  Serve();
  const absl::Status refused = channel_->AllocateAttachment(65 * kMiB).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("where the server accepts 67108864"));
}

TEST_F(SharedMemory, WhoeverKeepsThemSlowsNobodyElseDown) {
  Serve("?bulk=4MiB");
  service_.Keep();
  for (int i = 0; i < 20; ++i) {
    const std::string text(500'000, static_cast<char>('a' + i));
    ClientContext context;
    ASSERT_EQ(Show(context, Attachment::Copy(text)), absl::OkStatus());
  }
  // Half of the memory is kept where it is, and what comes then is copied.
  const Met met = service_.Take();
  EXPECT_THAT(met.places.front(), ::testing::Not(HasSubstr(kPrivate)));
  EXPECT_THAT(met.places.back(), HasSubstr(kPrivate));
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(met.kept[i].text(), std::string(500'000, static_cast<char>('a' + i))) << i;
  }
}

TEST_F(SharedMemory, StayWhenTheConnectionIsNoMore) {
  Serve();
  service_.Keep();
  const Attachment sent = Filled(kMiB, 'x');
  ClientContext context;
  ASSERT_EQ(Show(context, sent), absl::OkStatus());
  const Attachment received = context.attachment();
  const Met met = service_.Take();
  channel_.reset();
  server_.Shutdown(absl::InfiniteDuration());
  for (const Attachment* const each :
       std::initializer_list<const Attachment*>{&sent, &received, &met.kept.front()}) {
    EXPECT_EQ(each->text(), std::string(kMiB, 'x'));
  }
}

TEST_F(SharedMemory, ANewConnectionGetsACopy) {
  Serve();
  const Attachment attachment = Filled(kMiB, 'x');
  channel_ = Dial(absl::StrCat("shm:", folder_.PathOf("server"))).value();
  ClientContext context;
  ASSERT_EQ(Show(context, attachment), absl::OkStatus());
  EXPECT_NE(service_.Take().places.back(), PlaceOf(attachment.bytes().data()));
  EXPECT_EQ(context.attachment().text(), std::string(kMiB, 'x'));
}

TEST_F(SharedMemory, ServersOfOtherMediaGivePlainMemory) {
  server_.Register(service_);
  const std::string address = absl::StrCat("unix:", folder_.PathOf("server"));
  ASSERT_EQ(server_.Listen(address), absl::OkStatus());
  ASSERT_EQ(server_.Start(), absl::OkStatus());
  channel_ = Dial(address).value();
  // Not connected yet, and then connected.
  for (int i = 0; i < 2; ++i) {
    ClientContext context;
    ASSERT_EQ(Show(context, Filled(kMiB, 'x')), absl::OkStatus());
    EXPECT_EQ(context.attachment().text(), std::string(kMiB, 'x'));
  }
}

}  // namespace
}  // namespace nigh::testing
