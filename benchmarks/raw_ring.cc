#include "benchmarks/raw_ring.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "benchmarks/harness/subject.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/shm/control_page.h"
#include "nigh/transports/shm/ring.h"

namespace nigh::benchmarks {
namespace {

constexpr size_t kRing = 128 * 1024;
constexpr size_t kSide = kControlSize + kRing;  // the client's, then the server's

// One process's ends of both rings.
class Ends {
 public:
  Ends(std::byte* own, std::byte* peer)
      : sender_(ByteSpan(own + kControlSize, kRing), PageAt(own)),
        receiver_(ConstByteSpan(peer + kControlSize, kRing), PageAt(peer), PageAt(own)) {
    sender_.Attach(PageAt(peer));
  }

  void Send(ConstByteSpan payload) {
    std::optional<ByteSpan> room;
    while (!(room = sender_.Claim(payload.size())).has_value()) {
    }
    std::memcpy(room->data(), payload.data(), payload.size());
    sender_.Commit({.length = static_cast<uint32_t>(payload.size()), .kind = FrameKind::kRequest});
    (void)sender_.Publish();
  }

  // Looks until a frame has come, and hands it to `take` where it lies.
  template <class Take>
  void Receive(Take take) {
    std::array<Frame, 1> frame;
    while (receiver_.Receive(absl::MakeSpan(frame)).frames == 0) {
    }
    take(frame[0].payload);
    (void)receiver_.Release(1);
  }

 private:
  static ControlPage& PageAt(std::byte* side) { return *reinterpret_cast<ControlPage*>(side); }

  RingSender sender_;
  RingReceiver receiver_;
};

std::byte* Map(int memory) {
  void* const both =
      ::mmap(nullptr, 2 * kSide, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memory, 0);
  if (both == MAP_FAILED) Check(absl::ErrnoToStatus(errno, "mmap"));
  return static_cast<std::byte*>(both);
}

class RingCaller final : public Caller {
 public:
  RingCaller(Ends& ends, size_t payload) : ends_(ends), message_(payload, 'x') {
    if (payload == 0 || payload > kMaxRecordPayload) {
      Check(absl::InvalidArgumentError(
          absl::StrCat("--payload: a frame of the ring has 1 to ", kMaxRecordPayload, " bytes")));
    }
  }

  void Call() override {
    ends_.Send(AsBytes(message_));
    ends_.Receive([&](ConstByteSpan reply) {
      if (reply.size() != message_.size()) Check(absl::DataLossError("wrong reply"));
      std::memcpy(message_.data(), reply.data(), reply.size());
    });
  }

 private:
  Ends& ends_;
  std::string message_;
};

class RingLink final : public Link {
 public:
  explicit RingLink(int memory) : RingLink(Map(memory)) {}
  ~RingLink() override { ends_.Send({}); }
  std::unique_ptr<Caller> NewCaller(size_t payload) override {
    return std::make_unique<RingCaller>(ends_, payload);
  }

 private:
  explicit RingLink(std::byte* memory) : ends_(memory, memory + kSide) {}

  Ends ends_;
};

}  // namespace

int MakeRings() {
  const int memory = ::memfd_create("nigh-raw-ring", 0);
  if (memory < 0 || ::ftruncate(memory, 2 * kSide) != 0) return -1;
  std::byte* const both = Map(memory);
  for (std::byte* side : {both, both + kSide}) new (side) ControlPage;
  ::munmap(both, 2 * kSide);
  return memory;
}

std::unique_ptr<Link> ConnectRings(int memory) { return std::make_unique<RingLink>(memory); }

void EchoFrames(int memory) {
  std::byte* const both = Map(memory);
  Ends ends(both + kSide, both);
  for (bool goes_on = true; goes_on;) {
    ends.Receive([&](ConstByteSpan request) {
      goes_on = !request.empty();
      if (goes_on) ends.Send(request);
    });
  }
}

}  // namespace nigh::benchmarks
