#include "nigh/introspection/standard_files.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "nigh/health.pb.h"
#include "nigh/reflection.pb.h"

namespace nigh {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::DescriptorProto;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;
using google::protobuf::MethodDescriptorProto;
using google::protobuf::ServiceDescriptorProto;

// The types of one package, in another.
class Move {
 public:
  Move(absl::string_view from, absl::string_view to)
      : from_(absl::StrCat(".", from, ".")), to_(absl::StrCat(".", to, ".")) {}

  void Apply(DescriptorProto& message) const {
    for (FieldDescriptorProto& field : *message.mutable_field()) {
      if (field.has_type_name()) Rename(*field.mutable_type_name());
    }
    for (DescriptorProto& nested : *message.mutable_nested_type()) Apply(nested);
  }
  void Apply(ServiceDescriptorProto& service) const {
    for (MethodDescriptorProto& method : *service.mutable_method()) {
      Rename(*method.mutable_input_type());
      Rename(*method.mutable_output_type());
    }
  }

 private:
  // ".package.Type".
  void Rename(std::string& type) const {
    if (absl::StartsWith(type, from_)) type.replace(0, from_.size(), to_);
  }

  const std::string from_;
  const std::string to_;
};

// Adds `file` as it is known elsewhere.
void Add(DescriptorPool& pool, const FileDescriptor& file, absl::string_view name,
         absl::string_view package) {
  FileDescriptorProto moved;
  file.CopyTo(&moved);
  const Move move(file.package(), package);
  for (DescriptorProto& message : *moved.mutable_message_type()) move.Apply(message);
  for (ServiceDescriptorProto& service : *moved.mutable_service()) move.Apply(service);
  moved.set_name(std::string(name));
  moved.set_package(std::string(package));
  (void)pool.BuildFile(moved);
}

}  // namespace

const DescriptorPool& StandardFiles() {
  static const DescriptorPool& pool = *[] {
    auto* files = new DescriptorPool();
    const FileDescriptor& health = *health::HealthCheckRequest::descriptor()->file();
    const FileDescriptor& reflection = *reflection::ErrorResponse::descriptor()->file();
    Add(*files, health, "grpc/health/v1/health.proto", "grpc.health.v1");
    Add(*files, reflection, "grpc/reflection/v1/reflection.proto", "grpc.reflection.v1");
    Add(*files, reflection, "grpc/reflection/v1alpha/reflection.proto", "grpc.reflection.v1alpha");
    return files;
  }();
  return pool;
}

}  // namespace nigh
