#ifndef NIGH_CODEGEN_FILE_PRINTER_H_
#define NIGH_CODEGEN_FILE_PRINTER_H_

#include <google/protobuf/descriptor.h>

#include <string>

#include "codegen/names.h"

namespace nigh::codegen {

// The whole text of FILE.nigh.h, of FILE.nigh.cc and of FILE_mock.nigh.h. CheckFile must have found
// nothing wrong.
std::string HeaderText(const google::protobuf::FileDescriptor& file, const Names& names);
std::string SourceFileText(const google::protobuf::FileDescriptor& file, const Names& names);
std::string MockHeaderText(const google::protobuf::FileDescriptor& file, const Names& names);

}  // namespace nigh::codegen

#endif  // NIGH_CODEGEN_FILE_PRINTER_H_
