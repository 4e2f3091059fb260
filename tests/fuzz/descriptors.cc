// Descriptors on a Unix socket, as many, of such kinds and at such places of the byte stream as a
// peer likes, with frames that announce them, or more, or fewer; and those that this side sends. A
// byte of settings, then steps. The socket is a real one, and most steps are a system call each.

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nigh/options.h"
#include "nigh/runtime/call/call_errors.h"
#include "nigh/runtime/call/call_extras.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/stream/passed_descriptors.h"
#include "nigh/transports/stream/socket_stream.h"
#include "nigh/transports/stream/stream_connection.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/open_descriptors.h"
#include "tests/fuzz/sent_fds.h"

namespace nigh::testing {
namespace {

// The byte of settings.
enum Settings : uint8_t {
  kAsks = 1,   // this side takes descriptors
  kTight = 2,  // and may have few more
};

constexpr Limits kLimits = {.max_descriptors = 16, .max_untaken_descriptors = 40};
constexpr size_t kFar = kFarTooMany * kLimits.max_untaken_descriptors;
// What is not far too many, and what comes at once and makes it so; and the sockets.
constexpr int kMostOpen = static_cast<int>(kFar + kMostDescriptors) + 2;

std::string FrameOf(FrameHeader header, absl::string_view payload) {
  header.length = static_cast<uint32_t>(payload.size());
  std::string bytes(kFrameHeaderSize, '\0');
  EncodeFrameHeader(header, reinterpret_cast<std::byte*>(bytes.data()));
  return absl::StrCat(bytes, payload);
}

// A frame that says that so many descriptors come with it. `message`: it has one.
std::string FrameWith(uint32_t descriptors, size_t length, bool message = true) {
  SectionWriter sections;
  if (descriptors != 0) sections.AddDescriptors(descriptors);
  const FrameHeader header = {
      .kind = FrameKind::kMessage,
      .flags = static_cast<uint8_t>((descriptors != 0 ? kSections : 0) | (message ? kMessage : 0))};
  return FrameOf(header, absl::StrCat(sections.block(), std::string(length, 'p')));
}

class Session {
 public:
  Session(uint8_t settings, const ExtraDescriptors& extra, std::shared_ptr<DescriptorCount> count)
      : extra_(extra), count_(std::move(count)) {
    std::array<int, 2> ends;
    Expect(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0,
           "there are sockets");
    socket_ = ends[0];
    peer_.reset(ends[1]);
    connection_.emplace(std::make_unique<SocketStream>(UniqueFd(ends[0])),
                        PeerIdentity{.address = "fuzz:"});
    fds_.emplace(*connection_, kLimits, (settings & kAsks) != 0, count_);
    if ((settings & kTight) != 0) tight_.emplace(6);
  }

  bool over() const { return over_; }

  // The peer's. `honest`: they are a frame, with the descriptors that it announces.
  void Write(absl::string_view bytes, SentFds fds, bool honest) {
    // The kernel would not send descriptors without a byte to send them with.
    if (bytes.empty() || !peer_) return;
    const ssize_t sent = SendMessage(peer_.get(), bytes, fds);
    if (sent <= 0) return;
    if (!fds.empty()) sets_.push_back({sent_, fds});
    unread_.append(bytes.data(), static_cast<size_t>(sent));
    sent_ += static_cast<size_t>(sent);
    honest_ = honest_ && honest && static_cast<size_t>(sent) == bytes.size();
  }
  void HangUp() { peer_.reset(); }
  // Reads a piece of what this side has sent.
  void Read(size_t size) {
    if (!peer_) return;
    std::vector<std::byte> bytes(size);
    auto [count, descriptors, sender] = ReceiveMessage(peer_.get(), absl::MakeSpan(bytes));
    if (count <= 0) return;
    const auto read = static_cast<size_t>(count);
    Expect(AsText(ConstByteSpan(bytes.data(), read)) ==
               absl::string_view(committed_).substr(peer_read_, read),
           "what the peer reads is what was committed, in order");
    const bool due = !attached_.empty() && attached_.front().at < peer_read_ + read;
    Expect(due == (descriptors != nullptr), "descriptors come with the first byte of their frame");
    if (due) {
      Expect(attached_.front().at >= peer_read_, "none come late");
      Expect(attached_.front().fds.Are(*descriptors), "they are those of the frame");
      attached_.pop_front();
    }
    peer_read_ += read;
  }

  // This side's.
  void Send(SentFds fds, size_t length) {
    DescriptorLane& lane = *static_cast<Connection&>(*connection_).descriptors();
    if (!lane.HasRoom() || tight_.has_value()) fds = {};
    const std::optional<ByteSpan> claim = connection_->Claim(length);
    if (!claim.has_value()) return;
    if (!fds.empty()) {
      lane.Attach(fds.Copies());
      attached_.push_back({committed_.size(), fds});
      own_ += fds.count;
    }
    const FrameHeader header = {.length = static_cast<uint32_t>(length),
                                .kind = FrameKind::kMessage};
    std::fill(claim->begin(), claim->end(), std::byte{'q'});
    connection_->Commit(header);
    committed_ += FrameOf(header, std::string(length, 'q'));
  }
  void Flush() { (void)connection_->Flush(); }
  void Receive() {
    // What is being closed counts.
    AwaitClosings();
    std::array<Frame, 3> frames;
    const Received received = connection_->Receive(absl::MakeSpan(frames));
    Expect(extra_.AreAtMost(kMostOpen + own_), "no more descriptors are kept than that");
    CheckCount();
    if (received.ended) {
      const absl::Status end = connection_->End(Interest::kReceive);
      if (absl::IsResourceExhausted(end)) {
        Expect(far_, "only who sends far too many is told so");
      } else {
        Expect(absl::IsUnavailable(end) || absl::IsInternal(end), "the end is such a one");
        Expect(!honest_ || absl::IsUnavailable(end), "the honest are not told that they lie");
        Expect(!honest_ || !far_ || tight_.has_value(), "who sends far too many is told so");
      }
      return End();
    }
    for (const Frame& frame : absl::MakeSpan(frames).subspan(0, received.frames)) {
      if (!over_) Take(frame);
      connection_->Release(1);
    }
  }
  // The application takes the oldest descriptors that it has been given.
  void TakeHeld() {
    if (held_.empty()) return;
    Descriptors& oldest = *held_.front();
    for (size_t i = 0; i < oldest.size(); ++i) {
      // Some are of a kind that it does not take.
      if (i % 2 == 0) {
        Expect(static_cast<bool>(oldest.Take(i)), "what was held is there");
      } else {
        oldest.Close(i);
      }
    }
    held_.pop_front();
  }

 private:
  // What goes with the byte at `at` of a stream.
  struct Set {
    size_t at;
    SentFds fds;
  };

  size_t Held() const {
    size_t sum = 0;
    for (const auto& each : held_) sum += each->size();
    return sum;
  }
  // What has come, and is not taken by its frame yet.
  size_t Arrived() const {
    int in_socket = 0;
    Expect(::ioctl(socket_, FIONREAD, &in_socket) == 0, "FIONREAD");
    size_t sum = 0;
    for (const Set& set : sets_) {
      if (set.at < sent_ - static_cast<size_t>(in_socket)) sum += set.fds.count;
    }
    return sum;
  }
  void CheckCount() {
    if (!fds_->accepts_descriptors()) return;
    const size_t open = Held() + Arrived();
    far_ = far_ || open > kFar;
    Expect(tight_.has_value() ? count_->count() <= open : count_->count() == open,
           "what has come counts until it is taken or closed");
  }

  void Take(const Frame& frame) {
    Expect(unread_.size() >= kFrameHeaderSize + frame.payload.size(), "a frame has arrived whole");
    Expect(FrameOf(frame.header, frame.payload.empty() ? "" : AsText(frame.payload)) ==
               absl::string_view(unread_).substr(0, kFrameHeaderSize + frame.payload.size()),
           "frames are those in the bytes");
    unread_.erase(0, kFrameHeaderSize + frame.payload.size());
    Expect(
        fds_->accepts_descriptors() || sets_.empty() || sets_.front().at >= sent_ - unread_.size(),
        "nothing is heard of what brings descriptors unasked");

    const uint32_t says = WhatIsAnnounced(frame.header, frame.payload).descriptors;
    AwaitClosings();
    const size_t open = count_->count();
    absl::StatusOr<FrameExtras> extras = fds_->Take(frame.header, frame.payload, Peer::kClient);
    if (!extras.ok()) {
      const bool shares = WhatIsAnnounced(frame.header, frame.payload).shared.size != 0;
      Expect(absl::IsInternal(extras.status()) && (says != 0 || shares),
             "a frame that lies is INTERNAL");
      Expect(!honest_ || !fds_->accepts_descriptors(), "an honest one is none");
      connection_->Close();
      return End();
    }
    std::unique_ptr<Descriptors> taken = std::move(extras->descriptors);
    Expect((says != 0) == (taken != nullptr), "what a frame says has come");
    if (taken == nullptr) return;
    Expect((frame.header.flags & kMessage) != 0, "it has come with a message");
    Expect(!sets_.empty() && (!honest_ || sets_.front().fds.count == says), "it has been sent");
    Expect(taken->complete() || tight_.has_value(), "it has come whole, where there is room");
    const bool fits = taken->complete() && says <= kLimits.max_descriptors &&
                      open <= kLimits.max_untaken_descriptors;
    Check(std::move(taken), says, fits);
    sets_.pop_front();
  }

  void Check(std::unique_ptr<Descriptors> taken, uint32_t says, bool fits) {
    FrameExtras frame = {.descriptors = std::move(taken)};
    Expect(absl::IsUnimplemented(fds_->Receive(PayloadParts(), frame, /*asked=*/false).status()),
           "who does not ask is not given any");
    const absl::StatusOr<std::shared_ptr<Extras>> received =
        fds_->Receive(PayloadParts(), frame, /*asked=*/true);
    Expect(fits ? received.ok() : absl::IsResourceExhausted(received.status()), "limits are kept");
    if (!received.ok()) {
      return Expect(frame.descriptors->size() == 0, "what is refused is closed");
    }
    const std::shared_ptr<Descriptors>& given = (*received)->descriptors;
    Expect(given->size() == says && sets_.front().fds.Are(*given), "it is what was sent next");
    held_.push_back(given);
  }

  void End() {
    over_ = true;
    if (!honest_ || far_ || !fds_->accepts_descriptors() || peer_) return;
    Expect(sets_.empty(), "of honest frames all descriptors have come");
    Expect(unread_.empty(), "and all frames");
  }

  const ExtraDescriptors& extra_;
  const std::shared_ptr<DescriptorCount> count_;
  int socket_;  // the connection's
  UniqueFd peer_;
  std::optional<StreamConnection> connection_;
  std::optional<SessionExtras> fds_;
  std::optional<TightLimit> tight_;
  size_t sent_ = 0;     // by the peer, in bytes
  std::string unread_;  // of it, what has not been received yet
  std::deque<Set> sets_;
  std::deque<std::shared_ptr<Descriptors>> held_;
  bool honest_ = true;
  bool far_ = false;  // too many have been open at once
  bool over_ = false;
  std::string committed_;
  size_t peer_read_ = 0;
  int own_ = 0;  // descriptors that this side has attached, at most
  std::deque<Set> attached_;
};

void Step(Session& session, Input& input) {
  const uint8_t what = input.Take();
  switch (what % 10) {
    case 0: {  // anything
      const std::string bytes(input.TakeText(input.Take()));
      return session.Write(bytes, SentFds::From(input), /*honest=*/false);
    }
    case 1: {  // a frame with what it announces
      const SentFds fds = SentFds::From(input);
      return session.Write(FrameWith(fds.count, input.Take()), fds, /*honest=*/true);
    }
    case 2: {  // a frame with anything else
      const SentFds fds = SentFds::From(input);
      const uint8_t says = input.Take();
      const bool message = what < 0x80;
      return session.Write(FrameWith(says, input.Take(), message), fds,
                           says == fds.count && (says == 0 || message));
    }
    case 3: {  // several frames in one, and what goes with them all
      const SentFds fds = SentFds::From(input);
      std::string frames;
      for (int left = input.Take() % 8; left > 0; --left) frames += FrameWith(input.Take(), 1);
      return session.Write(frames, fds, /*honest=*/false);
    }
    case 4: {  // a frame in two pieces, each with descriptors
      const SentFds fds = SentFds::From(input);
      const std::string frame = FrameWith(input.Take(), input.Take());
      const size_t cut = input.Take() % frame.size();
      session.Write(absl::string_view(frame).substr(0, cut), fds, /*honest=*/false);
      return session.Write(absl::string_view(frame).substr(cut), SentFds::From(input),
                           /*honest=*/false);
    }
    case 5:
    case 6:
      return session.Receive();
    case 7: {
      const SentFds fds = SentFds::From(input);
      return session.Send(fds, input.Take<uint16_t>() % StreamConnection::kMaxPayload);
    }
    case 8:
      session.Flush();
      return session.Read(size_t{1} + input.Take<uint16_t>());
    default:
      return input.Take() % 4 == 0 ? session.HangUp() : session.TakeHeld();
  }
}

}  // namespace
}  // namespace nigh::testing

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nigh;           // NOLINT(google-build-using-namespace)
  using namespace nigh::testing;  // NOLINT(google-build-using-namespace)
  SentFds::Make();
  const ExtraDescriptors extra;
  const auto count = std::make_shared<DescriptorCount>(
      DescriptorCount::Limit{.whose = "fuzz", .most = kLimits.max_untaken_descriptors});
  {
    Input input(data, size);
    Session session(input.Take(), extra, count);
    while (!input.empty() && !session.over()) Step(session, input);
    session.HangUp();
    for (size_t reads = 0; !session.over(); ++reads) {
      Expect(reads <= 10 * (size + 2), "the end comes after the last byte");
      session.Receive();
    }
  }
  Expect(extra.AreNone(), "descriptors leak");
  Expect(count->count() == 0, "what is no more does not count");
  return 0;
}
