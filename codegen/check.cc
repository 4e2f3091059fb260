#include "codegen/check.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <string>
#include <vector>

#include "codegen/allow.h"
#include "codegen/names.h"
#include "codegen/reserved_names.h"
#include "nigh/options.pb.h"

namespace nigh::codegen {
namespace {

using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using google::protobuf::SourceLocation;

std::string Place(const std::string& file, const SourceLocation& location) {
  return file + ":" + std::to_string(location.start_line + 1) + ":" +
         std::to_string(location.start_column + 1) + ": ";
}

// Where a service or method stands in its .proto.
template <typename Descriptor>
std::string PlaceOf(const Descriptor& descriptor, const FileDescriptor& file) {
  SourceLocation location;
  return descriptor.GetSourceLocation(&location) ? Place(file.name(), location)
                                                 : file.name() + ": ";
}

// Where a part of the file itself stands in it.
std::string PlaceOf(const std::vector<int>& path, const FileDescriptor& file) {
  SourceLocation location;
  return file.GetSourceLocation(path, &location) ? Place(file.name(), location)
                                                 : file.name() + ": ";
}

// Has `problems` told of what is wrong with the option `name` of whatever is at `place`.
void CheckAllow(const Allow& allow, const std::string& place, const std::string& name,
                std::vector<std::string>& problems) {
  const std::string problem = ProblemOf(allow);
  if (!problem.empty()) problems.push_back(place + "option (nigh." + name + ") " + problem);
}

void CheckMethod(const MethodDescriptor& method, std::vector<std::string>& problems) {
  const bool streaming = method.client_streaming() || method.server_streaming();
  if (streaming && method.options().GetExtension(dispatch) == MethodDispatch::INLINE) {
    problems.push_back(PlaceOf(method, *method.file()) + "method \"" + method.full_name() +
                       "\" has (nigh.dispatch) = INLINE, but a streaming handler waits for its "
                       "peer and would stop the thread that receives: remove the option");
  }
  if (method.options().HasExtension(allow)) {
    CheckAllow(method.options().GetExtension(allow),
               PlaceOf(method, *method.file()) + "method \"" + method.full_name() + "\": ", "allow",
               problems);
  }
}

void CheckService(const ServiceDescriptor& service, std::vector<std::string>& problems) {
  const FileDescriptor& file = *service.file();
  if (file.options().cc_generic_services()) {
    problems.push_back(PlaceOf(service, file) +
                       "option cc_generic_services makes protobuf generate a class \"" +
                       service.name() + "\" of its own: remove the option");
  }
  if (service.options().HasExtension(service_allow)) {
    CheckAllow(service.options().GetExtension(service_allow),
               PlaceOf(service, file) + "service \"" + service.full_name() + "\": ",
               "service_allow", problems);
  }
  for (int i = 0; i < service.method_count(); ++i) CheckMethod(*service.method(i), problems);
}

}  // namespace

void CheckFile(const FileDescriptor& file, std::vector<std::string>& problems) {
  if (file.service_count() == 0) return;  // the messages are protobuf's own business

  const std::string part = UnusableNamespace(file);
  if (!part.empty()) {
    problems.push_back(PlaceOf({FileDescriptorProto::kPackageFieldNumber}, file) + "package \"" +
                       file.package() + "\" has the part \"" + part + "\", a " +
                       (IsKeyword(part) ? "C++ keyword" : "macro of the system's headers") +
                       " that cannot name a namespace: rename the package");
  }

  if (file.options().HasExtension(file_allow)) {
    CheckAllow(file.options().GetExtension(file_allow),
               PlaceOf({FileDescriptorProto::kOptionsFieldNumber, kFileAllowFieldNumber}, file),
               "file_allow", problems);
  }
  for (int i = 0; i < file.service_count(); ++i) CheckService(*file.service(i), problems);
}

}  // namespace nigh::codegen
