// Generated code compiles, links and says what the .proto says. That calls work is for tests/ of
// the runtime.
//
// imports.nigh.h opens the namespace codegen::testing::nigh::absl, and the headers after it belong
// to codegen::testing: neither nigh:: nor absl:: may mean anything else in them then.
//
// The C library's headers come first, because their macros are what some names have to avoid.
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "nigh/options.pb.h"
#include "tests/codegen/protos/allow.nigh.h"
#include "tests/codegen/protos/four_kinds.nigh.h"
#include "tests/codegen/protos/imports.nigh.h"
#include "tests/codegen/protos/long_names.nigh.h"
#include "tests/codegen/protos/member_names.nigh.h"
#include "tests/codegen/protos/messages_only.nigh.h"
#include "tests/codegen/protos/method_options.nigh.h"
#include "tests/codegen/protos/names.nigh.h"
#include "tests/codegen/protos/no_package.nigh.h"
#include "tests/codegen/protos/odd-name.v1+x.nigh.h"
#include "tests/codegen/protos/public_import.nigh.h"
#include "tests/codegen/taken/class_names.nigh.h"
#include "tests/codegen/taken/macro_names.nigh.h"

namespace {

using ::codegen::testing::Ledger;
using ::codegen::testing::Machine;
using ::codegen::testing::Settings;
using ::codegen::testing::Text;
using ::codegen::testing::TextReply;
using ::codegen::testing::TextRequest;

template <typename Methods>
std::vector<std::string> NamesOf(const Methods& methods) {
  std::vector<std::string> names;
  for (const nigh::Method& method : methods) names.emplace_back(method.name);
  return names;
}

TEST(GeneratedCodeTest, MethodsAreDescribedAsInTheProto) {
  EXPECT_EQ(std::string(Text::kServiceName), "codegen.testing.Text");
  EXPECT_EQ(
      NamesOf(Text::kMethods),
      (std::vector<std::string>{"/codegen.testing.Text/Reverse", "/codegen.testing.Text/Split",
                                "/codegen.testing.Text/Join", "/codegen.testing.Text/Translate"}));
  EXPECT_EQ(Text::kMethods[0].kind, nigh::MethodKind::kUnary);
  EXPECT_EQ(Text::kMethods[1].kind, nigh::MethodKind::kServerStreaming);
  EXPECT_EQ(Text::kMethods[2].kind, nigh::MethodKind::kClientStreaming);
  EXPECT_EQ(Text::kMethods[3].kind, nigh::MethodKind::kBidiStreaming);
}

TEST(GeneratedCodeTest, MethodOptionsReachTheRuntime) {
  EXPECT_EQ(Settings::kMethods[0].dispatch, nigh::Dispatch::kAdaptive);
  EXPECT_EQ(Settings::kMethods[0].idempotency, nigh::Idempotency::kUnknown);
  EXPECT_EQ(Settings::kMethods[1].dispatch, nigh::Dispatch::kInline);
  EXPECT_EQ(Settings::kMethods[1].idempotency, nigh::Idempotency::kNoSideEffects);
  EXPECT_EQ(Settings::kMethods[2].dispatch, nigh::Dispatch::kPool);
  EXPECT_EQ(Settings::kMethods[3].dispatch, nigh::Dispatch::kAdaptive);
  EXPECT_EQ(Settings::kMethods[3].idempotency, nigh::Idempotency::kIdempotent);
}

// Whom a method lets call: " root user ann group wheel".
std::string Allowed(const nigh::Method& method) {
  if (method.allow == nullptr) return "whoever is admitted";
  const nigh::Callers callers = method.allow();
  std::string text = callers.same_user ? " same_user" : "";
  if (callers.root) text += " root";
  for (const std::string& user : callers.users) text += " user " + user;
  for (const std::string& group : callers.groups) text += " group " + group;
  return text + (callers.anybody ? " anybody" : "");
}

TEST(GeneratedCodeTest, WhoMayCallIsTheNearestOptionOfMethodServiceAndFileAsAWhole) {
  EXPECT_EQ(Allowed(Ledger::kMethods[0]), " same_user");
  EXPECT_EQ(Allowed(Ledger::kMethods[1]), " user ann user b\"o\\b group 1000");
  EXPECT_EQ(Allowed(Machine::kMethods[0]), " same_user root group wheel group adm");
  EXPECT_EQ(Allowed(Machine::kMethods[1]), " anybody");
  EXPECT_EQ(Machine::kMethods[1].dispatch, nigh::Dispatch::kPool);
  EXPECT_EQ(Allowed(Settings::kMethods[0]), "whoever is admitted");
}

// For tools that have no generated code of the service.
TEST(GeneratedCodeTest, WhoMayCallIsInTheDescriptors) {
  const google::protobuf::FileDescriptor* const file =
      ::codegen::testing::Entry::descriptor()->file();
  const auto* const service = file->FindServiceByName("Machine");
  ASSERT_NE(service, nullptr);
  EXPECT_EQ(file->options().GetExtension(nigh::file_allow).ShortDebugString(), "same_user: true");
  EXPECT_EQ(service->options().GetExtension(nigh::service_allow).ShortDebugString(),
            "same_user: true root: true groups: \"wheel\" groups: \"adm\"");
  EXPECT_FALSE(service->method(0)->options().HasExtension(nigh::allow));
  EXPECT_EQ(service->method(1)->options().GetExtension(nigh::allow).ShortDebugString(),
            "anybody: true");
}

TEST(GeneratedCodeTest, NamesThatAreTakenChangeInCppAndStayOnTheWire) {
  EXPECT_EQ(
      NamesOf(codegen::names::union_::kMethods),
      (std::vector<std::string>{"/codegen.names.union/delete", "/codegen.names.union/co_await",
                                "/codegen.names.union/and"}));
  EXPECT_EQ(std::string(codegen::names::Outer_Inner_::kServiceName), "codegen.names.Outer_Inner");
  EXPECT_EQ(NamesOf(codegen::names::nigh_::kMethods),
            (std::vector<std::string>{"/codegen.names.nigh/std"}));
}

TEST(GeneratedCodeTest, NamesThatAreMacrosChangeInCppAndStayOnTheWire) {
  EXPECT_EQ(std::string(codegen::unix::errno_::kServiceName), "codegen.unix.errno");
  EXPECT_EQ(
      NamesOf(codegen::unix::assert_::kMethods),
      (std::vector<std::string>{"/codegen.unix.assert/assert_", "/codegen.unix.assert/assert"}));
  EXPECT_EQ(NamesOf(codegen::unix::KV::kMethods),
            (std::vector<std::string>{"/codegen.unix.KV/GET", "/codegen.unix.KV/PING"}));
}

// What a name becomes is not taken from who has it already.
using codegen::classes::Nothing;
class Renamed final : public codegen::unix::assert_::Service {
  absl::Status assert_(nigh::ServerContext&, const codegen::unix::Nothing&,
                       codegen::unix::Nothing*) override {
    return absl::OkStatus();
  }
  absl::Status assert__(nigh::ServerContext&, const codegen::unix::Nothing&,
                        codegen::unix::Nothing*) override {
    return absl::OkStatus();
  }
};
class Served final : public codegen::classes::Service__::Service {
  absl::Status Service_(nigh::ServerContext&, const Nothing&, Nothing*) override {
    return absl::OkStatus();
  }
};
class CoServed final : public codegen::classes::CoService_::CoService {
  nigh::Task<absl::Status> CoService_(nigh::ServerContext&, nigh::CoServerReader<Nothing>&,
                                      Nothing*) override {
    co_return absl::OkStatus();
  }
};

TEST(GeneratedCodeTest, ServicesCalledLikeMembersOfTheirClassesCanBeServed) {
  EXPECT_EQ(Renamed().handlers().size(), 2);
  EXPECT_EQ(std::string(codegen::classes::Service__::kServiceName), "codegen.classes.Service");
  EXPECT_EQ(Served().handlers().size(), 2);
  EXPECT_EQ(CoServed().handlers().size(), 1);
  EXPECT_EQ(codegen::classes::Service_::Service().handlers().size(), 1);
}

TEST(GeneratedCodeTest, ServiceWithoutPackageGoesByItsOwnName) {
  EXPECT_EQ(NamesOf(First::kMethods), (std::vector<std::string>{"/First/Do"}));
  EXPECT_TRUE(Second::kMethods.empty());
}

TEST(GeneratedCodeTest, EveryMethodIsRegisteredEvenIfNoneIsOverridden) {
  Text::Service service;
  ASSERT_EQ(service.handlers().size(), Text::kMethods.size());
  for (size_t i = 0; i < Text::kMethods.size(); ++i) {
    EXPECT_EQ(service.handlers()[i].method, &Text::kMethods[i]);
  }
}

// The signatures that users write down.
class TextImpl final : public Text::Service {
  absl::Status Reverse(nigh::ServerContext&, const TextRequest&, TextReply*) override {
    return absl::OkStatus();
  }
  absl::Status Split(nigh::ServerContext&, const TextRequest&,
                     nigh::ServerWriter<TextReply>&) override {
    return absl::OkStatus();
  }
  absl::Status Join(nigh::ServerContext&, nigh::ServerReader<TextRequest>&, TextReply*) override {
    return absl::OkStatus();
  }
  absl::Status Translate(nigh::ServerContext&,
                         nigh::ServerStream<TextRequest, TextReply>&) override {
    return absl::OkStatus();
  }
};
static_assert(std::is_default_constructible_v<TextImpl>);

template <typename... Arguments>
using Reversed = decltype(std::declval<const Text::Stub&>().Reverse(std::declval<Arguments>()...));
template <typename... Arguments>
using Joined = decltype(std::declval<const Text::Stub&>().Join(std::declval<Arguments>()...));

static_assert(std::is_same_v<Reversed<TextRequest>, absl::StatusOr<TextReply>>);
static_assert(std::is_same_v<Reversed<TextRequest, nigh::CallOptions>, absl::StatusOr<TextReply>>);
static_assert(
    std::is_same_v<Reversed<nigh::ClientContext&, TextRequest, TextReply*>, absl::Status>);
static_assert(std::is_same_v<Joined<>, nigh::ClientWriter<TextRequest, TextReply>>);
static_assert(
    std::is_same_v<Joined<nigh::ClientContext&>, nigh::ClientWriter<TextRequest, TextReply>>);
static_assert(!std::is_convertible_v<std::shared_ptr<nigh::Channel>, Text::Stub>);

}  // namespace
