#ifndef NIGH_TESTS_HOSTILE_CHANNEL_FIXTURE_H_
#define NIGH_TESTS_HOSTILE_CHANNEL_FIXTURE_H_

#include <future>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "nigh/channel.h"
#include "nigh/options.h"
#include "tests/hostile/raw_peer.h"
#include "tests/hostile/socket_folder.h"
#include "tests/hostile/victim.nigh.h"

namespace nigh::hostile {

// Runs on a thread of its own; the future waits for it.
template <class Function>
auto InThread(Function function) {
  return std::async(std::launch::async, std::move(function));
}

// A channel whose server is the test.
class ChannelFixture : public ::testing::Test {
 protected:
  explicit ChannelFixture(const ChannelOptions& options = {});
  ~ChannelFixture() override;

  // Calls Echo with "hi"; a test that hangs ends with DEADLINE_EXCEEDED.
  std::future<absl::StatusOr<Note>> Call();

  RawPeer Accept() { return listener_.Accept(); }
  // Has exchanged hellos.
  RawPeer AcceptAndGreet(const Hello& hello = GenerousHello());
  // Answers the next request with `text`, and checks that `call` has got it.
  static void Answer(RawPeer& peer, std::future<absl::StatusOr<Note>> call);

  std::string address() const { return folder_.address(); }
  std::string path() const { return folder_.path(); }
  Channel& channel() { return *channel_; }
  Victim::Stub& stub() { return *stub_; }

 private:
  const int descriptors_before_;
  SocketFolder folder_;
  RawListener listener_;
  std::shared_ptr<Channel> channel_;
  std::unique_ptr<Victim::Stub> stub_;
};

}  // namespace nigh::hostile

#endif  // NIGH_TESTS_HOSTILE_CHANNEL_FIXTURE_H_
