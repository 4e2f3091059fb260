#ifndef NIGH_TESTS_PROCESSES_HOST_H_
#define NIGH_TESTS_PROCESSES_HOST_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "nigh/channel.h"
#include "nigh/options.h"
#include "nigh/server_context.h"
#include "nigh/server_stream.h"
#include "tests/conformance/board.h"
#include "tests/processes/host.nigh.h"
#include "tests/processes/tally.h"

namespace nigh::testing {

// The ways in which a test has a child end.
inline constexpr Way kEnds[] = {EXIT, QUIT, EXEC, ABORT, RETURN};

// Ends this process. Returns only where `way` is RETURN.
void EndAs(Way way);

// Waits until the child has ended: "exit 0", "signal 6". A child that has not ended within ten
// seconds is killed: "hangs".
std::string AwaitEnd(pid_t child);

// As fork(2); `raw`: without the C library's handlers.
pid_t Fork(bool raw);

class HostService final : public Host::Service {
 public:
  // Where Count counts; may be null.
  explicit HostService(Tally* tally = nullptr) : tally_(tally) {}

  // "chat ended" is raised whenever a call of Chat has.
  Board board;

 private:
  absl::Status Echo(ServerContext& context, const Text& request, Text* reply) override;
  absl::Status EchoInPool(ServerContext& context, const Text& request, Text* reply) override {
    return Echo(context, request, reply);
  }
  absl::Status Count(ServerContext& context, const Number& request, Number* reply) override;
  absl::Status Query(ServerContext& context, const Number& request, Number* reply) override {
    return Count(context, request, reply);
  }
  absl::Status Repeat(ServerContext& context, const Number& request,
                      ServerWriter<Number>& replies) override;
  absl::Status Collect(ServerContext& context, ServerReader<Number>& requests,
                       Number* reply) override;
  absl::Status Converse(ServerContext& context, ServerStream<Number, Number>& stream) override;
  absl::Status Chat(ServerContext& context, ServerStream<Text, Text>& stream) override;
  absl::Status Fork(ServerContext& context, const ForkRequest& request, ForkReply* reply) override;
  absl::Status ForkInline(ServerContext& context, const ForkRequest& request,
                          ForkReply* reply) override {
    return Fork(context, request, reply);
  }
  absl::Status End(ServerContext& context, const ForkRequest& request, Text* reply) override;

  Tally* const tally_;
};

// If this process was started to be a server (--serve=ADDRESS) or a client (--call=ADDRESS, or
// --call-raw=ADDRESS), acts as one, and returns what main() is to return. A server says its address
// (Say) and serves; if another server has the address, once that one has let go of it. --tally=PATH
// says before where it counts. A client opens a call of Chat, forks a child that lives on, says its
// number, and aborts. A server that is to --run=ADDRESS, or to --run-once=ADDRESS with
// LostAddress::kEndRun, says its address, each error that it hears of, and how Run has ended. One
// that is to --call-itself returns 0 if that gives a reply, or an error that blames `ulimit -f`,
// and 3 if a standard descriptor that was closed is anything but /dev/null by then.
std::optional<int> ActIfAsked(int argc, char** argv);

// Options for TheSubject().
ServerOptions OptionsOfServer();
ChannelOptions OptionsOfChannel();

// Calls Echo with "hello". Returns the reply, or the status that the call has ended with.
std::string Hello(const std::shared_ptr<Channel>& channel);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_PROCESSES_HOST_H_
