// Streams of long messages whose reader keeps up are granted more than the window that the hello
// says: by how much, and how much in sum.

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "nigh/deadline.h"
#include "nigh/options.h"
#include "nigh/runtime/server/account.h"
#include "nigh/transport/frame.h"
#include "tests/hostile/raw_peer.h"
#include "tests/hostile/server_fixture.h"

namespace nigh::hostile {
namespace {

constexpr uint32_t kWindow = 8000;
constexpr uint32_t kMaxWindow = 32'000;
constexpr uint64_t kGrowth = kMaxWindow - kWindow;
// One such message alone is more than half of a window that has not grown.
constexpr size_t kLong = 10'000;
constexpr size_t kMaxMessage = size_t{16} << 10;
constexpr size_t kMaxKept = 16 * kMaxMessage;
constexpr uint32_t kMayGrow = kMaxKept / Account::kShare / kGrowth;
static_assert(kMayGrow > 1);

class GrowingWindow : public ServerFixture {
 protected:
  explicit GrowingWindow(uint32_t max_window = kMaxWindow)
      : ServerFixture(
            {.limits = {.max_message = kMaxMessage, .window = kWindow, .max_window = max_window},
             .max_bytes_of_connection = kMaxKept,
             .max_bytes_of_user = kMaxKept}) {}

  // Begins a stream with a long message. Returns what is granted beyond that message, once the
  // handler has read it.
  static uint64_t Begin(RawPeer& peer, uint32_t call) {
    const std::string message = NoteBytes(std::string(kLong, 'x'));
    EXPECT_TRUE(peer.Send(RequestBytes(call, kCount, message, /*end=*/false)));
    return Granted(peer, call, message);
  }
  static uint64_t Granted(RawPeer& peer, uint32_t call, const std::string& message) {
    const uint64_t granted = peer.ReceiveKind(FrameKind::kCredit, call).header.aux;
    const uint64_t cost = message.size() + 64;
    EXPECT_GE(granted, cost);
    return granted - cost;
  }
  static void End(RawPeer& peer, uint32_t call) {
    EXPECT_TRUE(peer.Send(FrameBytes({.kind = FrameKind::kMessage, .flags = kEnd, .call = call})));
    EXPECT_TRUE(StatusOf(peer.ReceiveKind(FrameKind::kResponse, call)).ok());
  }
};

TEST_F(GrowingWindow, LetsTheWriterOfLongMessagesBeFurtherAhead) {
  RawPeer peer = ConnectAndGreet();
  EXPECT_EQ(Begin(peer, 0), kGrowth);
  // No further than that, however many come: half of the window is granted anew once it is read.
  const std::string message = NoteBytes(std::string(kLong, 'x'));
  EXPECT_TRUE(peer.Send(absl::StrCat(MessageBytes(0, message), MessageBytes(0, message))));
  EXPECT_EQ(Granted(peer, 0, message), message.size() + 64);
  End(peer, 0);
}

TEST_F(GrowingWindow, GrowsByABoundedSumOnOneConnection) {
  RawPeer peer = ConnectAndGreet();
  uint32_t call = 0;
  for (; call < kMayGrow; ++call) EXPECT_EQ(Begin(peer, call), kGrowth) << call;
  EXPECT_EQ(Begin(peer, call), 0u) << "the sum is spent";
  // A call that is over leaves its part to others.
  End(peer, 0);
  EXPECT_EQ(Begin(peer, call + 1), kGrowth);
  EXPECT_EQ(Begin(peer, call + 2), 0u);
  for (uint32_t open = 1; open <= call + 2; ++open) End(peer, open);
}

TEST_F(GrowingWindow, GrowsByABoundedSumForOneUser) {
  RawPeer first = ConnectAndGreet();
  for (uint32_t call = 0; call < kMayGrow; ++call) EXPECT_EQ(Begin(first, call), kGrowth) << call;
  RawPeer second = ConnectAndGreet();
  EXPECT_EQ(Begin(second, 0), 0u) << "the sum is spent";
  End(second, 0);
  // Its handlers find that their client has left, and their parts are there for others.
  first.Close();
  const Deadline patience = Deadline::After(absl::Milliseconds(testing::kPatienceMillis));
  uint64_t grown = 0;
  while (grown == 0 && !patience.HasPassed()) {
    grown = Begin(second, 0);
    End(second, 0);
  }
  EXPECT_EQ(grown, kGrowth);
}

class WindowThatStays : public GrowingWindow {
 protected:
  WindowThatStays() : GrowingWindow(kWindow) {}
};

TEST_F(WindowThatStays, GrantsWhatWasReadAndNoMore) {
  RawPeer peer = ConnectAndGreet();
  EXPECT_EQ(Begin(peer, 0), 0u);
  End(peer, 0);
}

}  // namespace
}  // namespace nigh::hostile
