#include "tests/conformance/services.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nigh/channel.h"
#include "nigh/client_context.h"
#include "tests/conformance/actor.h"
#include "tests/conformance/script.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

// The call's script; `otherwise` where it brings none.
Script ScriptOf(const ServerContext& context, const Play& otherwise) {
  const std::optional<absl::string_view> bytes = context.client_metadata().Get(kScriptKey);
  if (!bytes.has_value()) return otherwise.script();
  Script script;
  script.ParseFromArray(bytes->data(), static_cast<int>(bytes->size()));
  return script;
}

}  // namespace

void ScriptedService::CallItselfAt(const std::string& address) {
  itself_ = *Dial(address, {.transports = {&TheSubject().transport, 1}});
}

absl::Status ScriptedService::CallItself(ServerContext& context, const std::string& script,
                                         Blob* reply) {
  ClientContext nested(context);
  nested.AddMetadata(kScriptKey, script);
  return Scripted::Stub(itself_).Unary(nested, Blob(), reply);
}

absl::Status ScriptedService::Unary(ServerContext& context, const Blob& request, Blob* reply) {
  *reply = request;
  context.SetAttachment(context.attachment());
  const auto nested = [&](const std::string& script, Blob* answer) {
    return CallItself(context, script, answer);
  };
  Actor actor({.context = context,
               .board = board_,
               .read = {},
               .write = {},
               .send_initial = {},
               .nested = nested,
               .reply = reply});
  return actor.Perform(ScriptOf(context, Play()));
}

absl::Status ScriptedService::Requests(ServerContext& context, ServerReader<Blob>& requests,
                                       Blob* reply) {
  const auto nested = [&](const std::string& script, Blob* answer) {
    return CallItself(context, script, answer);
  };
  Actor actor({.context = context,
               .board = board_,
               .read = [&](Blob* blob) { return requests.Read(blob); },
               .write = {},
               .send_initial = {},
               .nested = nested,
               .reply = reply});
  return actor.Perform(ScriptOf(context, Play().ReadAll().Report()));
}

absl::Status ScriptedService::Replies(ServerContext& context, const Blob&,
                                      ServerWriter<Blob>& replies) {
  const auto nested = [&](const std::string& script, Blob* answer) {
    return CallItself(context, script, answer);
  };
  Actor actor({.context = context,
               .board = board_,
               .read = {},
               .write = [&](const Blob& blob) { return replies.Write(blob); },
               .send_initial = [&] { replies.SendInitialMetadata(); },
               .nested = nested,
               .reply = nullptr});
  return actor.Perform(ScriptOf(context, Play()));
}

absl::Status ScriptedService::Both(ServerContext& context, ServerStream<Blob, Blob>& stream) {
  const auto nested = [&](const std::string& script, Blob* answer) {
    return CallItself(context, script, answer);
  };
  Actor actor({.context = context,
               .board = board_,
               .read = [&](Blob* blob) { return stream.Read(blob); },
               .write = [&](const Blob& blob) { return stream.Write(blob); },
               .send_initial = [&] { stream.SendInitialMetadata(); },
               .nested = nested,
               .reply = nullptr});
  return actor.Perform(ScriptOf(context, Play().Echo()));
}

absl::Status FlagsService::Raise(ServerContext&, const Flag& request, Nothing*) {
  board_.Raise(request.name(), request.times());
  return absl::OkStatus();
}

absl::Status FlagsService::Await(ServerContext&, const Flag& request, Nothing*) {
  if (board_.Await(request.name(), request.times())) return absl::OkStatus();
  return absl::UnknownError(
      absl::StrCat(request.name(), " was not raised ", request.times(), " times"));
}

absl::Status FlagsService::Count(ServerContext&, const Flag& request, Flag* reply) {
  reply->set_times(board_.Count(request.name()));
  return absl::OkStatus();
}

absl::Status FlagsService::Weigh(ServerContext&, const Nothing&, Weight* reply) {
  *reply = WeighProcess();
  return absl::OkStatus();
}

Weight WeighProcess() {
  const std::filesystem::directory_iterator fds("/proc/self/fd");
  std::ifstream statm("/proc/self/statm");
  int64_t total = 0, resident = 0;
  statm >> total >> resident;
  Weight weight;
  // Less the one that reads the directory.
  weight.set_fds(static_cast<int>(std::distance(fds, {})) - 1);
  weight.set_resident_bytes(resident * ::sysconf(_SC_PAGESIZE));
  return weight;
}

}  // namespace nigh::testing
