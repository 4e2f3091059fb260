// The connection's bulk regions, its own and the peer's.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/shm/bulk_region.h"
#include "nigh/transports/shm/control_page.h"
#include "nigh/transports/shm/memory.h"
#include "nigh/transports/shm/offer.h"
#include "nigh/transports/shm/ring.h"
#include "nigh/transports/shm/shm_connection.h"

namespace nigh {
namespace {

// Making a longer payload takes longer than whoever is told of it looks out.
constexpr size_t kMostAnnounced = size_t{2} << 20;

}  // namespace

void ShmConnection::MakeBulk(size_t size) {
  // Another user could take its pages away while it is written.
  if (size == 0 || !same_user_) return;
  absl::StatusOr<OwnMemory> memory = CreateMemory(own_kind_, size, Pages::kOnDemand);
  if (!memory.ok()) return;
  offered_bulk_ = std::move(memory->handle);
  auto mapping = std::make_shared<Mapping>(std::move(memory->mapping));
  const ByteSpan bytes = mapping->bytes();
  bulk_ = std::make_shared<BulkRegion>(bytes, std::move(mapping), &Populate, &Depopulate);
}

absl::Status ShmConnection::TakeBulk(Offer& offer) {
  if (offer.bulk_size == 0 || !same_user_) return absl::OkStatus();
  absl::StatusOr<Mapping> bulk = AttachMemory(offer.bulk, offer.bulk_size, Pages::kOnDemand);
  if (absl::IsInvalidArgument(bulk.status())) return absl::InternalError(bulk.status().message());
  if (!bulk.ok()) {
    // Without it, long payloads come in pieces.
    DiscardMemory(offer.bulk, peer_.pid.value_or(-1));
    return absl::OkStatus();
  }
  // It is memory, of which no close waits.
  offer.bulk.fd.reset();
  struct Both {
    std::shared_ptr<const Mapping> own;
    Mapping peers;
  };
  auto both = std::make_shared<Both>(Both{.own = memory_, .peers = *std::move(bulk)});
  const ByteSpan bytes = both->peers.bytes();
  peer_bulk_ = std::make_shared<BulkView>(bytes, own_page_, std::move(both));
  own_page_.takes_bulk.store(1, std::memory_order_relaxed);
  return absl::OkStatus();
}

std::optional<ByteSpan> ShmConnection::AllocateBulk(size_t payload) {
  // A client knows who serves it only once it has the offer.
  if (bulk_ == nullptr || payload <= kMaxRecordPayload || !SenderJoined() || !MayUseBulk()) {
    return std::nullopt;
  }
  const std::optional<ByteSpan> allocated = bulk_->Allocate(payload, *peer_page_);
  if (!bulk_->broken().ok()) GiveUp(bulk_->broken());
  if (allocated.has_value()) AnnounceBulk(payload);
  return allocated;
}

void ShmConnection::AnnounceBulk(size_t payload) {
  // The peer wakes up while the payload is made.
  if (payload <= kMostAnnounced && sender_.CommitNotice()) (void)Flush();
}

std::optional<HeldBulk> ShmConnection::HoldBulk(size_t size) {
  // Whether the peer reads it need not be known before it is sent.
  if (bulk_size() == 0 || size <= kMaxRecordPayload || !SenderJoined()) return std::nullopt;
  std::optional<HeldBulk> held = bulk_->Hold(size, *peer_page_);
  if (!bulk_->broken().ok()) GiveUp(bulk_->broken());
  // As a rule it is filled now, and sent. To who does not read it, a notice makes no sense.
  if (held.has_value() && MayUseBulk()) AnnounceBulk(size);
  return held;
}

std::optional<ByteSpan> ShmConnection::ExtendBulk(ConstByteSpan held, size_t before) {
  if (!MayUseBulk()) return std::nullopt;
  std::optional<ByteSpan> payload = bulk_->Extend(held, before, *peer_page_);
  if (!bulk_->broken().ok()) GiveUp(bulk_->broken());
  return payload;
}

bool ShmConnection::CommitBulk(const FrameHeader& header, ByteSpan allocated) {
  const std::optional<ByteSpan> claim = Claim(kBulkRecordSize);
  if (!claim.has_value()) return false;
  EncodeBulkRecord(bulk_->HandOver(allocated), claim->data());
  sender_.CommitBulk(header);
  return true;
}

}  // namespace nigh
