#ifndef NIGH_INTROSPECTION_STANDARD_FILES_H_
#define NIGH_INTROSPECTION_STANDARD_FILES_H_

#include "google/protobuf/descriptor.h"

namespace nigh {

// The .proto files of the services that every server has, by the names that the field knows:
// grpc/health/v1/health.proto, grpc/reflection/v1/reflection.proto, and v1alpha's. The program's
// own descriptors, those of generated code, have nigh's names for them instead.
//
// Any thread; made when it is first asked for, and never destroyed.
const google::protobuf::DescriptorPool& StandardFiles();

}  // namespace nigh

#endif  // NIGH_INTROSPECTION_STANDARD_FILES_H_
