#include "nigh/transports/exec/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/deadline.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/duplicate_fd.h"
#include "nigh/runtime/base/signals_blocked.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/exec/exit_task.h"
#include "nigh/transports/exec/last_words.h"
#include "nigh/transports/process/peer_process.h"

namespace nigh {

// Not of the unnamed namespace, as the class of which it is a part is not.
struct ChildPipe {
  UniqueFd out;
  UniqueFd in;
};

namespace {

constexpr absl::string_view kReapedByOthers =
    "has ended; how is not known, because this program reaps its children itself";

// Beyond the standard descriptors, whose places they are to take in the child.
absl::StatusOr<ChildPipe> MakePipe(absl::string_view where) {
  std::array<int, 2> ends;
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return UnavailableErrno(errno, where, "pipe");
  ChildPipe low = {UniqueFd(ends[0]), UniqueFd(ends[1])};
  constexpr int kBeyondStandard = STDERR_FILENO + 1;
  ChildPipe pipe = {DuplicateFd(low.out.get(), kBeyondStandard),
                    DuplicateFd(low.in.get(), kBeyondStandard)};
  if (!pipe.out || !pipe.in) return UnavailableErrno(errno, where, "pipe");
  return pipe;
}

// The same with two descriptors of each end of one socket: in two pipes, one for each direction.
absl::Status MakeSocket(absl::string_view where, ChildPipe& there, ChildPipe& back) {
  std::array<int, 2> ends;
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return UnavailableErrno(errno, where, "socketpair");
  }
  const UniqueFd ours(ends[0]);
  const UniqueFd childs(ends[1]);
  constexpr int kBeyondStandard = STDERR_FILENO + 1;
  there = {DuplicateFd(childs.get(), kBeyondStandard), DuplicateFd(ours.get(), kBeyondStandard)};
  back = {DuplicateFd(ours.get(), kBeyondStandard), DuplicateFd(childs.get(), kBeyondStandard)};
  if (there.out && there.in && back.out && back.in) return absl::OkStatus();
  return UnavailableErrno(errno, where, "socketpair");
}

// In the child, between fork and exec: nothing but system calls. Returns errno.
int BecomeProgram(char* const* words, int go, int input, int output, int error, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);  // it has died meanwhile
  char ignored;
  while (::read(go, &ignored, 1) < 0 && errno == EINTR) {
  }
  // What this process may ignore or block is not the program's business.
  struct sigaction usual = {};
  usual.sa_handler = SIG_DFL;
  ::sigaction(SIGPIPE, &usual, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // Nor are descriptors that somebody has forgotten to close on exec. Linux before 5.11 has no such
  // flag.
  (void)::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  if (::dup2(input, STDIN_FILENO) >= 0 && ::dup2(output, STDOUT_FILENO) >= 0 &&
      ::dup2(error, STDERR_FILENO) >= 0) {
    ::execvp(words[0], words);
  }
  return errno;
}

// The child's status as wait(2) gives it; nothing: somebody else has reaped it, or the program
// ignores SIGCHLD, and the system does not tell.
std::optional<int> Reap(int pidfd) {
  siginfo_t end = {};
  int result;
  do {
    result = ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &end, WEXITED);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return StatusOfReaped(pidfd);
  return end.si_code == CLD_EXITED ? W_EXITCODE(end.si_status, 0) : W_EXITCODE(0, end.si_status);
}

}  // namespace

class Child::Keeper final : public ExitTask {
 public:
  Keeper(std::vector<std::string> words, absl::Duration grace, bool socket)
      : words_(std::move(words)), grace_(grace), socket_(socket) {}

  absl::Status Prepare(absl::string_view where);
  // The thread.
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  // Until the child runs its program, or cannot.
  absl::Status AwaitStart(absl::string_view where) ABSL_LOCKS_EXCLUDED(mutex_);

  pid_t pid() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    return pid_;
  }
  // Once the child runs: the thread opens it before, and never closes it.
  UniqueFd Watch() const { return DuplicateFd(death_.get()); }
  UniqueFd TakeInput() { return std::move(input_.in); }
  UniqueFd TakeOutput() { return std::move(output_.out); }
  std::string DescribeEnd(absl::Duration patience) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnExit(std::function<void()> close) ABSL_LOCKS_EXCLUDED(mutex_);
  void Leave() { (void)::eventfd_write(left_.get(), 1); }

  // Of the process.
  void Begin() override ABSL_LOCKS_EXCLUDED(mutex_);
  void Await() override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  enum class Stage { kStarting, kRunning, kFailed, kEnded };

  void Become(Stage stage, int error = 0) ABSL_LOCKS_EXCLUDED(mutex_);
  // Forks; what its exec failed with, or 0.
  int Fork() ABSL_LOCKS_EXCLUDED(mutex_);
  // Passes on what the child says until it has died, then says how.
  void StandBy() ABSL_LOCKS_EXCLUDED(mutex_);
  // False: there is nothing more for now.
  bool PassOn() ABSL_LOCKS_EXCLUDED(mutex_);

  const std::vector<std::string> words_;
  const absl::Duration grace_;
  const bool socket_;
  ChildPipe input_, output_, error_;
  UniqueFd left_;
  UniqueFd death_;  // a pidfd

  Mutex mutex_;
  CondVar changed_;
  Stage stage_ ABSL_GUARDED_BY(mutex_) = Stage::kStarting;
  bool exiting_ ABSL_GUARDED_BY(mutex_) = false;  // the process is
  std::function<void()> close_ ABSL_GUARDED_BY(mutex_);
  int failure_ ABSL_GUARDED_BY(mutex_) = 0;
  pid_t pid_ ABSL_GUARDED_BY(mutex_) = -1;
  std::optional<int> end_ ABSL_GUARDED_BY(mutex_);  // its status, if that is known
  LastWords last_words_ ABSL_GUARDED_BY(mutex_);
};

absl::Status Child::Keeper::Prepare(absl::string_view where) {
  std::vector<ChildPipe*> pipes = {&error_};
  if (!socket_) {
    pipes.insert(pipes.end(), {&input_, &output_});
  } else if (absl::Status made = MakeSocket(where, input_, output_); !made.ok()) {
    return made;
  }
  for (ChildPipe* pipe : pipes) {
    absl::StatusOr<ChildPipe> made = MakePipe(where);
    if (!made.ok()) return made.status();
    *pipe = *std::move(made);
  }
  ::fcntl(error_.out.get(), F_SETFL, O_NONBLOCK);
  // Another thread's child must not keep this one's from seeing an end.
  for (const UniqueFd* own : {&input_.in, &output_.out, &error_.out}) KeepFromChildren(own->get());
  left_ = UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)).KeptFromChildren();
  return left_ ? absl::OkStatus() : UnavailableErrno(errno, where, "eventfd");
}

void Child::Keeper::Become(Stage stage, int error) {
  MutexLock lock(mutex_);
  stage_ = stage;
  failure_ = error;
  changed_.SignalAll();
}

int Child::Keeper::Fork() {
  // Closed on exec: the child writes errno there if exec fails; otherwise this side reads its end.
  absl::StatusOr<ChildPipe> report = MakePipe("");
  // The child waits for a byte here: once it is watched, it may end, and others reap it.
  absl::StatusOr<ChildPipe> go = MakePipe("");
  if (!report.ok() || !go.ok()) return EMFILE;
  KeepFromChildren(report->out.get());
  KeepFromChildren(go->in.get());
  // Before fork: the child may not allocate, since another thread may have held the heap's lock.
  std::vector<char*> words;
  for (const std::string& word : words_) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) {
    const int error = BecomeProgram(words.data(), go->out.get(), input_.out.get(), output_.in.get(),
                                    error_.in.get(), parent);
    (void)!::write(report->in.get(), &error, sizeof(error));
    ::_exit(127);
  }
  if (pid < 0) return errno;
  death_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  const int unwatched = death_ ? 0 : errno;
  (void)!::write(go->in.get(), "", 1);
  input_.out.reset();
  output_.in.reset();
  error_.in.reset();
  report->in.reset();
  int error = 0;
  ssize_t size;
  do {
    size = ::read(report->out.get(), &error, sizeof(error));
  } while (size < 0 && errno == EINTR);
  if (error == 0) error = unwatched;
  if (error != 0) {
    if (death_) {
      (void)::syscall(SYS_pidfd_send_signal, death_.get(), SIGKILL, nullptr, 0);
      (void)Reap(death_.get());
    } else {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
    return error;
  }
  MutexLock lock(mutex_);
  pid_ = pid;
  return 0;
}

void Child::Keeper::Run() {
  if (const int error = Fork(); error != 0) {
    Become(Stage::kFailed, error);
  } else {
    Become(Stage::kRunning);
    StandBy();
  }
  RemoveExitTask(*this);
}

void Child::Keeper::OnExit(std::function<void()> close) {
  MutexLock lock(mutex_);
  close_ = std::move(close);
  if (exiting_ && close_) close_();
}

void Child::Keeper::Begin() {
  MutexLock lock(mutex_);
  exiting_ = true;
  if (close_) close_();
}

void Child::Keeper::Await() {
  const Deadline deadline = Deadline::After(grace_);
  MutexLock lock(mutex_);
  while (stage_ < Stage::kFailed && !deadline.HasPassed()) changed_.WaitUntil(mutex_, deadline);
}

bool Child::Keeper::PassOn() {
  std::array<char, 4096> text;
  const ssize_t size = ::read(error_.out.get(), text.data(), text.size());
  if (size < 0) return false;
  if (size == 0) {
    error_.out.reset();
    return false;
  }
  // A standard error that takes nothing must not keep the child from being reaped.
  pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (::poll(&room, 1, 0) == 1) {
    (void)!::write(STDERR_FILENO, text.data(), static_cast<size_t>(size));
  }
  MutexLock lock(mutex_);
  last_words_.Add(absl::string_view(text.data(), static_cast<size_t>(size)));
  return true;
}

void Child::Keeper::StandBy() {
  Deadline grace = Deadline::Infinite();
  for (;;) {
    std::array<pollfd, 3> entries = {
        pollfd{.fd = death_.get(), .events = POLLIN, .revents = 0},
        pollfd{.fd = error_.out.get(), .events = POLLIN, .revents = 0},
        pollfd{.fd = grace.is_infinite() ? left_.get() : -1, .events = POLLIN, .revents = 0}};
    (void)::poll(entries.data(), entries.size(),
                 grace.is_infinite() ? -1 : grace.RemainingMillis());
    if (grace.HasPassed()) {
      (void)::syscall(SYS_pidfd_send_signal, death_.get(), SIGKILL, nullptr, 0);
    }
    if (entries[1].revents != 0) (void)PassOn();
    if (entries[2].revents != 0) grace = Deadline::After(grace_);
    if (entries[0].revents != 0) break;
  }
  // What it said last may be there still; a child of its own may go on saying more.
  while (error_.out && PassOn()) {
  }
  const std::optional<int> end = Reap(death_.get());
  MutexLock lock(mutex_);
  end_ = end;
  stage_ = Stage::kEnded;
  changed_.SignalAll();
}

absl::Status Child::Keeper::AwaitStart(absl::string_view where) {
  MutexLock lock(mutex_);
  while (stage_ == Stage::kStarting) changed_.Wait(mutex_);
  if (stage_ != Stage::kFailed) return absl::OkStatus();
  return UnavailableErrno(failure_, where, absl::StrCat("connect: start ", words_[0]));
}

std::string Child::Keeper::DescribeEnd(absl::Duration patience) {
  const Deadline deadline = Deadline::After(patience);
  MutexLock lock(mutex_);
  while (stage_ != Stage::kEnded && !deadline.HasPassed()) changed_.WaitUntil(mutex_, deadline);
  return absl::StrCat("the server ", words_[0], " (process ", pid_, ") ",
                      stage_ != Stage::kEnded ? "closed the connection"
                      : end_.has_value()      ? DescribeWaitStatus(*end_)
                                              : std::string(kReapedByOthers),
                      last_words_.Quoted());
}

absl::StatusOr<std::unique_ptr<Child>> Child::Start(std::vector<std::string> words,
                                                    absl::Duration grace, bool socket,
                                                    absl::string_view where) {
  auto keeper = std::make_shared<Keeper>(std::move(words), grace, socket);
  if (absl::Status ready = keeper->Prepare(where); !ready.ok()) return ready;
  if (!AddExitTask(keeper)) {
    return absl::UnavailableError(absl::StrCat(where, ": connect: this process is exiting"));
  }
  try {
    const SignalsBlocked blocked;
    // Ends with the child, which nobody needs to wait for.
    std::thread([keeper] { keeper->Run(); }).detach();
  } catch (const std::system_error& error) {
    RemoveExitTask(*keeper);
    return UnavailableErrno(error.code().value(), where, "connect: start a thread");
  }
  if (absl::Status started = keeper->AwaitStart(where); !started.ok()) return started;
  return std::unique_ptr<Child>(new Child(std::move(keeper)));
}

Child::Child(std::shared_ptr<Keeper> keeper) : keeper_(std::move(keeper)) {}
Child::~Child() { Leave(); }
pid_t Child::pid() const { return keeper_->pid(); }
UniqueFd Child::Watch() const { return keeper_->Watch(); }
UniqueFd Child::TakeInput() { return keeper_->TakeInput(); }
UniqueFd Child::TakeOutput() { return keeper_->TakeOutput(); }
std::string Child::DescribeEnd(absl::Duration patience) { return keeper_->DescribeEnd(patience); }
void Child::OnExit(std::function<void()> close) { keeper_->OnExit(std::move(close)); }
void Child::Leave() { keeper_->Leave(); }

}  // namespace nigh
