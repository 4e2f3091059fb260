#ifndef NIGH_TESTS_INTEROP_SERVICE_H_
#define NIGH_TESTS_INTEROP_SERVICE_H_

#include "absl/status/status.h"
#include "grpc/testing/test.nigh.h"

namespace nigh::testing {

// The server of gRPC's interoperability tests, as doc/interop-test-descriptions.md of gRPC wants
// it.
class InteropService final : public grpc::testing::TestService::Service {
  absl::Status EmptyCall(ServerContext& context, const grpc::testing::Empty& request,
                         grpc::testing::Empty* reply) override;
  absl::Status UnaryCall(ServerContext& context, const grpc::testing::SimpleRequest& request,
                         grpc::testing::SimpleResponse* reply) override;
  absl::Status StreamingOutputCall(
      ServerContext& context, const grpc::testing::StreamingOutputCallRequest& request,
      ServerWriter<grpc::testing::StreamingOutputCallResponse>& replies) override;
  absl::Status StreamingInputCall(ServerContext& context,
                                  ServerReader<grpc::testing::StreamingInputCallRequest>& requests,
                                  grpc::testing::StreamingInputCallResponse* reply) override;
  absl::Status FullDuplexCall(
      ServerContext& context,
      ServerStream<grpc::testing::StreamingOutputCallRequest,
                   grpc::testing::StreamingOutputCallResponse>& stream) override;
  absl::Status HalfDuplexCall(
      ServerContext& context,
      ServerStream<grpc::testing::StreamingOutputCallRequest,
                   grpc::testing::StreamingOutputCallResponse>& stream) override;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_INTEROP_SERVICE_H_
