#ifndef NIGH_TESTS_CONTRACT_FRAMES_H_
#define NIGH_TESTS_CONTRACT_FRAMES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/transport.h"

// What tests do with connections: blocking functions over the non-blocking boundary. All give up
// with DEADLINE_EXCEEDED after kPatienceMillis. That is far longer than anything takes; it makes a
// test that hangs fail with a line number.
namespace nigh::testing {

inline constexpr int kPatienceMillis = 60'000;

// A frame with its own copy of the payload.
struct OwnedFrame {
  FrameHeader header;
  std::string payload;
};

// Polls what Arm returned. True: something came; a descriptor that stays signalled has been read.
// False: the timeout has passed.
bool Await(const Wake& wake, int timeout_millis = kPatienceMillis);

// Claims, fills in and commits a frame. header.length need not be set. False: there is no room.
bool TryQueue(Connection& connection, FrameHeader header, absl::string_view payload);

// Connection's Flush and Receive, the latter of one frame, with the end as an error.
absl::StatusOr<bool> TryFlush(Connection& connection);
absl::StatusOr<std::optional<Frame>> TryReceive(Connection& connection);

// As TryQueue, but waits for room. Flushes only to make room.
absl::Status Queue(Connection& connection, const FrameHeader& header, absl::string_view payload);

// Flushes until everything has left.
absl::Status FlushAll(Connection& connection);

// Queue and FlushAll.
absl::Status Send(Connection& connection, const FrameHeader& header, absl::string_view payload);
absl::Status Send(Connection& connection, uint32_t call, absl::string_view payload);

// Returns the header of a MESSAGE frame of `call`.
FrameHeader MessageHeader(uint32_t call);
// Returns `size` bytes that differ from those of other calls, and from themselves when shifted.
std::string Pattern(uint32_t call, size_t size);

// Waits for the next frame, copies and releases it. Fails with the error that ends the connection.
absl::StatusOr<OwnedFrame> Receive(Connection& connection);

// Waits for a connection and accepts it.
absl::StatusOr<std::unique_ptr<Connection>> Accept(Listener& listener);

// Receives any number of frames and returns the error that Receive ends with.
absl::Status ReceiveEnd(Connection& connection);

struct ConnectionPair {
  std::unique_ptr<Connection> client;
  std::unique_ptr<Connection> server;
};

// Dials `listener` and accepts the connection.
absl::StatusOr<ConnectionPair> Connect(const Transport& transport, Listener& listener);

// Sends a frame each way. OK: both have arrived as they were sent.
absl::Status Exchange(Connection& one, Connection& other);

// Parses an address that is known to be well-formed.
Address MakeAddress(absl::string_view text);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONTRACT_FRAMES_H_
