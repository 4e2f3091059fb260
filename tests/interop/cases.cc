#include "tests/interop/cases.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "grpc/testing/test.nigh.h"
#include "nigh/client_context.h"

namespace nigh::testing {
namespace {

using grpc::testing::Empty;
using grpc::testing::SimpleRequest;
using grpc::testing::SimpleResponse;
using grpc::testing::StreamingInputCallRequest;
using grpc::testing::StreamingInputCallResponse;
using grpc::testing::StreamingOutputCallRequest;
using grpc::testing::StreamingOutputCallResponse;
using grpc::testing::TestService;
using ChannelPtr = std::shared_ptr<Channel>;

constexpr int kRequestSizes[] = {27182, 8, 1828, 45904};
constexpr int kReplySizes[] = {31415, 9, 2653, 58979};

absl::Status Check(bool holds, absl::string_view what) {
  return holds ? absl::OkStatus() : absl::FailedPreconditionError(what);
}

absl::Status CheckStatus(const absl::Status& status, absl::StatusCode code) {
  return Check(status.code() == code, absl::StrCat("the status is ", status.ToString(),
                                                   " instead of ", absl::StatusCodeToString(code)));
}

absl::Status CheckSize(const grpc::testing::Payload& payload, int size) {
  return Check(
      payload.body() == std::string(size, '\0'),
      absl::StrCat("a reply of ", payload.body().size(), " bytes instead of ", size, " zeros"));
}

// The first that is not OK.
absl::Status All(std::initializer_list<absl::Status> statuses) {
  for (const absl::Status& status : statuses) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

SimpleRequest LargeRequest() {
  SimpleRequest request;
  request.set_response_size(314159);
  request.mutable_payload()->set_body(std::string(271828, '\0'));
  return request;
}

StreamingOutputCallRequest RequestFor(int reply_size, int request_size) {
  StreamingOutputCallRequest request;
  request.add_response_parameters()->set_size(reply_size);
  request.mutable_payload()->set_body(std::string(request_size, '\0'));
  return request;
}

absl::Status EmptyUnary(const ChannelPtr& channel) {
  return TestService::Stub(channel).EmptyCall(Empty()).status();
}

absl::Status LargeUnary(const ChannelPtr& channel) {
  absl::StatusOr<SimpleResponse> reply = TestService::Stub(channel).UnaryCall(LargeRequest());
  return reply.ok() ? CheckSize(reply->payload(), 314159) : reply.status();
}

absl::Status ClientStreaming(const ChannelPtr& channel) {
  auto requests = TestService::Stub(channel).StreamingInputCall();
  for (const int size : kRequestSizes) {
    StreamingInputCallRequest request;
    request.mutable_payload()->set_body(std::string(size, '\0'));
    if (!requests.Write(request)) break;
  }
  absl::StatusOr<StreamingInputCallResponse> reply = requests.Finish();
  if (!reply.ok()) return reply.status();
  return Check(reply->aggregated_payload_size() == 74922,
               absl::StrCat(reply->aggregated_payload_size(), " bytes instead of 74922"));
}

absl::Status ServerStreaming(const ChannelPtr& channel) {
  StreamingOutputCallRequest request;
  for (const int size : kReplySizes) request.add_response_parameters()->set_size(size);
  auto replies = TestService::Stub(channel).StreamingOutputCall(request);
  for (const int size : kReplySizes) {
    const std::optional<StreamingOutputCallResponse> reply = replies.Read();
    if (!reply.has_value()) return Check(false, absl::StrCat("no reply of ", size, " bytes"));
    if (absl::Status right = CheckSize(reply->payload(), size); !right.ok()) return right;
  }
  return All({Check(!replies.Read().has_value(), "a fifth reply"), replies.Finish()});
}

absl::Status PingPong(const ChannelPtr& channel) {
  auto stream = TestService::Stub(channel).FullDuplexCall();
  for (int i = 0; i < 4; ++i) {
    if (!stream.Write(RequestFor(kReplySizes[i], kRequestSizes[i]))) return stream.Finish();
    const std::optional<StreamingOutputCallResponse> reply = stream.Read();
    if (!reply.has_value()) return Check(false, absl::StrCat("no reply ", i));
    if (absl::Status right = CheckSize(reply->payload(), kReplySizes[i]); !right.ok()) return right;
  }
  return All({Check(stream.WritesDone(), "half-close failed"),
              Check(!stream.Read().has_value(), "a fifth reply"), stream.Finish()});
}

absl::Status EmptyStream(const ChannelPtr& channel) {
  auto stream = TestService::Stub(channel).FullDuplexCall();
  return All({Check(stream.WritesDone(), "half-close failed"),
              Check(!stream.Read().has_value(), "a reply to nothing"), stream.Finish()});
}

constexpr char kInitialKey[] = "x-grpc-test-echo-initial";
constexpr char kInitialValue[] = "test_initial_metadata_value";
constexpr char kTrailingKey[] = "x-grpc-test-echo-trailing-bin";
constexpr char kTrailingValue[] = "\xab\xab\xab";

void AddCustomMetadata(ClientContext& context) {
  context.AddMetadata(kInitialKey, kInitialValue);
  context.AddMetadata(kTrailingKey, kTrailingValue);
}

absl::Status CheckCustomMetadata(const ClientContext& context) {
  return All({Check(context.initial_metadata().Get(kInitialKey) == kInitialValue,
                    "the initial metadata is not echoed"),
              Check(context.trailing_metadata().Get(kTrailingKey) == kTrailingValue,
                    "the trailing metadata is not echoed")});
}

absl::Status CustomMetadata(const ChannelPtr& channel) {
  ClientContext unary;
  AddCustomMetadata(unary);
  SimpleResponse reply;
  absl::Status status = TestService::Stub(channel).UnaryCall(unary, LargeRequest(), &reply);
  status = All({status, CheckSize(reply.payload(), 314159), CheckCustomMetadata(unary)});
  if (!status.ok()) return status;

  ClientContext duplex;
  AddCustomMetadata(duplex);
  auto stream = TestService::Stub(channel).FullDuplexCall(duplex);
  stream.Write(RequestFor(314159, 271828));
  const std::optional<StreamingOutputCallResponse> response = stream.Read();
  if (!response.has_value()) return Check(false, "no reply in the stream");
  status = stream.Finish();
  return All({status, CheckSize(response->payload(), 314159), CheckCustomMetadata(duplex)});
}

// Has the server return the status, from a unary call and from a stream.
absl::Status CheckEcho(const ChannelPtr& channel, absl::string_view message) {
  SimpleRequest request;
  request.mutable_response_status()->set_code(2);
  request.mutable_response_status()->set_message(std::string(message));
  const absl::Status unary = TestService::Stub(channel).UnaryCall(request).status();

  StreamingOutputCallRequest stream_request;
  *stream_request.mutable_response_status() = request.response_status();
  auto stream = TestService::Stub(channel).FullDuplexCall();
  stream.Write(stream_request);
  stream.WritesDone();
  const absl::Status streamed = stream.Finish();
  return All({CheckStatus(unary, absl::StatusCode::kUnknown),
              Check(unary.message() == message, "another message from the unary call"),
              CheckStatus(streamed, absl::StatusCode::kUnknown),
              Check(streamed.message() == message, "another message from the stream")});
}

absl::Status StatusCodeAndMessage(const ChannelPtr& channel) {
  return CheckEcho(channel, "test status message");
}

absl::Status SpecialStatusMessage(const ChannelPtr& channel) {
  return CheckEcho(channel,
                   "\t\ntest with whitespace\r\nand Unicode BMP \u263A and non-BMP \U0001F608\t\n");
}

absl::Status UnimplementedMethod(const ChannelPtr& channel) {
  return CheckStatus(TestService::Stub(channel).UnimplementedCall(Empty()).status(),
                     absl::StatusCode::kUnimplemented);
}

absl::Status UnimplementedService(const ChannelPtr& channel) {
  return CheckStatus(
      grpc::testing::UnimplementedService::Stub(channel).UnimplementedCall(Empty()).status(),
      absl::StatusCode::kUnimplemented);
}

absl::Status CancelAfterBegin(const ChannelPtr& channel) {
  auto requests = TestService::Stub(channel).StreamingInputCall();
  requests.TryCancel();
  return CheckStatus(requests.Finish().status(), absl::StatusCode::kCancelled);
}

absl::Status CancelAfterFirstResponse(const ChannelPtr& channel) {
  auto stream = TestService::Stub(channel).FullDuplexCall();
  stream.Write(RequestFor(31415, 27182));
  const std::optional<StreamingOutputCallResponse> reply = stream.Read();
  if (!reply.has_value()) return Check(false, "no reply");
  stream.TryCancel();
  return All({CheckSize(reply->payload(), 31415),
              CheckStatus(stream.Finish(), absl::StatusCode::kCancelled)});
}

absl::Status TimeoutOnSleepingServer(const ChannelPtr& channel) {
  auto stream = TestService::Stub(channel).FullDuplexCall({.timeout = absl::Milliseconds(1)});
  StreamingOutputCallRequest request;
  request.mutable_payload()->set_body(std::string(27182, '\0'));
  stream.Write(request);
  // The server waits for the next request, and no end of them comes.
  const bool reply = stream.Read().has_value();
  return All({Check(!reply, "a reply to nothing"),
              CheckStatus(stream.Finish(), absl::StatusCode::kDeadlineExceeded)});
}

constexpr InteropCase kCases[] = {
    {"empty_unary", &EmptyUnary},
    {"large_unary", &LargeUnary},
    {"client_streaming", &ClientStreaming},
    {"server_streaming", &ServerStreaming},
    {"ping_pong", &PingPong},
    {"empty_stream", &EmptyStream},
    {"custom_metadata", &CustomMetadata},
    {"status_code_and_message", &StatusCodeAndMessage},
    {"special_status_message", &SpecialStatusMessage},
    {"unimplemented_method", &UnimplementedMethod},
    {"unimplemented_service", &UnimplementedService},
    {"cancel_after_begin", &CancelAfterBegin},
    {"cancel_after_first_response", &CancelAfterFirstResponse},
    {"timeout_on_sleeping_server", &TimeoutOnSleepingServer},
    {"concurrent_large_unary",
     [](const ChannelPtr& channel) { return ConcurrentLargeUnary(channel, 1000); }},
};

}  // namespace

absl::Status ConcurrentLargeUnary(const ChannelPtr& channel, int calls) {
  std::vector<absl::Status> statuses(calls);
  std::vector<std::thread> callers;
  for (absl::Status& status : statuses) {
    callers.emplace_back([&] { status = LargeUnary(channel); });
  }
  for (std::thread& caller : callers) caller.join();
  for (const absl::Status& status : statuses) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Span<const InteropCase> InteropCases() { return kCases; }

absl::Status RunInteropCase(absl::string_view name, const ChannelPtr& channel) {
  std::string names;
  for (const InteropCase& known : kCases) {
    if (known.name == name) return known.run(channel);
    absl::StrAppend(&names, " ", known.name);
  }
  return absl::NotFoundError(absl::StrCat(name, ": no such interop case; there are", names));
}

}  // namespace nigh::testing
