#include <google/protobuf/descriptor.h>

#include <vector>

#include "codegen/names.h"
#include "codegen/printers.h"
#include "codegen/template.h"

namespace nigh::codegen {
namespace {

using google::protobuf::ServiceDescriptor;

constexpr ByKind kMockMethods = {.unary = R"(

  MOCK_METHOD(
      ::absl::Status, $function$,
      (::nigh::ServerContext&,
       const $request$&,
       $reply$*),
      (override));
)",
                                 .server_streaming = R"(

  MOCK_METHOD(
      ::absl::Status, $function$,
      (::nigh::ServerContext&,
       const $request$&,
       ::nigh::ServerWriter<$reply$>&),
      (override));
)",
                                 .client_streaming = R"(

  MOCK_METHOD(
      ::absl::Status, $function$,
      (::nigh::ServerContext&,
       ::nigh::ServerReader<$request$>&,
       $reply$*),
      (override));
)",
                                 // The parentheses keep the comma from the macro.
                                 .bidi_streaming = R"(

  MOCK_METHOD(
      ::absl::Status, $function$,
      (::nigh::ServerContext&,
       (::nigh::ServerStream<$request$, $reply$>&)),
      (override));
)"};

}  // namespace

void PrintMock(Printer& out, const ServiceDescriptor& service, const Names& names) {
  Variables variables = VariablesOf(service, names);
  variables["mock"] = names.Mock(service);
  const std::vector<Method> methods = MethodsOf(service, names);
  Print(out, variables, R"(
// $service$::Service for tests.
// Methods that nothing is expected of answer UNIMPLEMENTED.
class $mock$ : public $service$::Service {
 public:
  $mock$() {
)");
  for (const Method& method : methods) {
    Print(out, method.variables, R"(
    ON_CALL(*this, $function$)
        .WillByDefault(::testing::Return(
            ::nigh::Unimplemented($service$::kMethods[$index$])));
)");
  }
  out.Print("  }\n");
  for (const Method& method : methods) {
    Print(out, method.variables, kMockMethods.Of(method.descriptor));
  }
  out.Print("};\n");
}

}  // namespace nigh::codegen
