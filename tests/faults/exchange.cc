#include "tests/faults/exchange.h"

#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "nigh/channel.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/server.h"
#include "nigh/testing/faulty_transport.h"
#include "tests/conformance/child.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

Text TextOf(const std::string& id) {
  Text text;
  text.set_text(id);
  text.set_count(2);
  return text;
}

// The table stands for as long as the process does.
TransportTable Faulty() {
  static const Transport transport = [] {
    AddFaultyTransports({&TheSubject().transport, 1});
    return kFaultyTransport;
  }();
  return {&transport, 1};
}

}  // namespace

absl::string_view NameOf(Kind kind) {
  switch (kind) {
    case Kind::kUnary:
      return "unary";
    case Kind::kServerStream:
      return "server stream";
    case Kind::kClientStream:
      return "client stream";
    case Kind::kBidi:
      break;
  }
  return "bidi";
}

Outcome MakeExchange(const std::shared_ptr<Channel>& channel, Kind kind, const std::string& id,
                     const CallOptions& options) {
  const Echo::Stub stub(channel);
  const Text text = TextOf(id);
  switch (kind) {
    case Kind::kUnary: {
      const absl::StatusOr<Text> reply = stub.Say(text, options);
      return {.status = reply.status(), .right = !reply.ok() || reply->text() == id};
    }
    case Kind::kServerStream: {
      auto replies = stub.Split(text, options);
      int count = 0;
      bool right = true;
      while (const std::optional<Text> reply = replies.Read()) {
        right = right && reply->text() == id;
        ++count;
      }
      absl::Status status = replies.Finish();
      return {.status = status, .right = right && (count == 2 || (count < 2 && !status.ok()))};
    }
    case Kind::kClientStream: {
      auto requests = stub.Join(options);
      for (int i = 0; i < 2 && requests.Write(text); ++i) {
      }
      const absl::StatusOr<Text> reply = requests.Finish();
      return {.status = reply.status(), .right = !reply.ok() || reply->text() == id + id};
    }
    case Kind::kBidi:
      break;
  }
  auto stream = stub.Chat(options);
  int count = 0;
  bool right = true;
  while (count < 2 && stream.Write(text)) {
    const std::optional<Text> reply = stream.Read();
    if (!reply.has_value()) break;
    right = right && reply->text() == id;
    ++count;
  }
  if (stream.WritesDone()) right = right && !stream.Read().has_value();
  absl::Status status = stream.Finish();
  return {.status = status, .right = right && (count == 2 || !status.ok())};
}

int ExchangeService::HandlersThatSaw(const std::string& id) {
  MutexLock lock(mutex_);
  return seen_[id];
}

void ExchangeService::See(const std::string& id) {
  MutexLock lock(mutex_);
  ++seen_[id];
}

absl::Status ExchangeService::Say(ServerContext& /*context*/, const Text& request, Text* reply) {
  See(request.text());
  *reply = request;
  return absl::OkStatus();
}

absl::Status ExchangeService::Hang(ServerContext& /*context*/, const Text& /*request*/,
                                   Text* /*reply*/) {
  return absl::UnimplementedError("no exchange hangs");
}

absl::Status ExchangeService::Split(ServerContext& /*context*/, const Text& request,
                                    ServerWriter<Text>& replies) {
  See(request.text());
  // What was corrupted on its way may be any number.
  for (int i = 0; i < 2 && replies.Write(request); ++i) {
  }
  return absl::OkStatus();
}

absl::Status ExchangeService::Join(ServerContext& /*context*/, ServerReader<Text>& requests,
                                   Text* reply) {
  while (const std::optional<Text> request = requests.Read()) {
    if (reply->text().empty()) See(request->text());
    *reply->mutable_text() += request->text();
  }
  return absl::OkStatus();
}

absl::Status ExchangeService::Chat(ServerContext& /*context*/, ServerStream<Text, Text>& stream) {
  bool seen = false;
  while (const std::optional<Text> request = stream.Read()) {
    if (!std::exchange(seen, true)) See(request->text());
    if (!stream.Write(*request)) break;
  }
  return absl::OkStatus();
}

ServerOptions FaultyServerOptions() { return {.transports = Faulty()}; }
// There are thousands of connections that fail.
ChannelOptions FaultyChannelOptions() {
  constexpr absl::Duration kBackoff = absl::Milliseconds(1);
  return {.min_backoff = kBackoff, .max_backoff = kBackoff, .transports = Faulty()};
}

std::string WithFaults(absl::string_view faults, absl::string_view address) {
  return absl::StrCat("faulty:", faults, ":", address);
}

std::string WithoutFaults(absl::string_view address) {
  return std::string(
      std::pair<absl::string_view, absl::string_view>(
          absl::StrSplit(absl::StripPrefix(address, "faulty:"), absl::MaxSplits(':', 1)))
          .second);
}

std::optional<int> ServeIfAsked(int argc, char** argv) {
  absl::string_view address = argc > 1 ? argv[argc - 1] : "";
  if (!absl::ConsumePrefix(&address, "--serve=")) return std::nullopt;
  DieWithParent();
  ExchangeService service;
  Server server(FaultyServerOptions());
  server.Register(service);
  absl::Status started = server.Listen(address);
  if (started.ok()) started = server.Start();
  Say(started.ok() ? server.addresses().front() : started.ToString());
  if (!started.ok()) return 1;
  for (;;) ::pause();
}

}  // namespace nigh::testing
