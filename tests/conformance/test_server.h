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
#include "tests/conformance/letters.h"
#include "tests/conformance/services.h"
#include "tests/contract/puppet.h"
#include "tests/interop/service.h"

namespace nigh::testing {

// A server, and the services that it serves to this suite.
class ServerHost {
 public:
  explicit ServerHost(const ServerSettings& settings);
  // Releases handlers that still wait for flags.
  ~ServerHost() { board_.GiveUp(); }

  // Listens and returns the address to dial. The caller starts the server, or runs it.
  absl::StatusOr<std::string> Listen();

  Server& server() { return server_; }

 private:
  const ServerSettings settings_;
  Board board_;
  ScriptedService scripted_{board_};
  FlagsService flags_{board_};
  InteropService interop_;
  LettersService letters_;
  CoLettersService co_letters_;
  TwinOneService twin_one_;
  TwinTwoService twin_two_;
  Server server_;
};

// A server for a test, in threads of this process or in a process of its own.
class TestServer {
 public:
  // Starts a server at the address of the settings, or at a fresh one of the subject if that is
  // empty.
  static absl::StatusOr<std::unique_ptr<TestServer>> Start(Placement placement,
                                                           ServerSettings settings);
  // Stops the server if it still runs.
  ~TestServer();

  const std::string& address() const { return settings_.address(); }
  // The settings that start another server at the same address.
  const ServerSettings& settings() const { return settings_; }

  // Begins a graceful shutdown: by Shutdown in this process, by SIGTERM in another.
  void BeginStop();
  // Waits for the server's end after BeginStop. OK: it was a clean one.
  absl::Status AwaitStop();
  absl::Status Stop() {
    BeginStop();
    return AwaitStop();
  }
  bool runs() const { return host_ != nullptr || child_ != nullptr; }

  // For a server in a process only. Interrupt begins to stop it by SIGINT. Kill returns when the
  // process has ended. Freeze and Thaw stop the process and let it go on.
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

// If this process was started to be a server, acts as one and returns what main() is to return.
std::optional<int> ServeIfAsked(int argc, char** argv);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONFORMANCE_TEST_SERVER_H_
