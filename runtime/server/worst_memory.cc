#include "nigh/runtime/server/worst_memory.h"

#include <algorithm>
#include <cstddef>
#include <thread>

#include "nigh/method.h"
#include "nigh/options.h"
#include "nigh/runtime/server/account.h"
#include "nigh/runtime/server/connection_limits.h"
#include "nigh/runtime/server/server_call.h"
#include "nigh/runtime/server/server_session.h"

namespace nigh {
namespace {

// A reply is there as its message and, until it has left, as its bytes.
constexpr size_t kForms = 2;
// An entry of the table of methods, without the name.
constexpr size_t kMethod = 128;
// What a handler's thread touches of its stack, the kernel's tables for it included.
constexpr size_t kStack = size_t{64} << 10;
// The session, its buffers (one of them as large as what a socket takes at once), and what lies
// waste between things of different sizes.
constexpr size_t kConnection = size_t{1} << 20;

// Where nothing is kept, one thing of any size may be.
size_t KeptAtMost(size_t bytes, const Limits& limits) {
  return std::max(bytes, limits.max_message + limits.max_attachment);
}

}  // namespace

WorstMemory WorstMemoryOfConnection(const ServerOptions& options, size_t ring_size) {
  const size_t message = options.limits.max_message;
  const auto threads = static_cast<size_t>(std::min(
      {options.max_threads_of_connection, options.max_threads_of_user, options.max_threads}));
  return {
      .kept = KeptAtMost(ConnectionLimits::BytesOfConnection(options), options.limits),
      .parsing = ServerCall::kParsedPerByte * message,
      .replies = kForms * threads * message,
      .spare = ConnectionLimits::BytesOfConnection(options) / Account::kShare,
      .spare_calls =
          ServerSession::kSpareCalls * (ServerCall::kOwnBytes + 2 * ServerCall::kLargeMessage),
      .methods = kMaxMethods * (kMaxMethodName + kMethod),
      .ring = ring_size,
      .stacks = threads * kStack,
      .connections = kConnection,
  };
}

WorstMemory WorstMemoryOfUser(const ServerOptions& options, size_t ring_size) {
  const WorstMemory one = WorstMemoryOfConnection(options, ring_size);
  const auto connections =
      static_cast<size_t>(std::min(options.max_connections_of_user, options.max_connections));
  const auto threads =
      std::min(connections * static_cast<size_t>(options.max_threads_of_connection),
               static_cast<size_t>(std::min(options.max_threads_of_user, options.max_threads)));
  const auto pollers = static_cast<size_t>(
      std::max(options.pollers, static_cast<int>(std::thread::hardware_concurrency())));
  return {
      .kept = std::min(connections * one.kept,
                       KeptAtMost(ConnectionLimits::BytesOfUser(options), options.limits)),
      // Each poller parses one at a time.
      .parsing = std::min(connections, pollers) * one.parsing,
      .replies = kForms * threads * options.limits.max_message,
      .spare = std::min(connections * one.spare,
                        ConnectionLimits::BytesOfUser(options) / Account::kShare),
      .spare_calls = connections * one.spare_calls,
      .methods = connections * one.methods,
      .ring = connections * one.ring,
      .stacks = threads * kStack,
      .connections = connections * one.connections,
  };
}

}  // namespace nigh
