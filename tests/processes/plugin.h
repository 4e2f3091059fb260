#ifndef NIGH_TESTS_PROCESSES_PLUGIN_H_
#define NIGH_TESTS_PROCESSES_PLUGIN_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/channel.h"
#include "nigh/options.h"
#include "nigh/transport/unique_fd.h"

namespace nigh::testing {

// This program as a host and as its own plugin.

inline constexpr absl::Duration kPluginPatience = absl::Seconds(30);

// exec: and this program, which then acts as the words say (ActIfAsked).
std::string PluginAddress(absl::string_view words);

// Calls Echo. A plugin replies how often it has been called; or, asked for its "children", how
// SIGINT ends programs that it starts. Returns the reply, or the status that the call has ended
// with.
std::string Ask(const std::shared_ptr<Channel>& channel, const std::string& text = "");

// Serves at stdio: until Run returns. The exit code.
int ServeAsPlugin(Interrupt interrupt = Interrupt::kByAddress);

// If this process was started to be a plugin or a host, acts as one, and returns what main() is to
// return. The words of a plugin:
//   --plugin        ends when Run returns
//   --plugin-stops  the same, with Interrupt::kStops
//   --cleans=MARK   cleans up for 20 ms, and makes the file MARK
//   --meets=MARK,N  makes MARK.N, waits until there are MARK.0, MARK.1 and MARK.2, and makes
//                   MARK.N.done
//   --stays=MARK    makes the file MARK at once, with the process's number, and never ends
// Those of a host are a way to end (HostEnd) and the plugins' addresses, which it calls once each.
std::optional<int> ActIfAsked(int argc, char** argv);

// A process that is watched.
UniqueFd OpenProcess(pid_t pid);
// Waits for its end, for kPluginPatience at most.
bool HasEnded(const UniqueFd& process);
// "exit 0", "signal 6".
std::string DescribeEnd(int wait_status);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_PROCESSES_PLUGIN_H_
