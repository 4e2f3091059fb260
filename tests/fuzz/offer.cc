// What a stranger sends to one who expects an offer of shared memory.
//
// The first byte says who expects it, and how many descriptors go with it. For each a byte says
// what it is; the rest is the message. It goes through a real socket, and memory that is accepted
// is mapped: some ten system calls an input.

#include "nigh/transports/shm/offer.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/wire/refusal.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/peer_process.h"
#include "nigh/transports/shm/bulk_region.h"
#include "nigh/transports/shm/control_page.h"
#include "nigh/transports/shm/memory.h"
#include "nigh/transports/shm/ring.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/open_descriptors.h"
#include "tests/shm/raw_peer.h"

namespace nigh::testing {
namespace {

// One of each, for all inputs.
const std::vector<UniqueFd>& Descriptors() {
  static const auto& all = *new std::vector<UniqueFd>([] {
    std::vector<UniqueFd> made;
    made.push_back(MakeMemfd(kControlSize + kMinRing, kAllSeals));
    made.push_back(MakeMemfd(kControlSize + kMinRing, 0));
    made.push_back(MakeMemfd(4096, kAllSeals));
    made.emplace_back(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    made.emplace_back(::open("/dev/null", O_RDWR | O_CLOEXEC));
    made.push_back(MakeMemfd(kBulkAlignment, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
    return made;
  }());
  return all;
}

// In the first byte: a server expects it, not a client.
constexpr uint8_t kToServer = 0x80;

void Run(Input input) {
  std::array<int, 2> ends;
  Expect(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0,
         "socketpair");
  RawPeer peer((UniqueFd(ends[0])));
  const UniqueFd socket(ends[1]);
  const uint8_t first = input.Take();
  const Side side = (first & kToServer) != 0 ? Side::kServer : Side::kClient;
  std::vector<int> descriptors((first & ~kToServer) % 6);
  for (int& fd : descriptors) fd = Descriptors()[input.Take() % Descriptors().size()].get();
  const std::string message(input.TakeText(1 << 16));
  Expect(peer.Send(message, descriptors), "sendmsg");
  peer.HangUp();

  const absl::StatusOr<std::optional<Offer>> offer = ReceiveOffer(socket.get(), side);
  if (!offer.ok()) {
    const bool refused =
        absl::IsPermissionDenied(offer.status()) || absl::IsResourceExhausted(offer.status());
    const bool says_go_away = message.size() >= kFrameHeaderSize && message.size() <= kMaxRefusal &&
                              DecodeFrameHeader(AsBytes(message).data()).kind == FrameKind::kGoAway;
    Expect(absl::IsInternal(offer.status()) || absl::IsUnavailable(offer.status()) ||
               (refused && says_go_away && side == Side::kClient),
           "no offer is INTERNAL, or UNAVAILABLE, or a server's refusal");
    return;
  }
  Expect(offer->has_value(), "there is a message");
  const Offer& made = **offer;
  Expect(message.size() == kOfferSize && made.ring_size >= kMinRing && made.ring_size <= kMaxRing &&
             std::has_single_bit(made.ring_size),
         "an accepted offer makes sense");
  Expect(made.bell.fds.size() == BellDescriptors(made.bell.kind), "a bell comes whole");
  // System V's are found by their number alone, and others' memory is none of a fuzzer's business.
  if (made.memory.kind == MemoryKind::kSysv) return;
  const absl::StatusOr<Mapping> memory = AttachMemory(made.memory, kControlSize + made.ring_size);
  Expect(!memory.ok() || memory->bytes().size() == kControlSize + made.ring_size,
         "what was attached is there");
  if (made.bulk_size == 0) return;
  const absl::StatusOr<Mapping> bulk = AttachMemory(made.bulk, made.bulk_size, Pages::kOnDemand);
  Expect(!bulk.ok() || bulk->bytes().size() == made.bulk_size, "and so is the bulk region");
}

}  // namespace
}  // namespace nigh::testing

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nigh::testing;  // NOLINT(google-build-using-namespace)
  (void)Descriptors();            // before counting
  const ExtraDescriptors extra;
  Run(Input(data, size));
  Expect(extra.AreNone(), "descriptors leak");
  return 0;
}
