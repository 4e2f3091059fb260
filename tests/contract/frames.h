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

// What tests do with connections, each a blocking function over the non-blocking boundary. All give
// up with DEADLINE_EXCEEDED after kPatience: far longer than anything takes, so that a test which
// hangs fails with a line number.
namespace nigh::testing {

inline constexpr int kPatienceMillis = 60'000;

// A frame with its own copy of the payload.
struct OwnedFrame {
  FrameHeader header;
  std::string payload;
};

// Polls what Arm returned. True: something came, and the descriptor is as before. False: patience
// is at an end.
bool Await(const Wake& wake, int timeout_millis = kPatienceMillis);

// Claims, fills in, commits; header.length need not be set. False: no room.
bool TryQueue(Connection& connection, FrameHeader header, absl::string_view payload);

// The same, waiting for room; flushes only to make some.
absl::Status Queue(Connection& connection, const FrameHeader& header, absl::string_view payload);

// Flushes until everything has left.
absl::Status FlushAll(Connection& connection);

// Queue and FlushAll.
absl::Status Send(Connection& connection, const FrameHeader& header, absl::string_view payload);
absl::Status Send(Connection& connection, uint32_t call, absl::string_view payload);

// Of a MESSAGE frame of that call.
FrameHeader MessageHeader(uint32_t call);
// Bytes that differ from those of other calls, and from themselves when shifted.
std::string Pattern(uint32_t call, size_t size);

// The next frame, copied and released; or the error that ends the connection.
absl::StatusOr<OwnedFrame> Receive(Connection& connection);

// Waits until there is one to accept.
absl::StatusOr<std::unique_ptr<Connection>> Accept(Listener& listener);

// The error that Receive ends with after any number of frames.
absl::Status ReceiveEnd(Connection& connection);

struct ConnectionPair {
  std::unique_ptr<Connection> client;
  std::unique_ptr<Connection> server;
};

// Dials `listener` and accepts.
absl::StatusOr<ConnectionPair> Connect(const Transport& transport, Listener& listener);

// Sends a frame each way. OK: each has arrived as it was sent.
absl::Status Exchange(Connection& one, Connection& other);

// Parses an address that is known to be well-formed.
Address MakeAddress(absl::string_view text);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONTRACT_FRAMES_H_
