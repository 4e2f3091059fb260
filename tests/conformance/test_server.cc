#include "tests/conformance/test_server.h"

#include <signal.h>
#include <algorithm>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "nigh/options.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

constexpr char kServeArgument[] = "--serve-calls";

ServerOptions MakeOptions(const ServerSettings& settings) {
  ServerOptions options;
  options.transports = {&TheSubject().transport, 1};
  Limits& limits = options.limits;
  if (settings.max_message() != 0) limits.max_message = settings.max_message();
  if (settings.max_attachment() != 0) {
    limits.max_attachment = static_cast<size_t>(std::max<int64_t>(settings.max_attachment(), 0));
  }
  if (settings.max_metadata() != 0) limits.max_metadata = settings.max_metadata();
  if (settings.max_calls() != 0) limits.max_calls = settings.max_calls();
  if (settings.window() != 0) limits.window = settings.window();
  if (settings.pollers() != 0) options.pollers = settings.pollers();
  if (settings.max_threads() != 0) options.max_threads = settings.max_threads();
  if (settings.grace() != 0) options.grace = absl::Milliseconds(settings.grace());
  return options;
}

}  // namespace

ServerHost::ServerHost(const ServerSettings& settings)
    : settings_(settings), server_(MakeOptions(settings)) {
  server_.Register(scripted_);
  server_.Register(flags_);
  server_.Register(interop_);
  server_.Register(letters_);
  server_.Register(co_letters_);
  server_.Register(twin_one_);
  server_.Register(twin_two_);
}

absl::StatusOr<std::string> ServerHost::Listen() {
  if (absl::Status status = server_.Listen(settings_.address()); !status.ok()) return status;
  const std::string address = server_.addresses().front();
  scripted_.CallItselfAt(address);
  return address;
}

absl::StatusOr<std::unique_ptr<TestServer>> TestServer::Start(Placement placement,
                                                              ServerSettings settings) {
  if (settings.address().empty()) settings.set_address(FreshAddress().ToString());
  auto server = std::unique_ptr<TestServer>(new TestServer());
  if (placement == Placement::kThread) {
    auto host = std::make_unique<ServerHost>(settings);
    absl::StatusOr<std::string> address = host->Listen();
    if (!address.ok()) return address.status();
    if (absl::Status status = host->server().Start(); !status.ok()) return status;
    settings.set_address(*address);
    server->host_ = std::move(host);
  } else {
    auto child = std::make_unique<Child>(std::vector<std::string>{
        kServeArgument, std::string(absl::BytesToHexString(settings.SerializeAsString()))});
    const std::string answer = child->Hear();
    absl::string_view address = answer;
    if (!absl::ConsumePrefix(&address, "serving ")) return absl::UnknownError(answer);
    settings.set_address(std::string(address));
    server->child_ = std::move(child);
  }
  server->settings_ = std::move(settings);
  return server;
}

TestServer::~TestServer() {
  if (stopper_.joinable()) stopper_.join();
}

void TestServer::BeginStop() {
  if (child_ != nullptr) return child_->Signal(SIGTERM);
  const absl::Duration grace =
      settings_.grace() == 0 ? ServerOptions().grace : absl::Milliseconds(settings_.grace());
  stopper_ = std::thread([this, grace] { host_->server().Shutdown(grace); });
}

absl::Status TestServer::AwaitStop() {
  if (child_ != nullptr) return std::exchange(child_, nullptr)->Wait();
  stopper_.join();
  host_ = nullptr;
  return absl::OkStatus();
}

void TestServer::Interrupt() { child_->Signal(SIGINT); }

void TestServer::Kill() {
  child_->Signal(SIGKILL);
  (void)std::exchange(child_, nullptr)->Wait();
}

void TestServer::Freeze() { child_->Freeze(); }
void TestServer::Thaw() { child_->Signal(SIGCONT); }

std::optional<int> ServeIfAsked(int argc, char** argv) {
  if (argc != 3 || absl::string_view(argv[1]) != kServeArgument) return std::nullopt;
  DieWithParent();
  ServerSettings settings;
  settings.ParseFromString(absl::HexStringToBytes(argv[2]));
  ServerHost host(settings);
  absl::StatusOr<std::string> address = host.Listen();
  Say(address.ok() ? "serving " + *address : address.status().ToString());
  if (!address.ok()) return 1;
  return host.server().Run().ok() ? 0 : 1;
}

}  // namespace nigh::testing
