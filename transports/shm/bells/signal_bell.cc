#include "nigh/transports/shm/bells/signal_bell.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/runtime/base/signals_blocked.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/shm/bell.h"

namespace nigh {
namespace {

// A real-time signal in every C library, which reserve some of the first for themselves. What else
// a program does with it does not matter, since it is sent to a thread of ours.
constexpr int kBellSignal = 62;

constexpr uint32_t kMaxKey = 0x3fffffff;

// sigqueue(3) to one thread.
bool QueueSignal(pid_t process, pid_t thread, uint32_t value) {
  siginfo_t info = {};
  info.si_signo = kBellSignal;
  info.si_code = SI_QUEUE;
  info.si_pid = ::getpid();
  info.si_uid = ::getuid();
  info.si_value.sival_int = static_cast<int>(value);
  return ::syscall(SYS_rt_tgsigqueueinfo, process, thread, kBellSignal, &info) == 0;
}

// The values of a bell's two rings.
uint32_t Value(uint32_t key, BellLetter which) {
  return 2 * key + (which == BellLetter::kRoom ? 1 : 0);
}

}  // namespace

// The thread that takes the signals of this process.
class SignalEar {
 public:
  // The process's; made anew where there is none.
  static absl::StatusOr<std::shared_ptr<SignalEar>> Get();
  ~SignalEar();

  pid_t thread() const { return thread_id_; }

  uint32_t Add(const Sleepers& sleepers) ABSL_LOCKS_EXCLUDED(mutex_);
  // Returns when nobody touches the sleepers any more.
  void Remove(uint32_t key) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run(std::promise<pid_t> started);
  void Hear(int32_t value) ABSL_LOCKS_EXCLUDED(mutex_);

  const BirthProcess birth_;
  Mutex mutex_;
  absl::flat_hash_map<uint32_t, const Sleepers*> sleepers_ ABSL_GUARDED_BY(mutex_);
  uint32_t last_key_ ABSL_GUARDED_BY(mutex_) = 0;
  // Not a signal: there may be no room in the queue for one.
  const UniqueFd stop_ = UniqueFd(::eventfd(0, EFD_CLOEXEC)).KeptFromChildren();
  std::thread thread_;
  pid_t thread_id_ = -1;
};

absl::StatusOr<std::shared_ptr<SignalEar>> SignalEar::Get() {
  static Mutex mutex;
  static auto& present = *new std::weak_ptr<SignalEar>();
  MutexLock lock(mutex);
  std::shared_ptr<SignalEar> ear = present.lock();
  if (ear != nullptr) return ear;
  ear = std::make_shared<SignalEar>();
  std::promise<pid_t> started;
  std::future<pid_t> thread_id = started.get_future();
  try {
    // signalfd(2) takes a signal only where it is blocked; and no other is this thread's business.
    const SignalsBlocked blocked;
    ear->thread_ = std::thread(
        [&ear = *ear, started = std::move(started)]() mutable { ear.Run(std::move(started)); });
  } catch (const std::system_error& error) {
    return absl::UnavailableError(
        absl::StrCat("no thread to take signals (use doorbell=eventfd): ", error.what()));
  }
  ear->thread_id_ = thread_id.get();
  if (ear->thread_id_ < 0) {
    return UnavailableErrno(-ear->thread_id_, "doorbell=signal", "signalfd");
  }
  present = ear;
  return ear;
}

SignalEar::~SignalEar() {
  if (!thread_.joinable()) return;
  // A child of fork(2) has inherited the object, not the thread.
  if (!birth_.is_this()) {
    LeaveToParent(thread_);
    return;
  }
  (void)::eventfd_write(stop_.get(), 1);
  thread_.join();
}

uint32_t SignalEar::Add(const Sleepers& sleepers) {
  MutexLock lock(mutex_);
  do {
    last_key_ = (last_key_ + 1) & kMaxKey;
  } while (sleepers_.contains(last_key_));
  sleepers_.emplace(last_key_, &sleepers);
  return last_key_;
}

void SignalEar::Remove(uint32_t key) {
  MutexLock lock(mutex_);
  sleepers_.erase(key);
}

void SignalEar::Run(std::promise<pid_t> started) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, kBellSignal);
  const UniqueFd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  const bool ready = fd && stop_;
  started.set_value(ready ? ::gettid() : -errno);
  if (!ready) return;
  std::array<pollfd, 2> entries = {pollfd{.fd = fd.get(), .events = POLLIN, .revents = 0},
                                   pollfd{.fd = stop_.get(), .events = POLLIN, .revents = 0}};
  for (;;) {
    (void)::poll(entries.data(), entries.size(), -1);
    if (entries[1].revents != 0) return;
    signalfd_siginfo signal;
    if (::read(fd.get(), &signal, sizeof(signal)) == sizeof(signal)) Hear(signal.ssi_int);
  }
}

void SignalEar::Hear(int32_t value) {
  const auto ring = static_cast<uint32_t>(value);
  MutexLock lock(mutex_);
  const auto found = sleepers_.find(ring / 2);
  if (found == sleepers_.end()) return;
  found->second->Wake(ring % 2 != 0 ? BellLetter::kRoom : BellLetter::kData);
}

absl::StatusOr<std::unique_ptr<OwnBell>> SignalBell::Make(const Sleepers& sleepers) {
  absl::StatusOr<std::shared_ptr<SignalEar>> ear = SignalEar::Get();
  if (!ear.ok()) return ear.status();
  return std::make_unique<SignalBell>(*std::move(ear), sleepers);
}

SignalBell::SignalBell(std::shared_ptr<SignalEar> ear, const Sleepers& sleepers)
    : ear_(std::move(ear)), key_(ear_->Add(sleepers)) {}

SignalBell::~SignalBell() { ear_->Remove(key_); }

absl::StatusOr<BellHandle> SignalBell::Handle() const {
  return BellHandle{
      .kind = BellKind::kSignal,
      .words = {static_cast<uint32_t>(::getpid()), static_cast<uint32_t>(ear_->thread()), key_}};
}

std::unique_ptr<PeerBell> PeerSignalBell::Attach(const BellHandle& handle,
                                                 std::optional<pid_t> peer) {
  const auto process = static_cast<pid_t>(handle.words[0]);
  // In another namespace it has another number, and its threads may have those of somebody else.
  if (process <= 0 || process != peer) return nullptr;
  return std::make_unique<PeerSignalBell>(process, static_cast<pid_t>(handle.words[1]),
                                          handle.words[2]);
}

bool PeerSignalBell::Ring(BellLetter which) {
  return QueueSignal(process_, thread_, Value(key_, which));
}

}  // namespace nigh
