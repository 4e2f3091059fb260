// The gMock classes that nigh_cc_library(mocks = True) writes, behind a server that clients reach.
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/nigh.h"
#include "tests/codegen/protos/four_kinds_mock.nigh.h"
#include "tests/codegen/protos/imports_mock.nigh.h"
#include "tests/codegen/protos/long_names_mock.nigh.h"
#include "tests/codegen/protos/member_names_mock.nigh.h"
#include "tests/codegen/protos/method_options_mock.nigh.h"
#include "tests/codegen/protos/names_mock.nigh.h"
#include "tests/codegen/protos/no_package_mock.nigh.h"
#include "tests/codegen/protos/odd-name.v1+x_mock.nigh.h"
#include "tests/codegen/taken/class_names_mock.nigh.h"
#include "tests/codegen/taken/macro_names_mock.nigh.h"

namespace {

using ::codegen::testing::MockTextService;
using ::codegen::testing::Text;
using ::codegen::testing::TextReply;
using ::codegen::testing::TextRequest;
using ::testing::NiceMock;
using ::testing::Return;
using ::testing::StrictMock;

class MockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.Register(service_);
    ASSERT_EQ(server_.Listen("inproc:mock_test"), absl::OkStatus());
    ASSERT_EQ(server_.Start(), absl::OkStatus());
    stub_ = std::make_unique<Text::Stub>(*nigh::Dial("inproc:mock_test"));
  }

  NiceMock<MockTextService> service_;
  nigh::Server server_;
  std::unique_ptr<Text::Stub> stub_;
};

TEST_F(MockTest, AnswersAUnaryCallAsExpected) {
  EXPECT_CALL(service_, Reverse)
      .WillOnce([](nigh::ServerContext&, const TextRequest& request, TextReply* reply) {
        reply->set_text(std::string(request.text().rbegin(), request.text().rend()));
        return absl::OkStatus();
      })
      .WillOnce(Return(absl::ResourceExhaustedError("no letters left")));
  TextRequest request;
  request.set_text("abc");
  EXPECT_EQ(stub_->Reverse(request)->text(), "cba");
  EXPECT_EQ(stub_->Reverse(request).status(), absl::ResourceExhaustedError("no letters left"));
}

TEST_F(MockTest, AnswersStreamsAsExpected) {
  EXPECT_CALL(service_, Split)
      .WillOnce(
          [](nigh::ServerContext&, const TextRequest&, nigh::ServerWriter<TextReply>& replies) {
            EXPECT_TRUE(replies.Write(TextReply()));
            return absl::OkStatus();
          });
  auto replies = stub_->Split(TextRequest());
  EXPECT_TRUE(replies.Read().has_value());
  EXPECT_EQ(replies.Finish(), absl::OkStatus());

  EXPECT_CALL(service_, Translate)
      .WillOnce([](nigh::ServerContext&, nigh::ServerStream<TextRequest, TextReply>& stream) {
        return stream.Read().has_value() ? absl::OkStatus() : absl::AbortedError("nothing said");
      });
  auto stream = stub_->Translate();
  EXPECT_TRUE(stream.WriteLast(TextRequest()));
  EXPECT_EQ(stream.Finish(), absl::OkStatus());
}

TEST_F(MockTest, WhatIsNotExpectedIsUnimplemented) {
  const absl::Status status = stub_->Reverse(TextRequest()).status();
  EXPECT_EQ(status, nigh::Unimplemented(Text::kMethods[0]));
}

// Names that are taken are what the service's own class makes of them.
TEST(MockNamesTest, EveryServiceHasAMock) {
  const StrictMock<codegen::names::MockunionService> keyword;
  const StrictMock<codegen::names::MocknighService> namespace_name;
  const StrictMock<codegen::members::MockMembersService> members;
  const StrictMock<codegen::names::MockEchoService> echo;
  EXPECT_EQ(members.handlers().size(), 8);
  // One of its methods is called like its mock.
  const StrictMock<codegen::classes::MockBesideService_> beside;
  EXPECT_EQ(beside.handlers().size(), 9);
  const StrictMock<codegen::unix::MockFAILService> macro;
  EXPECT_EQ(macro.handlers().size(), 12);
  const StrictMock<codegen::classes::MockStubService_> called_like_another_service;
  EXPECT_EQ(called_like_another_service.handlers().size(), 1);
}

}  // namespace
