#ifndef NIGH_CODEGEN_HANDLER_PRINTER_H_
#define NIGH_CODEGEN_HANDLER_PRINTER_H_

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

#include "codegen/method.h"
#include "codegen/names.h"
#include "codegen/source_text.h"

namespace nigh::codegen {

// The server's side of a service: the classes Service and CoService that users derive from,
void PrintService(const google::protobuf::ServiceDescriptor& service, const Names& names,
                  SourceText& out);

// and the definitions of its members.
void PrintServiceMembers(const google::protobuf::ServiceDescriptor& service, const Names& names,
                         SourceText& out);

// The types of what a handler of Service takes.
std::vector<std::string> HandlerTypes(const Method& method);

}  // namespace nigh::codegen

#endif  // NIGH_CODEGEN_HANDLER_PRINTER_H_
