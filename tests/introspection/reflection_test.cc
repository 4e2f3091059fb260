// Reflection, as a client with gRPC's own description of it sees it.

#include "nigh/introspection/reflection.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "grpc/reflection/v1/reflection.nigh.h"
#include "grpc/reflection/v1alpha/reflection.nigh.h"
#include "gtest/gtest.h"
#include "nigh/channel.h"
#include "nigh/introspection/standard_files.h"
#include "nigh/options.pb.h"
#include "nigh/server.h"

namespace nigh::testing {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::DescriptorPool;
using ::google::protobuf::FileDescriptor;
using ::google::protobuf::FileDescriptorProto;
using ::grpc::reflection::v1::ServerReflection;
using ::grpc::reflection::v1::ServerReflectionRequest;
using ::grpc::reflection::v1::ServerReflectionResponse;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Reflection : public ::testing::Test {
 protected:
  Reflection() {
    server_.Register(reflection_);
    EXPECT_EQ(server_.Listen("inproc:reflection"), absl::OkStatus());
    EXPECT_EQ(server_.Start(), absl::OkStatus());
    channel_ = *Dial("inproc:reflection");
    stub_.emplace(channel_);
    stream_.emplace(stub_->ServerReflectionInfo());
  }

  // All on one stream.
  ServerReflectionResponse Ask(const ServerReflectionRequest& request) {
    EXPECT_TRUE(stream_->Write(request));
    std::optional<ServerReflectionResponse> response = stream_->Read();
    EXPECT_TRUE(response.has_value());
    return response.value_or(ServerReflectionResponse());
  }
  ServerReflectionResponse AskForSymbol(const std::string& symbol) {
    ServerReflectionRequest request;
    request.set_file_containing_symbol(symbol);
    return Ask(request);
  }

  // What came, with all that it needs: nothing else is in the pool.
  static std::unique_ptr<DescriptorPool> PoolOf(const ServerReflectionResponse& response) {
    auto pool = std::make_unique<DescriptorPool>();
    const auto& files = response.file_descriptor_response().file_descriptor_proto();
    // What is imported comes later.
    for (auto file = files.rbegin(); file != files.rend(); ++file) {
      FileDescriptorProto proto;
      EXPECT_TRUE(proto.ParseFromString(*file));
      EXPECT_NE(pool->BuildFile(proto), nullptr) << proto.name();
    }
    return pool;
  }

  ReflectionService reflection_{{"shop.Till", "shop.Catalogue"}};
  Server server_;
  std::shared_ptr<Channel> channel_;
  std::optional<ServerReflection::Stub> stub_;
  std::optional<ClientStream<ServerReflectionRequest, ServerReflectionResponse>> stream_;
};

TEST_F(Reflection, ListsServices) {
  ServerReflectionRequest request;
  request.set_host("here");
  request.set_list_services("*");
  const ServerReflectionResponse response = Ask(request);
  EXPECT_EQ(response.valid_host(), "here");
  EXPECT_EQ(response.original_request().list_services(), "*");
  std::vector<std::string> names;
  for (const auto& service : response.list_services_response().service()) {
    names.push_back(service.name());
  }
  EXPECT_THAT(names, ElementsAre("shop.Catalogue", "shop.Till"));
}

TEST_F(Reflection, BringsTheFileOfASymbolFirst) {
  const ServerReflectionResponse response = AskForSymbol("nigh.Allow");
  ASSERT_GT(response.file_descriptor_response().file_descriptor_proto_size(), 1);
  FileDescriptorProto first;
  ASSERT_TRUE(first.ParseFromString(response.file_descriptor_response().file_descriptor_proto(0)));
  EXPECT_EQ(first.name(), "nigh/options.proto");
}

TEST_F(Reflection, BringsAllThatAFileImports) {
  const auto pool = PoolOf(AskForSymbol("nigh.Allow"));
  EXPECT_NE(pool->FindFileByName("google/protobuf/descriptor.proto"), nullptr);
  EXPECT_NE(pool->FindMessageTypeByName("nigh.Allow"), nullptr);
}

TEST_F(Reflection, FindsSymbolsOfEveryKind) {
  for (const char* symbol : {
           "grpc.health.v1.Health",                             // a service
           "grpc.health.v1.Health.Check",                       // a method
           "grpc.health.v1.HealthCheckRequest",                 // a message
           "grpc.health.v1.HealthCheckRequest.service",         // a field
           "grpc.health.v1.HealthCheckResponse.ServingStatus",  // an enum
           "nigh.allow",                                        // an extension
       }) {
    EXPECT_TRUE(AskForSymbol(symbol).has_file_descriptor_response()) << symbol;
  }
}

TEST_F(Reflection, FindsFiles) {
  ServerReflectionRequest request;
  request.set_file_by_filename("nigh/options.proto");
  EXPECT_NE(PoolOf(Ask(request))->FindFileByName("nigh/options.proto"), nullptr);
}

TEST_F(Reflection, FindsExtensions) {
  ServerReflectionRequest request;
  request.mutable_file_containing_extension()->set_containing_type("google.protobuf.MethodOptions");
  request.mutable_file_containing_extension()->set_extension_number(nigh::allow.number());
  EXPECT_NE(PoolOf(Ask(request))->FindExtensionByName("nigh.allow"), nullptr);
  request.set_all_extension_numbers_of_type("google.protobuf.MethodOptions");
  const ServerReflectionResponse all = Ask(request);
  EXPECT_EQ(all.all_extension_numbers_response().base_type_name(), "google.protobuf.MethodOptions");
  EXPECT_THAT(all.all_extension_numbers_response().extension_number(),
              Contains(nigh::allow.number()));
}

// And the stream goes on.
TEST_F(Reflection, SaysWhatItDoesNotKnow) {
  constexpr int kNotFound = static_cast<int>(absl::StatusCode::kNotFound);
  const ServerReflectionResponse symbol = AskForSymbol("shop.Till");
  EXPECT_EQ(symbol.error_response().error_code(), kNotFound);
  EXPECT_THAT(symbol.error_response().error_message(), HasSubstr("symbol shop.Till"));
  ServerReflectionRequest request;
  request.set_file_by_filename("shop.proto");
  EXPECT_EQ(Ask(request).error_response().error_code(), kNotFound);
  request.set_all_extension_numbers_of_type("shop.Item");
  EXPECT_EQ(Ask(request).error_response().error_code(), kNotFound);
  request.mutable_file_containing_extension()->set_containing_type("nigh.Allow");
  request.mutable_file_containing_extension()->set_extension_number(7);
  EXPECT_EQ(Ask(request).error_response().error_code(), kNotFound);
  request.mutable_file_containing_extension()->set_containing_type("shop.Item");
  EXPECT_EQ(Ask(request).error_response().error_code(), kNotFound);
  EXPECT_EQ(Ask({}).error_response().error_code(),
            static_cast<int>(absl::StatusCode::kInvalidArgument));
  EXPECT_TRUE(AskForSymbol("nigh.Allow").has_file_descriptor_response());
}

TEST_F(Reflection, EndsWithItsClient) {
  ServerReflectionRequest request;
  request.set_list_services("");
  (void)Ask(request);
  stream_->WritesDone();
  EXPECT_FALSE(stream_->Read().has_value());
  EXPECT_EQ(stream_->Finish(), absl::OkStatus());
}

TEST_F(Reflection, IsThereByItsOldName) {
  const ::grpc::reflection::v1alpha::ServerReflection::Stub stub(channel_);
  auto stream = stub.ServerReflectionInfo();
  ::grpc::reflection::v1alpha::ServerReflectionRequest request;
  request.set_list_services("");
  ASSERT_TRUE(stream.Write(request));
  const auto response = stream.Read();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->list_services_response().service_size(), 2);
}

// What nigh describes is what gRPC describes: the same fields and methods by the same names.
void ExpectSame(const FileDescriptor* ours, const FileDescriptor* theirs) {
  ASSERT_NE(ours, nullptr);
  EXPECT_EQ(ours->package(), theirs->package());
  for (int i = 0; i < theirs->message_type_count(); ++i) {
    const Descriptor* const their = theirs->message_type(i);
    const Descriptor* const our = ours->FindMessageTypeByName(their->name());
    ASSERT_NE(our, nullptr) << their->full_name();
    ASSERT_EQ(our->field_count(), their->field_count()) << their->full_name();
    for (int j = 0; j < their->field_count(); ++j) {
      EXPECT_EQ(our->field(j)->DebugString(), their->field(j)->DebugString());
    }
    for (int j = 0; j < their->enum_type_count(); ++j) {
      EXPECT_EQ(our->enum_type(j)->DebugString(), their->enum_type(j)->DebugString());
    }
  }
  ASSERT_EQ(theirs->service_count(), 1);
  const auto& service = *theirs->service(0);
  for (int i = 0; i < service.method_count(); ++i) {
    const auto* const our =
        ours->FindServiceByName(service.name())->FindMethodByName(service.method(i)->name());
    ASSERT_NE(our, nullptr) << service.method(i)->full_name();
    EXPECT_EQ(our->DebugString(), service.method(i)->DebugString());
  }
}

TEST(StandardFiles, AreTheSameAsGrpcs) {
  for (const FileDescriptor* const theirs :
       {::grpc::health::v1::HealthCheckRequest::descriptor()->file(),
        ::grpc::reflection::v1::ErrorResponse::descriptor()->file(),
        ::grpc::reflection::v1alpha::ErrorResponse::descriptor()->file()}) {
    SCOPED_TRACE(theirs->name());
    ExpectSame(StandardFiles().FindFileByName(theirs->name()), theirs);
  }
}

}  // namespace
}  // namespace nigh::testing
