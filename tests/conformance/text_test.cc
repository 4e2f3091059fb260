// Strings that are not UTF-8: their field is named to the caller, and nothing is printed.

#include <future>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/nigh.h"
#include "tests/conformance/call_suite.h"
#include "tests/conformance/letters.h"

namespace nigh::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

// How calls of all four kinds with `request` end, one function for each way to make them.

template <class Stub>
std::vector<absl::Status> CallAndWait(const Stub& stub, const Letter& request) {
  auto requests = stub.Collect();
  requests.Write(request);
  auto replies = stub.Deliver(request);
  while (replies.Read().has_value()) continue;
  auto stream = stub.Exchange();
  stream.Write(request);
  (void)stream.Read();
  return {stub.Send(request).status(), requests.Finish().status(), replies.Finish(),
          stream.Finish()};
}

template <class Stub>
std::vector<absl::Status> CallWithCallbacks(const Stub& stub, const Letter& request) {
  ClientContext contexts[4];
  Letter reply;
  std::promise<absl::Status> ends[4];
  const auto end = [&](int i) {
    return [&ends, i](const absl::Status& status) { ends[i].set_value(status); };
  };
  stub.AsyncSend(contexts[0], request, &reply, end(0));

  auto requests = stub.AsyncCollect(contexts[1]);
  requests.WriteLast(request, [](bool) {});
  requests.Finish([&](const absl::StatusOr<Letter>& last) { ends[1].set_value(last.status()); });

  auto replies = stub.AsyncDeliver(contexts[2], request);
  Letter delivered;
  std::promise<void> read;
  replies.Read(&delivered, [&](bool) { read.set_value(); });
  read.get_future().wait();
  replies.Finish(end(2));

  auto stream = stub.AsyncExchange(contexts[3]);
  Letter exchanged;
  std::promise<void> answered;
  stream.WriteLast(request, [](bool) {});
  stream.Read(&exchanged, [&](bool) { answered.set_value(); });
  answered.get_future().wait();
  stream.Finish(end(3));

  std::vector<absl::Status> statuses;
  for (std::promise<absl::Status>& each : ends) statuses.push_back(each.get_future().get());
  return statuses;
}

template <class Stub>
Task<std::vector<absl::Status>> CallFromCoroutine(const Stub& stub, const Letter& request) {
  const absl::StatusOr<Letter> reply = co_await stub.CoSend(request);

  auto requests = stub.CoCollect();
  co_await requests.WriteLast(request);
  const absl::StatusOr<Letter> last = co_await requests.Finish();

  auto replies = stub.CoDeliver(request);
  (void)co_await replies.Read();
  const absl::Status delivered = co_await replies.Finish();

  auto stream = stub.CoExchange();
  co_await stream.WriteLast(request);
  (void)co_await stream.Read();
  const absl::Status exchanged = co_await stream.Finish();
  co_return std::vector<absl::Status>{reply.status(), last.status(), delivered, exchanged};
}

template <class Stub>
void ExpectTheFieldIsNamed(const Stub& stub, const Letter& request) {
  const std::vector<absl::Status> ends[] = {CallAndWait(stub, request),
                                            CallWithCallbacks(stub, request),
                                            BlockOn(CallFromCoroutine(stub, request))};
  for (const std::vector<absl::Status>& statuses : ends) {
    for (const absl::Status& status : statuses) {
      EXPECT_THAT(status, HasCode(kInternal));
      EXPECT_THAT(std::string(status.message()),
                  HasSubstr("is no valid nigh.testing.Letter: the string "
                            "nigh.testing.Letter.Page.text (at pages[2].text) is not UTF-8"));
    }
  }
}

TEST_P(CallSuite, RequestThatIsNotUtf8NamesTheField) {
  CaptureStderr();
  ExpectTheFieldIsNamed(Letters::Stub(channel()), SpoiltLetter());
  ExpectTheFieldIsNamed(CoLetters::Stub(channel()), SpoiltLetter());
  EXPECT_EQ(GetCapturedStderr(), "");
}

TEST_P(CallSuite, ReplyThatIsNotUtf8NamesTheField) {
  Letter request;
  request.set_asks_for_spoilt_reply(true);
  CaptureStderr();
  ExpectTheFieldIsNamed(Letters::Stub(channel()), request);
  ExpectTheFieldIsNamed(CoLetters::Stub(channel()), request);
  EXPECT_EQ(GetCapturedStderr(), "");
}

TEST_P(CallSuite, WhatTheProgramItselfParsesIsLoggedAsBefore) {
  ASSERT_EQ(Letters::Stub(channel()).Send(Letter()).status(), absl::OkStatus());
  CaptureStderr();
  Letter letter;
  EXPECT_FALSE(letter.ParseFromString("\x0a\x01\xff"));
  EXPECT_THAT(GetCapturedStderr(), HasSubstr("nigh.testing.Letter.title"));
}

}  // namespace
}  // namespace nigh::testing
