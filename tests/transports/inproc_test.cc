#include "nigh/transports/inproc/inproc.h"

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/transport.h"
#include "nigh/transports/inproc/doorbell.h"
#include "nigh/transports/inproc/frame_queue.h"
#include "tests/contract/frames.h"

namespace nigh {
namespace {

using testing::MakeAddress;
using testing::MessageHeader;
using testing::Pattern;

TEST(InprocTransport, ThePeerIsThisProcess) {
  auto listener = ListenInproc(MakeAddress("inproc:who")).value();
  auto pair = testing::Connect(kInprocTransport, *listener).value();
  EXPECT_EQ(pair.client->peer().address, "inproc:who");
  EXPECT_EQ(pair.client->peer().pid, ::getpid());
  EXPECT_EQ(pair.server->peer().uid, ::getuid());
}

TEST(InprocTransport, NobodyThereSaysSo) {
  EXPECT_EQ(DialInproc(MakeAddress("inproc:nobody")).status(),
            absl::UnavailableError("inproc:nobody: connect: nobody listens on that name in this "
                                   "process (is the server running?)"));
}

TEST(InprocTransport, WhoWasNotAcceptedSeesTheEnd) {
  auto listener = ListenInproc(MakeAddress("inproc:busy")).value();
  auto client = DialInproc(listener->address()).value();
  listener.reset();
  EXPECT_EQ(testing::ReceiveEnd(*client),
            absl::UnavailableError("inproc:busy: receive: the peer closed the connection"));
}

TEST(InprocTransport, AListenerThatNobodyEmptiesFillsUp) {
  auto listener = ListenInproc(MakeAddress("inproc:flood")).value();
  absl::Status status;
  int dialled = 0;
  for (; status.ok() && dialled < 10'000; ++dialled) {
    status = DialInproc(listener->address()).status();
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
}

TEST(Doorbell, RingsOnlyForWhoIsArmed) {
  Doorbell doorbell = Doorbell::Create("test").value();
  doorbell.Ring();
  const Wake wake = doorbell.Arm();
  EXPECT_FALSE(testing::Await(wake, 0));
  doorbell.Ring();
  doorbell.Ring();
  EXPECT_TRUE(testing::Await(wake, 0));
  EXPECT_FALSE(testing::Await(doorbell.Arm(), 0)) << "arming again quiets it";
}

// Writes and reads frames of random sizes in random turns, and compares with a plain deque.
TEST(FrameQueue, BehavesLikeAQueueHoweverItWraps) {
  std::mt19937 random(1);
  FrameQueue queue(Doorbell::Create("r").value(), Doorbell::Create("w").value());
  std::deque<std::pair<uint32_t, size_t>> model;
  uint32_t written = 0;
  for (int step = 0; step < 20'000; ++step) {
    if (random() % 2 == 0) {
      const size_t size =
          random() % 4 == 0 ? random() % (FrameQueue::kMaxPayload + 1) : random() % 100;
      const std::optional<ByteSpan> claim = queue.Claim(size);
      ASSERT_TRUE(claim.has_value() || !model.empty()) << "an empty queue has room for any frame";
      if (!claim.has_value() || random() % 10 == 0) continue;
      FrameHeader header = MessageHeader(written);
      header.length = static_cast<uint32_t>(random() % 3 == 0 ? size / 2 : size);
      Pattern(written, header.length).copy(reinterpret_cast<char*>(claim->data()), header.length);
      queue.Commit(header);
      ASSERT_TRUE(queue.Flush());
      model.emplace_back(written++, header.length);
    } else {
      std::array<Frame, 5> frames;
      const Received received = queue.Receive(absl::MakeSpan(frames));
      EXPECT_FALSE(received.ended);
      ASSERT_EQ(received.frames, std::min(model.size(), frames.size()));
      for (const Frame& frame : absl::MakeSpan(frames).subspan(0, received.frames)) {
        EXPECT_EQ(frame.header.call, model.front().first);
        ASSERT_EQ(AsText(frame.payload), Pattern(model.front().first, model.front().second));
        queue.Release(1);
        model.pop_front();
      }
    }
  }
  EXPECT_GT(written, 1000u);
}

TEST(FrameQueue, WhatIsNotFlushedIsNotThere) {
  FrameQueue queue(Doorbell::Create("r").value(), Doorbell::Create("w").value());
  ASSERT_TRUE(queue.Claim(0).has_value());
  queue.Commit(MessageHeader(1));
  Frame frame;
  EXPECT_EQ(queue.Receive(absl::MakeSpan(&frame, 1)).frames, 0u);
  EXPECT_TRUE(queue.ArmWriter().ready()) << "flushing comes first";
  ASSERT_TRUE(queue.Flush());
  EXPECT_EQ(queue.Receive(absl::MakeSpan(&frame, 1)).frames, 1u);
}

}  // namespace
}  // namespace nigh
