// What interceptors do: change metadata, reject, answer, replace the end; and throw.

#include <atomic>
#include <optional>
#include <stdexcept>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/interceptors/interceptor_suite.h"

namespace nigh::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const absl::Status& Enough() {
  static const absl::Status& enough = *new absl::Status(absl::AbortedError("enough"));
  return enough;
}

// The metadata that the handler of a unary call saw.
std::string Seen(const Report& report, const std::string& key) {
  std::string values;
  for (const Entry& entry : report.metadata()) {
    if (entry.key() == key) values += entry.value() + ";";
  }
  return values;
}

TEST_F(InterceptorTest, ChangeTheMetadataThatIsSent) {
  AddClient().start = [](InterceptedClientCall& call) {
    call.sent_metadata().Add("added", "1");
    call.sent_metadata().Remove("removed");
    return absl::OkStatus();
  };
  AddServer().start = [](InterceptedServerCall& call) {
    EXPECT_EQ(call.context().client_metadata().Get("added"), "1");
    call.client_metadata().Add("added", "2");
    return absl::OkStatus();
  };
  ClientContext context;
  context.AddMetadata("removed", "a");
  context.AddMetadata("kept", "b");
  context.AddMetadata("removed", "c");
  Play().Report().In(context);
  Blob reply;
  ASSERT_EQ(stub().Unary(context, Blob(), &reply), absl::OkStatus());
  EXPECT_EQ(Seen(ReportIn(reply), "added"), "1;2;");
  EXPECT_EQ(Seen(ReportIn(reply), "removed"), "");
  EXPECT_EQ(Seen(ReportIn(reply), "kept"), "b;");
}

TEST_F(InterceptorTest, ChangeTheMetadataThatIsReturned) {
  ServerCustom& server = AddServer();
  server.start = [](InterceptedServerCall& call) {
    call.initial_metadata().Add("early", "1");
    return absl::OkStatus();
  };
  server.finish = [](InterceptedServerCall& call, absl::Status& /*status*/) {
    call.trailing_metadata().Add("late", "2");
  };
  AddClient().finish = [](InterceptedClientCall& call, absl::Status& /*status*/) {
    call.trailing_metadata().Remove("internal");
  };
  ClientContext context;
  EXPECT_EQ(Call(Play().Trailing("internal", "3"), context), absl::OkStatus());
  EXPECT_EQ(context.initial_metadata().Get("early"), "1");
  EXPECT_EQ(context.trailing_metadata().Get("late"), "2");
  EXPECT_EQ(context.trailing_metadata().Get("internal"), std::nullopt);
}

TEST_F(InterceptorTest, IllegalMetadataIsInternal) {
  AddClient().start = [](InterceptedClientCall& call) {
    call.sent_metadata().Add("Upper Case", "");
    return absl::OkStatus();
  };
  EXPECT_THAT(Call(), HasCode(kInternal));
}

TEST_F(InterceptorTest, GiveTheCallADeadline) {
  AddClient().start = [](InterceptedClientCall& call) {
    call.context().set_timeout(absl::Milliseconds(20));
    return absl::OkStatus();
  };
  EXPECT_THAT(Call(Play().AwaitCancel()), HasCode(kDeadlineExceeded));
}

TEST_F(InterceptorTest, OfAClientRejectBeforeTheServerKnows) {
  RecordClient("outer");
  AddClient().start = [](InterceptedClientCall& /*call*/) { return Enough(); };
  RecordClient("inner");
  RecordServer("server");
  EXPECT_EQ(Call(), Enough());
  EXPECT_THAT(log().Take(), ElementsAre("outer start", "outer finish ABORTED"));
  auto stream = stub().Both();
  EXPECT_FALSE(stream.Write(Blob()));
  EXPECT_EQ(stream.Read(), std::nullopt);
  EXPECT_EQ(stream.Finish(), Enough());
  EXPECT_THAT(log().Take(), ElementsAre("outer start", "outer finish ABORTED"));
}

TEST_F(InterceptorTest, OfAServerRejectBeforeTheHandlerRuns) {
  RecordServer("outer");
  AddServer().start = [](InterceptedServerCall& call) {
    return call.client_metadata().Get("token") == "right"
               ? absl::OkStatus()
               : absl::UnauthenticatedError("wrong token");
  };
  RecordServer("inner");
  EXPECT_EQ(Call(Play().Raise("ran")), absl::UnauthenticatedError("wrong token"));
  EXPECT_EQ(board().Count("ran"), 0);
  EXPECT_THAT(log().Take(), ElementsAre("outer start", "outer finish UNAUTHENTICATED"));
  EXPECT_EQ(stub().Both().Finish(), absl::UnauthenticatedError("wrong token"));

  ClientContext context;
  context.AddMetadata("token", "right");
  EXPECT_EQ(Call({}, context), absl::OkStatus());
}

TEST_F(InterceptorTest, OfAClientRejectWhatIsSent) {
  AddClient().send = [](InterceptedClientCall& call, const MessageView& /*message*/) {
    return call.sent() < 3 ? absl::OkStatus() : Enough();
  };
  ClientContext context;
  Play().Raise("runs").AwaitCancel().Raise("cancelled").In(context);
  auto stream = stub().Both(context);
  EXPECT_TRUE(board().Await("runs"));
  EXPECT_TRUE(stream.Write(Blob()));
  EXPECT_TRUE(stream.Write(Blob()));
  EXPECT_FALSE(stream.Write(Blob()));
  EXPECT_FALSE(stream.Write(Blob()));
  EXPECT_EQ(stream.Read(), std::nullopt);
  EXPECT_EQ(stream.Finish(), Enough());
  EXPECT_TRUE(board().Await("cancelled"));
}

TEST_F(InterceptorTest, OfAClientRejectTheFirstMessageBeforeTheServerKnows) {
  RecordServer("server");
  AddClient().send = [](InterceptedClientCall& /*call*/, const MessageView& /*message*/) {
    return Enough();
  };
  EXPECT_EQ(Call(), Enough());
  EXPECT_EQ(stub().Replies(Blob()).Finish(), Enough());
  EXPECT_THAT(log().Take(), ElementsAre());
}

TEST_F(InterceptorTest, OfAClientRejectWhatIsReceived) {
  AddClient().receive = [](InterceptedClientCall& call, const MessageView& /*message*/) {
    return call.received() < 2 && call.kind() != MethodKind::kUnary ? absl::OkStatus() : Enough();
  };
  EXPECT_EQ(Call(), Enough());
  ClientContext context;
  Play().Write(5).In(context);
  auto replies = stub().Replies(context, Blob());
  EXPECT_TRUE(replies.Read().has_value());
  EXPECT_FALSE(replies.Read().has_value());
  EXPECT_FALSE(replies.Read().has_value());
  EXPECT_EQ(replies.Finish(), Enough());
}

TEST_F(InterceptorTest, OfAServerRejectWhatIsReceived) {
  AddServer().receive = [](InterceptedServerCall& call, const MessageView& /*message*/) {
    return call.received() < 2 && call.kind() != MethodKind::kUnary ? absl::OkStatus() : Enough();
  };
  EXPECT_EQ(Call(Play().Raise("ran")), Enough());
  EXPECT_EQ(board().Count("ran"), 0);
  auto stream = stub().Both();
  EXPECT_TRUE(stream.Write(Blob()));
  EXPECT_TRUE(stream.Read().has_value());
  (void)stream.Write(Blob());
  EXPECT_FALSE(stream.Read().has_value());
  EXPECT_EQ(stream.Finish(), Enough());
}

TEST_F(InterceptorTest, OfAServerRejectWhatIsSent) {
  RecordServer("s");
  AddServer().send = [](InterceptedServerCall& call, const MessageView& /*message*/) {
    return call.sent() < 2 && call.kind() != MethodKind::kUnary ? absl::OkStatus() : Enough();
  };
  EXPECT_EQ(Call(), Enough());
  EXPECT_THAT(log().Take(), ElementsAre("s start", "s receive 1", "s finish ABORTED"));
  ClientContext context;
  Play().Write(5).In(context);
  auto replies = stub().Replies(context, Blob());
  EXPECT_TRUE(replies.Read().has_value());
  EXPECT_FALSE(replies.Read().has_value());
  EXPECT_EQ(replies.Finish(), Enough());
}

TEST_F(InterceptorTest, ReplaceTheEnd) {
  ClientCustom& client = AddClient();
  client.finish = [](InterceptedClientCall& /*call*/, absl::Status& status) {
    if (status.code() == kAborted) status = absl::UnavailableError("the client's");
  };
  AddServer().finish = [](InterceptedServerCall& /*call*/, absl::Status& status) {
    if (status.code() == kUnknown) status = Enough();
  };
  EXPECT_EQ(Call(Play().End(absl::UnknownError("the handler's"))),
            absl::UnavailableError("the client's"));
  client.finish = [](InterceptedClientCall& /*call*/, absl::Status& status) {
    EXPECT_EQ(status, Enough());
    status = absl::OkStatus();
  };
  EXPECT_EQ(Call(Play().End(absl::UnknownError("the handler's"))), absl::OkStatus());
}

TEST_F(InterceptorTest, OfAServerMakeAnErrorOfSuccess) {
  AddServer().finish = [](InterceptedServerCall& /*call*/, absl::Status& status) {
    status = Enough();
  };
  EXPECT_EQ(Call(), Enough());
  ClientContext context;
  Play().Write(1).In(context);
  auto replies = stub().Replies(context, Blob());
  EXPECT_TRUE(replies.Read().has_value());
  EXPECT_EQ(replies.Finish(), Enough());
}

TEST_F(InterceptorTest, OfAClientAnswerWithoutAServer) {
  RecordClient("outer");
  AddClient().start = [](InterceptedClientCall& call) {
    call.Answer({BlobOf(7).SerializeAsString()});
    return absl::OkStatus();
  };
  RecordClient("inner");
  RecordServer("server");
  const absl::StatusOr<Blob> reply = stub().Unary(Blob());
  ASSERT_EQ(reply.status(), absl::OkStatus());
  EXPECT_EQ(reply->body().size(), 7);
  EXPECT_THAT(log().Take(), ElementsAre("outer start", "outer receive 1", "outer finish OK"));
  const absl::StatusOr<Blob> counted = stub().Requests().Finish();
  ASSERT_EQ(counted.status(), absl::OkStatus());
  EXPECT_EQ(counted->body().size(), 7);
}

TEST_F(InterceptorTest, OfAClientAnswerStreams) {
  AddClient().start = [](InterceptedClientCall& call) {
    call.Answer({BlobOf(1).SerializeAsString(), BlobOf(2).SerializeAsString()});
    return absl::OkStatus();
  };
  auto replies = stub().Replies(Blob());
  EXPECT_EQ(replies.Read()->body().size(), 1);
  EXPECT_EQ(replies.Read()->body().size(), 2);
  EXPECT_EQ(replies.Read(), std::nullopt);
  EXPECT_EQ(replies.Finish(), absl::OkStatus());
  auto both = stub().Both();
  EXPECT_FALSE(both.Write(Blob()));
  EXPECT_EQ(both.Read()->body().size(), 1);
  EXPECT_EQ(both.Finish(), absl::OkStatus());
}

TEST_F(InterceptorTest, OfAServerAnswerWithoutTheHandler) {
  RecordServer("outer");
  AddServer().start = [](InterceptedServerCall& call) {
    call.Answer({BlobOf(7).SerializeAsString()});
    return absl::OkStatus();
  };
  const absl::StatusOr<Blob> reply = stub().Unary(Blob());
  ASSERT_EQ(reply.status(), absl::OkStatus());
  EXPECT_EQ(reply->body().size(), 7);
  EXPECT_THAT(log().Take(), ElementsAre("outer start", "outer send 1", "outer finish OK"));
  auto replies = stub().Replies(Blob());
  EXPECT_EQ(replies.Read()->body().size(), 7);
  EXPECT_EQ(replies.Read(), std::nullopt);
  EXPECT_EQ(replies.Finish(), absl::OkStatus());
}

TEST_F(InterceptorTest, AnAnswerWithoutTheOneReplyIsInternal) {
  ClientCustom& client = AddClient();
  ServerCustom& server = AddServer();
  const auto none = [](auto& call) {
    call.Answer({});
    return absl::OkStatus();
  };
  const auto garbage = [](auto& call) {
    call.Answer({"\xff"});
    return absl::OkStatus();
  };
  std::atomic<bool> any = false;
  server.start = [&](InterceptedServerCall& call) { return any ? garbage(call) : none(call); };
  EXPECT_THAT(Call(), HasCode(kInternal));
  any = true;
  EXPECT_THAT(Call(), HasCode(kInternal));
  client.start = none;
  EXPECT_THAT(Call(), HasCode(kInternal));
  client.start = garbage;
  EXPECT_THAT(Call(), HasCode(kInternal));
  auto replies = stub().Replies(Blob());
  EXPECT_EQ(replies.Read(), std::nullopt);
  EXPECT_THAT(replies.Finish(), HasCode(kInternal));
}

// Has each hook of `interceptor` throw amid a `call`, which makes one and returns its status.
template <class Call>
void ExpectItsExceptionsAreUnknown(Custom<Call>& interceptor,
                                   absl::FunctionRef<absl::Status()> call) {
  std::atomic<const char*> when = "";
  const auto hook = [&when](absl::string_view name) {
    if (when.load() == name) throw std::runtime_error("what a surprise");
    if (absl::string_view(when) == "int") throw 42;
    return absl::OkStatus();
  };
  interceptor.start = [hook](Call& /*call*/) { return hook("start"); };
  interceptor.send = [hook](Call& /*call*/, const MessageView& /*message*/) {
    return hook("send");
  };
  interceptor.receive = [hook](Call& /*call*/, const MessageView& /*message*/) {
    return hook("receive");
  };
  interceptor.finish = [hook](Call& /*call*/, absl::Status& /*status*/) { (void)hook("finish"); };
  for (const char* name : {"start", "send", "receive", "finish"}) {
    when = name;
    const absl::Status status = call();
    EXPECT_THAT(status, HasCode(kUnknown)) << name;
    EXPECT_THAT(status.message(), HasSubstr("what a surprise"));
  }
  when = "int";
  EXPECT_THAT(call(), HasCode(kUnknown));
  when = "";
  EXPECT_EQ(call(), absl::OkStatus());
}

TEST_F(InterceptorTest, AnExceptionOfAClientsIsUnknown) {
  ExpectItsExceptionsAreUnknown(AddClient(), [this] { return Call(); });
}

TEST_F(InterceptorTest, AnExceptionOfAServersIsUnknown) {
  ExpectItsExceptionsAreUnknown(AddServer(), [this] { return Call(); });
}

}  // namespace
}  // namespace nigh::testing
