// A whole connection over shared memory, whose peer writes into its ring and its socket what it
// likes, and in what order: its offer, frames, letters, descriptors. A byte of settings, then
// steps. This side's memory is made for each input, which is most of what that costs.

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

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
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/shm/bulk_region.h"
#include "nigh/transports/shm/control_page.h"
#include "nigh/transports/shm/memory.h"
#include "nigh/transports/shm/offer.h"
#include "nigh/transports/shm/ring.h"
#include "nigh/transports/shm/shm_connection.h"
#include "nigh/transports/shm/shm_options.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/open_descriptors.h"
#include "tests/fuzz/sent_fds.h"
#include "tests/shm/raw_peer.h"

namespace nigh::testing {
namespace {

// The byte of settings.
enum Settings : uint8_t {
  kAsks = 1,      // this side takes descriptors
  kStranger = 2,  // the peer is another user
  kNoBulk = 4,    // the peer offers no bulk region
};

constexpr Limits kLimits = {};
// Descriptors of which an honest peer does not send more before all that it sent has been read.
constexpr size_t kMostUnderway = 256;
constexpr size_t kBulkSize = size_t{1} << 20;

// The peer's memory: one for all inputs, which find it empty.
class PeerMemory {
 public:
  PeerMemory() {
    absl::StatusOr<OwnMemory> made = CreateMemory(MemoryKind::kMemfd, kControlSize + kMinRing);
    Expect(made.ok(), "there is memory");
    memory_ = *std::move(made);
    made = CreateMemory(MemoryKind::kMemfd, kBulkSize, Pages::kOnDemand);
    Expect(made.ok(), "there is memory for a bulk region");
    bulk_ = *std::move(made);
  }
  void Clear() {
    new (memory_.mapping.bytes().data()) ControlPage();
    std::memset(data().data(), 0, data().size());
  }
  const MemoryHandle& handle() const { return memory_.handle; }
  ControlPage& page() { return *reinterpret_cast<ControlPage*>(memory_.mapping.bytes().data()); }
  ByteSpan data() { return memory_.mapping.bytes().subspan(kControlSize); }
  const MemoryHandle& bulk_handle() const { return bulk_.handle; }
  ByteSpan bulk() { return bulk_.mapping.bytes(); }

 private:
  OwnMemory memory_;
  OwnMemory bulk_;
};

PeerMemory& TheirMemory() {
  static PeerMemory& memory = *new PeerMemory();
  return memory;
}

struct Message {
  FrameHeader header;
  std::string payload;
};

class Session {
 public:
  Session(uint8_t settings, std::shared_ptr<DescriptorCount> count)
      : memory_(TheirMemory()),
        count_(std::move(count)),
        offers_bulk_((settings & kNoBulk) == 0),
        takes_bulk_(offers_bulk_ && (settings & kStranger) == 0) {
    memory_.Clear();
    memory_.page().takes_bulk = 1;
    std::array<int, 2> ends;
    Expect(
        ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0,
        "there are sockets");
    peer_.reset(ends[1]);
    PeerIdentity identity = {.address = "fuzz:"};
    if ((settings & kStranger) == 0) identity = IdentifyPeer(ends[0], "fuzz:", "shared memory");
    absl::StatusOr<std::unique_ptr<Connection>> made =
        ShmConnection::Make(UniqueFd(ends[0]), Side::kServer, std::move(identity),
                            {.ring_size = kMinRing, .bulk_size = kBulkSize});
    Expect(made.ok(), "there is a connection");
    connection_ = *std::move(made);
    fds_.emplace(*connection_, kLimits, (settings & kAsks) != 0, count_);
    writer_.emplace(memory_.data(), memory_.page());
  }

  bool over() const { return over_; }

  // The peer's.
  void Offer() {
    if (!peer_) return;
    honest_ = honest_ && !std::exchange(offered_, true);
    // A second one brings a descriptor, which the kernel may refuse by then.
    struct Offer offer = {.ring_size = kMinRing, .memory = Duplicate(memory_.handle())};
    if (offers_bulk_) {
      offer.bulk_size = kBulkSize;
      offer.bulk = Duplicate(memory_.bulk_handle());
    }
    const bool sent = SendOffer(peer_.get(), offer).ok();
    Expect(sent || !honest_, "an offer can be sent");
  }
  void Write(absl::string_view message, SentFds fds) {
    if (peer_) (void)SendMessage(peer_.get(), message, fds);
    honest_ = false;
  }
  // A frame that says that so many come with it. `message`: it has one.
  void Put(SentFds fds, uint32_t says, size_t length, bool message = true) {
    SectionWriter sections;
    if (says != 0) sections.AddDescriptors(says);
    std::string payload = absl::StrCat(sections.block(), std::string(length, 'p'));
    const std::optional<ByteSpan> claim = writer_->Claim(payload.size());
    if (!claim.has_value()) return;
    if (!fds.empty()) {
      // What comes before the offer is no letter.
      if (!offered_ || Underway() >= kMostUnderway) honest_ = false;
      if (!peer_ || SendMessage(peer_.get(), "f", fds) != 1) honest_ = false;
    }
    if (fds.count != says || (says != 0 && (!fds_->accepts_descriptors() || !message)))
      honest_ = false;
    const FrameHeader header = {
        .length = static_cast<uint32_t>(payload.size()),
        .kind = FrameKind::kMessage,
        .flags = static_cast<uint8_t>((says != 0 ? kSections : 0) | (message ? kMessage : 0))};
    std::memcpy(claim->data(), payload.data(), payload.size());
    writer_->Commit(header);
    (void)writer_->Publish();
    frames_.push_back({header, std::move(payload)});
    if (fds.empty()) return;
    sets_.push_back(fds);
    far_ = far_ || Held() + Underway() > kFarTooMany * kLimits.max_untaken_descriptors;
  }
  // A payload beside the ring: one at a time, as long as the peer is honest.
  void PutBulk(size_t length, std::byte fill) {
    if (long_one_) return;
    const BulkRecord record = {.use = ++uses_, .offset = 0};
    const ByteSpan bytes = memory_.bulk().subspan(0, length);
    const std::optional<ByteSpan> claim = writer_->Claim(kBulkRecordSize);
    if (!claim.has_value()) return;
    // To others it was not offered.
    honest_ = honest_ && takes_bulk_;
    std::fill(bytes.begin(), bytes.end(), fill);
    EncodeBulkRecord(record, claim->data());
    const FrameHeader header = {
        .length = static_cast<uint32_t>(length), .kind = FrameKind::kMessage, .flags = kMessage};
    writer_->CommitBulk(header);
    (void)writer_->Publish();
    frames_.push_back({header, std::string(AsText(bytes))});
    long_one_ = true;
  }
  void Notice() {
    honest_ = honest_ && takes_bulk_;
    if (writer_->CommitNotice()) (void)writer_->Publish();
  }
  void ForgeBulk(size_t length, const BulkRecord& record) {
    const std::optional<ByteSpan> claim = writer_->Claim(kBulkRecordSize);
    if (!claim.has_value()) return;
    honest_ = false;
    EncodeBulkRecord(record, claim->data());
    writer_->CommitBulk({.length = static_cast<uint32_t>(length), .kind = FrameKind::kMessage});
    (void)writer_->Publish();
  }
  void GiveBack(uint8_t chunk, uint32_t use) {
    honest_ = false;
    memory_.page().returned[chunk] = use;
  }
  void Forge(uint8_t what, uint64_t value) {
    honest_ = false;
    ControlPage& page = memory_.page();
    switch (what % 5) {
      case 0:
        return page.tail.store(value);
      case 1:
        return page.head.store(value);
      case 2:
        return page.data_mark.store(value);
      case 3:
        return page.room_mark.store(value);
      default:
        return page.rung.store(static_cast<uint32_t>(value));
    }
  }
  void ForgeData(size_t at, absl::string_view bytes) {
    honest_ = false;
    at = std::min(at, memory_.data().size() - bytes.size());
    if (!bytes.empty()) std::memcpy(&memory_.data()[at], bytes.data(), bytes.size());
  }
  void HangUp() { peer_.reset(); }

  // The application's: lets go of the oldest descriptors that it has been given.
  void Drop() {
    if (held_.empty()) return;
    held_.pop_front();
    AwaitClosings();
  }

  // This side's.
  void Receive() {
    std::array<Frame, 3> frames;
    const Received received = connection_->Receive(absl::MakeSpan(frames));
    if (received.ended) return End();
    for (const Frame& frame : absl::MakeSpan(frames).subspan(0, received.frames)) {
      if (!over_) Take(frame);
    }
    if (received.frames != 0) connection_->Release(received.frames);
    AwaitClosings();
  }
  void Arm(Interest interest) { (void)connection_->Arm(interest); }
  void Send(SentFds fds, size_t length) {
    DescriptorLane& lane = *connection_->descriptors();
    if (!lane.HasRoom()) fds = {};
    if (length > kMaxRecordPayload) {
      SendBulk(length);
      if (connection_->Flush() == Flushed::kEnded) CheckEnd(Interest::kSend);
      return;
    }
    const std::optional<ByteSpan> claim = connection_->Claim(length);
    if (claim.has_value()) {
      if (!fds.empty()) lane.Attach(fds.Copies());
      std::fill(claim->begin(), claim->end(), std::byte{'q'});
      connection_->Commit({.length = static_cast<uint32_t>(length), .kind = FrameKind::kMessage});
    }
    if (connection_->Flush() == Flushed::kEnded) CheckEnd(Interest::kSend);
  }

 private:
  void SendBulk(size_t length) {
    const std::optional<ByteSpan> allocated = connection_->AllocateBulk(length);
    if (!allocated.has_value()) return;
    std::fill(allocated->begin(), allocated->end(), std::byte{'q'});
    const FrameHeader header = {.length = static_cast<uint32_t>(length),
                                .kind = FrameKind::kMessage};
    if (!connection_->CommitBulk(header, *allocated)) connection_->FreeBulk(*allocated);
  }
  size_t Held() const {
    size_t sum = 0;
    for (const auto& each : held_) sum += each->size();
    return sum;
  }
  // Of an honest peer, what its frames that have not been received bring.
  size_t Underway() const {
    size_t sum = 0;
    for (const SentFds& fds : sets_) sum += fds.count;
    return sum;
  }

  void Take(const Frame& frame) {
    // Whatever the peer says, it can be read.
    const std::string payload(AsText(frame.payload));
    if (honest_) {
      Expect(!frames_.empty() && frames_.front().header == frame.header &&
                 frames_.front().payload == payload,
             "an honest peer's frames are received as they were sent, in order");
      frames_.pop_front();
    }
    if (payload.size() > kMaxRecordPayload) long_one_ = false;
    Expect(payload.size() == frame.header.length &&
               payload.size() <= connection_->max_received_payload(),
           "a payload is as long as the header says, and no longer than allowed");
    const uint32_t says = WhatIsAnnounced(frame.header, AsBytes(payload)).descriptors;
    // What is being closed counts.
    AwaitClosings();
    const size_t open = Held() + Underway();
    absl::StatusOr<FrameExtras> extras = fds_->Take(frame.header, frame.payload, Peer::kClient);
    if (!extras.ok()) {
      Expect(absl::IsInternal(extras.status()), "a frame that lies is INTERNAL");
      Expect(!honest_, "an honest one is none");
      over_ = true;
      return connection_->Close();
    }
    std::unique_ptr<Descriptors> taken = std::move(extras->descriptors);
    if (taken == nullptr) return;
    const bool good = taken->refusal().ok();
    if (honest_) {
      Expect(!sets_.empty() && sets_.front().count == says, "a frame has its own descriptors");
      Expect(!good || sets_.front().Are(*taken), "they are those that were sent");
      // Of what is under way, only what has been taken out of the socket counts.
      const bool must =
          says > kLimits.max_descriptors || Held() + says > kLimits.max_untaken_descriptors;
      const bool may = must || open > kLimits.max_untaken_descriptors;
      Expect(good ? !must : may, "limits are kept");
      sets_.pop_front();
    }
    Expect(good || taken->size() == 0, "what is refused is closed");
    if (good) held_.push_back(std::move(taken));
  }
  void CheckEnd(Interest interest) {
    const absl::Status end = connection_->End(interest);
    if (absl::IsResourceExhausted(end)) {
      Expect(fds_->accepts_descriptors(), "who takes none does not count any");
      Expect(!honest_ || far_, "only who sends far too many is told so");
      return;
    }
    Expect(absl::IsUnavailable(end) || absl::IsInternal(end), "the end is such a one");
    Expect(!honest_ || absl::IsUnavailable(end), "the honest are not told that they lie");
  }
  void End() {
    CheckEnd(Interest::kReceive);
    std::array<Frame, 1> more;
    Expect(connection_->Receive(absl::MakeSpan(more)).ended, "the end is final");
    Expect(connection_->Arm(Interest::kReceive).ready(), "nobody sleeps on an end");
    Expect(!honest_ || !offered_ || frames_.empty() || far_, "what was sent comes before the end");
    over_ = true;
  }

  PeerMemory& memory_;
  const std::shared_ptr<DescriptorCount> count_;
  UniqueFd peer_;
  std::unique_ptr<Connection> connection_;
  std::optional<SessionExtras> fds_;
  std::optional<RingSender> writer_;
  std::deque<Message> frames_;  // written, and not received yet
  const bool offers_bulk_;
  const bool takes_bulk_;  // so this side reads its bulk region
  bool long_one_ = false;  // the payload of one of frames_ lies there
  uint32_t uses_ = 0;
  std::deque<SentFds> sets_;
  std::deque<std::unique_ptr<Descriptors>> held_;  // by the application
  bool offered_ = false;
  bool honest_ = true;
  bool far_ = false;  // of an honest peer, too many may have been open at once
  bool over_ = false;
};

void Step(Session& session, Input& input) {
  const uint8_t what = input.Take();
  switch (what % 16) {
    case 0:
      return session.Offer();
    case 1: {
      const std::string message(input.TakeText(input.Take()));
      return session.Write(message, SentFds::From(input));
    }
    case 2: {
      const SentFds fds = SentFds::From(input);
      return session.Put(fds, fds.count, input.Take<uint16_t>() % (kMaxRecordPayload - 16));
    }
    case 3: {
      const SentFds fds = SentFds::From(input);
      const uint8_t says = input.Take();
      return session.Put(fds, says, input.Take(), what < 0x80);
    }
    case 4: {
      const uint8_t word = input.Take();
      return session.Forge(word, input.Take<uint64_t>());
    }
    case 5: {
      const size_t at = size_t{8} * input.Take<uint16_t>();
      return session.ForgeData(at, input.TakeText(input.Take()));
    }
    case 6:
      return session.Write(input.Take() % 2 == 0 ? "d" : "r", {});
    case 7:
    case 8:
      return session.Receive();
    case 9:
      return session.Arm(input.Take() % 2 == 0 ? Interest::kReceive : Interest::kSend);
    case 10: {
      const SentFds fds = SentFds::From(input);
      return session.Send(fds, input.Take<uint16_t>());
    }
    case 11:
      return session.PutBulk(kMaxRecordPayload + 1 + input.Take<uint16_t>(),
                             std::byte{input.Take()});
    case 12:
      return session.Notice();
    case 13: {
      const size_t length = kMaxRecordPayload + 1 + input.Take<uint32_t>() % (2 * kBulkSize);
      const auto chunk = input.Take<uint16_t>();
      const auto use = input.Take<uint32_t>();
      return session.ForgeBulk(length,
                               {.chunk = chunk, .use = use, .offset = input.Take<uint64_t>()});
    }
    case 14: {
      const uint8_t chunk = input.Take();
      return session.GiveBack(chunk, input.Take<uint32_t>());
    }
    default:
      return input.Take() % 8 == 0 ? session.HangUp() : session.Drop();
  }
}

}  // namespace
}  // namespace nigh::testing

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nigh;           // NOLINT(google-build-using-namespace)
  using namespace nigh::testing;  // NOLINT(google-build-using-namespace)
  SentFds::Make();
  (void)TheirMemory();
  const ExtraDescriptors extra;
  const auto count = std::make_shared<DescriptorCount>(
      DescriptorCount::Limit{.whose = "fuzz", .most = kLimits.max_untaken_descriptors});
  {
    Input input(data, size);
    Session session(input.Take(), count);
    while (!input.empty() && !session.over()) Step(session, input);
    session.HangUp();
    // No more records than the ring has, and no more letters than the socket.
    for (size_t reads = 0; !session.over(); ++reads) {
      Expect(reads <= 10'000, "the end comes after the last frame");
      session.Arm(Interest::kReceive);
      session.Receive();
    }
  }
  Expect(extra.AreNone(), "descriptors leak");
  Expect(count->count() == 0, "what is no more does not count");
  return 0;
}
