#ifndef NIGH_TRANSPORTS_SHM_SHM_CONNECTION_H_
#define NIGH_TRANSPORTS_SHM_SHM_CONNECTION_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transport/waiter.h"
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/process/peer_process.h"
#include "nigh/transports/shm/bell.h"
#include "nigh/transports/shm/bulk_region.h"
#include "nigh/transports/shm/control_page.h"
#include "nigh/transports/shm/descriptor_letters.h"
#include "nigh/transports/shm/memory.h"
#include "nigh/transports/shm/offer.h"
#include "nigh/transports/shm/ring.h"
#include "nigh/transports/shm/shm_options.h"

namespace nigh {

// A ring in each direction, and the socket on which the two sides met.
//
// Each side makes its own memory and offers it as soon as there is a socket, so that neither waits
// for the other. Frames can be sent into the own ring at once. Whichever thread first needs the
// peer's memory takes the peer's offer in, under a lock. From then on the socket carries nothing
// but letters (bell.h), and its end says that the peer is gone. So does the death of the peer's
// process, whoever else may have the socket open. Nobody looks at the two while frames come: a
// thread does so when it has been armed and then finds nothing.
class ShmConnection final : public Connection, private DescriptorLane {
 public:
  // `socket` is of type SOCK_SEQPACKET, `peer` who it says is there. Offers memory of its own; an
  // error is this process's or the system's.
  static absl::StatusOr<std::unique_ptr<Connection>> Make(UniqueFd socket, Side side,
                                                          PeerIdentity peer,
                                                          const ShmOptions& options);
  ~ShmConnection() override;

  std::optional<ByteSpan> Claim(size_t payload) override;
  void Commit(const FrameHeader& header) override { sender_.Commit(header); }
  std::optional<ByteSpan> AllocateBulk(size_t payload) override;
  bool CommitBulk(const FrameHeader& header, ByteSpan allocated) override;
  size_t bulk_size() const override { return bulk_ != nullptr && same_user_ ? bulk_->size() : 0; }
  std::optional<HeldBulk> HoldBulk(size_t size) override;
  std::optional<ByteSpan> ExtendBulk(ConstByteSpan held, size_t before) override;
  void FreeBulk(ByteSpan allocated) override { bulk_->Free(allocated); }
  Trimmed TrimBulk() override {
    return bulk_ != nullptr && sender_joined_ ? bulk_->Trim(*peer_page_) : Trimmed::kAll;
  }
  Flushed Flush() override;
  Received Receive(absl::Span<Frame> frames) override;
  std::shared_ptr<const void> KeepBulk(ConstByteSpan bytes) override {
    return receiver_->KeepBulk(bytes);
  }
  void Release(size_t count) override;
  absl::Status End(Interest direction) const override ABSL_LOCKS_EXCLUDED(mutex_);
  const std::atomic<uint64_t>* arrivals() const override;
  Wake Arm(Interest interest) override;
  Waiter::PollCost poll_cost() const override { return Waiter::PollCost::kCheap; }
  void Close() override;
  size_t max_payload() const override { return kMaxRecordPayload; }
  size_t max_received_payload() const override {
    return receiver_.has_value() ? receiver_->max_payload() : kMaxRecordPayload;
  }
  DescriptorLane* descriptors() override { return this; }
  const PeerIdentity& peer() const override { return peer_; }

 private:
  // As DescriptorLane.
  void Accept(std::shared_ptr<DescriptorCount> count) override {
    letters_.Accept(std::move(count));
  }
  void Attach(std::shared_ptr<const Descriptors> descriptors) override {
    letters_.Attach(std::move(descriptors));
  }
  bool HasRoom() override;
  std::unique_ptr<Descriptors> Take() override;

  ShmConnection(UniqueFd socket, Side side, PeerIdentity peer, OwnMemory memory);

  // Sends the descriptors of frames that are about to be published. kAll: so they may be.
  Flushed SendDescriptors();
  // Whether the peer has read every frame that it can see, and so has what came with each.
  bool PeerHasReadAll() { return SenderJoined() && sender_.IsEmpty(); }

  // Makes a bulk region, for a peer that may read one. One that cannot be had is none.
  void MakeBulk(size_t size);
  // Says that a payload of so many bytes is about to be made there.
  void AnnounceBulk(size_t payload);
  // Whether the peer reads it. The sending thread's, once joined.
  bool MayUseBulk() const {
    return bulk_ != nullptr && sender_joined_ && same_user_ &&
           peer_page_->takes_bulk.load(std::memory_order_relaxed) != 0;
  }
  // Attaches the peer's, which then may use it.
  absl::Status TakeBulk(Offer& offer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Makes this side's bell, of `kind` for a peer that may ring one.
  absl::StatusOr<BellHandle> HangBell(BellKind kind);

  // Whether the peer's memory is attached; attaches it if its offer has come.
  bool Joined() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status TakeOffer(Offer& offer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A client's: who has sent the offer is the peer, whoever listened.
  absl::Status TakeSender(Sender& sender) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Memory that cannot be sealed can be taken away under its reader (SIGBUS). It is accepted only
  // of the same user, and where this side's own address asks for such.
  absl::Status CheckKind(MemoryKind kind) const;
  // Wakes the peer's sleeper.
  void Ring(BellLetter which);
  // Joined, as the sending and as the receiving thread needs it.
  bool SenderJoined();
  bool ReceiverJoined();

  // What the ring has. A broken one ends the connection.
  Received ReceiveNow(absl::Span<Frame> frames);
  // Moves the payload to where the peer cannot change it.
  void CopyOut(Frame& frame);
  // Sees whether the peer has died or hung up, and takes letters out of the socket: those for the
  // other interest, whose thread may sleep, become a ring of this side's own bell.
  void LookAtSocket(Interest interest);
  // Takes one out. False: there is none, or the connection is no more.
  bool TakeLetter(Interest interest);
  // How to sleep for `interest`.
  Wake SleepFor(Interest interest);

  // The connection is no more; the first reason stays.
  void GiveUp(const absl::Status& reason) ABSL_LOCKS_EXCLUDED(mutex_);
  void GiveUpLocked(const absl::Status& reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Because the peer has hung up, or died.
  void GiveUpPeer() ABSL_LOCKS_EXCLUDED(mutex_);

  const BirthProcess birth_;
  UniqueFd socket_;
  const Side side_;
  PeerProcess process_;
  const UniqueFd ends_;  // an epoll set of both
  PeerIdentity peer_;
  bool same_user_;  // the peer is (IsSameUser)
  // Of what is kept or held, some may outlive the connection.
  const std::shared_ptr<const Mapping> memory_;
  const MemoryKind own_kind_;
  MemoryHandle offered_;  // of the same; without its descriptor once the offer is under way
  ControlPage& own_page_;
  MemoryHandle offered_bulk_;  // as offered_
  const Sleepers sleepers_;
  int error_ = 0;  // why a descriptor is missing, or cannot be watched, when it was made

  mutable Mutex mutex_;
  std::atomic<bool> joined_ = false;
  std::atomic<bool> ended_ = false;   // end_ is set
  std::atomic<bool> closed_ = false;  // by Close; ended_ is set before
  absl::Status end_ ABSL_GUARDED_BY(mutex_);
  bool peer_gone_ ABSL_GUARDED_BY(mutex_) = false;  // when this connection ended
  bool by_peer_ ABSL_GUARDED_BY(mutex_) = false;    // it has ended so, and how is not known
  // An honest peer sends one letter for a sleep at most.
  std::atomic<uint64_t> sleeps_ = 0;
  std::atomic<uint64_t> rings_ = 0;  // by letters
  DescriptorLetters letters_;

  // These, and who a client's peer is, are written before joined_ is, then never.
  Mapping peer_memory_;
  const ControlPage* peer_page_ = nullptr;
  std::shared_ptr<BulkView> peer_bulk_;  // null: it has none that this side reads
  std::unique_ptr<PeerBell> peer_bell_;  // none: letters
  std::unique_ptr<OwnBell> own_bell_;    // likewise; listens at the peer's memory

  // The sending thread's.
  RingSender sender_;
  std::shared_ptr<BulkRegion> bulk_;  // null: none
  bool sender_joined_ = false;
  bool room_armed_ = false;
  bool held_ = false;  // what waits for room does so for that of descriptors

  // The receiving thread's.
  std::optional<RingReceiver> receiver_;
  bool data_armed_ = false;
  std::vector<std::byte> copy_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_SHM_CONNECTION_H_
