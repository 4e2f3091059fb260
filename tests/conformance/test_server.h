#ifndef NIGH_TESTS_CONFORMANCE_TEST_SERVER_H_
#define NIGH_TESTS_CONFORMANCE_TEST_SERVER_H_

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nigh/server.h"
#include "tests/conformance/board.h"
#include "tests/conformance/child.h"
#include "tests/conformance/services.h"
#include "tests/contract/puppet.h"
#include "tests/interop/service.h"

namespace nigh::testing {

// A server and everything it serves to this suite.
class ServerHost {
 public:
  explicit ServerHost(const ServerSettings& settings);
  // What handlers wait for will not come.
  ~ServerHost() { board_.GiveUp(); }

  // The address to dial. The server has still to be started, or run.
  absl::StatusOr<std::string> Listen();

  Server& server() { return server_; }

 private:
  const ServerSettings settings_;
  Board board_;
  ScriptedService scripted_{board_};
  FlagsService flags_{board_};
  InteropService interop_;
  TwinOneService twin_one_;
  TwinTwoService twin_two_;
  Server server_;
};

// A server for a test, in threads of this process or in a process of its own.
class TestServer {
 public:
  // Where the settings name no address: at a fresh one of the subject's.
  static absl::StatusOr<std::unique_ptr<TestServer>> Start(Placement placement,
                                                           ServerSettings settings);
  // Stops it if it still runs.
  ~TestServer();

  const std::string& address() const { return settings_.address(); }
  // What it would take to start another at the same address.
  const ServerSettings& settings() const { return settings_; }

  // Has it shut down with its grace: Shutdown, or a SIGTERM.
  void BeginStop();
  // Waits for its end after BeginStop; OK if it was a clean one.
  absl::Status AwaitStop();
  absl::Status Stop() {
    BeginStop();
    return AwaitStop();
  }
  bool runs() const { return host_ != nullptr || child_ != nullptr; }

  // Of a process only. An interrupt is another way to begin to stop; Kill returns when it has
  // ended.
  void Interrupt();
  void Kill();
  void Freeze();
  void Thaw();

 private:
  TestServer() = default;

  ServerSettings settings_;
  std::unique_ptr<ServerHost> host_;
  std::thread stopper_;
  std::unique_ptr<Child> child_;
};

// When this process was started to be a server, is one; what main() is to return then.
std::optional<int> ServeIfAsked(int argc, char** argv);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONFORMANCE_TEST_SERVER_H_
