#include "nigh/introspection/reflection.h"

#include <algorithm>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "nigh/co_service.h"
#include "nigh/introspection/callers.h"
#include "nigh/introspection/standard_files.h"
#include "nigh/method.h"
#include "nigh/reflection.pb.h"
#include "nigh/server_context.h"
#include "nigh/task.h"

namespace nigh {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;
using reflection::ServerReflectionRequest;
using reflection::ServerReflectionResponse;

constexpr Method kInfo{.name = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                       .kind = MethodKind::kBidiStreaming,
                       .allow = OwnUserAndRoot};
constexpr Method kInfoAlpha{
    .name = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    .kind = MethodKind::kBidiStreaming,
    .allow = OwnUserAndRoot};

// Asks the program's own files, and then the standard ones.
template <class Find>
auto FindIn(Find find) {
  auto* const own = find(*DescriptorPool::generated_pool());
  return own != nullptr ? own : find(StandardFiles());
}

// Adds `file` after all that it imports, each file once.
void AddWithImports(const FileDescriptor& file, std::unordered_set<const FileDescriptor*>& added,
                    reflection::FileDescriptorResponse& response) {
  if (!added.insert(&file).second) return;
  for (int i = 0; i < file.dependency_count(); ++i) {
    AddWithImports(*file.dependency(i), added, response);
  }
  FileDescriptorProto proto;
  file.CopyTo(&proto);
  proto.SerializeToString(response.add_file_descriptor_proto());
}

void Fail(absl::string_view what, ServerReflectionResponse& response) {
  reflection::ErrorResponse& error = *response.mutable_error_response();
  error.set_error_code(static_cast<int>(absl::StatusCode::kNotFound));
  error.set_error_message(absl::StrCat(what, ": not in this program"));
}

void AnswerWith(const FileDescriptor* file, absl::string_view what,
                ServerReflectionResponse& response) {
  if (file == nullptr) return Fail(what, response);
  std::unordered_set<const FileDescriptor*> added;
  AddWithImports(*file, added, *response.mutable_file_descriptor_response());
  // What was asked for comes first.
  auto& files = *response.mutable_file_descriptor_response()->mutable_file_descriptor_proto();
  std::reverse(files.begin(), files.end());
}

const Descriptor* FindMessage(const std::string& name) {
  return FindIn([&](const DescriptorPool& pool) { return pool.FindMessageTypeByName(name); });
}

void AnswerExtension(const reflection::ExtensionRequest& asked,
                     ServerReflectionResponse& response) {
  const Descriptor* const extended = FindMessage(asked.containing_type());
  const FieldDescriptor* const extension =
      extended == nullptr
          ? nullptr
          : extended->file()->pool()->FindExtensionByNumber(extended, asked.extension_number());
  AnswerWith(
      extension == nullptr ? nullptr : extension->file(),
      absl::StrCat("extension ", asked.extension_number(), " of message ", asked.containing_type()),
      response);
}

void AnswerExtensions(const std::string& type, ServerReflectionResponse& response) {
  const Descriptor* const extended = FindMessage(type);
  if (extended == nullptr) return Fail(absl::StrCat("message ", type), response);
  std::vector<const FieldDescriptor*> extensions;
  extended->file()->pool()->FindAllExtensions(extended, &extensions);
  reflection::ExtensionNumberResponse& numbers = *response.mutable_all_extension_numbers_response();
  numbers.set_base_type_name(type);
  for (const FieldDescriptor* extension : extensions) {
    numbers.add_extension_number(extension->number());
  }
}

void Answer(const ServerReflectionRequest& request, const std::vector<std::string>& services,
            ServerReflectionResponse& response) {
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kFileByFilename:
      return AnswerWith(FindIn([&](const DescriptorPool& pool) {
                          return pool.FindFileByName(request.file_by_filename());
                        }),
                        absl::StrCat("file ", request.file_by_filename()), response);
    case ServerReflectionRequest::kFileContainingSymbol:
      return AnswerWith(FindIn([&](const DescriptorPool& pool) {
                          return pool.FindFileContainingSymbol(request.file_containing_symbol());
                        }),
                        absl::StrCat("symbol ", request.file_containing_symbol()), response);
    case ServerReflectionRequest::kFileContainingExtension:
      return AnswerExtension(request.file_containing_extension(), response);
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      return AnswerExtensions(request.all_extension_numbers_of_type(), response);
    case ServerReflectionRequest::kListServices: {
      reflection::ListServiceResponse& list = *response.mutable_list_services_response();
      for (const std::string& service : services) list.add_service()->set_name(service);
      return;
    }
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET: {
      reflection::ErrorResponse& error = *response.mutable_error_response();
      error.set_error_code(static_cast<int>(absl::StatusCode::kInvalidArgument));
      error.set_error_message("the request asks for nothing that is known here");
      return;
    }
  }
}

}  // namespace

ReflectionService::ReflectionService(std::vector<std::string> services)
    : services_([&] {
        absl::c_sort(services);
        return std::move(services);
      }()) {
  Handle<&ReflectionService::Info>(kInfo);
  Handle<&ReflectionService::Info>(kInfoAlpha);
}

Task<absl::Status> ReflectionService::Info(
    ServerContext& /*context*/,
    CoServerStream<ServerReflectionRequest, ServerReflectionResponse>& stream) {
  while (std::optional<ServerReflectionRequest> request = co_await stream.Read()) {
    ServerReflectionResponse response;
    response.set_valid_host(request->host());
    Answer(*request, services_, response);
    *response.mutable_original_request() = *std::move(request);
    if (!co_await stream.Write(response)) break;
  }
  co_return absl::OkStatus();
}

}  // namespace nigh
