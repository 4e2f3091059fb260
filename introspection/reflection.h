#ifndef NIGH_INTROSPECTION_REFLECTION_H_
#define NIGH_INTROSPECTION_REFLECTION_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "nigh/co_service.h"
#include "nigh/server_context.h"
#include "nigh/service.h"
#include "nigh/task.h"

namespace nigh {

namespace reflection {
class ServerReflectionRequest;
class ServerReflectionResponse;
}  // namespace reflection

// Tells what a server serves, with the .proto files of it: grpc.reflection.v1.ServerReflection, and
// v1alpha, for grpcurl and its like. Files are those of the program's generated code and
// StandardFiles.
//
// Its handlers are coroutines, so that a client that keeps its stream open costs no thread.
class ReflectionService final : public Service {
 public:
  // `services`: the full names of those that are served.
  explicit ReflectionService(std::vector<std::string> services);

 private:
  Task<absl::Status> Info(ServerContext& context,
                          CoServerStream<reflection::ServerReflectionRequest,
                                         reflection::ServerReflectionResponse>& stream);

  const std::vector<std::string> services_;  // by name
};

}  // namespace nigh

#endif  // NIGH_INTROSPECTION_REFLECTION_H_
