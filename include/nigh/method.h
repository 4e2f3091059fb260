#ifndef NIGH_METHOD_H_
#define NIGH_METHOD_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/api.h"

namespace nigh {

// The kinds of method: how many requests, how many replies.
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

// A method's idempotency_level, protobuf's standard option.
enum class Idempotency { kUnknown, kNoSideEffects, kIdempotent };

// With which of a method's messages descriptors can travel: those whose type has a nigh.Fd in it.
enum class Fds { kNowhere, kInRequests, kInReplies, kInBoth };

constexpr bool InRequests(Fds fds) { return fds == Fds::kInRequests || fds == Fds::kInBoth; }
constexpr bool InReplies(Fds fds) { return fds == Fds::kInReplies || fds == Fds::kInBoth; }

// Who may call a method: whoever one of these names, and nobody else (message Allow in
// proto/nigh/options.proto).
struct Callers {
  bool same_user = false;                // those of whom IsSameUser is true (peer_identity.h)
  bool root = false;                     // user 0
  std::vector<std::string> users = {};   // by name or number
  std::vector<std::string> groups = {};  // members of these; by name or number
  bool anybody = false;                  // everybody who has been let in; stands alone
};

// A remote method as generated code declares it. Must exist, unchanged, for the life of the
// program.
struct Method {
  const char* name;  // "/package.Service/Method"
  MethodKind kind;
  Dispatch dispatch = Dispatch::kAdaptive;
  Idempotency idempotency = Idempotency::kUnknown;
  Fds fds = Fds::kNowhere;
  // What the .proto says of who may call; asked when the method is registered. Null: nothing.
  Callers (*allow)() = nullptr;
};

class Connector;

// A method bound to one channel. This is what a stub calls.
struct BoundMethod {
  Connector* connector;  // the channel's
  const Method* method;
  uint16_t id;  // on every connection of the channel; kMaxMethods: the channel has too many methods
};

// A method of which only the name is known. Its kind is unknown, so requests and replies are
// streams.
struct NamedMethod {
  explicit NamedMethod(absl::string_view method_name, Fds fds = Fds::kNowhere)
      : name(method_name),
        method{.name = name.c_str(), .kind = MethodKind::kBidiStreaming, .fds = fds} {}
  NamedMethod(const NamedMethod&) = delete;
  NamedMethod& operator=(const NamedMethod&) = delete;

  const std::string name;
  const Method method;
};

// The longest name of a method, in bytes.
inline constexpr size_t kMaxMethodName = 256;
// The most methods that one connection can carry.
inline constexpr size_t kMaxMethods = 4096;

// Whether `name` has the form "/package.Service/Method". A method called by name needs such a name:
// it can travel, be part of an error message and be kept as a C string.
NIGH_API bool IsMethodName(absl::string_view name);

// "/package.Service/Method" -> "package.Service".
NIGH_API absl::string_view ServiceOf(absl::string_view method);

// Returns UNIMPLEMENTED, naming the method: the answer of a service that does not override it.
NIGH_API absl::Status Unimplemented(const Method& method);

}  // namespace nigh

#endif  // NIGH_METHOD_H_
