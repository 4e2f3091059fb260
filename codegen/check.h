#ifndef NIGH_CODEGEN_CHECK_H_
#define NIGH_CODEGEN_CHECK_H_

#include <google/protobuf/descriptor.h>

#include <string>
#include <vector>

namespace nigh::codegen {

// Adds what keeps nigh from generating code for `file`, each as "file:line:column: message".
void CheckFile(const google::protobuf::FileDescriptor& file, std::vector<std::string>& problems);

}  // namespace nigh::codegen

#endif  // NIGH_CODEGEN_CHECK_H_
