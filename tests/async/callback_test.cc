// Clients with callbacks.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/async/echo.h"

namespace nigh::testing {
namespace {

class CallbackClient : public ::testing::Test {
 protected:
  CallbackClient()
      : server_(std::in_place, service_, FreshAddress().ToString()), channel_(server_->Dial()) {}

  Echo::Stub stub() { return Echo::Stub(channel_); }

  EchoService service_;
  std::optional<EchoServer> server_;
  std::shared_ptr<Channel> channel_;
};

// Calls, each begun in the callback of the one before, while `go_on` says so.
class Chain {
 public:
  Chain(Echo::Stub stub, std::function<bool()> go_on)
      : stub_(std::move(stub)), go_on_(std::move(go_on)) {}

  void Next() {
    if (!go_on_()) return;
    context_.emplace();
    stub_.AsyncSay(*context_, TextOf("again"), &reply_, [this](const absl::Status& status) {
      EXPECT_EQ(status, absl::OkStatus());
      Next();
    });
  }

 private:
  Echo::Stub stub_;
  std::function<bool()> go_on_;
  std::optional<ClientContext> context_;
  Text reply_;
};

TEST_F(CallbackClient, UnaryCallBringsTheReply) {
  ClientContext context;
  Text reply;
  Slot<absl::Status> status;
  stub().AsyncSay(context, TextOf("hello"), &reply, status.Setter());
  EXPECT_EQ(status.Get(), absl::OkStatus());
  EXPECT_EQ(reply.text(), "hello");
}

TEST_F(CallbackClient, CallbackNeverRunsInsideTheFunctionItWasGivenTo) {
  const std::thread::id here = std::this_thread::get_id();
  for (int i = 0; i < 20; ++i) {
    ClientContext context;
    Text reply;
    Slot<std::thread::id> thread;
    stub().AsyncSay(context, TextOf("hello"), &reply,
                    [&](const absl::Status&) { thread.Setter()(std::this_thread::get_id()); });
    EXPECT_NE(thread.Get(), here);
  }
}

TEST_F(CallbackClient, CallbackMayCallAgain) {
  Event done;
  Chain chain(stub(), [&, calls = 0]() mutable {
    if (++calls < 300) return true;
    done.Happen();
    return false;
  });
  chain.Next();
  done.Await();
}

TEST_F(CallbackClient, CallbackMayCallSynchronouslyOnTheSameChannel) {
  ClientContext context;
  Text reply;
  Slot<absl::Status> nested;
  stub().AsyncSay(context, TextOf("outer"), &reply, [&](const absl::Status&) {
    nested.Setter()(stub().Say(TextOf("inner")).status());
  });
  EXPECT_EQ(nested.Get(), absl::OkStatus());
}

TEST_F(CallbackClient, CallbackMayCallSynchronouslyWhileTheChannelConnects) {
  // On another channel of the same thread's, which has that thread connect it.
  const std::shared_ptr<Channel> other = server_->Dial();
  ClientContext context;
  ClientContext other_context;
  Text reply;
  Text other_reply;
  Slot<absl::Status> nested;
  Slot<absl::Status> other_status;
  stub().AsyncSay(context, TextOf("outer"), &reply, [&](const absl::Status&) {
    Echo::Stub(other).AsyncSay(other_context, TextOf("a"), &other_reply, other_status.Setter());
    nested.Setter()(Echo::Stub(other).Say(TextOf("b")).status());
  });
  EXPECT_EQ(nested.Get(), absl::OkStatus());
  EXPECT_EQ(other_status.Get(), absl::OkStatus());
}

TEST_F(CallbackClient, CallbackMayLetGoOfTheChannelLast) {
  ClientContext context;
  Text reply;
  Event done;
  std::weak_ptr<Channel> alive = channel_;
  auto stub = std::make_unique<Echo::Stub>(std::move(channel_));
  stub->AsyncSay(context, TextOf("last"), &reply, [&](const absl::Status& status) {
    EXPECT_EQ(status, absl::OkStatus());
    stub.reset();
    EXPECT_TRUE(alive.expired());
    done.Happen();
  });
  done.Await();
}

TEST_F(CallbackClient, ChannelMayGoWhileTheCallIsOut) {
  ClientContext context;
  Text reply;
  Slot<absl::Status> status;
  stub().AsyncHang(context, TextOf(""), &reply, status.Setter());
  service_.hanging.Await();
  channel_.reset();
  context.TryCancel();
  EXPECT_EQ(status.Get().code(), absl::StatusCode::kCancelled);
}

TEST_F(CallbackClient, ManyCallsAtOnceAllEnd) {
  constexpr int kCalls = 1000;
  std::vector<ClientContext> contexts(kCalls);
  std::vector<Text> replies(kCalls);
  Event done;
  for (int i = 0; i < kCalls; ++i) {
    stub().AsyncSay(contexts[i], TextOf(absl::StrCat(i)), &replies[i],
                    [&](const absl::Status& status) {
                      EXPECT_EQ(status, absl::OkStatus());
                      done.Happen();
                    });
  }
  done.Await(kCalls);
  for (int i = 0; i < kCalls; ++i) EXPECT_EQ(replies[i].text(), absl::StrCat(i));
}

TEST_F(CallbackClient, ErrorsArriveAsCallbacks) {
  ClientContext used;
  Text reply;
  Slot<absl::Status> first;
  Slot<absl::Status> second;
  stub().AsyncSay(used, TextOf("once"), &reply, first.Setter());
  EXPECT_EQ(first.Get(), absl::OkStatus());
  stub().AsyncSay(used, TextOf("twice"), &reply, second.Setter());
  EXPECT_EQ(second.Get().code(), absl::StatusCode::kInternal);

  ClientContext late;
  late.set_timeout(absl::ZeroDuration());
  Slot<absl::Status> third;
  stub().AsyncSay(late, TextOf("late"), &reply, third.Setter());
  EXPECT_EQ(third.Get().code(), absl::StatusCode::kDeadlineExceeded);

  ClientContext large;
  Slot<absl::Status> fourth;
  stub().AsyncSay(large, TextOf(std::string(5 << 20, 'x')), &reply, fourth.Setter());
  EXPECT_EQ(fourth.Get().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(CallbackClient, CancelledCallEndsAndItsHandlerHearsOfIt) {
  ClientContext context;
  Text reply;
  Slot<absl::Status> status;
  stub().AsyncHang(context, TextOf(""), &reply, status.Setter());
  service_.hanging.Await();
  context.TryCancel();
  EXPECT_EQ(status.Get().code(), absl::StatusCode::kCancelled);
  service_.released.Await();
}

TEST_F(CallbackClient, CallCancelledInAdvanceIsCancelled) {
  ClientContext context;
  context.TryCancel();
  Text reply;
  Slot<absl::Status> status;
  stub().AsyncSay(context, TextOf(""), &reply, status.Setter());
  EXPECT_EQ(status.Get().code(), absl::StatusCode::kCancelled);
}

TEST_F(CallbackClient, DeadlineEndsTheCall) {
  for (const absl::Duration timeout : {absl::Milliseconds(1), absl::Milliseconds(30)}) {
    ClientContext context;
    context.set_timeout(timeout);
    Text reply;
    Slot<absl::Status> status;
    stub().AsyncHang(context, TextOf(""), &reply, status.Setter());
    EXPECT_EQ(status.Get().code(), absl::StatusCode::kDeadlineExceeded);
  }
}

TEST_F(CallbackClient, NobodyListeningIsUnavailable) {
  server_.reset();
  ClientContext context;
  Text reply;
  Slot<absl::Status> status;
  stub().AsyncSay(context, TextOf(""), &reply, status.Setter());
  EXPECT_EQ(status.Get().code(), absl::StatusCode::kUnavailable);
}

TEST_F(CallbackClient, WaitForReadyWaitsForTheServer) {
  const std::string address = server_->address();
  server_.reset();
  ClientContext context;
  context.set_wait_for_ready(true);
  Text reply;
  Slot<absl::Status> status;
  Event failed;
  channel_->OnStateChange([&](ChannelState state) {
    if (state == ChannelState::kTransientFailure) failed.Happen();
  });
  stub().AsyncSay(context, TextOf("at last"), &reply, status.Setter());
  failed.Await(2);
  server_.emplace(service_, address);
  EXPECT_EQ(status.Get(), absl::OkStatus());
  EXPECT_EQ(reply.text(), "at last");
}

TEST_F(CallbackClient, WaitingForTheServerEndsAtTheDeadlineAndWhenCancelled) {
  server_.reset();
  ClientContext short_lived;
  short_lived.set_wait_for_ready(true);
  short_lived.set_timeout(absl::Milliseconds(20));
  ClientContext cancelled;
  cancelled.set_wait_for_ready(true);
  Text reply;
  Slot<absl::Status> first;
  Slot<absl::Status> second;
  stub().AsyncSay(short_lived, TextOf(""), &reply, first.Setter());
  stub().AsyncSay(cancelled, TextOf(""), &reply, second.Setter());
  cancelled.TryCancel();
  EXPECT_EQ(first.Get().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(second.Get().code(), absl::StatusCode::kCancelled);
}

TEST_F(CallbackClient, ChannelConnectsAgainWhenTheServerIsBack) {
  const std::string address = server_->address();
  for (int round = 0; round < 3; ++round) {
    ClientContext hanging;
    ClientContext next;
    next.set_wait_for_ready(true);
    Text reply;
    Slot<absl::Status> lost;
    Slot<absl::Status> found;
    stub().AsyncHang(hanging, TextOf(""), &reply, lost.Setter());
    service_.hanging.Await(round + 1);
    server_.reset();
    EXPECT_EQ(lost.Get().code(), absl::StatusCode::kUnavailable);
    stub().AsyncSay(next, TextOf(""), &reply, found.Setter());
    server_.emplace(service_, address);
    EXPECT_EQ(found.Get(), absl::OkStatus());
  }
}

TEST_F(CallbackClient, ReaderReadsToTheEnd) {
  ClientContext context;
  auto reader = stub().AsyncSplit(context, TextOf("again and again", 100));
  Text reply;
  int count = 0;
  Slot<absl::Status> status;
  std::function<void(bool)> next = [&](bool ok) {
    if (!ok) return reader.Finish(status.Setter());
    ++count;
    reader.Read(&reply, next);
  };
  reader.Read(&reply, next);
  EXPECT_EQ(status.Get(), absl::OkStatus());
  EXPECT_EQ(count, 100);
}

TEST_F(CallbackClient, WriterWritesMoreThanFitsAndGetsTheReply) {
  constexpr int kMessages = 60;
  const std::string block(TheSubject().slow ? 100 : 64 << 10, 'b');
  ClientContext context;
  auto writer = stub().AsyncJoin(context);
  int written = 0;
  Event done;
  absl::StatusOr<Text> reply;
  std::function<void(bool)> next = [&](bool ok) {
    EXPECT_TRUE(ok);
    if (++written < kMessages - 1) return writer.Write(TextOf(block), next);
    writer.WriteLast(TextOf(block), [&](bool last) {
      EXPECT_TRUE(last);
      writer.Finish([&](absl::StatusOr<Text> joined) {
        reply = std::move(joined);
        done.Happen();
      });
    });
  };
  writer.Write(TextOf(block), next);
  done.Await();
  ASSERT_EQ(reply.status(), absl::OkStatus());
  EXPECT_EQ(reply->count(), kMessages);
  EXPECT_EQ(reply->text().size(), kMessages * block.size());
}

TEST_F(CallbackClient, StreamTalksBothWays) {
  ClientContext context;
  auto stream = stub().AsyncChat(context);
  Text reply;
  int count = 0;
  Slot<absl::Status> status;
  std::function<void()> next = [&] {
    stream.Write(TextOf(absl::StrCat(count)), [&](bool ok) {
      EXPECT_TRUE(ok);
      stream.Read(&reply, [&](bool read) {
        EXPECT_TRUE(read);
        EXPECT_EQ(reply.text(), absl::StrCat(count));
        if (++count < 50) return next();
        EXPECT_TRUE(stream.WritesDone());
        EXPECT_FALSE(stream.WritesDone());
        stream.Finish(status.Setter());
      });
    });
  };
  next();
  EXPECT_EQ(status.Get(), absl::OkStatus());
}

TEST_F(CallbackClient, DestroyedStreamIsCancelledAndItsCallbacksNeverRun) {
  auto context = std::make_unique<ClientContext>();
  auto reply = std::make_unique<Text>();
  auto ran = std::make_unique<bool>(false);
  {
    Event begun;
    auto stream = stub().AsyncChat(*context);
    stream.Write(TextOf("a"), [](bool) {});
    stream.Read(reply.get(), [&](bool) { begun.Happen(); });
    begun.Await();
    stream.Read(reply.get(), [alive = ran.get()](bool) { *alive = true; });
  }
  // Nothing may touch them any more; a sanitizer sees to it.
  context.reset();
  reply.reset();
  ran.reset();
  service_.released.Await();
}

TEST_F(CallbackClient, StreamMayBeDestroyedInItsOwnCallback) {
  ClientContext context;
  std::optional<AsyncClientReader<Text>> reader(stub().AsyncSplit(context, TextOf("x", -1)));
  Text reply;
  Event gone;
  reader->Read(&reply, [&](bool ok) {
    EXPECT_TRUE(ok);
    reader.reset();
    gone.Happen();
  });
  gone.Await();
  service_.released.Await();
}

TEST_F(CallbackClient, StreamBegunWhileConnectingKeepsWhatItWasTold) {
  const std::string address = server_->address();
  server_.reset();
  ClientContext context;
  context.set_wait_for_ready(true);
  auto writer = stub().AsyncJoin(context);
  Event written;
  writer.Write(TextOf("early"), [&](bool ok) {
    EXPECT_TRUE(ok);
    written.Happen();
  });
  ClientContext empty_context;
  empty_context.set_wait_for_ready(true);
  auto empty = stub().AsyncJoin(empty_context);
  EXPECT_TRUE(empty.WritesDone());
  EXPECT_FALSE(empty.WritesDone());
  server_.emplace(service_, address);
  written.Await();
  Slot<absl::StatusOr<Text>> reply;
  Slot<absl::StatusOr<Text>> empty_reply;
  writer.Finish(reply.Setter());
  empty.Finish(empty_reply.Setter());
  ASSERT_EQ(reply.Get().status(), absl::OkStatus());
  EXPECT_EQ(reply.Get()->text(), "early");
  ASSERT_EQ(empty_reply.Get().status(), absl::OkStatus());
  EXPECT_EQ(empty_reply.Get()->count(), 0);
}

TEST_F(CallbackClient, SynchronousAndAsynchronousCallersShareAChannel) {
  constexpr int kThreads = 3;
  constexpr int kCalls = 200;
  ClientContext idle_context;
  auto idle = stub().AsyncChat(idle_context);
  std::atomic<bool> stop = false;
  Event stopped;
  Chain chain(stub(), [&] {
    if (!stop) return true;
    stopped.Happen();
    return false;
  });
  chain.Next();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kCalls; ++i) {
        EXPECT_EQ(stub().Say(TextOf("sync")).status(), absl::OkStatus());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  stop = true;
  stopped.Await();
  Text reply;
  Slot<bool> read;
  idle.Write(TextOf("still there"), [&](bool) { idle.Read(&reply, read.Setter()); });
  EXPECT_TRUE(read.Get());
  EXPECT_EQ(reply.text(), "still there");
}

}  // namespace
}  // namespace nigh::testing
