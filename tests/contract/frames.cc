#include "tests/contract/frames.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/deadline.h"
#include "nigh/transport/address.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/transport.h"

namespace nigh::testing {
namespace {

absl::Status OutOfPatience(absl::string_view what) { return absl::DeadlineExceededError(what); }

}  // namespace

bool Await(const Wake& wake, int timeout_millis) {
  if (wake.ready()) return true;
  const Deadline deadline = Deadline::After(absl::Milliseconds(timeout_millis));
  pollfd entries[] = {{.fd = wake.fd, .events = wake.events, .revents = 0},
                      {.fd = wake.end_fd, .events = wake.end_events, .revents = 0}};
  int count;
  do {
    count = ::poll(entries, std::size(entries), deadline.RemainingMillis());
  } while (count < 0 && errno == EINTR);
  if (entries[0].revents != 0 && wake.edge_triggered) {
    uint64_t ignored;
    [[maybe_unused]] const ssize_t size = ::read(wake.fd, &ignored, sizeof(ignored));
  }
  return count > 0;
}

bool TryQueue(Connection& connection, FrameHeader header, absl::string_view payload) {
  const std::optional<ByteSpan> claim = connection.Claim(payload.size());
  if (!claim.has_value()) return false;
  if (!payload.empty()) std::memcpy(claim->data(), payload.data(), payload.size());
  header.length = static_cast<uint32_t>(payload.size());
  connection.Commit(header);
  return true;
}

absl::StatusOr<bool> TryFlush(Connection& connection) {
  const Flushed flushed = connection.Flush();
  if (flushed == Flushed::kEnded) return connection.End(Interest::kSend);
  return flushed == Flushed::kAll;
}

absl::StatusOr<std::optional<Frame>> TryReceive(Connection& connection) {
  Frame frame;
  const Received received = connection.Receive(absl::MakeSpan(&frame, 1));
  if (received.ended) return connection.End(Interest::kReceive);
  return received.frames == 0 ? std::nullopt : std::optional(frame);
}

absl::Status Queue(Connection& connection, const FrameHeader& header, absl::string_view payload) {
  for (;;) {
    if (TryQueue(connection, header, payload)) return absl::OkStatus();
    if (absl::StatusOr<bool> flushed = TryFlush(connection); !flushed.ok()) return flushed.status();
    if (TryQueue(connection, header, payload)) return absl::OkStatus();
    if (!Await(connection.Arm(Interest::kSend))) return OutOfPatience("claim");
  }
}

absl::Status FlushAll(Connection& connection) {
  for (;;) {
    absl::StatusOr<bool> flushed = TryFlush(connection);
    if (!flushed.ok()) return flushed.status();
    if (*flushed) return absl::OkStatus();
    if (!Await(connection.Arm(Interest::kSend))) return OutOfPatience("flush");
  }
}

absl::Status Send(Connection& connection, const FrameHeader& header, absl::string_view payload) {
  if (absl::Status status = Queue(connection, header, payload); !status.ok()) return status;
  return FlushAll(connection);
}

absl::Status Send(Connection& connection, uint32_t call, absl::string_view payload) {
  return Send(connection, MessageHeader(call), payload);
}

FrameHeader MessageHeader(uint32_t call) {
  return FrameHeader{.kind = FrameKind::kMessage, .flags = kMessage, .call = call};
}

std::string Pattern(uint32_t call, size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(call * 31 + i * 7 + (i >> 8));
  return bytes;
}

absl::StatusOr<OwnedFrame> Receive(Connection& connection) {
  for (;;) {
    absl::StatusOr<std::optional<Frame>> frame = TryReceive(connection);
    if (!frame.ok()) return frame.status();
    if (frame->has_value()) {
      OwnedFrame copy = {(*frame)->header, std::string(AsText((*frame)->payload))};
      connection.Release(1);
      return copy;
    }
    if (!Await(connection.Arm(Interest::kReceive))) return OutOfPatience("receive");
  }
}

absl::StatusOr<std::unique_ptr<Connection>> Accept(Listener& listener) {
  for (;;) {
    absl::StatusOr<std::unique_ptr<Connection>> accepted = listener.Accept();
    if (!accepted.ok() || *accepted != nullptr) return accepted;
    if (!Await(listener.Arm())) return OutOfPatience("accept");
  }
}

absl::Status ReceiveEnd(Connection& connection) {
  for (;;) {
    absl::StatusOr<OwnedFrame> frame = Receive(connection);
    if (!frame.ok()) return frame.status();
  }
}

absl::StatusOr<ConnectionPair> Connect(const Transport& transport, Listener& listener) {
  ConnectionPair pair;
  absl::StatusOr<std::unique_ptr<Connection>> client = transport.dial(listener.address());
  if (!client.ok()) return client.status();
  absl::StatusOr<std::unique_ptr<Connection>> server = Accept(listener);
  if (!server.ok()) return server.status();
  return ConnectionPair{*std::move(client), *std::move(server)};
}

absl::Status Exchange(Connection& one, Connection& other) {
  for (const auto& [from, to] : {std::pair(&one, &other), std::pair(&other, &one)}) {
    constexpr absl::string_view kPayload = "as it was sent";
    if (absl::Status sent = Send(*from, 1, kPayload); !sent.ok()) return sent;
    absl::StatusOr<OwnedFrame> frame = Receive(*to);
    if (!frame.ok()) return frame.status();
    if (frame->payload != kPayload) return absl::DataLossError(frame->payload);
  }
  return absl::OkStatus();
}

Address MakeAddress(absl::string_view text) { return Address::Parse(text).value(); }

}  // namespace nigh::testing
