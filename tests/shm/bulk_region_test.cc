// The bulk region alone: chunks in an array, given back in any order, or by a peer that lies.

#include "nigh/transports/shm/bulk_region.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transports/shm/control_page.h"

namespace nigh {
namespace {

using ::testing::HasSubstr;

constexpr size_t kSize = kBulkAlignment;
constexpr size_t kPage = 4096;

// What was populated, in calls and in bytes; whether there is more to have.
int populates = 0;
size_t populated = 0;
bool has_pages = true;

bool PopulateAndCount(ByteSpan bytes) {
  if (!has_pages) return false;
  ++populates;
  populated += bytes.size();
  return true;
}

void Depopulate(ByteSpan bytes) { populated -= bytes.size(); }

class BulkRegionTest : public ::testing::Test {
 protected:
  explicit BulkRegionTest(size_t size = kSize) : memory_(size) {
    populates = 0;
    populated = 0;
    has_pages = true;
  }

  std::optional<ByteSpan> Allocate(size_t size) { return region_.Allocate(size, page_); }
  BulkRecord Send(size_t size) { return region_.HandOver(Allocate(size).value()); }

  std::vector<std::byte> memory_;
  const std::unique_ptr<ControlPage> page_owner_ = std::make_unique<ControlPage>();
  ControlPage& page_ = *page_owner_;  // the peer's
  const std::shared_ptr<BulkRegion> owned_region_ =
      std::make_shared<BulkRegion>(ByteSpan(memory_), nullptr, &PopulateAndCount, &Depopulate);
  BulkRegion& region_ = *owned_region_;
  const std::shared_ptr<BulkView> owned_view_ =
      std::make_shared<BulkView>(ConstByteSpan(memory_), page_, nullptr);
  BulkView& view_ = *owned_view_;
};

class LargeBulkRegionTest : public BulkRegionTest {
 protected:
  LargeBulkRegionTest() : BulkRegionTest(16 * kSize) {}
};

// Whatever order they come back in, two that are out never share a byte, and each is where its
// record says.
TEST_F(BulkRegionTest, ChunksNeverOverlap) {
  struct Out {
    BulkRecord record;
    ByteSpan bytes;
    uint8_t fill;
  };
  std::mt19937 random(1);
  std::vector<Out> out;
  int none = 0;
  for (int step = 0; step < 20'000; ++step) {
    if (random() % 2 == 0 && !out.empty()) {
      std::swap(out[random() % out.size()], out.back());
      const Out& last = out.back();
      const std::optional<ConstByteSpan> found = view_.Find(last.record, last.bytes.size());
      ASSERT_TRUE(found.has_value());
      ASSERT_EQ(found->data(), last.bytes.data());
      for (const std::byte byte : *found) ASSERT_EQ(byte, std::byte{last.fill});
      view_.GiveBack(last.record);
      out.pop_back();
      continue;
    }
    const size_t size = 1 + random() % (kSize / 8);
    const std::optional<ByteSpan> allocated = Allocate(size);
    if (!allocated.has_value()) {
      ++none;
      continue;
    }
    ASSERT_EQ(allocated->size(), size);
    if (random() % 8 == 0) {
      region_.Free(*allocated);
      continue;
    }
    const auto fill = static_cast<uint8_t>(step);
    std::fill(allocated->begin(), allocated->end(), std::byte{fill});
    out.push_back({region_.HandOver(*allocated), *allocated, fill});
  }
  EXPECT_GT(none, 0);
  EXPECT_TRUE(region_.broken().ok()) << region_.broken();
  for (const Out& left : out) view_.GiveBack(left.record);
  EXPECT_TRUE(Allocate(kSize).has_value()) << "something is lost";
}

TEST_F(BulkRegionTest, WhatIsThereIsUsedFirst) {
  for (int i = 0; i < 100; ++i) view_.GiveBack(Send(100'000));
  EXPECT_EQ(populates, 1);
  EXPECT_LT(populated, kSize);
  const BulkRecord first = Send(100'000);
  const BulkRecord second = Send(100'000);
  EXPECT_EQ(first.offset, 0u);
  view_.GiveBack(first);
  EXPECT_EQ(Send(50'000).offset, 0u);
  EXPECT_LT(Send(10'000).offset, second.offset);
}

TEST_F(BulkRegionTest, SomethingIsLeftWhereThereAreNoPages) {
  const BulkRecord small = Send(kPage);
  has_pages = false;
  EXPECT_EQ(Allocate(kSize / 2), std::nullopt);
  EXPECT_TRUE(Allocate(kPage).has_value());
  has_pages = true;
  EXPECT_TRUE(Allocate(kSize / 2).has_value());
  view_.GiveBack(small);
  EXPECT_TRUE(region_.broken().ok());
}

TEST_F(BulkRegionTest, ThereIsAMostOfChunksAndOfBytes) {
  EXPECT_EQ(Allocate(kSize + 1), std::nullopt);
  std::vector<BulkRecord> out;
  for (size_t i = 0; i < kSize / kPage; ++i) out.push_back(Send(i % kPage + 1));
  EXPECT_EQ(out.size(), kBulkChunks);
  EXPECT_EQ(Allocate(1), std::nullopt);
  view_.GiveBack(out[7]);
  EXPECT_EQ(Send(1).offset, out[7].offset);
}

TEST_F(BulkRegionTest, APeerGivesBackWhatItHasAndNothingElse) {
  const BulkRecord out = Send(100);
  page_.returned[(out.chunk + 1) % kBulkChunks] = 77;  // of no interest until that one is out
  EXPECT_TRUE(Allocate(100).has_value());
  EXPECT_TRUE(region_.broken().ok());
  page_.returned[out.chunk] = out.use + 1;
  EXPECT_EQ(Allocate(100), std::nullopt);
  EXPECT_TRUE(absl::IsInternal(region_.broken()));
  EXPECT_THAT(std::string(region_.broken().message()), HasSubstr("gives back use 2 of chunk 0"));
}

TEST_F(BulkRegionTest, APayloadIsWhereItCanBe) {
  EXPECT_TRUE(view_.Find({.chunk = kBulkChunks - 1, .offset = kSize - 100}, 100).has_value());
  EXPECT_FALSE(view_.Find({.chunk = kBulkChunks, .offset = 0}, 100).has_value());
  EXPECT_FALSE(view_.Find({.offset = kSize - 99}, 100).has_value());
  EXPECT_FALSE(view_.Find({.offset = 0}, kSize + 1).has_value());
  EXPECT_FALSE(view_.Find({.offset = ~uint64_t{0} - 50}, 100).has_value());
  std::byte bytes[kBulkRecordSize];
  EncodeBulkRecord({.chunk = 1, .use = 2, .offset = uint64_t{3} << 32}, bytes);
  const BulkRecord decoded = DecodeBulkRecord(bytes);
  EXPECT_EQ(decoded.chunk, 1u);
  EXPECT_EQ(decoded.use, 2u);
  EXPECT_EQ(decoded.offset, uint64_t{3} << 32);
}

TEST_F(BulkRegionTest, PagesThatNothingUsesAreGivenBack) {
  const BulkRecord first = Send(10 * kPage);
  const ByteSpan second = Allocate(500'000).value();
  const size_t most = populated;
  // The rest of the last step.
  EXPECT_EQ(region_.Trim(page_), Trimmed::kHeld);
  EXPECT_LT(populated, most);
  EXPECT_GE(populated, 10 * kPage + 500'000);
  region_.Free(second);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(region_.Trim(page_), Trimmed::kHeld) << "the peer has the first";
    EXPECT_EQ(populated, 10 * kPage);
  }
  view_.GiveBack(first);
  EXPECT_EQ(region_.Trim(page_), Trimmed::kAll);
  EXPECT_EQ(populated, 0u);
  // And made again when they are needed.
  (void)Send(10 * kPage);
  EXPECT_GE(populated, 10 * kPage);
}

TEST_F(BulkRegionTest, WhatIsHeldIsSentAgainWhenItHasComeBack) {
  std::optional<HeldBulk> held = region_.Hold(50'000, page_);
  ASSERT_TRUE(held.has_value());
  for (const size_t before : {size_t{0}, size_t{1}, size_t{100}, kBulkHeadroom}) {
    const std::optional<ByteSpan> payload = region_.Extend(held->bytes, before, page_);
    ASSERT_TRUE(payload.has_value()) << before;
    EXPECT_EQ(payload->data() + before, held->bytes.data());
    EXPECT_EQ(payload->size(), before + 50'000);
    EXPECT_EQ(region_.Extend(held->bytes, before, page_), std::nullopt) << "it is about to be sent";
    const BulkRecord record = region_.HandOver(*payload);
    EXPECT_EQ(view_.Find(record, payload->size())->data(), payload->data());
    EXPECT_EQ(region_.Extend(held->bytes, before, page_), std::nullopt) << "the peer has it";
    view_.GiveBack(record);
  }
  EXPECT_EQ(region_.Extend(held->bytes, kBulkHeadroom + 1, page_), std::nullopt);
  EXPECT_EQ(region_.Extend(ConstByteSpan(memory_).last(0), 1, page_), std::nullopt);
  // The beginning of it; what is in front of another part is the program's.
  EXPECT_EQ(region_.Extend(held->bytes.subspan(20'000), 10, page_), std::nullopt);
  EXPECT_TRUE(region_.Extend(held->bytes.first(1000), kBulkHeadroom, page_).has_value());
}

TEST_F(BulkRegionTest, OnlyMemoryOfTheRegionThatIsHeldIsSentSo) {
  const std::vector<std::byte> elsewhere(1000);
  EXPECT_EQ(region_.Extend(elsewhere, 0, page_), std::nullopt);
  const ByteSpan allocated = Allocate(50'000).value();
  EXPECT_EQ(region_.Extend(allocated.subspan(kBulkHeadroom), 0, page_), std::nullopt);
  region_.Free(allocated);
  EXPECT_EQ(region_.Extend(allocated.subspan(kBulkHeadroom), 0, page_), std::nullopt);
}

TEST_F(BulkRegionTest, MemoryIsFreeWhenNobodyHasIt) {
  const auto is_free = [&] {
    const std::optional<ByteSpan> all = Allocate(kSize);
    if (all.has_value()) region_.Free(*all);
    return all.has_value();
  };
  // The peer is the last.
  std::optional<HeldBulk> held = region_.Hold(50'000, page_);
  BulkRecord record = region_.HandOver(region_.Extend(held->bytes, 10, page_).value());
  EXPECT_FALSE(is_free());
  held.reset();
  EXPECT_FALSE(is_free());
  view_.GiveBack(record);
  EXPECT_TRUE(is_free());
  // Whoever holds it is.
  held = region_.Hold(50'000, page_);
  record = region_.HandOver(region_.Extend(held->bytes, 10, page_).value());
  view_.GiveBack(record);
  EXPECT_FALSE(is_free());
  held.reset();
  EXPECT_TRUE(is_free());
  // Whoever was about to send it is.
  held = region_.Hold(50'000, page_);
  const ByteSpan payload = region_.Extend(held->bytes, 10, page_).value();
  held.reset();
  EXPECT_FALSE(is_free());
  region_.Free(payload);
  EXPECT_TRUE(is_free());
}

TEST_F(BulkRegionTest, WhatIsKeptComesBackWhenNobodyHasIt) {
  const BulkRecord record = Send(100'000);
  std::shared_ptr<const void> kept = view_.Keep(record, 100'000);
  ASSERT_NE(kept, nullptr);
  std::shared_ptr<const void> copy = kept;
  kept.reset();
  EXPECT_EQ(Allocate(kSize), std::nullopt);
  copy.reset();
  EXPECT_TRUE(Allocate(kSize).has_value());
}

TEST_F(BulkRegionTest, NoMoreThanHalfOfItIsKept) {
  const std::shared_ptr<const void> kept = view_.Keep(Send(kSize / 4), kSize / 4);
  const std::shared_ptr<const void> other = view_.Keep(Send(kSize / 4), kSize / 4);
  EXPECT_NE(other, nullptr);
  const BulkRecord one_more = Send(kPage);
  EXPECT_EQ(view_.Keep(one_more, kPage), nullptr);
  view_.GiveBack(one_more);
}

TEST_F(BulkRegionTest, WhereNothingIsKeptOneOfAnyLengthMayBe) {
  std::shared_ptr<const void> kept = view_.Keep(Send(kSize - kPage), kSize - kPage);
  EXPECT_NE(kept, nullptr);
  const BulkRecord one_more = Send(kPage);
  EXPECT_EQ(view_.Keep(one_more, kPage), nullptr);
  kept.reset();
  EXPECT_NE(view_.Keep(one_more, kPage), nullptr);
}

TEST_F(BulkRegionTest, NoMoreThanHalfOfTheChunksAreKept) {
  std::vector<std::shared_ptr<const void>> kept;
  for (size_t i = 0; i < kBulkChunks / 2; ++i) {
    kept.push_back(view_.Keep(Send(100), 100));
    ASSERT_NE(kept.back(), nullptr) << i;
  }
  const BulkRecord one_more = Send(100);
  EXPECT_EQ(view_.Keep(one_more, 100), nullptr);
  kept.pop_back();
  EXPECT_NE(view_.Keep(one_more, 100), nullptr);
}

TEST_F(LargeBulkRegionTest, AreGivenBackPartByPart) {
  region_.Free(Allocate(3 * kTrimStep).value());
  EXPECT_EQ(region_.Trim(page_), Trimmed::kMore);
  EXPECT_EQ(region_.Trim(page_), Trimmed::kMore);
  EXPECT_EQ(region_.Trim(page_), Trimmed::kAll);
  EXPECT_EQ(populated, 0u);
}

}  // namespace
}  // namespace nigh
