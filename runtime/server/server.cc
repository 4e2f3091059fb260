#include "nigh/server.h"

#include "nigh/runtime/server/server_state.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nigh/options.h"
#include "nigh/runtime/base/standard_descriptors.h"

namespace nigh {

Server::Server(ServerOptions options) {
  FillStandardDescriptors();
  state_ = std::make_unique<State>(std::move(options));
}

Server::~Server() {
  // All of it is the parent's.
  if (!state_->CheckProcess("").ok()) (void)state_.release();
}

void Server::Register(Service& service) { state_->Register(service); }
void Server::RegisterFallback(GenericService& service) { state_->RegisterFallback(service); }

absl::Status Server::Listen(absl::string_view address) {
  absl::Status here = state_->CheckProcess(absl::StrCat(address, ": listen"));
  return here.ok() ? state_->Listen(address) : here;
}

std::vector<std::string> Server::addresses() const {
  if (!state_->CheckProcess("").ok()) return {};
  return state_->addresses();
}

absl::Status Server::Start() {
  absl::Status here = state_->CheckProcess("start");
  return here.ok() ? state_->Start() : here;
}

absl::Status Server::Run() {
  absl::Status here = state_->CheckProcess("run");
  return here.ok() ? state_->Run() : here;
}

void Server::Shutdown(absl::Duration grace) {
  if (state_->CheckProcess("").ok()) state_->Shutdown(grace, [] { return false; });
}

}  // namespace nigh
