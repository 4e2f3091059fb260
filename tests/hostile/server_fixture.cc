#include "tests/hostile/server_fixture.h"

#include <utility>

#include "absl/status/statusor.h"
#include "nigh/deadline.h"
#include "tests/support/descriptors.h"

namespace nigh::hostile {

absl::Status VictimService::Echo(ServerContext&, const Note& request, Note* reply) {
  *reply = request;
  return absl::OkStatus();
}

absl::Status VictimService::Repeat(ServerContext&, const Note& request,
                                   ServerWriter<Note>& replies) {
  for (int i = 0; i < request.count(); ++i) {
    if (!replies.Write(request)) return absl::CancelledError("the client has left");
  }
  return absl::OkStatus();
}

absl::Status VictimService::Count(ServerContext&, ServerReader<Note>& requests, Note* reply) {
  Note note;
  int count = 0;
  while (note.data() != "return" && requests.Read(&note)) ++count;
  reply->set_count(count);
  return absl::OkStatus();
}

absl::Status VictimService::Chat(ServerContext&, ServerStream<Note, Note>& stream) {
  Note note;
  while (stream.Read(&note) && stream.Write(note)) {
  }
  return absl::OkStatus();
}

ServerFixture::ServerFixture(ServerOptions options)
    : descriptors_before_(testing::OpenDescriptors()) {
  options.on_error = [this](const absl::Status& status) {
    // A copy would share its text with the server's, and ThreadSanitizer cannot see how Abseil's
    // library counts who shares it.
    MutexLock lock(mutex_);
    errors_.emplace_back(status.code(), status.message());
    reported_.SignalAll();
  };
  server_ = std::make_unique<Server>(std::move(options));
  server_->Register(service_);
  EXPECT_EQ(server_->Listen(folder_.address()), absl::OkStatus());
  EXPECT_EQ(server_->Start(), absl::OkStatus());
  others_ = std::make_unique<Victim::Stub>(Dial(folder_.address()).value());
  ExpectOthersAreServed();
}

ServerFixture::~ServerFixture() {
  if (server_ != nullptr) ExpectOthersAreServed();
  others_.reset();
  server_.reset();
  ExpectNoErrors();
  EXPECT_EQ(testing::OpenDescriptors(), descriptors_before_) << "descriptors have leaked";
}

RawPeer ServerFixture::ConnectAndGreet() {
  RawPeer peer = Connect();
  EXPECT_TRUE(peer.Send(Preamble()));
  const OwnedFrame hello = peer.ReceiveKind(FrameKind::kHello);
  EXPECT_TRUE(DecodeHello(AsBytes(hello.payload)).ok());
  return peer;
}

void ServerFixture::ExpectOthersAreServed() {
  Note request;
  request.set_data("still there?");
  const absl::StatusOr<Note> reply = others_->Echo(request, {.timeout = absl::Minutes(1)});
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->data(), request.data());
}

absl::Status ServerFixture::NextError() {
  const Deadline patience = Deadline::After(absl::Milliseconds(testing::kPatienceMillis));
  MutexLock lock(mutex_);
  while (errors_.empty()) {
    if (patience.HasPassed()) return absl::DeadlineExceededError("the server reported nothing");
    reported_.WaitUntil(mutex_, patience);
  }
  absl::Status error = std::move(errors_.front());
  errors_.pop_front();
  return error;
}

void ServerFixture::IgnoreErrors() {
  if (server_ != nullptr) ExpectOthersAreServed();
  StopServer();
  MutexLock lock(mutex_);
  errors_.clear();
}

void ServerFixture::ExpectNoErrors() {
  MutexLock lock(mutex_);
  for (const absl::Status& error : errors_) ADD_FAILURE() << "the server reported " << error;
}

}  // namespace nigh::hostile
