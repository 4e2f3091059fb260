#ifndef NIGH_METHOD_H_
#define NIGH_METHOD_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace nigh {

// How many messages travel each way.
enum class MethodKind {
  kUnary,            // one, one
  kServerStreaming,  // one, many
  kClientStreaming,  // many, one
  kBidiStreaming,    // many, many
};

constexpr bool ClientStreams(MethodKind kind) {
  return kind == MethodKind::kClientStreaming || kind == MethodKind::kBidiStreaming;
}
constexpr bool ServerStreams(MethodKind kind) {
  return kind == MethodKind::kServerStreaming || kind == MethodKind::kBidiStreaming;
}

// Where the server runs a synchronous unary handler (proto/nigh/options.proto).
enum class Dispatch {
  kAdaptive,  // on the poller that read the request, until the method turns out to be slow
  kInline,    // on the poller, always
  kPool,      // on another thread, always
};

// The standard idempotency_level of a method.
enum class Idempotency { kUnknown, kNoSideEffects, kIdempotent };

// A remote method as generated code declares it, and as it must stay for the life of the program.
struct Method {
  const char* name;  // "/package.Service/Method"
  MethodKind kind;
  Dispatch dispatch = Dispatch::kAdaptive;
  Idempotency idempotency = Idempotency::kUnknown;
};

class Connector;

// A method as one channel knows it: what a stub calls.
struct BoundMethod {
  Connector* connector;  // the channel's
  const Method* method;
  uint16_t id;  // on every connection of the channel; kMaxMethods: the channel has too many methods
};

// One that a client has named, of whatever kind it is: requests and replies are streams.
struct NamedMethod {
  explicit NamedMethod(absl::string_view method_name)
      : name(method_name), method{name.c_str(), MethodKind::kBidiStreaming} {}
  NamedMethod(const NamedMethod&) = delete;
  NamedMethod& operator=(const NamedMethod&) = delete;

  const std::string name;
  const Method method;
};

// Longer names cannot travel.
inline constexpr size_t kMaxMethodName = 256;
// A connection carries so many different methods at most.
inline constexpr size_t kMaxMethods = 4096;

// Whether `name` is of the form "/package.Service/Method": what a method called by its name needs
// to have one that can travel, be written into messages and be kept as a C string.
bool IsMethodName(absl::string_view name);

// UNIMPLEMENTED, naming the method: what a service answers where nobody has overridden it.
absl::Status Unimplemented(const Method& method);

}  // namespace nigh

#endif  // NIGH_METHOD_H_
