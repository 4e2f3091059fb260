// A client of fifo: (fifo/client_stream.h), and a server that greets it, or not, and says anything.
// Pipes stand for the FIFOs. Steps, each a byte and its arguments; an input is some forty system
// calls, for the pipes and what watches them.

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nigh/runtime/base/duplicate_fd.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/fifo/client_stream.h"
#include "nigh/transports/process/process_name.h"
#include "nigh/transports/stream/pipe_stream.h"
#include "nigh/transports/stream/stream_connection.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/open_descriptors.h"

namespace nigh::testing {
namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> ends;
    Expect(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0, "there are pipes");
    out.reset(ends[0]);
    in.reset(ends[1]);
  }
  UniqueFd out, in;
};

std::string Greeting(uint8_t who) {
  // One that lives is rare: at the end a client waits a tenth of a second for it to have died.
  constexpr uint8_t kThis = 255;
  ProcessName name = ProcessName::OfThisProcess();
  if (who != kThis && who % 3 == 0) name.space += 1;
  if (who != kThis && who % 3 == 1) name.pid = 1 << 23;  // beyond all numbers that processes have
  if (who != kThis && who % 3 == 2) name.pid = -1;
  return std::string(AsText(GreetingOf(name)));
}

class Session {
 public:
  Session() {
    Pipe to_client, to_server, arrivals;
    server_writes_ = std::move(to_client.in);
    server_reads_ = DuplicateFd(to_server.out.get());
    server_listens_ = std::move(arrivals.out);
    absl::StatusOr<std::unique_ptr<PipeStream>> pipes =
        PipeStream::Make(std::move(to_client.out), std::move(to_server.in), "fuzz:");
    Expect(pipes.ok(), "there is a stream");
    auto stream = std::make_unique<FifoClientStream>(
        *std::move(pipes),
        FifoClientStream::Waiting{.arrivals = std::move(arrivals.in),
                                  .in = "/nowhere/in",
                                  .out = "/nowhere/out",
                                  .server = ::geteuid()},
        std::move(to_server.out), UniqueFd(::epoll_create1(EPOLL_CLOEXEC)));
    Expect(stream->error() == 0, "its end can be watched");
    connection_.emplace(std::move(stream), PeerIdentity{.address = "fuzz:"}, Side::kClient,
                        PeerProcess());
  }

  bool over() const { return over_; }

  // The server's.
  void Write(absl::string_view bytes) {
    if (bytes.empty() || !server_writes_) return;
    const ssize_t written = ::write(server_writes_.get(), bytes.data(), bytes.size());
    if (written > 0) said_.append(bytes.data(), static_cast<size_t>(written));
  }
  void StopListening() { server_listens_.reset(); }
  void HangUp() { server_writes_.reset(); }
  void Go() {
    StopListening();
    server_reads_.reset();
    HangUp();
  }
  void Read() {
    std::array<char, 4096> bytes;
    if (!server_reads_) return;
    const ssize_t size = ::read(server_reads_.get(), bytes.data(), bytes.size());
    if (size <= 0) return;
    const auto read = static_cast<size_t>(size);
    Expect(
        absl::string_view(bytes.data(), read) == absl::string_view(committed_).substr(read_, read),
        "what the server reads is what was committed");
    read_ += read;
  }

  // The client's.
  void Send(size_t length) {
    const std::optional<ByteSpan> claim = connection_->Claim(length);
    if (!claim.has_value()) return;
    std::fill(claim->begin(), claim->end(), std::byte{'q'});
    const FrameHeader header = {.length = static_cast<uint32_t>(length),
                                .kind = FrameKind::kMessage};
    connection_->Commit(header);
    std::string frame(kFrameHeaderSize, '\0');
    EncodeFrameHeader(header, reinterpret_cast<std::byte*>(frame.data()));
    absl::StrAppend(&committed_, frame, std::string(length, 'q'));
    const Flushed flushed = connection_->Flush();
    if (flushed != Flushed::kEnded) return;
    const absl::Status end = connection_->End(Interest::kSend);
    Expect(absl::IsUnavailable(end) || absl::IsInternal(end), "an end is such a one, too");
  }
  void Receive() {
    std::array<Frame, 3> frames;
    const Received received = connection_->Receive(absl::MakeSpan(frames));
    if (received.ended) {
      const absl::Status end = connection_->End(Interest::kReceive);
      Expect(absl::IsUnavailable(end) || absl::IsInternal(end),
             "the end is UNAVAILABLE or INTERNAL");
      Expect(connection_->Receive(absl::MakeSpan(frames)).ended, "it is final");
      over_ = true;
    }
    for (const Frame& frame : absl::MakeSpan(frames).subspan(0, received.frames)) Take(frame);
    if (received.frames != 0) connection_->Release(received.frames);
  }
  void Arm(Interest interest) { (void)connection_->Arm(interest); }

 private:
  void Take(const Frame& frame) {
    if (!greeted_) {
      Expect(said_.size() >= FifoGreeting().size() && said_[0] == 'n',
             "nothing is heard before the greeting");
      said_.erase(0, FifoGreeting().size());
      greeted_ = true;
    }
    const size_t size = kFrameHeaderSize + frame.payload.size();
    Expect(said_.size() >= size, "a frame has been said whole");
    Expect(frame.header == DecodeFrameHeader(AsBytes(said_).data()) &&
               AsText(frame.payload) ==
                   absl::string_view(said_).substr(kFrameHeaderSize, frame.payload.size()),
           "it is as it was said");
    said_.erase(0, size);
  }

  UniqueFd server_writes_, server_reads_, server_listens_;
  std::optional<StreamConnection> connection_;
  std::string said_;  // and not heard yet
  bool greeted_ = false;
  bool over_ = false;
  std::string committed_;
  size_t read_ = 0;
};

void Step(Session& session, Input& input) {
  switch (input.Take() % 10) {
    case 0:
      return session.Write(input.TakeText(input.Take()));
    case 1:
      return session.Write(Greeting(input.Take()));
    case 2: {
      std::string frame(kFrameHeaderSize, '\0');
      const uint8_t length = input.Take();
      EncodeFrameHeader({.length = length, .kind = FrameKind::kMessage},
                        reinterpret_cast<std::byte*>(frame.data()));
      return session.Write(frame.append(length, 'm'));
    }
    case 3:
    case 4:
      return session.Receive();
    case 5:
      return session.Send(input.Take<uint16_t>() % StreamConnection::kMaxPayload);
    case 6:
      return session.Read();
    case 7:
      return session.Arm(input.Take() % 2 == 0 ? Interest::kReceive : Interest::kSend);
    case 8:
      return session.StopListening();
    default:
      return input.Take() % 2 == 0 ? session.HangUp() : session.Go();
  }
}

}  // namespace
}  // namespace nigh::testing

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nigh::testing;  // NOLINT(google-build-using-namespace)
  const ExtraDescriptors extra;
  {
    Input input(data, size);
    Session session;
    while (!input.empty() && !session.over()) Step(session, input);
    session.Go();
    for (size_t reads = 0; !session.over(); ++reads) {
      Expect(reads <= 10 * (size + 2), "the end comes after the last byte");
      session.Receive();
    }
  }
  Expect(extra.AreNone(), "descriptors leak");
  return 0;
}
