#ifndef NIGH_CODEGEN_PRINTERS_H_
#define NIGH_CODEGEN_PRINTERS_H_

#include <google/protobuf/descriptor.h>

#include "codegen/names.h"
#include "codegen/template.h"

namespace nigh::codegen {

// The printers of generated code, outermost first. CheckFile must have found nothing wrong.

// file_printer.cc: the whole of FILE.nigh.h, of FILE.nigh.cc and of FILE_mock.nigh.h.
void PrintHeader(Printer& out, const google::protobuf::FileDescriptor& file, const Names& names);
void PrintSource(Printer& out, const google::protobuf::FileDescriptor& file, const Names& names);
void PrintMockHeader(Printer& out, const google::protobuf::FileDescriptor& file,
                     const Names& names);

// service_printer.cc: the class of a service, which holds its table of methods and the classes
// below, for the header; and what it declares without defining it, for the source.
void PrintServiceClass(Printer& out, const google::protobuf::ServiceDescriptor& service,
                       const Names& names);
void PrintServiceDefinitions(Printer& out, const google::protobuf::ServiceDescriptor& service,
                             const Names& names);

// stub_printer.cc: the client's class Stub.
void PrintStub(Printer& out, const google::protobuf::ServiceDescriptor& service,
               const Names& names);

// handler_printer.cc: the server's classes Service and CoService, which users derive from; and the
// definitions of their members.
void PrintHandlerClasses(Printer& out, const google::protobuf::ServiceDescriptor& service,
                         const Names& names);
void PrintHandlerDefinitions(Printer& out, const google::protobuf::ServiceDescriptor& service,
                             const Names& names);

// mock_printer.cc: the gMock class of a server, for tests.
void PrintMock(Printer& out, const google::protobuf::ServiceDescriptor& service,
               const Names& names);

}  // namespace nigh::codegen

#endif  // NIGH_CODEGEN_PRINTERS_H_
