#ifndef NIGH_TESTS_RUNTIME_FRAME_SENDER_FIXTURE_H_
#define NIGH_TESTS_RUNTIME_FRAME_SENDER_FIXTURE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "nigh/message_io.h"
#include "nigh/mutex.h"
#include "nigh/runtime/call/frame_sender.h"
#include "nigh/transport/frame.h"
#include "tests/runtime/fake_connection.h"

namespace nigh {

using ::nigh::testing::FakeConnection;
using ::nigh::testing::OwnedFrame;

// A sender over a connection whose medium the test plays.
class FrameSenderTest : public ::testing::Test {
 protected:
  // Before anything is sent.
  void SetMaxPayload(size_t size) {
    connection_.set_max_payload(size);
    sender_.emplace(connection_);
  }
  Sent Message(uint32_t call, absl::string_view text) {
    return Send({.kind = FrameKind::kMessage, .flags = kMessage, .call = call}, text);
  }
  Sent Send(FrameHeader header, absl::string_view text, absl::string_view sections = "") {
    MessageSource message(text);
    EXPECT_TRUE(message.Measure().ok());
    return sender_->Send(std::move(header), sections, &message);
  }
  Sent Request(uint32_t call, uint16_t method, const std::string& name, absl::string_view text) {
    MessageSource message(text);
    EXPECT_TRUE(message.Measure().ok());
    FrameSender& sender = *sender_;
    MutexLock lock(sender.mutex());
    return sender.SendRequestLocked(
        {.kind = FrameKind::kRequest, .flags = kMessage | kEnd, .method = method, .call = call},
        name.c_str(), "", &message, /*descriptors=*/nullptr);
  }
  Sent Ping(uint64_t number) {
    return sender_->Send({.kind = FrameKind::kPing, .aux = number}, "", nullptr);
  }
  // What is held back, too, which leaves after a while in which nothing overtakes it.
  Sent ResumeWithRoom() {
    connection_.room = FakeConnection::kEndless;
    Sent sent = sender_->Resume();
    while (sender_->holds_back()) sent = sender_->Resume();
    return sent;
  }

  // "MESSAGE 3 5+2" is 5 bytes of call 3 with 2 to follow.
  std::vector<std::string> Frames() const {
    std::vector<std::string> frames;
    for (const OwnedFrame& frame : connection_.frames) {
      frames.push_back(absl::StrCat(FrameKindName(frame.header.kind), " ", frame.header.call, " ",
                                    frame.header.length, "+", frame.header.rest));
    }
    return frames;
  }

  FakeConnection connection_;
  std::optional<FrameSender> sender_{std::in_place, connection_};
};

}  // namespace nigh

#endif  // NIGH_TESTS_RUNTIME_FRAME_SENDER_FIXTURE_H_
