#include "tests/shm/hostile_peer.h"

#include <fcntl.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nigh/runtime/wire/hello.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/shm/bulk_region.h"
#include "nigh/transports/shm/control_page.h"
#include "nigh/transports/shm/ring.h"
#include "tests/shm/raw_peer.h"

namespace nigh::testing {

void HostilePeer::Round() {
  RawPeer peer(path_);
  if (!peer.connected()) return;
  switch (Pick(9)) {
    case 0:
      return MeetWrongly(peer);
    case 1:
      return DieWhileMeeting(peer);
    case 2:
      if (Meet(peer)) WriteNoise(peer);
      return;
    case 3:
      if (Meet(peer)) MoveWrongly(peer);
      return;
    case 4:
      if (Meet(peer)) LieInHeaders(peer);
      return;
    case 5:
      if (Meet(peer)) RingInAStorm(peer);
      return;
    case 6:
      if (Meet(peer)) SpeakAndRewrite(peer);
      return;
    case 7:
      if (Meet(peer)) LieAboutBulk(peer);
      return;
    default:
      // Stays, says nothing, reads nothing.
      if (Meet(peer)) idle_.push_back(std::move(peer));
      if (idle_.size() > 8) idle_.erase(idle_.begin());
      return;
  }
}

uint64_t HostilePeer::Position() {
  switch (Pick(4)) {
    case 0:
      return Pick(2 * kRing);
    case 1:
      return Pick(2 * kRing) / 64 * 64;
    case 2:
      return 0 - Pick(2 * kRing);
    default:
      return random_();
  }
}

void HostilePeer::MeetWrongly(RawPeer& peer) {
  OfferBytes offer;
  if (Pick(2) == 0) offer.version = static_cast<uint16_t>(Pick(3));
  if (Pick(2) == 0) offer.memory = static_cast<uint8_t>(Pick(5));
  if (Pick(2) == 0) offer.bells = static_cast<uint8_t>(Pick(8));
  if (Pick(2) == 0) offer.ring_size = static_cast<uint32_t>(random_());
  std::string bytes = offer.Encode();
  if (Pick(2) == 0) bytes.resize(Pick(40));
  const UniqueFd unsealed = MakeMemfd(kControlSize + kRing, 0);
  const UniqueFd small = MakeMemfd(Pick(kRing), kAllSeals);
  const UniqueFd good = MakeMemfd(kControlSize + kRing, kAllSeals);
  const UniqueFd bell(::eventfd(0, EFD_CLOEXEC));
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const int all[] = {unsealed.get(), small.get(), good.get(), bell.get(), null.get()};
  std::vector<int> descriptors(Pick(6));
  for (int& fd : descriptors) fd = all[Pick(std::size(all))];
  peer.Send(bytes, descriptors);
  if (Pick(2) == 0) (void)peer.Attach();
}

void HostilePeer::DieWhileMeeting(RawPeer& peer) {
  const uint64_t step = Pick(4);
  if (step >= 1) (void)peer.Offer(kRing);
  if (step >= 2) (void)peer.Attach();
  if (step >= 3) SendHello(peer);
}

void HostilePeer::WriteNoise(RawPeer& peer) {
  peer.page().tail = Pick(kRing / 64) * 64;
  Kick(peer);
  for (int i = 0; i < 20'000; ++i) {
    peer.data()[Pick(kRing)] = static_cast<std::byte>(random_());
    // A header's own bytes, so that the noise means something now and then.
    if (i % 8 != 0) continue;
    peer.data()[Pick(kRing / 64) * 64 + Pick(5)] = static_cast<std::byte>(Pick(4));
  }
}

void HostilePeer::MoveWrongly(RawPeer& peer) {
  SendHello(peer);
  for (int i = 0; i < 100; ++i) {
    switch (Pick(4)) {
      case 0:
        peer.page().tail = Position();
        break;
      case 1:
        peer.page().head = Position();
        break;
      case 2:
        peer.page().data_mark = Position();
        break;
      default:
        peer.page().room_mark = Position();
    }
    Kick(peer);
  }
}

void HostilePeer::LieAboutBulk(RawPeer& peer) {
  SendHello(peer);
  peer.page().takes_bulk = 1;
  for (std::atomic<uint32_t>& returned : peer.page().returned) {
    returned = static_cast<uint32_t>(Pick(2) == 0 ? Pick(3) : random_());
  }
  for (uint64_t at = 0; at + kRecordAlignment <= kRing; at += kRecordAlignment) {
    EncodeFrameHeader({.length = static_cast<uint32_t>(kMaxRecord + Pick(2 * kBulk)),
                       .kind = static_cast<FrameKind>(1 + Pick(10)),
                       .flags = static_cast<uint8_t>(Pick(8)),
                       .method = static_cast<uint16_t>(Pick(2)),
                       .call = static_cast<uint32_t>(Pick(4)),
                       .rest = 0,
                       .aux = 0},
                      &peer.data()[at]);
    EncodeBulkRecord({.chunk = static_cast<uint32_t>(Pick(4) == 0 ? random_() : Pick(kBulkChunks)),
                      .use = static_cast<uint32_t>(random_()),
                      .offset = Pick(4) == 0 ? random_() : Pick(kBulk)},
                     &peer.data()[at + kFrameHeaderSize]);
  }
  peer.page().tail = (1 + Pick(8)) * kRecordAlignment;
  Kick(peer);
}

void HostilePeer::LieInHeaders(RawPeer& peer) {
  SendHello(peer);
  for (uint64_t at = 0; at + kFrameHeaderSize <= kRing; at += 64) {
    EncodeFrameHeader({.length = static_cast<uint32_t>(Pick(4) == 0 ? random_() : Pick(64)),
                       .kind = static_cast<FrameKind>(Pick(12)),
                       .flags = static_cast<uint8_t>(Pick(16)),
                       .method = static_cast<uint16_t>(Pick(3)),
                       .call = static_cast<uint32_t>(Pick(4)),
                       .rest = static_cast<uint32_t>(Pick(8) == 0 ? random_() : 0),
                       .aux = Pick(8) == 0 ? random_() : Pick(2)},
                      &peer.data()[at]);
  }
  peer.page().tail = (1 + Pick(kRing / 64)) * 64;
  Kick(peer);
}

void HostilePeer::RingInAStorm(RawPeer& peer) {
  SendHello(peer);
  for (int i = 0; i < 1000 && peer.Send(Pick(2) == 0 ? "d" : "r"); ++i) {
  }
}

void HostilePeer::SpeakAndRewrite(RawPeer& peer) {
  SendHello(peer);
  RingSender sender(peer.data(), peer.page());
  sender.Attach(peer.their_page());
  for (int i = 0; i < 50; ++i) {
    const size_t size = Pick(2000);
    const std::optional<ByteSpan> claim = sender.Claim(size);
    if (!claim.has_value()) break;
    for (std::byte& byte : *claim) byte = static_cast<std::byte>(Pick(256));
    sender.Commit({.length = static_cast<uint32_t>(size),
                   .kind = static_cast<FrameKind>(1 + Pick(10)),
                   .flags = static_cast<uint8_t>(Pick(16)),
                   .method = static_cast<uint16_t>(Pick(2)),
                   .call = static_cast<uint32_t>(i)});
    (void)sender.Publish();
    if (!sender.broken().ok()) break;
    Kick(peer);
    for (std::byte& byte : *claim) byte = static_cast<std::byte>(Pick(256));
  }
}

void HostilePeer::SendHello(RawPeer& peer) {
  const Hello hello = {.min_version = kProtocolVersion, .max_version = kProtocolVersion};
  EncodeFrameHeader({.length = kHelloSize, .kind = FrameKind::kHello}, peer.data().data());
  EncodeHello(hello, peer.data().data() + kFrameHeaderSize);
  peer.page().tail = 64;
  Kick(peer);
}

}  // namespace nigh::testing
