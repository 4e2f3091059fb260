#ifndef NIGH_CODEGEN_ALLOW_H_
#define NIGH_CODEGEN_ALLOW_H_

#include <google/protobuf/descriptor.h>

#include <string>

#include "nigh/options.pb.h"

namespace nigh::codegen {

// What the .proto says of who may call `method`: the method's own option, its service's or its
// file's, the first of these that is there. Null: nothing.
const Allow* AllowOf(const google::protobuf::MethodDescriptor& method);

// What is wrong with `allow`, and the remedy: "says ...: remove ...". Empty: nothing.
std::string ProblemOf(const Allow& allow);

// `allow`, which has no problem, as an expression: "::nigh::Callers{.root = true}".
std::string CallersOf(const Allow& allow);

}  // namespace nigh::codegen

#endif  // NIGH_CODEGEN_ALLOW_H_
