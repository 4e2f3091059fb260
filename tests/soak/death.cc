// How long it takes to notice a death, over one medium: from just before kill(2) until
//  - a client that waits for a reply has the call's status,
//  - a server's handler that waits for a request sees that its call is cancelled.
// Each of them also where the one who dies has a child by fork(2), which lives on.
//
// Exit status 1: a death was not noticed, or half of them took longer than --median_millis.

#include <signal.h>
#include <sys/types.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nigh/channel.h"
#include "nigh/mutex.h"
#include "nigh/server.h"
#include "nigh/server_context.h"
#include "nigh/server_stream.h"
#include "tests/conformance/child.h"
#include "tests/contract/subject.h"
#include "tests/soak/children.h"
#include "tests/soak/load.nigh.h"
#include "tests/soak/service.h"

ABSL_FLAG(int, deaths, 10, "of each sort");
ABSL_FLAG(int, median_millis, 1000, "that half of the deaths may take at most");
ABSL_FLAG(bool, heading, true, "whether to print the table's heading");

namespace nigh::testing {
namespace {

using Clock = std::chrono::steady_clock;

// The child of one that is killed: it ends with this object.
class Heir {
 public:
  explicit Heir(pid_t pid) : pid_(pid) {}
  ~Heir() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
  }
  Heir(const Heir&) = delete;
  Heir& operator=(const Heir&) = delete;

 private:
  const pid_t pid_;
};

// What is measured; nothing: the death was not noticed, or there was no call.
using Delay = std::optional<std::chrono::duration<double, std::milli>>;

// All servers have one address: what a killed one leaves there is the next one's. That one waits
// for it: until a child has run for the first time after fork(2), it has its parent's descriptors.
std::string& AddressOfServers() {
  static std::string address = FreshAddress().ToString();
  return address;
}

Delay KillServer(bool forks) {
  std::string& address = AddressOfServers();
  Child server(ServerArguments(address, "", /*patient=*/true));
  address = server.Hear();
  const Load::Stub stub(DialLoad(address));
  auto chat = stub.Chat();
  Parcel parcel;
  if (!chat.Write(parcel) || !chat.Read(&parcel)) return std::nullopt;
  absl::StatusOr<Parcel> child = Parcel();
  if (forks) child = stub.Fork(parcel);
  if (!child.ok()) return std::nullopt;
  const Heir heir(static_cast<pid_t>(child->number()));
  const Clock::time_point start = Clock::now();
  server.Signal(SIGKILL);
  if (chat.Read(&parcel)) return std::nullopt;
  const absl::Status end = chat.Finish();
  const Clock::time_point noticed = Clock::now();
  if (!absl::IsUnavailable(end)) return std::nullopt;
  return noticed - start;
}

// Notes when a handler sees its call cancelled.
class Witness final : public Load::Service {
 public:
  std::optional<Clock::time_point> Await() {
    MutexLock lock(mutex_);
    while (!ended_) changed_.Wait(mutex_);
    return cancelled_;
  }

 private:
  absl::Status Chat(ServerContext& context, ServerStream<Parcel, Parcel>& stream) override {
    Parcel parcel;
    while (stream.Read(&parcel)) stream.Write(parcel);
    const Clock::time_point now = Clock::now();
    MutexLock lock(mutex_);
    if (context.IsCancelled()) cancelled_ = now;
    ended_ = true;
    changed_.SignalAll();
    return absl::OkStatus();
  }

  Mutex mutex_;
  CondVar changed_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<Clock::time_point> cancelled_ ABSL_GUARDED_BY(mutex_);
};

Delay KillClient(bool forks) {
  Witness witness;
  Server server({.transports = {&TheSubject().transport, 1}});
  server.Register(witness);
  if (!server.Listen(FreshAddress().ToString()).ok() || !server.Start().ok()) return std::nullopt;
  Child client(WaiterArguments(server.addresses().front(), forks));
  pid_t child = -1;
  if (!absl::SimpleAtoi(client.Hear(), &child)) return std::nullopt;
  const Heir heir(child);
  const Clock::time_point start = Clock::now();
  client.Signal(SIGKILL);
  const std::optional<Clock::time_point> noticed = witness.Await();
  if (!noticed.has_value()) return std::nullopt;
  return *noticed - start;
}

// "median | longest"; adds to `failures` what goes wrong.
std::string Measure(Delay (*kill)(bool), bool forks, int& failures) {
  std::vector<double> millis;
  for (int i = 0; i < absl::GetFlag(FLAGS_deaths); ++i) {
    const Delay delay = kill(forks);
    if (delay.has_value()) {
      millis.push_back(delay->count());
    } else {
      ++failures;
    }
  }
  if (millis.empty()) return "-, -";
  std::sort(millis.begin(), millis.end());
  const double median = millis[millis.size() / 2];
  if (median > absl::GetFlag(FLAGS_median_millis)) ++failures;
  return absl::StrFormat("%.2f, %.2f", median, millis.back());
}

int Main() {
  int failures = 0;
  std::string row = absl::StrCat("| ", TheSubject().name);
  for (const auto kill : {&KillServer, &KillClient}) {
    for (const bool forks : {false, true}) {
      absl::StrAppend(&row, " | ", Measure(kill, forks, failures));
    }
  }
  Answers none(/*wrong_at=*/0);
  // Takes along what the last one has left.
  if (!LoadServer(/*coroutines=*/false, none).Serve(AddressOfServers(), /*patient=*/true).ok())
    ++failures;
  if (absl::GetFlag(FLAGS_heading)) {
    absl::PrintF(
        "Median and longest of %d, in ms.\n"
        "| medium | server killed | its child lives on | client killed | its child lives on |\n"
        "|---|---|---|---|---|\n",
        absl::GetFlag(FLAGS_deaths));
  }
  absl::PrintF("%s |\n", row);
  if (failures > 0) absl::PrintF("death over %s: %d failures\n", TheSubject().name, failures);
  return failures > 0 ? 1 : 0;
}

}  // namespace
}  // namespace nigh::testing

int main(int argc, char** argv) {
  return nigh::testing::MainOrAct(argc, argv, &nigh::testing::Main);
}
