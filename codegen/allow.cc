#include "codegen/allow.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/repeated_ptr_field.h>
#include <google/protobuf/stubs/strutil.h>

#include <algorithm>
#include <string>

#include "nigh/options.pb.h"

namespace nigh::codegen {
namespace {

using google::protobuf::CEscape;
using google::protobuf::FileOptions;
using google::protobuf::MethodDescriptor;
using google::protobuf::MethodOptions;
using google::protobuf::RepeatedPtrField;
using google::protobuf::ServiceOptions;

using Entries = RepeatedPtrField<std::string>;

bool Has(const Entries& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// ".users = {"ann", "bob"}", or nothing.
std::string Field(const char* name, const Entries& values) {
  std::string field;
  for (const std::string& value : values) {
    field += (field.empty() ? "" : ", ") + ("\"" + CEscape(value) + "\"");
  }
  return field.empty() ? field : std::string(".") + name + " = {" + field + "}";
}

std::string Field(const char* name, bool value) {
  return value ? std::string(".") + name + " = true" : "";
}

}  // namespace

const Allow* AllowOf(const MethodDescriptor& method) {
  const MethodOptions& own = method.options();
  const ServiceOptions& service = method.service()->options();
  const FileOptions& file = method.file()->options();
  if (own.HasExtension(allow)) return &own.GetExtension(allow);
  if (service.HasExtension(service_allow)) return &service.GetExtension(service_allow);
  return file.HasExtension(file_allow) ? &file.GetExtension(file_allow) : nullptr;
}

std::string ProblemOf(const Allow& allow) {
  const bool others =
      allow.same_user() || allow.root() || allow.users_size() > 0 || allow.groups_size() > 0;
  if (allow.anybody() && others) {
    return "says anybody, and names others, whom that includes: remove anybody or the others";
  }
  if (!allow.anybody() && !others) {
    return "names nobody, so that no call would ever be let through: say same_user: true, root: "
           "true, users, groups or anybody: true, or remove the option";
  }
  if (Has(allow.users(), "") || Has(allow.groups(), "")) {
    return "names a user or group \"\": give a name or a number, or remove the entry";
  }
  if (Has(allow.users(), "*") || Has(allow.groups(), "*")) {
    return "names a user or group \"*\", which is nobody's name: say anybody: true, alone";
  }
  return "";
}

std::string CallersOf(const Allow& allow) {
  std::string fields;
  for (const std::string& field :
       {Field("same_user", allow.same_user()), Field("root", allow.root()),
        Field("users", allow.users()), Field("groups", allow.groups()),
        Field("anybody", allow.anybody())}) {
    if (!field.empty()) fields += (fields.empty() ? "" : ", ") + field;
  }
  return "::nigh::Callers{" + fields + "}";
}

}  // namespace nigh::codegen
