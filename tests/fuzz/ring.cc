// Both ends of a shared ring, and a peer that writes into its own memory what it likes.
//
// The first byte says who is honest: bit 0, the writer lies; bit 1, the reader lies. Each further
// step begins with a byte; kSteps says what it does and what bytes it takes. Each input begins with
// an empty ring of 128 KiB, and a step may fill a quarter of it, which is what it costs. The bulk
// region has 256 KiB.

#include "nigh/transports/shm/ring.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/shm/bulk_region.h"
#include "nigh/transports/shm/control_page.h"
#include "tests/fuzz/input.h"

namespace nigh::testing {
namespace {

enum Step : uint8_t {
  kCommit,   // 2 bytes: the payload's size; 1: what it is filled with
  kPublish,  //
  kReceive,  //
  kArm,      // 1 byte: of the reader, or of the writer
  kTail,     // 8 bytes, by a liar
  kHead,     // 8 bytes, by a liar
  kData,     // 3 bytes: where; 1: how many bytes, which follow; by a liar
  kMarks,    // 8 bytes, by either liar
  kBulk,     // 2 bytes: the payload's size beyond a record's; 1: what it is filled with
  kNotice,   //
  kReturn,   // 1 byte: the chunk; 4: the use; by a liar
  kSteps
};

constexpr size_t kBulkSize = size_t{256} << 10;

class Rings {
 public:
  explicit Rings(uint8_t liars) : writer_lies_((liars & 1) != 0), reader_lies_((liars & 2) != 0) {
    sender_.Attach(readers_);
  }

  void Make(Input& input) {
    switch (input.Take() % kSteps) {
      case kCommit:
        return Commit(input);
      case kPublish:
        (void)sender_.Publish();
        if (sender_.broken().ok()) {
          published_ = sent_;
        } else {
          SenderRefused();
        }
        return;
      case kReceive:
        return Receive();
      case kArm:
        return Arm(input.Take());
      case kTail:
        if (const auto tail = input.Take<uint64_t>(); writer_lies_) writers_.tail = tail;
        return;
      case kHead:
        if (const auto head = input.Take<uint64_t>(); reader_lies_) readers_.head = head;
        return;
      case kData: {
        const size_t at = (input.Take<uint16_t>() | size_t{input.Take()} << 16) % kMinRing;
        const ConstByteSpan bytes = input.TakeBytes(input.Take());
        if (writer_lies_) {
          std::copy_n(bytes.begin(), std::min(bytes.size(), kMinRing - at), data_.begin() + at);
        }
        return;
      }
      case kMarks: {
        const auto mark = input.Take<uint64_t>();
        if (reader_lies_) readers_.data_mark = mark;
        if (writer_lies_) writers_.room_mark = mark;
        return;
      }
      case kBulk:
        return CommitBulk(input);
      case kNotice:
        (void)sender_.CommitNotice();
        return;
      case kReturn: {
        const uint8_t chunk = input.Take();
        const auto use = input.Take<uint32_t>();
        if (reader_lies_) readers_.returned[chunk] = use;
        return;
      }
      default:
        return;
    }
  }

  // An honest reader gets everything from an honest writer.
  void Finish() {
    if (writer_lies_ || reader_lies_) return;
    (void)sender_.Publish();
    Expect(sender_.broken().ok(), "nobody lies");
    published_ = sent_;
    while (!expected_.empty()) Receive();
    Expect(sender_.Claim(kMaxRecordPayload).has_value(), "what has been read is room");
    Expect(region_.Allocate(kBulkSize, readers_).has_value(), "what has been read is given back");
  }

 private:
  void Commit(Input& input) {
    const size_t size = input.Take<uint16_t>() % (kMaxRecordPayload + 1);
    const auto fill = std::byte{input.Take()};
    const std::optional<ByteSpan> claim = sender_.Claim(size);
    if (!claim.has_value()) return;
    Expect(claim->size() >= size && Inside(*claim), "a claim lies in the data");
    std::fill(claim->begin(), claim->end(), fill);
    sender_.Commit(
        {.length = static_cast<uint32_t>(size), .kind = FrameKind::kMessage, .call = sent_++});
    if (!writer_lies_ && !reader_lies_) expected_.push_back({size, fill});
  }

  void CommitBulk(Input& input) {
    const size_t size = kMaxRecordPayload + 1 + input.Take<uint16_t>();
    const auto fill = std::byte{input.Take()};
    const std::optional<ByteSpan> allocated = region_.Allocate(size, readers_);
    if (!allocated.has_value()) {
      if (!region_.broken().ok()) Refused(region_.broken(), reader_lies_ || writer_lies_);
      return;
    }
    Expect(allocated->size() == size && InBulk(*allocated), "what is allocated lies in the region");
    const std::optional<ByteSpan> claim = sender_.Claim(kBulkRecordSize);
    if (!claim.has_value()) return region_.Free(*allocated);
    std::fill(allocated->begin(), allocated->end(), fill);
    EncodeBulkRecord(region_.HandOver(*allocated), claim->data());
    sender_.CommitBulk(
        {.length = static_cast<uint32_t>(size), .kind = FrameKind::kMessage, .call = sent_++});
    if (!writer_lies_ && !reader_lies_) expected_.push_back({size, fill});
  }

  void Receive() {
    std::array<Frame, 3> frames;
    const Received received = receiver_.Receive(absl::MakeSpan(frames));
    const uint32_t count = received.frames;
    if (count == 0 && !receiver_.broken().ok()) {
      const absl::Status first = receiver_.broken();
      // What a reader says that it has read is written over.
      Refused(first, writer_lies_ || reader_lies_);
      Expect(receiver_.Receive(absl::MakeSpan(frames)).frames == 0 && receiver_.broken() == first,
             "it is final");
    } else if (count == 0) {
      // A look takes few notices.
      Expect(writer_lies_ || received_ == published_ || reader_lies_ || !received.all,
             "nothing is lost");
    }
    for (const Frame& frame : absl::MakeSpan(frames).subspan(0, count)) {
      ExpectFrame(frame);
      (void)receiver_.Release(1);
    }
  }

  void ExpectFrame(const Frame& frame) {
    const ConstByteSpan payload = frame.payload;
    Expect(payload.size() > kMaxRecordPayload ? InBulk(payload) : Inside(payload),
           "a payload lies in the data, or in the bulk region");
    if (expected_.empty()) return;
    const auto [size, fill] = expected_.front();
    expected_.pop_front();
    Expect(frame.header.call == received_ && payload.size() == size &&
               std::all_of(payload.begin(), payload.end(),
                           [fill = fill](std::byte byte) { return byte == fill; }),
           "a frame arrives as it was sent");
    ++received_;
  }

  void Arm(uint8_t whose) {
    if (whose % 2 == 0) {
      const bool found = receiver_.Arm().found;
      Expect(found || writer_lies_ || reader_lies_ || received_ == published_,
             "nobody sleeps through a frame");
    } else {
      (void)sender_.ArmRoom();
      if (!sender_.broken().ok()) SenderRefused();
    }
  }

  // A reader that believes a forged tail has read what the sender knows nothing of.
  void SenderRefused() const { Refused(sender_.broken(), reader_lies_ || writer_lies_); }
  static void Refused(const absl::Status& status, bool lied) {
    Expect(lied, "who does not lie is believed");
    Expect(absl::IsInternal(status), "a lie is INTERNAL");
  }
  bool Inside(ConstByteSpan bytes) const {
    return bytes.empty() ||
           (bytes.data() >= data_.data() && bytes.data() + bytes.size() <= data_.data() + kMinRing);
  }

  bool InBulk(ConstByteSpan bytes) const {
    return bytes.data() >= bulk_.data() && bytes.data() + bytes.size() <= bulk_.data() + kBulkSize;
  }

  const bool writer_lies_;
  const bool reader_lies_;
  std::vector<std::byte> data_ = std::vector<std::byte>(kMinRing);
  std::vector<std::byte> bulk_ = std::vector<std::byte>(kBulkSize);
  ControlPage writers_;
  ControlPage readers_;
  RingSender sender_{absl::MakeSpan(data_), writers_};
  RingReceiver receiver_{data_, writers_, readers_,
                         std::make_shared<BulkView>(ConstByteSpan(bulk_), readers_, nullptr)};
  const std::shared_ptr<BulkRegion> owned_region_ = std::make_shared<BulkRegion>(
      absl::MakeSpan(bulk_), nullptr, [](ByteSpan) { return true; }, [](ByteSpan) {});
  BulkRegion& region_ = *owned_region_;
  struct Sent {
    size_t size;
    std::byte fill;
  };
  std::deque<Sent> expected_;
  uint32_t sent_ = 0;
  uint32_t published_ = 0;
  uint32_t received_ = 0;
};

}  // namespace
}  // namespace nigh::testing

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  nigh::testing::Input input(data, size);
  nigh::testing::Rings rings(input.Take());
  while (!input.empty()) rings.Make(input);
  rings.Finish();
  return 0;
}
