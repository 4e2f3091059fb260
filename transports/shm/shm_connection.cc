#include "nigh/transports/shm/shm_connection.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nigh/mutex.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/base/epoll_set.h"
#include "nigh/runtime/base/uninterrupted.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/shm/bell.h"
#include "nigh/transports/shm/bulk_region.h"
#include "nigh/transports/shm/control_page.h"
#include "nigh/transports/shm/descriptor_letters.h"
#include "nigh/transports/shm/memory.h"
#include "nigh/transports/shm/offer.h"
#include "nigh/transports/shm/ring.h"
#include "nigh/transports/stream/passed_descriptors.h"

namespace nigh {
namespace {

// Taken out of the socket in one look.
constexpr int kLettersPerLook = 16;

// Nobody else will come for the memory in it, which `peer` has made.
void DiscardUnreadOffer(int socket, Side side, const PeerIdentity& peer) {
  absl::StatusOr<std::optional<Offer>> unread = ReceiveOffer(socket, side);
  if (!unread.ok() || !unread->has_value()) return;
  for (const MemoryHandle* const memory : {&(*unread)->memory, &(*unread)->bulk}) {
    DiscardMemory(*memory, peer.pid.value_or(-1));
  }
  // Nothing of an offer that is not taken is known to be what it says.
  CloseElsewhere(peer.uid, (**unread).TakeDescriptors());
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> ShmConnection::Make(UniqueFd socket, Side side,
                                                                PeerIdentity peer,
                                                                const ShmOptions& options) {
  absl::StatusOr<OwnMemory> memory = CreateMemory(options.memory, kControlSize + options.ring_size);
  if (!memory.ok()) {
    DiscardUnreadOffer(socket.get(), side, peer);
    return absl::UnavailableError(
        absl::StrCat(peer.address, ": connect: ", memory.status().message()));
  }
  peer.medium = "shared memory";
  auto connection = std::unique_ptr<ShmConnection>(
      new ShmConnection(std::move(socket), side, std::move(peer), *std::move(memory)));
  ShmConnection& made = *connection;
  const absl::string_view where = made.peer_.address;
  if (made.error_ != 0) {
    return UnavailableErrno(made.error_, where, "connect: eventfd, epoll_create1, epoll_ctl");
  }
  absl::StatusOr<BellHandle> bell = made.HangBell(options.doorbell);
  if (!bell.ok()) {
    return absl::UnavailableError(absl::StrCat(where, ": connect: ", bell.status().message()));
  }
  made.MakeBulk(options.bulk_size);
  Offer offer = {.ring_size = static_cast<uint32_t>(options.ring_size),
                 .bulk_size = static_cast<uint32_t>(made.bulk_ == nullptr ? 0 : made.bulk_->size()),
                 .memory = std::move(made.offered_),
                 .bulk = std::move(made.offered_bulk_),
                 .bell = *std::move(bell)};
  const absl::Status offered = SendOffer(made.socket_.get(), offer);
  // The mappings need their descriptors no more.
  made.offered_ = {.kind = offer.memory.kind, .fd = {}, .id = offer.memory.id};
  made.offered_bulk_ = {.kind = offer.bulk.kind, .fd = {}, .id = offer.bulk.id};
  if (!offered.ok()) {
    DiscardMemory(made.offered_, ::getpid());
    DiscardMemory(made.offered_bulk_, ::getpid());
    return absl::UnavailableError(absl::StrCat(where, ": connect: ", offered.message()));
  }
  return connection;
}

ShmConnection::ShmConnection(UniqueFd socket, Side side, PeerIdentity peer, OwnMemory memory)
    : socket_(std::move(socket).KeptFromChildren()),
      side_(side),
      process_(PeerProcess::OfSocket(socket_.get())),
      ends_(UniqueFd(::epoll_create1(EPOLL_CLOEXEC)).KeptFromChildren()),
      peer_(std::move(peer)),
      same_user_(false),
      memory_(std::make_shared<const Mapping>(std::move(memory.mapping))),
      own_kind_(memory.handle.kind),
      offered_(std::move(memory.handle)),
      own_page_(*new (memory_->bytes().data()) ControlPage()),
      letters_(socket_.get(), peer_.uid),
      sender_(memory_->bytes().subspan(kControlSize), own_page_) {
  if (!sleepers_.ok() || !ends_ || !AddToEpollSet(ends_.get(), socket_.get()) ||
      !AddToEpollSet(ends_.get(), process_.fd())) {
    error_ = errno;
  }
  peer_.pidfd = process_.pidfd();
  same_user_ = IsSameUser(peer_);
}

ShmConnection::~ShmConnection() {
  if (!birth_.is_this()) return;
  Close();
  MutexLock lock(mutex_);
  // What has an identifier goes with the last who could attach it. A peer that is still there may
  // yet come for what was sent to it, unless it has broken the protocol.
  if (peer_gone_ || absl::IsInternal(end_)) {
    DiscardMemory(offered_, ::getpid());
    DiscardMemory(offered_bulk_, ::getpid());
  }
  // What follows an offer that was refused is none.
  if (!joined_.load(std::memory_order_relaxed) && !absl::IsInternal(end_)) {
    DiscardUnreadOffer(socket_.get(), side_, peer_);
  }
  // Descriptors may lie there.
  CloseElsewhere(peer_.uid, std::move(socket_));
}

absl::StatusOr<BellHandle> ShmConnection::HangBell(BellKind kind) {
  if (!same_user_) return BellHandle();
  absl::StatusOr<std::unique_ptr<OwnBell>> bell = MakeBell(kind, sleepers_, socket_.get());
  if (!bell.ok()) return bell.status();
  own_bell_ = *std::move(bell);
  return own_bell_->Handle();
}

bool ShmConnection::Joined() {
  if (joined_.load(std::memory_order_acquire)) return true;
  MutexLock lock(mutex_);
  if (joined_.load(std::memory_order_relaxed)) return true;
  if (ended_.load(std::memory_order_relaxed)) return false;
  absl::StatusOr<std::optional<Offer>> offer = ReceiveOffer(socket_.get(), side_);
  if (offer.ok() && !offer->has_value()) return false;
  const bool gone = absl::IsUnavailable(offer.status());
  const absl::Status joined = offer.ok() ? TakeOffer(**offer) : offer.status();
  if (offer.ok()) CloseElsewhere(peer_.uid, (*offer)->TakeDescriptors());
  if (!joined.ok()) {
    by_peer_ = gone;
    GiveUpLocked(joined);
    return false;
  }
  joined_.store(true, std::memory_order_release);
  // The other thread may sleep until the offer comes, which it will find in the socket no more.
  if (sleeps_.load(std::memory_order_relaxed) != 0) {
    sleepers_.Wake(BellLetter::kData);
    sleepers_.Wake(BellLetter::kRoom);
  }
  return true;
}

absl::Status ShmConnection::TakeSender(Sender& sender) {
  AskForSenders(socket_.get(), false);
  const std::optional<uid_t> user = peer_.uid;
  const std::shared_ptr<const UniqueFd> process = process_.pidfd();
  IdentifySender(sender, side_, peer_);
  const bool named = sender.process && sender.credentials.has_value();
  if (!process_.Become(std::move(sender.process), ends_.get())) {
    return absl::UnavailableError(
        absl::StrCat("epoll_ctl: ", std::generic_category().message(errno)));
  }
  // Who listened has been asked about a moment ago.
  if (!named || (process_.pidfd() == process && peer_.uid == user)) return absl::OkStatus();
  peer_.pidfd = process_.pidfd();
  // It has been sent a bell, which it does not ring: to a server it is what connected that counts.
  same_user_ = same_user_ && IsSameUser(peer_);
  return absl::OkStatus();
}

absl::Status ShmConnection::CheckKind(MemoryKind kind) const {
  if (kind == MemoryKind::kMemfd) return absl::OkStatus();
  const absl::string_view name = MemoryKindName(kind);
  if (!same_user_ && peer_.uid == ::geteuid() && process_.HasDied()) {
    // How much it could do cannot be told any more.
    return absl::UnavailableError("the peer closed the connection");
  }
  if (!same_user_) {
    return absl::InternalError(absl::StrCat("the peer is another user and offers ", name,
                                            " memory, which cannot be sealed (let it use "
                                            "memory=memfd)"));
  }
  if (own_kind_ != MemoryKind::kMemfd) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("the peer offers ", name,
                                          " memory, which cannot be sealed, and this side's "
                                          "address does not ask for it (add memory=",
                                          name, " here, or let the peer use memory=memfd)"));
}

absl::Status ShmConnection::TakeOffer(Offer& offer) {
  if (side_ == Side::kClient) {
    if (absl::Status known = TakeSender(offer.sender); !known.ok()) return known;
  }
  if (absl::Status good = CheckKind(offer.memory.kind); !good.ok()) {
    if (absl::IsUnavailable(good)) {
      DiscardMemory(offer.memory, peer_.pid.value_or(-1));
      DiscardMemory(offer.bulk, peer_.pid.value_or(-1));
    }
    return good;
  }
  absl::StatusOr<Mapping> memory = AttachMemory(offer.memory, kControlSize + offer.ring_size);
  if (absl::IsInvalidArgument(memory.status())) {
    return absl::InternalError(memory.status().message());
  }
  if (!memory.ok()) return absl::UnavailableError(memory.status().message());
  // It is memory, of which no close waits.
  offer.memory.fd.reset();
  (void)PassDescriptors(socket_.get(), letters_.accepts());
  if (absl::Status taken = TakeBulk(offer); !taken.ok()) return taken;
  peer_memory_ = *std::move(memory);
  peer_page_ = reinterpret_cast<const ControlPage*>(peer_memory_.bytes().data());
  // Another user's bell might block this side when it rings.
  if (same_user_) {
    peer_bell_ = AttachBell(std::exchange(offer.bell, {}), own_page_.rung, peer_.pid);
  }
  return own_bell_ != nullptr ? own_bell_->Listen(peer_page_->rung) : absl::OkStatus();
}

void ShmConnection::Ring(BellLetter which) {
  if (peer_bell_ != nullptr && peer_bell_->Ring(which)) return;
  // A full socket holds letters enough to wake the peer; a peer that is gone needs none.
  (void)::send(socket_.get(), &which, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool ShmConnection::SenderJoined() {
  if (sender_joined_) return true;
  if (!Joined()) return false;
  sender_.Attach(*peer_page_);
  return sender_joined_ = true;
}

bool ShmConnection::ReceiverJoined() {
  if (receiver_.has_value()) return true;
  if (!Joined()) return false;
  receiver_.emplace(peer_memory_.bytes().subspan(kControlSize), *peer_page_, own_page_, peer_bulk_);
  return true;
}

std::optional<ByteSpan> ShmConnection::Claim(size_t payload) {
  std::optional<ByteSpan> claim = sender_.Claim(payload);
  if (claim.has_value()) return claim;
  if (std::exchange(room_armed_, false)) LookAtSocket(Interest::kSend);
  return SenderJoined() ? sender_.Claim(payload) : std::nullopt;
}

Flushed ShmConnection::Flush() {
  if (ended_.load(std::memory_order_acquire)) return Flushed::kEnded;
  if (letters_.has_attached()) {
    if (const Flushed sent = SendDescriptors(); sent != Flushed::kAll) return sent;
  }
  bool peer_sleeps = sender_.Publish();
  // A peer whose offer is not even there yet will look at the tail after having made its offer; of
  // one whose offer is there, the mark tells.
  if (!sender_joined_ && SenderJoined()) peer_sleeps = sender_.Publish();
  if (!sender_.broken().ok()) {
    GiveUp(sender_.broken());
    return Flushed::kEnded;
  }
  if (peer_sleeps) Ring(BellLetter::kData);
  return Flushed::kAll;
}

bool ShmConnection::HasRoom() {
  if (!letters_.HasRoom() && PeerHasReadAll()) letters_.NoneUnderway();
  held_ = !letters_.HasRoom();
  return !held_;
}

Flushed ShmConnection::SendDescriptors() {
  // Asked first: after the letters, it may have become so meanwhile.
  const bool took_all = PeerHasReadAll();
  const int error = letters_.Send();
  held_ = error == EAGAIN;
  if (error == 0) return Flushed::kAll;
  if (held_ && !took_all) return Flushed::kSome;
  GiveUp(held_ ? absl::InternalError("the peer does not take the descriptors of its frames")
               : UnavailableErrno(error, "pass descriptors", "sendmsg"));
  return Flushed::kEnded;
}

std::unique_ptr<Descriptors> ShmConnection::Take() {
  for (;;) {
    if (std::unique_ptr<Descriptors> opened = letters_.Open()) return opened;
    if (!TakeLetter(Interest::kReceive)) return letters_.Open();
  }
}

Received ShmConnection::Receive(absl::Span<Frame> frames) {
  if (closed_.load(std::memory_order_acquire)) return {.ended = true};
  if (!ReceiverJoined()) {
    const bool died = std::exchange(data_armed_, false) && process_.HasDied();
    // Its offer, and what it had written, may have come meanwhile.
    if (!died || !ReceiverJoined()) {
      if (died) GiveUpPeer();
      return {.ended = ended_.load(std::memory_order_acquire)};
    }
    data_armed_ = true;
  }
  Received received = ReceiveNow(frames);
  if (received.frames != 0) {
    data_armed_ = false;
    return received;
  }
  // The end is looked for if nothing follows.
  if (received.soon) return received;
  if (std::exchange(data_armed_, false)) {
    LookAtSocket(Interest::kReceive);
  } else if (!ended_.load(std::memory_order_acquire)) {
    return received;
  }
  // What the peer had written before it rang, or hung up, is to be seen by now.
  received = ReceiveNow(frames);
  received.ended = received.frames == 0 && ended_.load(std::memory_order_acquire);
  return received;
}

Received ShmConnection::ReceiveNow(absl::Span<Frame> frames) {
  // There is one place to copy to.
  const Received received = receiver_->Receive(same_user_ ? frames : frames.subspan(0, 1));
  if (received.frames == 0) {
    if (!receiver_->broken().ok()) GiveUp(receiver_->broken());
  } else if (!same_user_) {
    CopyOut(frames[0]);
  }
  return received;
}

void ShmConnection::CopyOut(Frame& frame) {
  if (copy_.empty()) copy_.resize(kMaxRecordPayload);
  if (!frame.payload.empty()) {
    std::memcpy(copy_.data(), frame.payload.data(), frame.payload.size());
  }
  frame.payload = ConstByteSpan(copy_.data(), frame.payload.size());
}

void ShmConnection::Release(size_t count) {
  if (receiver_->Release(count)) Ring(BellLetter::kRoom);
}

const std::atomic<uint64_t>* ShmConnection::arrivals() const {
  return joined_.load(std::memory_order_acquire) ? &peer_page_->tail : nullptr;
}

Wake ShmConnection::SleepFor(Interest interest) {
  (interest == Interest::kSend ? room_armed_ : data_armed_) = true;
  // Relaxed: it is counted before the mark is set that allows the peer a letter, and the socket
  // orders that letter behind the mark.
  sleeps_.fetch_add(1, std::memory_order_relaxed);
  return Wake{
      .fd = sleepers_.fd(interest == Interest::kSend ? BellLetter::kRoom : BellLetter::kData),
      .events = POLLIN,
      .edge_triggered = true,
      .end_fd = ends_.get(),
      .end_events = POLLIN};
}

Wake ShmConnection::Arm(Interest interest) {
  if (ended_.load(std::memory_order_acquire)) return Wake::Ready();
  // Before Joined, which rings for those who sleep already.
  const Wake wake = SleepFor(interest);
  // Nothing will tell of a death that was before it could be watched.
  if (process_.fd() < 0 && process_.HasDied()) return Wake::Ready();
  if (interest == Interest::kSend) {
    if (!SenderJoined()) return wake;
    const bool room = held_ ? sender_.ArmEmpty() : sender_.ArmRoom();
    if (!sender_.broken().ok()) GiveUp(sender_.broken());
    return room || !sender_.broken().ok() ? Wake::Ready() : wake;
  }
  if (!ReceiverJoined()) return wake;
  const RingReceiver::Armed armed = receiver_->Arm();
  if (armed.ring_room) Ring(BellLetter::kRoom);
  return armed.found ? Wake::Ready() : wake;
}

void ShmConnection::LookAtSocket(Interest interest) {
  std::array<epoll_event, 2> ends;
  const int count = ::epoll_wait(ends_.get(), ends.data(), ends.size(), 0);
  const bool died =
      std::any_of(ends.begin(), ends.begin() + std::max(count, 0),
                  [&](const epoll_event& end) { return end.data.fd != socket_.get(); });
  if (died || (process_.fd() < 0 && process_.HasDied())) return GiveUpPeer();
  if (count <= 0 || !joined_.load(std::memory_order_acquire)) return;
  for (int i = 0; i < kLettersPerLook && TakeLetter(interest); ++i) {
  }
}

bool ShmConnection::TakeLetter(Interest interest) {
  using Letter = DescriptorLetters::Letter;
  const Letter letter = letters_.Receive();
  switch (letter) {
    case Letter::kNone:
      return false;
    case Letter::kEnd:
      GiveUpPeer();
      return false;
    case Letter::kBroken:
      GiveUp(letters_.status());
      return false;
    // The peer went without having read our letters; its own come before its end.
    case Letter::kReset:
    case Letter::kDescriptors:
      return true;
    case Letter::kData:
    case Letter::kRoom:
      break;
  }
  if (rings_.fetch_add(1, std::memory_order_relaxed) + 1 >
      sleeps_.load(std::memory_order_relaxed)) {
    GiveUp(absl::InternalError("the peer rings where nobody sleeps"));
    return false;
  }
  const bool data = letter == Letter::kData;
  if (data && interest != Interest::kReceive) sleepers_.Wake(BellLetter::kData);
  if (!data && interest != Interest::kSend) sleepers_.Wake(BellLetter::kRoom);
  return true;
}

void ShmConnection::GiveUp(const absl::Status& reason) {
  MutexLock lock(mutex_);
  GiveUpLocked(reason);
}

void ShmConnection::GiveUpPeer() {
  MutexLock lock(mutex_);
  if (!end_.ok()) return;
  by_peer_ = true;
  GiveUpLocked(absl::UnavailableError("the peer closed the connection"));
  peer_gone_ = true;
}

void ShmConnection::GiveUpLocked(const absl::Status& reason) {
  if (!end_.ok()) return;
  end_ = reason;
  pollfd hangup = {.fd = socket_.get(), .events = POLLRDHUP, .revents = 0};
  peer_gone_ = Uninterrupted([&] { return ::poll(&hangup, 1, 0); }) > 0;
  ended_.store(true, std::memory_order_release);
  ::shutdown(socket_.get(), SHUT_RDWR);
}

void ShmConnection::Close() {
  if (!birth_.is_this()) return;
  GiveUp(absl::UnavailableError("this side closed the connection"));
  closed_.store(true, std::memory_order_release);
}

absl::Status ShmConnection::End(Interest direction) const {
  MutexLock lock(mutex_);
  if (end_.ok()) return end_;
  absl::string_view operation = direction == Interest::kSend ? "send" : "receive";
  if (!joined_.load(std::memory_order_relaxed)) operation = "connect";
  const std::string obituary = by_peer_ ? process_.Obituary(side_, direction) : "";
  // A copy of its own for each: what shares a status's text shares a count between threads.
  return absl::Status(end_.code(),
                      absl::StrCat(peer_.address, ": ", operation, ": ", end_.message(),
                                   obituary.empty() ? "" : ": ", obituary));
}

}  // namespace nigh
