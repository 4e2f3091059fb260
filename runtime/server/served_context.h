#ifndef NIGH_RUNTIME_SERVER_SERVED_CONTEXT_H_
#define NIGH_RUNTIME_SERVER_SERVED_CONTEXT_H_

#include "nigh/server_context.h"
#include "nigh/server_stream.h"

namespace nigh {

// A handler's context, with what the server fills in made accessible to it.
class ServedContext final : public ServerContext {
 public:
  explicit ServedContext(HandlerCall& call) : ServerContext(call) {}

  using ServerContext::callback_;
  using ServerContext::cancellation_;
  using ServerContext::client_metadata_;
  using ServerContext::deadline_;
  using ServerContext::initial_;
  using ServerContext::method_;
  using ServerContext::peer_;
  using ServerContext::trailing_;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_SERVER_SERVED_CONTEXT_H_
