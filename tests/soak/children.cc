#include "tests/soak/children.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "tests/conformance/child.h"
#include "tests/contract/subject.h"
#include "tests/soak/content.h"
#include "tests/soak/resources.h"

ABSL_FLAG(uint64_t, wrong_at, 0, "the servers' reply that is wrong on purpose; 0: none");
ABSL_FLAG(std::string, serve, "", "for a child: be a server with functions at this address");
ABSL_FLAG(std::string, co_serve, "", "for a child: be a server with coroutines at this address");
ABSL_FLAG(bool, patient, false, "for a child: wait for the address");
ABSL_FLAG(std::string, call, "", "for a child: be a client of this address");
ABSL_FLAG(std::string, wait, "", "for a child: be a client that waits for this address's reply");
ABSL_FLAG(bool, forks, false, "for a child: have a child of one's own");
ABSL_FLAG(std::string, outcomes, "", "for a child: where to count");
ABSL_FLAG(uint64_t, child_seed, 0, "for a child: the seed of its calls");

namespace nigh::testing {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

Outcomes* Map(int fd) {
  void* const place = ::mmap(nullptr, sizeof(Outcomes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (place == MAP_FAILED) {
    std::perror("mmap");
    std::abort();
  }
  return static_cast<Outcomes*>(place);
}

void Report(const absl::Status& error) {
  // A peer that is killed breaks off; it never says anything wrong.
  if (absl::IsUnavailable(error)) return;
  const std::string text = absl::StrCat("server: ", error.ToString(), "\n");
  std::fputs(text.c_str(), stderr);
}

// To be blocked before there are threads: whenever they come, they are not lost.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGUSR1}) sigaddset(&signals, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

// Waits for SIGTERM; at each SIGUSR1 says what this process holds.
void TellUntilStopped(const sigset_t& signals) {
  int signal = 0;
  while (::sigwait(&signals, &signal) == 0 && signal != SIGTERM) {
    Say(Resources::OfThisProcess().Encode());
  }
}

int Serve() {
  const sigset_t signals = BlockSignals();
  Answers answers(absl::GetFlag(FLAGS_wrong_at));
  std::vector<std::unique_ptr<LoadServer>> servers;
  for (const bool coroutines : {false, true}) {
    const std::string address =
        coroutines ? absl::GetFlag(FLAGS_co_serve) : absl::GetFlag(FLAGS_serve);
    if (address.empty()) continue;
    servers.push_back(std::make_unique<LoadServer>(coroutines, answers));
    if (absl::Status up = servers.back()->Serve(address, absl::GetFlag(FLAGS_patient)); !up.ok()) {
      Say(up.ToString());
      return 1;
    }
    Say(servers.back()->address());
  }
  TellUntilStopped(signals);
  for (const auto& server : servers) server->Shutdown();
  return 0;
}

int Call(const std::string& address) {
  const sigset_t signals = BlockSignals();
  const SharedOutcomes outcomes(absl::GetFlag(FLAGS_outcomes));
  std::vector<std::shared_ptr<Channel>> channels = {DialLoad(address), DialLoad(address)};
  for (const auto& channel : channels) {
    if (absl::Status reached = Reach(channel); !reached.ok()) {
      Say(reached.ToString());
      return 1;
    }
  }
  const Weather weather;
  RunningLoad load(std::move(channels),
                   {.seed = absl::GetFlag(FLAGS_child_seed), .mix = MixOfSubject()}, weather,
                   *outcomes);
  Say("reached");
  TellUntilStopped(signals);
  return 0;
}

int Wait(const std::string& address) {
  auto chat = Load::Stub(DialLoad(address)).Chat();
  Parcel parcel;
  if (!chat.Write(parcel) || !chat.Read(&parcel)) return 1;
  const pid_t child = absl::GetFlag(FLAGS_forks) ? ::fork() : -1;
  if (child == 0) {
    for (;;) ::pause();
  }
  Say(absl::StrCat(child > 0 ? child : 0));
  (void)chat.Read(&parcel);
  return 1;
}

}  // namespace

SharedOutcomes::SharedOutcomes() : fd_(::memfd_create("outcomes", MFD_CLOEXEC)) {
  if (::ftruncate(fd_, sizeof(Outcomes)) != 0) {
    std::perror("ftruncate");
    std::abort();
  }
  outcomes_ = new (Map(fd_)) Outcomes();
}

SharedOutcomes::SharedOutcomes(const std::string& path)
    : fd_(::open(path.c_str(), O_RDWR | O_CLOEXEC)), outcomes_(Map(fd_)) {}

SharedOutcomes::~SharedOutcomes() {
  ::munmap(outcomes_, sizeof(Outcomes));
  ::close(fd_);
}

std::string SharedOutcomes::path() const { return absl::StrCat("/proc/", ::getpid(), "/fd/", fd_); }

LoadServer::LoadServer(bool coroutines, Answers& answers)
    : service_(answers),
      co_service_(answers),
      server_({.on_error = &Report, .transports = {&TheSubject().transport, 1}}) {
  if (coroutines) {
    server_.Register(co_service_);
  } else {
    server_.Register(service_);
  }
}

absl::Status LoadServer::Serve(absl::string_view address, bool patient) {
  const Deadline patience = Deadline::After(patient ? kPatience : absl::ZeroDuration());
  absl::Status listens = server_.Listen(address);
  while (absl::IsAlreadyExists(listens) && !patience.HasPassed()) {
    // Nobody tells when an address is free.
    absl::SleepFor(absl::Milliseconds(1));
    listens = server_.Listen(address);
  }
  return listens.ok() ? server_.Start() : listens;
}

void LoadServer::Shutdown() { server_.Shutdown(kPatience); }

std::shared_ptr<Channel> DialLoad(absl::string_view address) {
  return Dial(address, {.min_backoff = absl::Milliseconds(1),
                        .max_backoff = absl::Milliseconds(5),
                        .transports = {&TheSubject().transport, 1}})
      .value();
}

absl::Status Reach(const std::shared_ptr<Channel>& channel) {
  Parcel request;
  Fill(1, 1, &request);
  const Deadline patience = Deadline::After(kPatience);
  absl::Status reached;
  do {
    reached =
        Load::Stub(channel).Echo(request, {.timeout = kPatience, .wait_for_ready = true}).status();
    // The first one may go to the predecessor, whose death is not known yet.
  } while (absl::IsUnavailable(reached) && !patience.HasPassed());
  return reached;
}

Mix MixOfSubject() {
  return {.largest = TheSubject().slow ? size_t{256} : kLargestData, .rarity = 50};
}

std::vector<std::string> ServerArguments(absl::string_view functions, absl::string_view coroutines,
                                         bool patient) {
  return {absl::StrCat("--serve=", functions), absl::StrCat("--co_serve=", coroutines),
          absl::StrCat("--wrong_at=", absl::GetFlag(FLAGS_wrong_at)),
          absl::StrCat("--patient=", patient ? "true" : "false")};
}

std::vector<std::string> ClientArguments(absl::string_view address, uint64_t seed,
                                         const SharedOutcomes& outcomes) {
  return {absl::StrCat("--call=", address), absl::StrCat("--child_seed=", seed),
          absl::StrCat("--outcomes=", outcomes.path())};
}

std::vector<std::string> WaiterArguments(absl::string_view address, bool forks) {
  return {absl::StrCat("--wait=", address), absl::StrCat("--forks=", forks ? "true" : "false")};
}

int MainOrAct(int argc, char** argv, int (*main)()) {
  ChooseSubject(&argc, argv);
  absl::ParseCommandLine(argc, argv);
  const std::string address = absl::GetFlag(FLAGS_call);
  const std::string waited_for = absl::GetFlag(FLAGS_wait);
  const bool serves = !absl::GetFlag(FLAGS_serve).empty() || !absl::GetFlag(FLAGS_co_serve).empty();
  if (!serves && address.empty() && waited_for.empty()) return main();
  DieWithParent();
  return serves ? Serve() : address.empty() ? Wait(waited_for) : Call(address);
}

}  // namespace nigh::testing
