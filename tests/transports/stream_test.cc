#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/stream/socket_stream.h"
#include "nigh/transports/stream/stream_connection.h"
#include "tests/contract/frames.h"

namespace nigh {
namespace {

using testing::Send;

std::string FrameBytes(FrameHeader header, absl::string_view payload) {
  header.length = static_cast<uint32_t>(payload.size());
  std::byte bytes[kFrameHeaderSize];
  EncodeFrameHeader(header, bytes);
  return absl::StrCat(AsText(bytes), payload);
}

// One connection, and the bare socket at its other end.
class StreamFraming : public ::testing::Test {
 protected:
  StreamFraming() {
    int sockets[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets), 0);
    connection_ = std::make_unique<StreamConnection>(
        std::make_unique<SocketStream>(UniqueFd(sockets[0])), PeerIdentity{.address = "test:peer"});
    peer_ = UniqueFd(sockets[1]);
  }

  void PeerWrites(absl::string_view bytes) {
    ASSERT_EQ(::send(peer_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  std::string PeerReads() {
    std::string bytes(1 << 20, '\0');
    bytes.resize(std::max<ssize_t>(0, ::recv(peer_.get(), bytes.data(), bytes.size(), 0)));
    return bytes;
  }
  bool ReadyToReceive() { return connection_->Arm(Interest::kReceive).ready(); }

  std::unique_ptr<StreamConnection> connection_;
  UniqueFd peer_;
};

constexpr FrameHeader kHeader = {.kind = FrameKind::kMessage, .flags = kMessage, .call = 7};

TEST_F(StreamFraming, FrameIsItsHeaderThenItsPayload) {
  ASSERT_TRUE(Send(*connection_, kHeader, "hello").ok());
  EXPECT_EQ(PeerReads(), FrameBytes(kHeader, "hello"));
}

TEST_F(StreamFraming, NothingLeavesBeforeFlush) {
  ASSERT_TRUE(testing::Queue(*connection_, kHeader, "one").ok());
  ASSERT_TRUE(testing::Queue(*connection_, kHeader, "two").ok());
  EXPECT_EQ(PeerReads(), "");
  EXPECT_TRUE(testing::TryFlush(*connection_).value());
  EXPECT_EQ(PeerReads(), FrameBytes(kHeader, "one") + FrameBytes(kHeader, "two"));
}

TEST_F(StreamFraming, OneReadTakesInAllFramesThatAreThere) {
  PeerWrites(FrameBytes(kHeader, "one") + FrameBytes(kHeader, "two"));
  ASSERT_TRUE(testing::TryReceive(*connection_).value().has_value());
  connection_->Release(1);
  EXPECT_TRUE(ReadyToReceive()) << "the second frame is buffered; the socket would not tell";
  EXPECT_EQ(AsText(testing::TryReceive(*connection_).value()->payload), "two");
  connection_->Release(1);
  EXPECT_FALSE(ReadyToReceive());
}

TEST_F(StreamFraming, ALookSaysWhetherThatWasAll) {
  std::array<Frame, 2> frames;
  const auto look = [&] {
    const Received received = connection_->Receive(absl::MakeSpan(frames));
    if (received.frames > 0) connection_->Release(received.frames);
    return received;
  };
  const std::string bytes = FrameBytes(kHeader, "payload");
  PeerWrites(bytes + bytes + bytes);
  EXPECT_EQ(look().frames, 2u);
  PeerWrites(bytes);
  const Received rest = look();
  EXPECT_EQ(rest.frames, 1u);
  EXPECT_TRUE(rest.all) << "more had come since, but not by the time of that read";
  EXPECT_EQ(look().frames, 1u);
  PeerWrites(bytes + bytes.substr(0, 5));
  const Received begun = look();
  EXPECT_TRUE(begun.frames == 1 && begun.all) << "the rest of the next frame is still to come";
  PeerWrites(bytes.substr(5));
  EXPECT_EQ(look().frames, 1u);
}

// A read that has filled the buffer may have left something behind.
TEST_F(StreamFraming, AReadThatTookAllThereWasRoomForWasNotAll) {
  std::string bytes;
  while (bytes.size() <= 2 * StreamConnection::kMaxFrame) {
    bytes += FrameBytes(kHeader, std::string(1000, 'x'));
  }
  PeerWrites(bytes);
  std::array<Frame, 200> frames;
  const Received received = connection_->Receive(absl::MakeSpan(frames));
  EXPECT_GT(received.frames, 100u);
  EXPECT_FALSE(received.all);
}

TEST_F(StreamFraming, FrameMayArriveInAnyTwoParts) {
  const std::string bytes = FrameBytes(kHeader, "payload");
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    PeerWrites(absl::string_view(bytes).substr(0, cut));
    EXPECT_EQ(testing::TryReceive(*connection_).value(), std::nullopt);
    EXPECT_FALSE(ReadyToReceive());
    PeerWrites(absl::string_view(bytes).substr(cut));
    EXPECT_EQ(AsText(testing::TryReceive(*connection_).value()->payload), "payload");
    connection_->Release(1);
  }
}

TEST_F(StreamFraming, StrangerIsRecognisedByFourBytes) {
  PeerWrites("GET ");
  const absl::Status expected = absl::InternalError(
      "test:peer: receive: the peer does not speak nigh's protocol (it began \"GET \")");
  EXPECT_EQ(testing::TryReceive(*connection_).status(), expected);
  EXPECT_EQ(testing::TryReceive(*connection_).status(), expected) << "an error is final";
  EXPECT_EQ(Send(*connection_, kHeader, ""), expected) << "and of the connection as a whole";
  EXPECT_EQ(::recv(peer_.get(), nullptr, 0, 0), 0) << "the stranger sees the end";
}

TEST_F(StreamFraming, StrangersBytesAreEscapedAndCut) {
  PeerWrites("\xff\xfe\n\"" + std::string(100, 'x'));
  EXPECT_EQ(std::string(testing::TryReceive(*connection_).status().message()),
            "test:peer: receive: the peer does not speak nigh's protocol (it began "
            "\"\\xff\\xfe\\n\\\"xxxxxxxxxxxxxxxxxxxx\")");
}

TEST_F(StreamFraming, FrameThatIsTooLongBreaksTheConnection) {
  PeerWrites(FrameBytes(kHeader, ""));
  ASSERT_TRUE(testing::Receive(*connection_).ok());
  PeerWrites("\xff\xff\xff\xff");
  EXPECT_EQ(testing::ReceiveEnd(*connection_),
            absl::InternalError("test:peer: receive: frame of 4294967295 bytes, more than the "
                                "65512 that a frame may have"));
}

TEST_F(StreamFraming, FramesBeforeTheEndAreDelivered) {
  PeerWrites(FrameBytes(kHeader, "last"));
  peer_.reset();
  EXPECT_EQ(testing::Receive(*connection_).value().payload, "last");
  EXPECT_EQ(testing::ReceiveEnd(*connection_),
            absl::UnavailableError("test:peer: receive: the peer closed the connection"));
  EXPECT_TRUE(ReadyToReceive());
}

TEST_F(StreamFraming, EndInTheMiddleOfAFrameSaysSo) {
  const std::string bytes = FrameBytes(kHeader, "payload");
  PeerWrites(absl::string_view(bytes).substr(0, bytes.size() - 1));
  peer_.reset();
  EXPECT_EQ(testing::ReceiveEnd(*connection_),
            absl::UnavailableError("test:peer: receive: the peer closed the connection in the "
                                   "middle of a frame"));
}

TEST_F(StreamFraming, SendingToAPeerThatHasGoneIsUnavailable) {
  peer_.reset();
  EXPECT_EQ(Send(*connection_, kHeader, ""),
            absl::UnavailableError("test:peer: send: the peer closed the connection"));
  EXPECT_TRUE(connection_->Arm(Interest::kSend).ready());
}

TEST_F(StreamFraming, OwnCloseSaysWhoClosed) {
  connection_->Close();
  EXPECT_EQ(testing::ReceiveEnd(*connection_),
            absl::UnavailableError("test:peer: receive: this side closed the connection"));
  EXPECT_EQ(Send(*connection_, kHeader, ""),
            absl::UnavailableError("test:peer: send: this side closed the connection"));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// Buffers are long, but what is never used of them never becomes memory.
TEST(StreamMemory, AnIdleConnectionCostsFewPages) {
  const auto resident_pages = [] {
    long total = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> total >> resident;
    return resident;
  };
  std::vector<std::unique_ptr<StreamConnection>> connections;
  const long before = resident_pages();
  constexpr int kPairs = 100;
  for (int i = 0; i < kPairs; ++i) {
    int sockets[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets), 0);
    for (const int socket : sockets) {
      connections.push_back(std::make_unique<StreamConnection>(
          std::make_unique<SocketStream>(UniqueFd(socket)), PeerIdentity{.address = "test:peer"}));
    }
    for (uint32_t call = 0; call < 100; ++call) {
      ASSERT_TRUE(Send(*connections[2 * i], call, "a small frame").ok());
      ASSERT_TRUE(testing::Receive(*connections[2 * i + 1]).ok());
    }
  }
  const long pages = (resident_pages() - before) / (2 * kPairs);
  EXPECT_LE(pages, 4) << "pages a connection";
}
#endif

TEST_F(StreamFraming, CloseWakesBothPollingThreads) {
  // Fill the socket, so that the sender has to wait.
  while (testing::Queue(*connection_, kHeader, std::string(60'000, 'x')).ok() &&
         testing::TryFlush(*connection_).value()) {
  }
  std::thread receiver(
      [&] { EXPECT_EQ(testing::ReceiveEnd(*connection_).code(), absl::StatusCode::kUnavailable); });
  std::thread sender(
      [&] { EXPECT_EQ(testing::FlushAll(*connection_).code(), absl::StatusCode::kUnavailable); });
  connection_->Close();
  receiver.join();
  sender.join();
}

}  // namespace
}  // namespace nigh
