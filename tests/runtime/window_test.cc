#include "nigh/runtime/call/window.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "gtest/gtest.h"

namespace nigh {
namespace {

constexpr uint32_t kWindow = 1000;

TEST(Window, HasNoCreditBeforeTheHello) {
  Window window;
  EXPECT_FALSE(window.may_send());
  EXPECT_FALSE(window.Received(0));
}

TEST(Window, AMessageOfAnySizeMayBeginWhileThereIsCredit) {
  Window window(kWindow, 1);
  EXPECT_TRUE(window.may_send());
  window.Sent(1 << 20);
  EXPECT_FALSE(window.may_send());
  EXPECT_TRUE(window.Granted(1 << 20));
  EXPECT_FALSE(window.may_send());
  EXPECT_TRUE(window.Granted(64));
  EXPECT_TRUE(window.may_send());
}

TEST(Window, EvenEmptyMessagesCost) {
  Window window(kWindow, kWindow);
  int sent = 0;
  for (; window.may_send(); ++sent) window.Sent(0);
  EXPECT_EQ(sent, 16);
}

TEST(Window, GrantsAnewWhatIsConsumedOnceThatIsHalfOfIt) {
  Window window(kWindow, kWindow);
  EXPECT_EQ(window.Consumed(100, /*keeps_up=*/false), 0u);
  EXPECT_EQ(window.Consumed(100, /*keeps_up=*/false), 0u);
  EXPECT_EQ(window.Consumed(200, /*keeps_up=*/false), 3u * 64 + 400);
  EXPECT_EQ(window.Consumed(100, /*keeps_up=*/false), 0u) << "granted twice";
}

TEST(Window, APeerThatSendsWithoutCreditIsFoundOut) {
  Window window(kWindow, kWindow);
  EXPECT_TRUE(window.Received(kWindow));
  EXPECT_FALSE(window.Received(0));
}

TEST(Window, MoreCreditThanAnyWindowIsRefused) {
  Window window(kWindow, kWindow);
  EXPECT_FALSE(window.Granted(UINT64_MAX));
  EXPECT_FALSE(window.Granted((uint64_t{1} << 40) + 1));
  EXPECT_TRUE(window.Granted(uint64_t{1} << 40));
  EXPECT_FALSE(window.Granted(1)) << "in two steps";
}

constexpr uint32_t kWide = 10'000;
constexpr size_t kMost = 100'000;

// What the window lacks once such a message has been read, and nothing is left to read.
size_t LackAfter(Window& window, size_t message) {
  (void)window.Consumed(message, /*keeps_up=*/true);
  return window.TakeLack(kMost);
}

TEST(Window, GrowsSoThatSeveralLongMessagesMayBeAhead) {
  Window window(kWide, kWide);
  EXPECT_EQ(LackAfter(window, 100), 0u) << "a short message";
  const size_t lack = LackAfter(window, 2000);
  EXPECT_EQ(lack, Window::kMessagesAhead * 2064 - kWide);
  EXPECT_EQ(window.TakeLack(kMost), 0u) << "taken twice";
  EXPECT_EQ(window.Grow(lack), lack);
  EXPECT_EQ(LackAfter(window, 2000), 0u) << "it has grown";
  EXPECT_EQ(LackAfter(window, kMost), kMost - Window::kMessagesAhead * 2064) << "beyond the most";
  EXPECT_EQ(window.TakeGrown(), Window::kMessagesAhead * 2064 - kWide);
  EXPECT_EQ(window.TakeGrown(), 0u) << "given back twice";
}

TEST(Window, DoesNotGrowWhereNoneMay) {
  Window window(kWide, kWide);
  for (const size_t most : {size_t{0}, size_t{kWide}}) {
    (void)window.Consumed(kMost, /*keeps_up=*/true);
    EXPECT_EQ(window.TakeLack(most), 0u);
  }
}

TEST(Window, DoesNotGrowForAReaderThatFallsBehind) {
  Window window(kWide, kWide);
  (void)window.Consumed(kMost, /*keeps_up=*/false);
  EXPECT_EQ(window.TakeLack(kMost), 0u);
}

// What falls due for a grant need not be the message after which the reader waits.
TEST(Window, GrowsHoweverManyMessagesComeTogether) {
  for (const size_t message : {700, 800, 1000, 1500, 2000, 3000, 4000, 5000, 6000, 9000}) {
    Window writer(0, kWide);
    Window reader(kWide, 0);
    for (int round = 0; round < 20; ++round) {
      int ahead = 0;
      for (; writer.may_send(); ++ahead) {
        writer.Sent(message);
        ASSERT_TRUE(reader.Received(message));
      }
      for (; ahead > 0; --ahead) {
        uint64_t grant = reader.Consumed(message, ahead == 1);
        if (grant == 0) continue;
        grant += reader.Grow(reader.TakeLack(kMost));
        ASSERT_TRUE(writer.Granted(grant));
      }
    }
    EXPECT_EQ(reader.TakeGrown(), std::min(Window::kMessagesAhead * (message + 64), kMost) - kWide)
        << message;
  }
}

TEST(Window, WhatItHasGrownByMayBeSent) {
  constexpr size_t kLong = 6000;  // more than half of the window
  Window writer(0, kWide);
  Window reader(kWide, 0);
  writer.Sent(kLong);
  ASSERT_TRUE(reader.Received(kLong));
  ASSERT_TRUE(writer.Granted(reader.Consumed(kLong, /*keeps_up=*/true)));
  ASSERT_TRUE(writer.Granted(reader.Grow(reader.TakeLack(kMost))));
  for (size_t i = 0; i < Window::kMessagesAhead; ++i) {
    ASSERT_TRUE(writer.may_send()) << i;
    writer.Sent(kLong);
    EXPECT_TRUE(reader.Received(kLong)) << i;
  }
  EXPECT_FALSE(writer.may_send());
  EXPECT_FALSE(reader.Received(kLong));
}

// A writer and a reader that keep to it: nobody waits for ever, and the reader keeps a window and
// one message at most.
TEST(Window, BothEndsOfACallAgree) {
  for (uint32_t size : {0u, 1u, 63u, 500u, 1000u, 5000u}) {
    Window writer(0, kWindow);
    Window reader(kWindow, 0);
    int64_t kept = 0;
    for (int message = 0; message < 1000; ++message) {
      while (writer.may_send()) {
        writer.Sent(size);
        ASSERT_TRUE(reader.Received(size));
        kept += size;
        ASSERT_LE(kept, static_cast<int64_t>(kWindow) + size);
      }
      uint64_t grant = 0;
      while (kept > 0 || size == 0) {
        kept -= size;
        grant = reader.Consumed(size, /*keeps_up=*/false);
        if (grant > 0) break;
      }
      ASSERT_GT(grant, 0u) << "a writer of " << size << " bytes waits for ever";
      ASSERT_TRUE(writer.Granted(grant));
    }
  }
}

}  // namespace
}  // namespace nigh
