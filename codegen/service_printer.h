#ifndef NIGH_CODEGEN_SERVICE_PRINTER_H_
#define NIGH_CODEGEN_SERVICE_PRINTER_H_

#include <google/protobuf/descriptor.h>

#include "codegen/names.h"
#include "codegen/source_text.h"

namespace nigh::codegen {

// The class of one service, for the header: the names and methods, the client's Stub, the server's
// Service.
void PrintServiceClass(const google::protobuf::ServiceDescriptor& service, const Names& names,
                       SourceText& out);

// What the class declares without defining it, for the source.
void PrintServiceDefinitions(const google::protobuf::ServiceDescriptor& service, const Names& names,
                             SourceText& out);

}  // namespace nigh::codegen

#endif  // NIGH_CODEGEN_SERVICE_PRINTER_H_
