#include "nigh/generic_service.h"

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "nigh/method.h"
#include "nigh/service.h"

namespace nigh {
namespace {

absl::Status Run(Service& service, const HandlerArguments& arguments) {
  GenericServerStream stream(arguments.call);
  return static_cast<GenericService&>(service).Handle(arguments.context, stream);
}

}  // namespace

MethodHandler GenericService::HandlerOf(const Method& method) {
  return {.method = &method,
          .service = this,
          .new_request = nullptr,
          .new_reply = nullptr,
          .run = Run,
          .co_run = nullptr};
}

std::optional<std::string> GenericServerStream::SoleRequest() {
  if (!call_.HasSoleRequest()) return std::nullopt;
  return Read();
}

std::optional<std::string> GenericServerStream::Read() {
  std::optional<std::string> request(std::in_place);
  if (!Read(&*request)) request.reset();
  return request;
}

}  // namespace nigh
