#include "tests/interop/service.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace nigh::testing {
namespace {

using grpc::testing::EchoStatus;
using grpc::testing::Payload;
using grpc::testing::StreamingInputCallRequest;
using grpc::testing::StreamingOutputCallRequest;
using grpc::testing::StreamingOutputCallResponse;

void EchoMetadata(ServerContext& context) {
  constexpr char kInitial[] = "x-grpc-test-echo-initial";
  constexpr char kTrailing[] = "x-grpc-test-echo-trailing-bin";
  if (auto value = context.client_metadata().Get(kInitial)) {
    context.AddInitialMetadata(kInitial, *value);
  }
  if (auto value = context.client_metadata().Get(kTrailing)) {
    context.AddTrailingMetadata(kTrailing, *value);
  }
}

absl::Status Wanted(const EchoStatus& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.code()), status.message());
}

void Fill(int size, Payload& payload) { payload.set_body(std::string(size, '\0')); }

// False: nobody reads any more.
template <class Writer>
bool Answer(const StreamingOutputCallRequest& request, Writer& writer) {
  for (const auto& parameters : request.response_parameters()) {
    absl::SleepFor(absl::Microseconds(parameters.interval_us()));
    StreamingOutputCallResponse response;
    Fill(parameters.size(), *response.mutable_payload());
    if (!writer.Write(response)) return false;
  }
  return true;
}

}  // namespace

absl::Status InteropService::EmptyCall(ServerContext&, const grpc::testing::Empty&,
                                       grpc::testing::Empty*) {
  return absl::OkStatus();
}

absl::Status InteropService::UnaryCall(ServerContext& context,
                                       const grpc::testing::SimpleRequest& request,
                                       grpc::testing::SimpleResponse* reply) {
  EchoMetadata(context);
  if (request.has_response_status()) return Wanted(request.response_status());
  Fill(request.response_size(), *reply->mutable_payload());
  return absl::OkStatus();
}

absl::Status InteropService::StreamingOutputCall(
    ServerContext&, const StreamingOutputCallRequest& request,
    ServerWriter<StreamingOutputCallResponse>& replies) {
  if (!Answer(request, replies)) return absl::CancelledError("the client reads no more");
  return absl::OkStatus();
}

absl::Status InteropService::StreamingInputCall(ServerContext&,
                                                ServerReader<StreamingInputCallRequest>& requests,
                                                grpc::testing::StreamingInputCallResponse* reply) {
  StreamingInputCallRequest request;
  size_t size = 0;
  while (requests.Read(&request)) size += request.payload().body().size();
  reply->set_aggregated_payload_size(static_cast<int>(size));
  return absl::OkStatus();
}

absl::Status InteropService::FullDuplexCall(
    ServerContext& context,
    ServerStream<StreamingOutputCallRequest, StreamingOutputCallResponse>& stream) {
  EchoMetadata(context);
  StreamingOutputCallRequest request;
  while (stream.Read(&request)) {
    if (request.has_response_status()) return Wanted(request.response_status());
    if (!Answer(request, stream)) return absl::CancelledError("the client reads no more");
  }
  return absl::OkStatus();
}

absl::Status InteropService::HalfDuplexCall(
    ServerContext&, ServerStream<StreamingOutputCallRequest, StreamingOutputCallResponse>& stream) {
  std::vector<StreamingOutputCallRequest> requests;
  for (StreamingOutputCallRequest request; stream.Read(&request);) requests.push_back(request);
  for (const StreamingOutputCallRequest& request : requests) {
    if (!Answer(request, stream)) return absl::CancelledError("the client reads no more");
  }
  return absl::OkStatus();
}

}  // namespace nigh::testing
