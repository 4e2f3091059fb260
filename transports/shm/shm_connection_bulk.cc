// The connection's bulk regions, its own and the peer's.

#include <atomic>
#include <cstddef>
#include <cstdint>
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
  bulk_memory_ = std::move(memory->mapping);
  offered_bulk_ = std::move(memory->handle);
  bulk_.emplace(bulk_memory_.bytes(), &Populate, &Depopulate);
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
  peer_bulk_ = *std::move(bulk);
  own_page_.takes_bulk.store(1, std::memory_order_relaxed);
  return absl::OkStatus();
}

std::optional<ByteSpan> ShmConnection::AllocateBulk(size_t payload) {
  // A client knows who serves it only once it has the offer.
  if (!bulk_.has_value() || payload <= kMaxRecordPayload || !SenderJoined() || !same_user_ ||
      peer_page_->takes_bulk.load(std::memory_order_relaxed) == 0) {
    return std::nullopt;
  }
  const std::optional<ByteSpan> allocated = bulk_->Allocate(payload, *peer_page_);
  if (!bulk_->broken().ok()) GiveUp(bulk_->broken());
  // The peer wakes up while the payload is made.
  if (allocated.has_value() && payload <= kMostAnnounced && sender_.CommitNotice()) (void)Flush();
  return allocated;
}

bool ShmConnection::CommitBulk(const FrameHeader& header, ByteSpan allocated) {
  const std::optional<ByteSpan> claim = Claim(kBulkRecordSize);
  if (!claim.has_value()) return false;
  EncodeBulkRecord(bulk_->HandOver(allocated), claim->data());
  sender_.CommitBulk(header);
  return true;
}

}  // namespace nigh
