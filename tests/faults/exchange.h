#ifndef NIGH_TESTS_FAULTS_EXCHANGE_H_
#define NIGH_TESTS_FAULTS_EXCHANGE_H_

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/channel.h"
#include "nigh/mutex.h"
#include "nigh/options.h"
#include "nigh/server_context.h"
#include "nigh/server_stream.h"
#include "tests/async/echo.nigh.h"

namespace nigh::testing {

// The kinds of calls.
enum class Kind { kUnary, kServerStream, kClientStream, kBidi };
inline constexpr Kind kKinds[] = {Kind::kUnary, Kind::kServerStream, Kind::kClientStream,
                                  Kind::kBidi};
absl::string_view NameOf(Kind kind);

// What has come of a short exchange.
struct Outcome {
  absl::Status status;
  // Whether whatever the server has sent was what it should be, and everything was there if the
  // status is OK.
  bool right = true;
};

// Makes one call of `kind`, with two messages where there is a stream, each of which says `id`.
Outcome MakeExchange(const std::shared_ptr<Channel>& channel, Kind kind, const std::string& id,
                     const CallOptions& options);

// Serves these, and counts how many handlers have seen each id.
class ExchangeService final : public Echo::Service {
 public:
  int HandlersThatSaw(const std::string& id);

 private:
  absl::Status Say(ServerContext& context, const Text& request, Text* reply) override;
  absl::Status Hang(ServerContext& context, const Text& request, Text* reply) override;
  absl::Status Split(ServerContext& context, const Text& request,
                     ServerWriter<Text>& replies) override;
  absl::Status Join(ServerContext& context, ServerReader<Text>& requests, Text* reply) override;
  absl::Status Chat(ServerContext& context, ServerStream<Text, Text>& stream) override;
  void See(const std::string& id);

  Mutex mutex_;
  std::map<std::string, int> seen_ ABSL_GUARDED_BY(mutex_);
};

// Options with the faulty transport over TheSubject(), and it alone.
ServerOptions FaultyServerOptions();
ChannelOptions FaultyChannelOptions();

// "faulty:FAULTS:ADDRESS", and back.
std::string WithFaults(absl::string_view faults, absl::string_view address);
std::string WithoutFaults(absl::string_view address);

// If this process was started to be a server (--serve=ADDRESS), serves until it is killed, and
// returns what main() is to return.
std::optional<int> ServeIfAsked(int argc, char** argv);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_FAULTS_EXCHANGE_H_
