#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "nigh/runtime/client/slot.h"

namespace nigh {
namespace {

constexpr uint32_t kMost = 3;

class SlotTableTest : public ::testing::Test {
 protected:
  // As a call does it: claims a slot and opens it, and later frees it and gives it back.
  Slot* Open() {
    Slot* const slot = table_.Claim(kMost);
    if (slot != nullptr) slot->state.Open();
    return slot;
  }
  void Free(Slot& slot) {
    slot.state.Free();
    table_.GiveBack(slot);
  }

  SlotTable table_{kMost};
};

TEST_F(SlotTableTest, ACallAtATimeNeedsTheFirstAlone) {
  for (int call = 0; call < 3; ++call) {
    Slot* const slot = Open();
    ASSERT_NE(slot, nullptr);
    EXPECT_EQ(slot->id, 0u);
    EXPECT_EQ(table_.Find(0), slot);
    Free(*slot);
  }
  EXPECT_EQ(table_.made(), 1u);
}

TEST_F(SlotTableTest, NoneIsClaimedTwice) {
  std::vector<Slot*> slots;
  for (uint32_t id = 0; id < kMost; ++id) {
    slots.push_back(Open());
    ASSERT_NE(slots.back(), nullptr);
    EXPECT_EQ(slots.back()->id, id);
  }
  EXPECT_EQ(Open(), nullptr);
  for (Slot* const slot : slots) {
    Free(*slot);
    EXPECT_EQ(Open(), slot);
    EXPECT_EQ(Open(), nullptr);
  }
}

// Its owner is done with the reply only when it frees the slot.
TEST_F(SlotTableTest, TheFirstIsNotClaimedBetweenItsReplyAndItsEnd) {
  Slot* const first = Open();
  first->state.EndOwn();
  Slot* const second = Open();
  ASSERT_NE(second, nullptr);
  EXPECT_NE(second, first);
  Free(*first);
  EXPECT_EQ(Open(), first);
}

TEST_F(SlotTableTest, TheFirstIsClaimedAgainAfterACallThatWasGivenUp) {
  Slot* const first = Open();
  ASSERT_TRUE(first->state.Leave());
  EXPECT_NE(Open(), first);
  ASSERT_TRUE(first->state.MeetLeft());
  table_.GiveBack(*first);
  EXPECT_EQ(Open(), first);
}

}  // namespace
}  // namespace nigh
