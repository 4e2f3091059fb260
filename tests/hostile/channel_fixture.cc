#include "tests/hostile/channel_fixture.h"

#include "absl/time/time.h"
#include "tests/support/descriptors.h"

namespace nigh::hostile {

ChannelFixture::ChannelFixture(const ChannelOptions& options)
    : descriptors_before_(testing::OpenDescriptors()),
      listener_(folder_.path()),
      channel_(Dial(folder_.address(), options).value()),
      stub_(std::make_unique<Victim::Stub>(channel_)) {}

ChannelFixture::~ChannelFixture() {
  stub_.reset();
  channel_.reset();
  listener_.Close();
  EXPECT_EQ(testing::OpenDescriptorsOnceAtMost(descriptors_before_), descriptors_before_)
      << "descriptors have leaked";
}

std::future<absl::StatusOr<Note>> ChannelFixture::Call() {
  return InThread([this] {
    Note request;
    request.set_data("hi");
    return stub_->Echo(request, {.timeout = absl::Milliseconds(testing::kPatienceMillis)});
  });
}

RawPeer ChannelFixture::AcceptAndGreet(const Hello& hello) {
  RawPeer peer = Accept();
  EXPECT_TRUE(peer.Send(HelloBytes(hello)));
  peer.ReceiveKind(FrameKind::kHello);
  return peer;
}

void ChannelFixture::Answer(RawPeer& peer, std::future<absl::StatusOr<Note>> call) {
  const OwnedFrame request = peer.ReceiveKind(FrameKind::kRequest);
  peer.Send(ResponseBytes(request.header.call, request.payload));
  const absl::StatusOr<Note> reply = call.get();
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->data(), "hi");
}

}  // namespace nigh::hostile
