#include "tests/strangers/people.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/channel.h"
#include "nigh/generic_stub.h"
#include "nigh/server.h"
#include "nigh/transport/address.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

// Whoever asks is told who it is.
class Mirror final : public GenericService {
 public:
  explicit Mirror(SharedCount& calls) : calls_(calls) {}

 private:
  absl::Status Handle(ServerContext& context, GenericServerStream& stream) override {
    calls_.Add();
    (void)stream.SoleRequest();
    stream.Write(Describe(context.peer()));
    return absl::OkStatus();
  }

  SharedCount& calls_;
};

std::atomic<int>* MakeSharedCount() {
  void* const page = ::mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) ::abort();
  return new (page) std::atomic<int>(0);
}

struct Pipe {
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) ::abort();
    out.reset(ends[0]);
    in.reset(ends[1]);
  }
  UniqueFd out, in;
};

void Say(const UniqueFd& pipe, std::string line) {
  line = absl::StrReplaceAll(line, {{"\n", " "}}) + "\n";
  if (::write(pipe.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) ::abort();
}

// Up to a newline, or the end.
std::string Hear(const UniqueFd& pipe) {
  std::string line;
  char letter;
  while (::read(pipe.get(), &letter, 1) == 1 && letter != '\n') line += letter;
  return line;
}

[[noreturn]] void Serve(const Person& person, const std::string& address, ServerOptions options,
                        const Person& listens, const std::function<void(Server&)>& more,
                        const UniqueFd& says, SharedCount& calls) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  listens.Become();
  options.on_error = [&says](const absl::Status& error) { Say(says, error.ToString()); };
  Mirror mirror(calls);
  Server server(std::move(options));
  server.RegisterFallback(mirror);
  if (more) more(server);
  absl::Status status = server.Listen(address);
  if (&listens != &person) person.Become();
  // Its end is forgotten by whoever changes users.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Before there are threads: whenever the signal comes, it is not lost.
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  if (status.ok()) status = server.Start();
  Say(says, status.ok() ? server.addresses().front() : status.ToString());
  int signal = 0;
  ::sigwait(&stop, &signal);
  // What it has made goes with it.
  server.Shutdown(absl::ZeroDuration());
  ::_exit(0);
}

}  // namespace

void Person::Become() const {
  if (::geteuid() == uid) return;
  if (::setgroups(groups.size(), groups.data()) != 0 || ::setresgid(gid, gid, gid) != 0 ||
      ::setresuid(uid, uid, uid) != 0) {
    ::abort();
  }
}

bool EnterContainer() {
  const std::array<std::pair<const char*, std::string>, 3> files = {{
      {"/proc/self/setgroups", "deny"},
      {"/proc/self/uid_map", absl::StrCat("0 ", ::geteuid(), " 1")},
      {"/proc/self/gid_map", absl::StrCat("0 ", ::getegid(), " 1")},
  }};
  // Its files in proc(5) are root's since it became another user.
  ::prctl(PR_SET_DUMPABLE, 1);
  if (::unshare(CLONE_NEWUSER) != 0) return false;
  for (const auto& [name, text] : files) {
    const UniqueFd file(::open(name, O_WRONLY | O_CLOEXEC));
    if (::write(file.get(), text.data(), text.size()) < 0) return false;
  }
  return true;
}

void StrangersTest::SetUp() {
  if (::geteuid() != 0 || As(kNobody, [] { return absl::StrCat(::geteuid()); }) != "65534") {
    GTEST_SKIP() << "only root can act as other users";
  }
  // As /tmp is.
  ::chmod(SubjectDirectory().c_str(), 01777);
}

bool StrangersTest::HasUsers() { return TheSubject().transport.scheme != "tcp"; }

bool StrangersTest::IsMetAtSocket() {
  const absl::string_view scheme = TheSubject().transport.scheme;
  return scheme == "local" || scheme == "unix" || scheme == "unix-abstract" || scheme == "shm";
}

bool StrangersTest::HasPath() {
  const absl::string_view scheme = TheSubject().transport.scheme;
  return HasUsers() && scheme != "unix-abstract" && scheme != "mqueue";
}

std::string As(const Person& person, absl::FunctionRef<std::string()> act) {
  Pipe pipe;
  const pid_t child = ::fork();
  if (child == 0) {
    person.Become();
    Say(pipe.in, act());
    ::_exit(0);
  }
  pipe.in.reset();
  std::string result = Hear(pipe.out);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? absl::StrCat("signal ", WTERMSIG(status)) : result;
}

std::string OpenAddress() {
  Address address = FreshAddress();
  if (address.scheme == "mqueue") {
    address.parameters.emplace_back("group", absl::StrCat(kFriends));
  } else if (address.scheme != "unix-abstract" && address.scheme != "tcp") {
    address.parameters.emplace_back("mode", "0666");
  }
  return address.ToString();
}

SharedCount::SharedCount() : count_(MakeSharedCount()) {}

SharedCount::~SharedCount() { ::munmap(count_, sizeof(*count_)); }

Host::Host(const Person& person, const std::string& address, const ServerOptions& options,
           const Person* listens, const std::function<void(Server&)>& more) {
  Pipe pipe;
  pid_ = ::fork();
  if (pid_ == 0) {
    Serve(person, address, options, listens != nullptr ? *listens : person, more, pipe.in, calls_);
  }
  pipe.in.reset();
  says_ = std::move(pipe.out);
  address_ = testing::Hear(says_);
}

Host::~Host() {
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
}

std::string Host::Hear() { return testing::Hear(says_); }

std::string Describe(const PeerIdentity& peer) {
  std::string text;
  if (peer.uid.has_value()) absl::StrAppend(&text, " uid ", *peer.uid);
  if (peer.gid.has_value()) absl::StrAppend(&text, " gid ", *peer.gid);
  if (peer.groups.has_value()) {
    absl::StrAppend(&text, " groups ", absl::StrJoin(*peer.groups, ","));
  }
  if (peer.pid.has_value()) absl::StrAppend(&text, " pid ", *peer.pid);
  if (!peer.pidfd.expired()) text += " with a pidfd";
  return text.empty() ? text : text.substr(1);
}

ChannelOptions Expecting(absl::string_view user) { return {.expect_server = std::string(user)}; }

std::string Ask(const std::string& address, const ChannelOptions& options) {
  const absl::StatusOr<std::shared_ptr<Channel>> channel = Channel::Create(address, options);
  if (!channel.ok()) return channel.status().ToString();
  const absl::StatusOr<std::string> reply =
      GenericStub(*channel).Call("/nigh.Mirror/Look", "", {.timeout = absl::Seconds(20)});
  return reply.ok() ? *reply : reply.status().ToString();
}

}  // namespace nigh::testing
