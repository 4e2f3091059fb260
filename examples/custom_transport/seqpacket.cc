#include "examples/custom_transport/seqpacket.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/rendezvous/rendezvous.h"

namespace nigh {
namespace {

constexpr size_t kMaxPayload = 16 * 1024;

class SeqpacketConnection final : public Connection {
 public:
  SeqpacketConnection(UniqueFd socket, const std::string& address)
      : socket_(std::move(socket)), peer_(IdentifyPeer(socket_.get(), address)) {}

  // The out-buffer holds one packet: there is room for the next once Flush has sent it.
  std::optional<ByteSpan> Claim(size_t payload) override {
    if (out_size_ != 0) return std::nullopt;
    return ByteSpan(out_ + kFrameHeaderSize, payload);
  }

  void Commit(const FrameHeader& header) override {
    EncodeFrameHeader(header, out_);
    out_size_ = kFrameHeaderSize + header.length;
  }

  Flushed Flush() override {
    if (out_size_ != 0 && ::send(socket_.get(), out_, out_size_, MSG_NOSIGNAL) < 0) {
      if (errno == EAGAIN || errno == EINTR) return Flushed::kSome;
      send_end_ = UnavailableErrno(errno, peer_.address, "send");
      return Flushed::kEnded;
    }
    out_size_ = 0;
    return Flushed::kAll;
  }

  // One packet at a time.
  Received Receive(absl::Span<Frame> frames) override {
    if (!end_.ok()) return {.ended = true};
    const ssize_t size = ::recv(socket_.get(), in_, sizeof(in_), MSG_TRUNC);
    // ECONNRESET: the peer went with packets unread. Its own packets are still to come.
    if (size < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNRESET)) return {};
    if (size <= 0) {
      end_ = UnavailableErrno(size == 0 ? ECONNRESET : errno, peer_.address, "receive");
      return {.ended = true};
    }
    const FrameHeader header = DecodeFrameHeader(in_);
    // `size` is what was sent, even if it was more than fits: hence MSG_TRUNC.
    if (header.length > kMaxPayload ||
        kFrameHeaderSize + header.length != static_cast<size_t>(size)) {
      end_ = absl::InternalError(absl::StrCat(
          peer_.address, ": receive: the peer does not speak nigh's protocol (a packet of ", size,
          " bytes is not a frame)"));
      Close();
      return {.ended = true};
    }
    frames[0] = {header, ConstByteSpan(in_ + kFrameHeaderSize, header.length)};
    return {.frames = 1};
  }

  void Release(size_t) override {}  // the next Receive overwrites it
  absl::Status End(Interest interest) const override {
    return interest == Interest::kSend ? send_end_ : end_;
  }

  Wake Arm(Interest interest) override {
    const bool sends = interest == Interest::kSend;
    if (sends ? out_size_ == 0 : !end_.ok()) return Wake::Ready();
    return Wake{.fd = socket_.get(), .events = static_cast<short>(sends ? POLLOUT : POLLIN)};
  }

  Waiter::PollCost poll_cost() const override { return Waiter::PollCost::kSystemCall; }
  void Close() override { ::shutdown(socket_.get(), SHUT_RDWR); }
  size_t max_payload() const override { return kMaxPayload; }
  const PeerIdentity& peer() const override { return peer_; }

 private:
  const UniqueFd socket_;
  const PeerIdentity peer_;
  std::byte out_[kFrameHeaderSize + kMaxPayload], in_[kFrameHeaderSize + kMaxPayload];
  size_t out_size_ = 0;  // of the packet that waits to be sent
  absl::Status send_end_, end_;
};

class SeqpacketListener final : public Listener {
 public:
  SeqpacketListener(const Address& address, MeetingPlace place)
      : address_(address), place_(std::move(place)) {}

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override {
    absl::StatusOr<UniqueFd> socket = place_.Accept();
    if (!socket.ok()) return socket.status();
    if (!*socket) return nullptr;
    const std::string where = address_.ToString();
    const PeerIdentity client = IdentifyPeer(socket->get(), where);
    if (const absl::Status may = gate()(client); !may.ok()) {
      TurnAway(*std::move(socket), client, may);
      return nullptr;
    }
    return std::make_unique<SeqpacketConnection>(*std::move(socket), where);
  }

  Wake Arm() override { return place_.Arm(); }
  const Address& address() const override { return address_; }

 private:
  const Address address_;
  MeetingPlace place_;
};

absl::StatusOr<MeetingPoint> PointOf(const Address& address) {
  if (absl::Status known = address.CheckParameters({}); !known.ok()) return known;
  return MeetingPoint{.address = address.ToString(), .name = address.name, .type = SOCK_SEQPACKET};
}

absl::StatusOr<std::unique_ptr<Connection>> Dial(const Address& address) {
  absl::StatusOr<MeetingPoint> point = PointOf(address);
  if (!point.ok()) return point.status();
  absl::StatusOr<UniqueFd> socket = Meet(*point);
  if (!socket.ok()) return socket.status();
  return std::make_unique<SeqpacketConnection>(*std::move(socket), address.ToString());
}

absl::StatusOr<std::unique_ptr<Listener>> Listen(const Address& address) {
  absl::StatusOr<MeetingPoint> point = PointOf(address);
  if (!point.ok()) return point.status();
  absl::StatusOr<MeetingPlace> place = MeetingPlace::Open(*point);
  if (!place.ok()) return place.status();
  return std::make_unique<SeqpacketListener>(address, *std::move(place));
}

}  // namespace

constinit const Transport kSeqpacketTransport = {
    .scheme = "seqpacket", .dial = &Dial, .listen = &Listen, .reach = Reach::kUsers};

}  // namespace nigh
