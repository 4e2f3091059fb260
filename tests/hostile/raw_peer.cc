#include "tests/hostile/raw_peer.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nigh/deadline.h"
#include "nigh/transport/bytes.h"
#include "tests/hostile/victim.pb.h"

namespace nigh::hostile {
namespace {

sockaddr_un SocketName(const std::string& path) {
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  EXPECT_LT(path.size(), sizeof(name.sun_path));
  std::memcpy(name.sun_path, path.data(), path.size());
  return name;
}

UniqueFd NewSocket() { return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

}  // namespace

std::string FrameBytes(FrameHeader header, absl::string_view payload) {
  header.length = static_cast<uint32_t>(payload.size());
  std::byte bytes[kFrameHeaderSize];
  EncodeFrameHeader(header, bytes);
  return absl::StrCat(AsText(bytes), payload);
}

Hello GenerousHello() {
  return {.window = 1 << 20, .max_message = 64 << 20, .max_metadata = 1 << 16, .max_calls = 1000};
}

std::string HelloBytes(const Hello& hello) {
  std::byte payload[kHelloSize];
  EncodeHello(hello, payload);
  return FrameBytes({.kind = FrameKind::kHello}, AsText(ConstByteSpan(payload)));
}

std::string MethodBytes(uint16_t method, absl::string_view name) {
  return FrameBytes({.kind = FrameKind::kMethod, .method = method}, name);
}

std::string Preamble() {
  return absl::StrCat(HelloBytes(), MethodBytes(kEcho, "/nigh.hostile.Victim/Echo"),
                      MethodBytes(kRepeat, "/nigh.hostile.Victim/Repeat"),
                      MethodBytes(kCount, "/nigh.hostile.Victim/Count"),
                      MethodBytes(kChat, "/nigh.hostile.Victim/Chat"));
}

std::string RequestBytes(uint32_t call, uint16_t method, absl::string_view message, bool end) {
  return FrameBytes({.kind = FrameKind::kRequest,
                     .flags = static_cast<uint8_t>(kMessage | (end ? kEnd : 0)),
                     .method = method,
                     .call = call},
                    message);
}

std::string MessageBytes(uint32_t call, absl::string_view message) {
  return FrameBytes({.kind = FrameKind::kMessage, .flags = kMessage, .call = call}, message);
}

std::string PieceBytes(uint32_t call, absl::string_view payload, uint32_t rest) {
  return FrameBytes({.kind = FrameKind::kPiece, .call = call, .rest = rest}, payload);
}

std::string ResponseBytes(uint32_t call, absl::string_view message) {
  return FrameBytes({.kind = FrameKind::kResponse, .flags = kMessage, .call = call}, message);
}

std::string CreditBytes(uint32_t call, uint64_t bytes) {
  return FrameBytes({.kind = FrameKind::kCredit, .call = call, .aux = bytes});
}

std::string PingBytes(uint64_t number) {
  return FrameBytes({.kind = FrameKind::kPing, .aux = number});
}

std::string SectionBytes(SectionType type, absl::string_view key, absl::string_view value) {
  SectionWriter sections;
  sections.Add(type, key, value);
  return std::string(sections.block());
}

absl::Status StatusOf(const OwnedFrame& response) {
  EXPECT_EQ(response.header.kind, FrameKind::kResponse);
  std::string text;
  if ((response.header.flags & kSections) != 0) {
    SectionReader sections(AsBytes(response.payload));
    while (std::optional<Section> section = sections.Next()) {
      if (section->type == SectionType::kStatusMessage) text = std::string(section->value);
    }
    EXPECT_TRUE(sections.status().ok()) << sections.status();
  }
  return absl::Status(static_cast<absl::StatusCode>(response.header.aux), text);
}

std::string NoteBytes(absl::string_view data, int count) {
  Note note;
  note.set_data(std::string(data));
  note.set_count(count);
  return note.SerializeAsString();
}

RawPeer::RawPeer(UniqueFd socket) : socket_(std::move(socket)) {
  const timeval patience = {.tv_sec = testing::kPatienceMillis / 1000, .tv_usec = 0};
  for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    EXPECT_EQ(::setsockopt(socket_.get(), SOL_SOCKET, option, &patience, sizeof(patience)), 0);
  }
}

RawPeer RawPeer::Dial(const std::string& path) {
  UniqueFd socket = NewSocket();
  const sockaddr_un name = SocketName(path);
  EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0)
      << std::strerror(errno);
  return RawPeer(std::move(socket));
}

bool RawPeer::Send(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0) {
      EXPECT_TRUE(errno == EPIPE || errno == ECONNRESET) << "send: " << std::strerror(errno);
      return false;
    }
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  return true;
}

bool RawPeer::SendWith(absl::string_view bytes, const std::vector<int>& fds) {
  iovec part = {.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
  std::vector<std::byte> control(fds.empty() ? 0 : CMSG_SPACE(fds.size() * sizeof(int)));
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(rights), fds.data(), fds.size() * sizeof(int));
  }
  return ::sendmsg(fd(), &message, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
}

void RawPeer::FinishSending() { ::shutdown(socket_.get(), SHUT_WR); }

std::string RawPeer::ReceiveBytes() {
  std::string bytes(65'536, '\0');
  const ssize_t count = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
  bytes.resize(count > 0 ? static_cast<size_t>(count) : 0);
  return bytes;
}

absl::StatusOr<OwnedFrame> RawPeer::Receive() {
  for (;;) {
    if (received_.size() >= kFrameHeaderSize) {
      const FrameHeader header = DecodeFrameHeader(AsBytes(received_).data());
      if (received_.size() >= kFrameHeaderSize + header.length) {
        OwnedFrame frame = {header, received_.substr(kFrameHeaderSize, header.length)};
        received_.erase(0, kFrameHeaderSize + header.length);
        return frame;
      }
    }
    char buffer[65'536];
    const ssize_t count = ::recv(socket_.get(), buffer, sizeof(buffer), 0);
    if (count > 0) {
      received_.append(buffer, static_cast<size_t>(count));
    } else if (count == 0 || errno == ECONNRESET) {
      return absl::UnavailableError("the other end has closed");
    } else if (errno != EINTR) {
      return absl::DeadlineExceededError(std::strerror(errno));
    }
  }
}

OwnedFrame RawPeer::ReceiveKind(FrameKind kind, std::optional<uint32_t> call) {
  for (;;) {
    absl::StatusOr<OwnedFrame> frame = Receive();
    if (!frame.ok()) {
      ADD_FAILURE() << "no " << FrameKindName(kind) << " frame: " << frame.status();
      return OwnedFrame();
    }
    if (frame->header.kind == kind && frame->header.call == call.value_or(frame->header.call)) {
      return *std::move(frame);
    }
  }
}

std::vector<OwnedFrame> RawPeer::ReceiveAll() {
  std::vector<OwnedFrame> frames;
  for (;;) {
    absl::StatusOr<OwnedFrame> frame = Receive();
    if (!frame.ok()) {
      EXPECT_EQ(frame.status().code(), absl::StatusCode::kUnavailable) << frame.status();
      return frames;
    }
    frames.push_back(*std::move(frame));
  }
}

std::vector<OwnedFrame> RawPeer::ReceiveUntilPong() {
  constexpr uint64_t kNumber = 0x70696e67;
  EXPECT_TRUE(Send(PingBytes(kNumber)));
  std::vector<OwnedFrame> frames;
  for (;;) {
    absl::StatusOr<OwnedFrame> frame = Receive();
    if (!frame.ok()) {
      ADD_FAILURE() << "no answer to a ping: " << frame.status();
      return frames;
    }
    if (frame->header.kind == FrameKind::kPing && frame->header.aux == kNumber) {
      EXPECT_EQ(frame->header.flags, kAck);
      return frames;
    }
    frames.push_back(*std::move(frame));
  }
}

void RawPeer::AwaitBacklog(int bytes) {
  const Deadline patience = Deadline::After(absl::Milliseconds(testing::kPatienceMillis));
  int unread = 0;
  while (unread < bytes) {
    ASSERT_FALSE(patience.HasPassed()) << unread << " bytes have come";
    ASSERT_EQ(::ioctl(socket_.get(), FIONREAD, &unread), 0);
    ::sched_yield();
  }
}

RawListener::RawListener(const std::string& path) : socket_(NewSocket()) {
  const sockaddr_un name = SocketName(path);
  EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
  EXPECT_EQ(::listen(socket_.get(), 16), 0);
}

RawPeer RawListener::Accept() {
  return RawPeer(UniqueFd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
}

}  // namespace nigh::hostile
