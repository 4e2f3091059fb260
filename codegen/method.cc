#include "codegen/method.h"

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

#include "codegen/names.h"
#include "codegen/source_text.h"

namespace nigh::codegen {
namespace {

using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using google::protobuf::SourceLocation;

template <typename Descriptor>
void PrintCommentOf(const Descriptor& descriptor, SourceText& out) {
  SourceLocation location;
  if (!descriptor.GetSourceLocation(&location)) return;
  for (const std::string& paragraph : location.leading_detached_comments) {
    out.Comment(paragraph);
    out.Line();
  }
  out.Comment(location.leading_comments);
  if (!location.leading_comments.empty() && !location.trailing_comments.empty()) out.Line("//");
  out.Comment(location.trailing_comments);
}

}  // namespace

std::vector<Method> MethodsOf(const ServiceDescriptor& service, const Names& names) {
  std::vector<Method> methods;
  for (int i = 0; i < service.method_count(); ++i) methods.emplace_back(*service.method(i), names);
  return methods;
}

void PrintComment(const ServiceDescriptor& service, SourceText& out) {
  PrintCommentOf(service, out);
}

void PrintComment(const MethodDescriptor& method, SourceText& out) { PrintCommentOf(method, out); }

}  // namespace nigh::codegen
