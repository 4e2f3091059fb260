#ifndef NIGH_TESTS_HOSTILE_SERVER_FIXTURE_H_
#define NIGH_TESTS_HOSTILE_SERVER_FIXTURE_H_

#include <deque>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "nigh/channel.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/server.h"
#include "tests/hostile/raw_peer.h"
#include "tests/hostile/socket_folder.h"
#include "tests/hostile/victim.nigh.h"

namespace nigh::hostile {

class VictimService final : public Victim::Service {
 public:
  absl::Status Echo(ServerContext&, const Note& request, Note* reply) override;
  absl::Status Repeat(ServerContext&, const Note& request, ServerWriter<Note>& replies) override;
  absl::Status Count(ServerContext&, ServerReader<Note>& requests, Note* reply) override;
  absl::Status Chat(ServerContext&, ServerStream<Note, Note>& stream) override;
};

// A server, somebody well-behaved who calls it all the time, and at the end a count of what is
// left.
class ServerFixture : public ::testing::Test {
 protected:
  explicit ServerFixture(ServerOptions options = {});
  ~ServerFixture() override;

  RawPeer Connect() { return RawPeer::Dial(folder_.path()); }
  // Has said hello and declared its methods, and been greeted.
  RawPeer ConnectAndGreet();

  // A call by somebody who has been connected since the beginning.
  void ExpectOthersAreServed();

  // The next thing that the server reported; waits for it.
  absl::Status NextError();
  void ExpectNoErrors();
  // What has been reported and will be until the server stops.
  void IgnoreErrors();

  std::string address() const { return folder_.address(); }
  Victim::Stub& others() { return *others_; }
  void StopServer() { server_.reset(); }

 private:
  const int descriptors_before_;
  SocketFolder folder_;
  VictimService service_;

  Mutex mutex_;
  CondVar reported_;
  std::deque<absl::Status> errors_ ABSL_GUARDED_BY(mutex_);

  std::unique_ptr<Server> server_;
  std::unique_ptr<Victim::Stub> others_;
};

}  // namespace nigh::hostile

#endif  // NIGH_TESTS_HOSTILE_SERVER_FIXTURE_H_
