#include "nigh/transports/shm/offer.h"

#include <sys/socket.h>
#include <sys/types.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nigh/runtime/wire/refusal.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/peer_credentials.h"
#include "nigh/transports/process/peer_process.h"
#include "nigh/transports/shm/bell.h"
#include "nigh/transports/shm/bulk_region.h"
#include "nigh/transports/shm/memory.h"
#include "nigh/transports/shm/ring.h"
#include "nigh/transports/stream/passed_descriptors.h"

namespace nigh {
namespace {

constexpr absl::string_view kMagic = "nigh shm";
constexpr size_t kVersionAt = 8;
constexpr size_t kMemoryAt = 10;
constexpr size_t kBellAt = 11;
constexpr size_t kRingSizeAt = 12;
constexpr size_t kSysvAt = 16;
constexpr size_t kBellWordsAt = 20;
constexpr size_t kBulkSizeAt = 32;
constexpr size_t kBulkSysvAt = 36;
constexpr size_t kMaxDescriptors = 4;

using OfferBytes = std::array<std::byte, kOfferSize>;

// One message: as it was sent, though its size may be more than fits.
struct Message {
  std::array<std::byte, std::max(kOfferSize, kMaxRefusal)> bytes;
  ReceivedMessage received;
  ssize_t size() const { return received.size; }
  size_t count() const {
    return received.descriptors == nullptr ? 0 : received.descriptors->size();
  }
  // Whether descriptors are missing.
  bool truncated() const {
    return received.descriptors != nullptr && !received.descriptors->complete();
  }
};

void ReceiveInto(int socket, Message& message) {
  message.received = ReceiveMessage(socket, ByteSpan(message.bytes), MSG_TRUNC);
}

absl::Status Broken(absl::string_view what) {
  return absl::InternalError(absl::StrCat("the peer's offer of memory ", what));
}

absl::Status Refused(const FrameHeader& header, ConstByteSpan text, Side side) {
  if (side == Side::kClient) return DecodeRefusal(header, text);
  return absl::InternalError(
      absl::StrCat("the client sent a refusal in the place of its offer of memory, which only a "
                   "server may (it said \"",
                   absl::CHexEscape(AsText(text)), "\")"));
}

absl::StatusOr<Offer> Parse(Message& message, Side side) {
  const std::byte* const at = message.bytes.data();
  const size_t whole = std::min(static_cast<size_t>(message.size()), message.bytes.size());
  if (whole >= kFrameHeaderSize) {
    const FrameHeader header = DecodeFrameHeader(at);
    if (header.kind == FrameKind::kGoAway && header.length == whole - kFrameHeaderSize) {
      return Refused(header, ConstByteSpan(at + kFrameHeaderSize, header.length), side);
    }
  }
  const size_t size = std::min(whole, kOfferSize);
  const absl::string_view text = AsText(ConstByteSpan(at, size));
  if (text.substr(0, kMagic.size()) != kMagic || size < kVersionAt + sizeof(uint16_t)) {
    return absl::InternalError(absl::StrCat("the peer does not speak nigh's protocol (it began \"",
                                            absl::CHexEscape(text), "\")"));
  }
  const auto version = LoadLittle<uint16_t>(at + kVersionAt);
  if (version != kOfferVersion) {
    return absl::UnavailableError(absl::StrCat("the peer speaks version ", version,
                                               " of nigh's shared memory, this side ",
                                               kOfferVersion, " (bring both to the same release)"));
  }
  if (message.size() != static_cast<ssize_t>(kOfferSize)) {
    return Broken(absl::StrCat("has ", message.size(), " bytes instead of ", kOfferSize));
  }
  Offer offer;
  const auto kind = LoadLittle<uint8_t>(at + kMemoryAt);
  if (kind < static_cast<uint8_t>(MemoryKind::kMemfd) ||
      kind > static_cast<uint8_t>(MemoryKind::kSysv)) {
    return Broken(absl::StrCat("is of memory of kind ", kind, ", which this side does not know"));
  }
  const auto bell = LoadLittle<uint8_t>(at + kBellAt);
  if (bell > static_cast<uint8_t>(BellKind::kSignal)) {
    return Broken(absl::StrCat("has a bell of kind ", bell, ", which this side does not know"));
  }
  offer.bell.kind = static_cast<BellKind>(bell);
  for (size_t i = 0; i < offer.bell.words.size(); ++i) {
    offer.bell.words[i] = LoadLittle<uint32_t>(at + kBellWordsAt + i * sizeof(uint32_t));
    if (offer.bell.words[i] != 0 && i >= BellWords(offer.bell.kind)) {
      return Broken("has bytes that mean nothing");
    }
  }
  offer.ring_size = LoadLittle<uint32_t>(at + kRingSizeAt);
  if (offer.ring_size < kMinRing || offer.ring_size > kMaxRing ||
      !std::has_single_bit(offer.ring_size)) {
    return Broken(absl::StrCat("is a ring of ", offer.ring_size, " bytes, where a power of two of ",
                               kMinRing, " to ", kMaxRing, " is accepted"));
  }
  offer.bulk_size = LoadLittle<uint32_t>(at + kBulkSizeAt);
  if (offer.bulk_size > kMaxBulk || offer.bulk_size % kBulkAlignment != 0) {
    return Broken(absl::StrCat("has a bulk region of ", offer.bulk_size, " bytes, where up to ",
                               kMaxBulk, " in whole MiB are accepted"));
  }
  offer.memory.kind = offer.bulk.kind = static_cast<MemoryKind>(kind);
  offer.memory.id = LoadLittle<int32_t>(at + kSysvAt);
  offer.bulk.id = LoadLittle<int32_t>(at + kBulkSysvAt);
  const bool has_fd = offer.memory.kind != MemoryKind::kSysv;
  const bool has_bulk_fd = has_fd && offer.bulk_size != 0;
  const size_t memories = size_t{has_fd} + size_t{has_bulk_fd};
  const size_t expected = memories + BellDescriptors(offer.bell.kind);
  if (message.truncated() || message.count() != expected) {
    return Broken(absl::StrCat("has ", message.truncated() ? "more than " : "", message.count(),
                               " descriptors instead of ", expected));
  }
  offer.sender = std::move(message.received.sender);
  if (has_fd) offer.memory.fd = message.received.descriptors->Take(0);
  if (has_bulk_fd) offer.bulk.fd = message.received.descriptors->Take(1);
  for (size_t i = memories; i < expected; ++i) {
    offer.bell.fds.push_back(message.received.descriptors->Take(i));
  }
  return offer;
}

}  // namespace

absl::Status SendOffer(int socket, const Offer& offer) {
  OfferBytes bytes = {};
  std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
  StoreLittle(kOfferVersion, bytes.data() + kVersionAt);
  StoreLittle(static_cast<uint8_t>(offer.memory.kind), bytes.data() + kMemoryAt);
  StoreLittle(static_cast<uint8_t>(offer.bell.kind), bytes.data() + kBellAt);
  StoreLittle(offer.ring_size, bytes.data() + kRingSizeAt);
  StoreLittle(offer.memory.id, bytes.data() + kSysvAt);
  StoreLittle(offer.bulk_size, bytes.data() + kBulkSizeAt);
  StoreLittle(offer.bulk.id, bytes.data() + kBulkSysvAt);
  for (size_t i = 0; i < offer.bell.words.size(); ++i) {
    StoreLittle(offer.bell.words[i], bytes.data() + kBellWordsAt + i * sizeof(uint32_t));
  }

  std::array<int, kMaxDescriptors> descriptors;
  size_t count = 0;
  for (const MemoryHandle* const memory : {&offer.memory, &offer.bulk}) {
    if (memory->fd) descriptors[count++] = memory->fd.get();
  }
  for (const UniqueFd& fd : offer.bell.fds) descriptors[count++] = fd.get();
  // The first message on the socket: there is room.
  const ssize_t sent = SendWithDescriptors(socket, ConstByteSpan(bytes),
                                           absl::MakeConstSpan(descriptors).first(count));
  if (sent >= 0 || sent == -EPIPE || sent == -ECONNRESET) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      "offer shared memory: ", std::generic_category().message(static_cast<int>(-sent))));
}

absl::StatusOr<std::optional<Offer>> ReceiveOffer(int socket, Side side) {
  Message message;
  ReceiveInto(socket, message);
  // The peer went without reading all that was sent to it; what it sent itself comes after that.
  if (message.size() == -ECONNRESET) ReceiveInto(socket, message);
  if (message.size() == -EAGAIN) return std::nullopt;
  if (message.size() < 0) {
    return absl::UnavailableError(
        std::generic_category().message(static_cast<int>(-message.size())));
  }
  if (message.size() == 0 && message.count() == 0) {
    return absl::UnavailableError("the peer closed the connection");
  }
  absl::StatusOr<Offer> offer = Parse(message, side);
  if (!offer.ok()) return offer.status();
  return std::optional<Offer>(*std::move(offer));
}

}  // namespace nigh
