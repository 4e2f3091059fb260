#include "codegen/names.h"

#include <google/protobuf/compiler/code_generator.h>
#include <google/protobuf/compiler/cpp/names.h>
#include <google/protobuf/descriptor.h>

#include <cctype>
#include <cstdio>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "codegen/reserved_names.h"

namespace nigh::codegen {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

// The namespaces that generated code names. What has such a name would hide one, or clash with it.
constexpr const char* kNamespaces[] = {"absl", "google", "nigh", "std"};

// The members of a service's class. A class cannot have the name of one of its own.
constexpr const char* kClassMembers[] = {"Stub", "Service", "CoService", "kMethods",
                                         "kServiceName"};

// The members of Stub, and those of nigh::Service that Service and CoService use.
constexpr const char* kInnerMembers[] = {"methods_", "Handle", "handlers"};

// The parameters of generated functions. A message of that name would be hidden by them.
constexpr const char* kParameters[] = {"channel", "context", "done",     "options", "replies",
                                       "reply",   "request", "requests", "stream"};

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
  for (const char* function :
       {"_ARRAYSIZE", "_IsValid", "_MAX", "_MIN", "_Name", "_Parse", "_descriptor"}) {
    names.insert(name + function);
  }
  for (int i = 0; i < type.value_count(); ++i) {
    names.insert(name + "_" + type.value(i)->name());
    if (type.containing_type() == nullptr) names.insert(type.value(i)->name());
  }
}

void CollectMessage(const Descriptor& message, std::set<std::string>& names) {
  const std::string name = google::protobuf::compiler::cpp::ClassName(&message);
  names.insert(name);
  names.insert(name + "DefaultTypeInternal");
  for (int i = 0; i < message.nested_type_count(); ++i) {
    CollectMessage(*message.nested_type(i), names);
  }
  for (int i = 0; i < message.enum_type_count(); ++i) CollectEnum(*message.enum_type(i), names);
}

void CollectTypes(const FileDescriptor& file, std::set<std::string>& names) {
  for (int i = 0; i < file.message_type_count(); ++i) CollectMessage(*file.message_type(i), names);
  for (int i = 0; i < file.enum_type_count(); ++i) CollectEnum(*file.enum_type(i), names);
}

// One scope of C++, in which no two things have the same name.
class Scope {
 public:
  void Reserve(const std::string& name) { taken_.insert(name); }
  void ReserveAll(const auto& names) { taken_.insert(std::begin(names), std::end(names)); }

  bool IsFree(const std::string& name) const {
    return !IsKeyword(name) && !IsMacro(name) && !IsGnuMacro(name) && !taken_.contains(name);
  }

  // Gives `name` away, with as many "_" behind it as it takes.
  std::string Name(std::string name) {
    while (!IsFree(name)) name += '_';
    taken_.insert(name);
    return name;
  }

 private:
  std::set<std::string> taken_;
};

// Names `things` in `scope`: first those that can have the names they are given in the .proto, so
// that no other takes one away.
template <typename Thing>
std::map<const Thing*, std::string> NameAll(const std::vector<const Thing*>& things, Scope& scope) {
  std::map<const Thing*, std::string> names;
  std::vector<const Thing*> others;
  for (const Thing* thing : things) {
    if (scope.IsFree(thing->name())) {
      names[thing] = scope.Name(thing->name());
    } else {
      others.push_back(thing);
    }
  }
  for (const Thing* thing : others) names[thing] = scope.Name(thing->name());
  return names;
}

}  // namespace

Names::Names(const FileDescriptor& file) : file_(file) {
  Scope package;
  package.ReserveAll(kNamespaces);
  package.ReserveAll(kClassMembers);
  std::set<const FileDescriptor*> files;
  CollectFiles(file, files);
  for (const FileDescriptor* other : files) {
    if (other->package() != file.package()) continue;
    std::set<std::string> types;
    CollectTypes(*other, types);
    package.ReserveAll(types);
    for (int i = 0; other != &file && i < other->service_count(); ++i) {
      package.Reserve(other->service(i)->name());
    }
  }
  std::vector<const ServiceDescriptor*> services;
  for (int i = 0; i < file.service_count(); ++i) services.push_back(file.service(i));
  classes_ = NameAll(services, package);
  for (const ServiceDescriptor* service : services) NameMethods(*service);
  for (const ServiceDescriptor* service : services) {
    // A member function of the mock cannot have its name.
    Scope mock = package;
    for (int i = 0; i < service->method_count(); ++i) mock.Reserve(Function(*service->method(i)));
    mocks_[service] = mock.Name("Mock" + service->name() + "Service");
    package.Reserve(mocks_[service]);
  }
}

void Names::NameMethods(const ServiceDescriptor& service) {
  Scope members;
  members.ReserveAll(kNamespaces);
  members.ReserveAll(kClassMembers);
  members.ReserveAll(kInnerMembers);
  std::vector<const MethodDescriptor*> methods;
  for (int i = 0; i < service.method_count(); ++i) {
    methods.push_back(service.method(i));
    // What gMock declares beside each method of a mock.
    members.Reserve("gmock_" + service.method(i)->name());
  }
  functions_.merge(NameAll(methods, members));

  // In Stub alone, where Service and CoService are nobody's name.
  Scope variants;
  variants.Reserve("Stub");
  variants.ReserveAll(kInnerMembers);
  for (const MethodDescriptor* method : methods) {
    variants.Reserve(method->name());
    variants.Reserve(functions_.at(method));
  }
  for (const MethodDescriptor* method : methods) {
    for (const char* prefix : {"Async", "Co"}) {
      variants_[{prefix, method}] = variants.Name(prefix + method->name());
    }
  }

  std::set<std::string>& hiding = hiding_[&service];
  hiding.insert(std::begin(kClassMembers), std::end(kClassMembers));
  hiding.insert(std::begin(kInnerMembers), std::end(kInnerMembers));
  hiding.insert(std::begin(kParameters), std::end(kParameters));
  hiding.insert({Class(service), "handlers_"});  // a private member of nigh::Service
  for (const MethodDescriptor* method : methods) {
    hiding.insert({Function(*method), Derived("Async", *method), Derived("Co", *method)});
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

std::string Names::Class(const ServiceDescriptor& service) const { return classes_.at(&service); }

std::string Names::Mock(const ServiceDescriptor& service) const { return mocks_.at(&service); }

std::string Names::Function(const MethodDescriptor& method) const { return functions_.at(&method); }

std::string Names::Derived(const std::string& prefix, const MethodDescriptor& method) const {
  return variants_.at({prefix, &method});
}

std::string Names::Message(const Descriptor& message, const ServiceDescriptor& service) const {
  std::string name = google::protobuf::compiler::cpp::ClassName(&message);
  const bool hidden = message.file()->package() != file_.package() || name.starts_with("gmock_") ||
                      hiding_.at(&service).contains(name);
  if (!hidden) return name;

  std::string qualified = google::protobuf::compiler::cpp::QualifiedClassName(&message);
  // Protobuf names its own namespace by a macro that its headers take back at their end.
  const std::string macro = "PROTOBUF_NAMESPACE_ID";
  const size_t at = qualified.find(macro);
  if (at != std::string::npos) qualified.replace(at, macro.size(), "google::protobuf");
  return qualified;
}

std::string UnusableNamespace(const FileDescriptor& file) {
  for (const std::string& part : PackageParts(file)) {
    if (IsKeyword(part) || IsMacroWithoutArguments(part)) return part;
  }
  return "";
}

std::string GnuNamespace(const FileDescriptor& file) {
  for (const std::string& part : PackageParts(file)) {
    if (IsGnuMacro(part)) return part;
  }
  return "";
}

}  // namespace nigh::codegen
