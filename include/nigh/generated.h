#ifndef NIGH_GENERATED_H_
#define NIGH_GENERATED_H_

// What generated code includes. Programs include the generated header instead.

#include <array>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/async_stream.h"
#include "nigh/channel.h"
#include "nigh/client_context.h"
#include "nigh/client_stream.h"
#include "nigh/co_client.h"
#include "nigh/co_service.h"
#include "nigh/method.h"
#include "nigh/options.h"
#include "nigh/server_context.h"
#include "nigh/server_stream.h"
#include "nigh/service.h"
#include "nigh/task.h"

namespace nigh {

// Ties generated code to the runtime that it was generated for. It is raised whenever existing
// generated code would no longer compile, work, or do all that a .proto says.
inline constexpr int kGeneratedCodeVersion = 2;

}  // namespace nigh

#endif  // NIGH_GENERATED_H_
