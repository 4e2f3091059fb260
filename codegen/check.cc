#include "codegen/check.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <map>
#include <string>
#include <vector>

#include "codegen/names.h"
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

std::string PlaceOfPackage(const FileDescriptor& file) {
  SourceLocation location;
  const std::vector<int> path = {FileDescriptorProto::kPackageFieldNumber};
  return file.GetSourceLocation(path, &location) ? Place(file.name(), location)
                                                 : file.name() + ": ";
}

void CheckMethod(const MethodDescriptor& method, std::vector<std::string>& problems) {
  const bool streaming = method.client_streaming() || method.server_streaming();
  if (streaming && method.options().GetExtension(dispatch) == MethodDispatch::INLINE) {
    problems.push_back(PlaceOf(method, *method.file()) + "method \"" + method.full_name() +
                       "\" has (nigh.dispatch) = INLINE, but a streaming handler waits for its "
                       "peer and would stop the thread that receives: remove the option");
  }
}

void CheckService(const ServiceDescriptor& service, const Names& names,
                  std::vector<std::string>& problems) {
  std::map<std::string, const MethodDescriptor*> functions;
  for (int i = 0; i < service.method_count(); ++i) {
    const MethodDescriptor& method = *service.method(i);
    CheckMethod(method, problems);
    const auto [earlier, added] = functions.emplace(names.Function(method), &method);
    if (!added) {
      problems.push_back(PlaceOf(method, *service.file()) + "methods \"" + earlier->second->name() +
                         "\" and \"" + method.name() + "\" of service \"" + service.full_name() +
                         "\" would both be called " + earlier->first + " in C++: rename one");
    }
  }
}

}  // namespace

void CheckFile(const FileDescriptor& file, std::vector<std::string>& problems) {
  if (file.service_count() == 0) return;  // the messages are protobuf's own business

  const std::string keyword = UnusableNamespace(file);
  if (!keyword.empty()) {
    problems.push_back(PlaceOfPackage(file) + "package \"" + file.package() + "\" has the part \"" +
                       keyword +
                       "\", a C++ keyword that cannot name a namespace: rename the package");
  }

  const Names names(file);
  std::map<std::string, const ServiceDescriptor*> classes;
  for (int i = 0; i < file.service_count(); ++i) {
    const ServiceDescriptor& service = *file.service(i);
    if (file.options().cc_generic_services()) {
      problems.push_back(PlaceOf(service, file) +
                         "option cc_generic_services makes protobuf generate a class \"" +
                         service.name() + "\" of its own: remove the option");
    }
    const auto [earlier, added] = classes.emplace(names.Class(service), &service);
    if (!added) {
      problems.push_back(PlaceOf(service, file) + "services \"" + earlier->second->name() +
                         "\" and \"" + service.name() + "\" would both be called " +
                         earlier->first + " in C++: rename one");
    }
    CheckService(service, names, problems);
  }
}

}  // namespace nigh::codegen
