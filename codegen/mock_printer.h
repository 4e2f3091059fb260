#ifndef NIGH_CODEGEN_MOCK_PRINTER_H_
#define NIGH_CODEGEN_MOCK_PRINTER_H_

#include <google/protobuf/descriptor.h>

#include "codegen/names.h"
#include "codegen/source_text.h"

namespace nigh::codegen {

// The gMock class of a service's server, for tests.
void PrintMock(const google::protobuf::ServiceDescriptor& service, const Names& names,
               SourceText& out);

}  // namespace nigh::codegen

#endif  // NIGH_CODEGEN_MOCK_PRINTER_H_
