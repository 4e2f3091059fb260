#include "codegen/names.h"

#include <google/protobuf/compiler/code_generator.h>
#include <google/protobuf/compiler/cpp/names.h>
#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace nigh::codegen {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

// The namespaces that generated code names. A class of that name would hide one, or clash with it.
constexpr const char* kNamespaces[] = {"absl", "google", "nigh", "std"};

// What a method cannot be called: the members that stand beside it in the generated classes, and
// those of nigh::Service, which the generated Service derives from.
constexpr const char* kMembers[] = {"Stub",   "Service",      "CoService", "kMethods", "methods_",
                                    "Handle", "kServiceName", "handlers",  "handlers_"};

// The parameters of generated functions. A message of that name would be hidden by them.
constexpr const char* kParameters[] = {"channel", "context", "done",     "options", "replies",
                                       "reply",   "request", "requests", "stream"};

// In alphabetical order.
constexpr const char* kKeywords[] = {"alignas",       "alignof",     "and",
                                     "and_eq",        "asm",         "auto",
                                     "bitand",        "bitor",       "bool",
                                     "break",         "case",        "catch",
                                     "char",          "char16_t",    "char32_t",
                                     "char8_t",       "class",       "co_await",
                                     "co_return",     "co_yield",    "compl",
                                     "concept",       "const",       "const_cast",
                                     "consteval",     "constexpr",   "constinit",
                                     "continue",      "decltype",    "default",
                                     "delete",        "do",          "double",
                                     "dynamic_cast",  "else",        "enum",
                                     "explicit",      "export",      "extern",
                                     "false",         "float",       "for",
                                     "friend",        "goto",        "if",
                                     "inline",        "int",         "long",
                                     "mutable",       "namespace",   "new",
                                     "noexcept",      "not",         "not_eq",
                                     "nullptr",       "operator",    "or",
                                     "or_eq",         "private",     "protected",
                                     "public",        "register",    "reinterpret_cast",
                                     "requires",      "return",      "short",
                                     "signed",        "sizeof",      "static",
                                     "static_assert", "static_cast", "struct",
                                     "switch",        "template",    "this",
                                     "thread_local",  "throw",       "true",
                                     "try",           "typedef",     "typeid",
                                     "typename",      "union",       "unsigned",
                                     "using",         "virtual",     "void",
                                     "volatile",      "wchar_t",     "while",
                                     "xor",           "xor_eq"};

template <typename List>
bool Contains(const List& list, const std::string& name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

std::vector<std::string> PackageParts(const FileDescriptor& file) {
  std::vector<std::string> parts;
  std::istringstream package(file.package());
  for (std::string part; std::getline(package, part, '.');) parts.push_back(part);
  return parts;
}

void CollectFiles(const FileDescriptor& file, std::set<const FileDescriptor*>& files) {
  if (!files.insert(&file).second) return;
  for (int i = 0; i < file.dependency_count(); ++i) CollectFiles(*file.dependency(i), files);
}

// What protobuf declares in a package's namespace for an enum: its values, too, when it is nested.
void CollectEnum(const EnumDescriptor& type, std::set<std::string>& names) {
  const std::string name = google::protobuf::compiler::cpp::ClassName(&type);
  names.insert(name);
  for (int i = 0; i < type.value_count(); ++i) names.insert(name + "_" + type.value(i)->name());
}

void CollectMessage(const Descriptor& message, std::set<std::string>& names) {
  names.insert(google::protobuf::compiler::cpp::ClassName(&message));
  for (int i = 0; i < message.nested_type_count(); ++i) {
    CollectMessage(*message.nested_type(i), names);
  }
  for (int i = 0; i < message.enum_type_count(); ++i) CollectEnum(*message.enum_type(i), names);
}

void CollectTypes(const FileDescriptor& file, std::set<std::string>& names) {
  for (int i = 0; i < file.message_type_count(); ++i) CollectMessage(*file.message_type(i), names);
  for (int i = 0; i < file.enum_type_count(); ++i) CollectEnum(*file.enum_type(i), names);
}

}  // namespace

Names::Names(const FileDescriptor& file) : file_(file) {
  std::set<const FileDescriptor*> files;
  CollectFiles(file, files);
  for (const FileDescriptor* other : files) {
    if (other->package() == file.package()) CollectTypes(*other, package_types_);
  }
}

std::string Names::MessagesHeader() const {
  return google::protobuf::compiler::StripProto(file_.name()) + ".pb.h";
}

std::string Names::Header() const {
  return google::protobuf::compiler::StripProto(file_.name()) + ".nigh.h";
}

std::string Names::Source() const {
  return google::protobuf::compiler::StripProto(file_.name()) + ".nigh.cc";
}

std::string Names::MockHeader() const {
  return google::protobuf::compiler::StripProto(file_.name()) + "_mock.nigh.h";
}

std::string Names::IncludeGuard() const {
  std::string guard = "NIGH_GENERATED_";
  for (unsigned char c : file_.name()) {
    if (std::isalnum(c) || c == '_') {
      guard += static_cast<char>(c);
    } else {
      char code[4];
      std::snprintf(code, sizeof(code), "_%02x", static_cast<unsigned>(c));
      guard += code;
    }
  }
  return guard;
}

std::string Names::Namespace() const {
  std::string name;
  for (const std::string& part : PackageParts(file_)) name += (name.empty() ? "" : "::") + part;
  return name;
}

std::string Names::Class(const ServiceDescriptor& service) const {
  std::string name = service.name();
  while (IsKeyword(name) || Contains(kNamespaces, name) || package_types_.contains(name)) {
    name += '_';
  }
  return name;
}

std::string Names::Mock(const ServiceDescriptor& service) const {
  std::string name = "Mock" + service.name() + "Service";
  const auto is_taken = [&] {
    bool taken = package_types_.contains(name);
    for (int i = 0; i < file_.service_count(); ++i) {
      taken = taken || Class(*file_.service(i)) == name;
    }
    return taken;
  };
  while (is_taken()) name += '_';
  return name;
}

std::string Names::Function(const MethodDescriptor& method) const {
  const std::string& name = method.name();
  const bool taken = IsKeyword(name) || Contains(kNamespaces, name) || Contains(kMembers, name);
  return taken ? name + '_' : name;
}

std::string Names::Derived(const std::string& prefix, const MethodDescriptor& method) const {
  const std::string name = prefix + method.name();
  return method.service()->FindMethodByName(name) == nullptr ? name : name + '_';
}

std::string Names::Message(const Descriptor& message, const ServiceDescriptor& service) const {
  std::string name = google::protobuf::compiler::cpp::ClassName(&message);
  bool hidden = message.file()->package() != file_.package() || Contains(kMembers, name) ||
                Contains(kParameters, name) || name == Class(service);
  for (int i = 0; i < service.method_count(); ++i) {
    const MethodDescriptor& method = *service.method(i);
    hidden = hidden || name == Function(method) || name == Derived("Async", method) ||
             name == Derived("Co", method);
  }
  if (!hidden) return name;

  std::string qualified = google::protobuf::compiler::cpp::QualifiedClassName(&message);
  // Protobuf names its own namespace by a macro that its headers take back at their end.
  const std::string macro = "PROTOBUF_NAMESPACE_ID";
  const size_t at = qualified.find(macro);
  if (at != std::string::npos) qualified.replace(at, macro.size(), "google::protobuf");
  return qualified;
}

bool IsKeyword(const std::string& name) { return Contains(kKeywords, name); }

std::string UnusableNamespace(const FileDescriptor& file) {
  for (const std::string& part : PackageParts(file)) {
    if (IsKeyword(part)) return part;
  }
  return "";
}

}  // namespace nigh::codegen
