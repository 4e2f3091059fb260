#include "nigh/transports/exec/exec.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transports/exec/child.h"
#include "nigh/transports/process/peer_process.h"
#include "nigh/transports/stream/forwarding_stream.h"
#include "nigh/transports/stream/pipe_stream.h"
#include "nigh/transports/stream/stream_connection.h"

namespace nigh {
namespace {

// The kernel closes a dying process's pipes a moment before it can say how it died.
constexpr absl::Duration kBetweenPipesAndDeath = absl::Milliseconds(200);

// The pipes to a child, which know how it ended.
class ChildStream final : public ForwardingStream {
 public:
  ChildStream(std::unique_ptr<Child> child, std::unique_ptr<PipeStream> pipes)
      : ForwardingStream(std::move(pipes)), child_(std::move(child)) {
    child_->OnExit([this] { ChildStream::Shutdown(); });
  }
  ~ChildStream() override {
    ChildStream::Shutdown();
    // Waits for an exit that is closing them at this moment.
    child_->OnExit(nullptr);
  }

  void Shutdown() override {
    ForwardingStream::Shutdown();
    child_->Leave();
  }
  std::optional<std::string> PeerEnd() override {
    return child_->DescribeEnd(kBetweenPipesAndDeath);
  }

 private:
  const std::unique_ptr<Child> child_;
};

absl::StatusOr<absl::Duration> GraceOf(const Address& address) {
  constexpr absl::Duration kMost = absl::Hours(1);
  const absl::string_view text = address.Parameter("grace", "1s");
  absl::Duration grace;
  if (absl::ParseDuration(text, &grace) && grace >= absl::ZeroDuration() && grace <= kMost) {
    return grace;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "address \"", address.ToString(), "\": grace=", text, " (use 0 to 1h, as 500ms or 2s)"));
}

}  // namespace

std::vector<std::string> SplitWords(absl::string_view text) {
  std::vector<std::string> words;
  bool inside = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ' ') {
      inside = false;
      continue;
    }
    if (!std::exchange(inside, true)) words.emplace_back();
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    words.back().push_back(text[i]);
  }
  return words;
}

absl::StatusOr<std::unique_ptr<Connection>> DialExec(const Address& address) {
  const std::string where = address.ToString();
  if (absl::Status known = address.CheckParameters({"grace", "socket"}); !known.ok()) return known;
  const absl::StatusOr<absl::Duration> grace = GraceOf(address);
  if (!grace.ok()) return grace.status();
  const absl::string_view socket = address.Parameter("socket", "off");
  if (socket != "on" && socket != "off") {
    return absl::InvalidArgumentError(
        absl::StrCat("address \"", where, "\": socket=", socket, " (use on, or off, the default)"));
  }
  std::vector<std::string> words = SplitWords(address.name);
  if (words.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("address \"", where, "\": no program (write exec:PROGRAM ARGUMENT...)"));
  }
  absl::StatusOr<std::unique_ptr<Child>> child =
      Child::Start(std::move(words), *grace, socket == "on", where);
  if (!child.ok()) return child.status();
  absl::StatusOr<std::unique_ptr<PipeStream>> pipes =
      PipeStream::Make((*child)->TakeOutput(), (*child)->TakeInput(), where);
  if (!pipes.ok()) return pipes.status();
  // Whose it is depends on the program, which may change that.
  PeerIdentity identity = {
      .address = where, .medium = socket == "on" ? "Unix socket" : "pipe", .pid = (*child)->pid()};
  PeerProcess process((*child)->Watch());
  return std::make_unique<StreamConnection>(
      std::make_unique<ChildStream>(*std::move(child), *std::move(pipes)), std::move(identity),
      Side::kClient, std::move(process));
}

absl::StatusOr<std::unique_ptr<Listener>> ListenExec(const Address& address) {
  return absl::InvalidArgumentError(
      absl::StrCat("address \"", address.ToString(),
                   "\": a client dials there (the program that it starts listens at stdio:)"));
}

}  // namespace nigh
