#include <google/protobuf/descriptor.h>

#include <vector>

#include "codegen/names.h"
#include "codegen/printers.h"
#include "codegen/template.h"

namespace nigh::codegen {
namespace {

using google::protobuf::ServiceDescriptor;

constexpr ByKind kDeclarations = {.unary = R"(
virtual $status$ $function$(
    ::nigh::ServerContext& context,
    const $request$& request,
    $reply$* reply);
)",
                                  .server_streaming = R"(
virtual $status$ $function$(
    ::nigh::ServerContext& context,
    const $request$& request,
    ::nigh::$Co$ServerWriter<$reply$>& replies);
)",
                                  .client_streaming = R"(
virtual $status$ $function$(
    ::nigh::ServerContext& context,
    ::nigh::$Co$ServerReader<$request$>& requests,
    $reply$* reply);
)",
                                  .bidi_streaming = R"(
virtual $status$ $function$(
    ::nigh::ServerContext& context,
    ::nigh::$Co$ServerStream<$request$, $reply$>& stream);
)"};

constexpr ByKind kDefinitions = {.unary = R"(

$status$ $service$::$class$::$function$(
    ::nigh::ServerContext&,
    const $request$&,
    $reply$*) {
  $return$ ::nigh::Unimplemented(kMethods[$index$]);
}
)",
                                 .server_streaming = R"(

$status$ $service$::$class$::$function$(
    ::nigh::ServerContext&,
    const $request$&,
    ::nigh::$Co$ServerWriter<$reply$>&) {
  $return$ ::nigh::Unimplemented(kMethods[$index$]);
}
)",
                                 .client_streaming = R"(

$status$ $service$::$class$::$function$(
    ::nigh::ServerContext&,
    ::nigh::$Co$ServerReader<$request$>&,
    $reply$*) {
  $return$ ::nigh::Unimplemented(kMethods[$index$]);
}
)",
                                 .bidi_streaming = R"(

$status$ $service$::$class$::$function$(
    ::nigh::ServerContext&,
    ::nigh::$Co$ServerStream<$request$, $reply$>&) {
  $return$ ::nigh::Unimplemented(kMethods[$index$]);
}
)"};

// What differs between the two classes.
std::vector<Variables> Flavours(const ServiceDescriptor& service, const Names& names) {
  std::vector<Variables> flavours = {
      {{"class", "Service"},
       {"what",
        "The server: derive from it and override methods. Those left out answer UNIMPLEMENTED."},
       {"status", "::absl::Status"},
       {"return", "return"},
       {"Co", ""}},
      {{"class", "CoService"},
       {"what", "The same with coroutines for handlers, which need no thread while they wait."},
       {"status", "::nigh::Task<::absl::Status>"},
       {"return", "co_return"},
       {"Co", "Co"}}};
  for (Variables& flavour : flavours) flavour.merge(VariablesOf(service, names));
  return flavours;
}

}  // namespace

void PrintHandlerClasses(Printer& out, const ServiceDescriptor& service, const Names& names) {
  for (const Variables& flavour : Flavours(service, names)) {
    Print(out, flavour, R"(

// $what$
class $class$ : public ::nigh::Service {
 public:
  $class$();
)");
    out.Indent();
    for (const Method& method : MethodsOf(service, names, flavour)) {
      out.Print("\n");
      PrintCommentOf(out, method.descriptor);
      Print(out, method.variables, kDeclarations.Of(method.descriptor));
    }
    out.Outdent();
    out.Print("};\n");
  }
}

void PrintHandlerDefinitions(Printer& out, const ServiceDescriptor& service, const Names& names) {
  for (const Variables& flavour : Flavours(service, names)) {
    const std::vector<Method> methods = MethodsOf(service, names, flavour);
    Print(out, flavour, R"(

$service$::$class$::$class$() {
)");
    for (const Method& method : methods) {
      Print(out, method.variables, R"(
  Handle<&$class$::$function$>(kMethods[$index$]);
)");
    }
    out.Print("}\n");
    for (const Method& method : methods) {
      Print(out, method.variables, kDefinitions.Of(method.descriptor));
    }
  }
}

}  // namespace nigh::codegen
