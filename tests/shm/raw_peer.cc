#include "tests/shm/raw_peer.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <utility>

#include "absl/status/statusor.h"
#include "nigh/runtime/base/duplicate_fd.h"
#include "nigh/transport/bytes.h"
#include "nigh/transports/process/peer_process.h"
#include "nigh/transports/rendezvous/socket_name.h"
#include "nigh/transports/stream/passed_descriptors.h"

namespace nigh::testing {
namespace {

constexpr int kPatience = 60'000;  // milliseconds

template <typename T>
void Append(T value, std::string& bytes) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

bool AwaitReadable(int fd) {
  pollfd entry = {.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&entry, 1, kPatience) == 1;
}

}  // namespace

const int kAllSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;

std::string OfferBytes::Encode() const {
  std::string bytes = magic;
  Append(version, bytes);
  Append(memory, bytes);
  Append(bells, bytes);
  Append(ring_size, bytes);
  Append(id, bytes);
  bytes += bell;
  Append(bulk_size, bytes);
  Append(bulk_id, bytes);
  return bytes + rest;
}

MemoryHandle Duplicate(const MemoryHandle& handle) {
  return {.kind = handle.kind, .fd = DuplicateFd(handle.fd.get()), .id = handle.id};
}

UniqueFd MakeMemfd(size_t size, int seals) {
  UniqueFd fd(::memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (::fallocate(fd.get(), 0, 0, static_cast<off_t>(size)) != 0) fd.reset();
  if (fd && seals != 0) ::fcntl(fd.get(), F_ADD_SEALS, seals);
  return fd;
}

RawPeer::RawPeer(const std::string& path)
    : socket_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
  const SocketName name = MakeSocketName(path, SocketNameKind::kPath);
  if (::connect(socket_.get(), name.get(), name.size) != 0) socket_.reset();
}

bool RawPeer::Send(absl::string_view bytes, const std::vector<int>& descriptors) {
  return SendWithDescriptors(socket_.get(), AsBytes(bytes), descriptors) >= 0;
}

bool RawPeer::Attach() {
  if (!AwaitReadable(socket_.get())) return false;
  const absl::StatusOr<std::optional<nigh::Offer>> offer =
      ReceiveOffer(socket_.get(), Side::kClient);
  if (!offer.ok() || !offer->has_value()) return false;
  absl::StatusOr<Mapping> memory =
      AttachMemory((*offer)->memory, kControlSize + (*offer)->ring_size);
  if (!memory.ok()) return false;
  their_memory_ = *std::move(memory);
  return true;
}

bool RawPeer::Offer(uint32_t ring_size, uint32_t bulk_size) {
  absl::StatusOr<OwnMemory> memory = CreateMemory(MemoryKind::kMemfd, kControlSize + ring_size);
  if (!memory.ok()) return false;
  memory_ = *std::move(memory);
  new (memory_.mapping.bytes().data()) ControlPage();
  nigh::Offer offer = {.ring_size = ring_size, .memory = Duplicate(memory_.handle)};
  if (bulk_size != 0) {
    absl::StatusOr<OwnMemory> bulk = CreateMemory(MemoryKind::kMemfd, bulk_size, Pages::kOnDemand);
    if (!bulk.ok()) return false;
    bulk_ = *std::move(bulk);
    offer.bulk_size = bulk_size;
    offer.bulk = Duplicate(bulk_.handle);
  }
  return SendOffer(socket_.get(), offer).ok();
}

char RawPeer::NextLetter() {
  char letter = 0;
  return AwaitReadable(socket_.get()) && ::recv(socket_.get(), &letter, 1, 0) == 1 ? letter : '\0';
}

}  // namespace nigh::testing
