#include "nigh/transports/shm/bells/sysv_sem_bell.h"

#include <sys/ipc.h>
#include <sys/sem.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <ctime>
#include <memory>

#include "absl/algorithm/container.h"
#include "absl/status/statusor.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transports/rendezvous/sysv_family.h"
#include "nigh/transports/shm/bell.h"
#include "nigh/transports/shm/bells/ear.h"

namespace nigh {
namespace {

constexpr SysvFamily kSets = {.prefix = 0x6e62 /* "nb" */, .table = "/proc/sysvipc/sem"};
constexpr unsigned short kBell = 0;
constexpr unsigned short kAlive = 1;
constexpr int kSemaphores = 2;
// A set whose maker has not said that it lives is about to, or was killed long ago.
constexpr std::time_t kYoung = 60;  // seconds

bool Add(int id, unsigned short semaphore, short what, short flags) {
  sembuf operation = {.sem_num = semaphore, .sem_op = what, .sem_flg = flags};
  return ::semop(id, &operation, 1) == 0;
}

bool IsOfTheDead(int id) {
  semid_ds set = {};
  // semctl's fourth argument; the C library leaves its declaration to the caller.
  union {
    semid_ds* buffer;
  } argument = {.buffer = &set};
  if (::semctl(id, 0, IPC_STAT, argument) != 0 || set.sem_nsems != kSemaphores ||
      set.sem_perm.cuid != ::geteuid()) {
    return false;
  }
  if (::semctl(id, kAlive, GETVAL) != 0) return false;
  return ::semctl(id, kAlive, GETPID) > 0 || set.sem_ctime + kYoung < std::time(nullptr);
}

}  // namespace

absl::StatusOr<std::unique_ptr<OwnBell>> SysvSemBell::Make(const Sleepers& sleepers, int socket) {
  constexpr char kWhere[] =
      "System V semaphores (ipcs -s lists them, sysctl kernel.sem limits them)";
  const int id =
      kSets.Make([](key_t key) { return ::semget(key, kSemaphores, IPC_CREAT | IPC_EXCL | 0600); });
  if (id < 0) return UnavailableErrno(errno, kWhere, "semget");
  auto bell = std::make_unique<SysvSemBell>(sleepers, socket, id);
  if (!Add(id, kAlive, 1, SEM_UNDO)) return UnavailableErrno(errno, kWhere, "semop");
  return bell;
}

SysvSemBell::SysvSemBell(const Sleepers& sleepers, int socket, int id)
    : id_(id),
      ear_(std::make_unique<Ear>(
          sleepers, socket, [id](uint32_t) { return Add(id, kBell, -1, 0) || errno == EINTR; },
          [id] { Add(id, kBell, 1, IPC_NOWAIT); })) {}

SysvSemBell::~SysvSemBell() {
  ear_.reset();
  if (!birth_.is_this()) return;
  ::semctl(id_, 0, IPC_RMID);
}

absl::StatusOr<BellHandle> SysvSemBell::Handle() const {
  return BellHandle{.kind = BellKind::kSysvSem, .words = {static_cast<uint32_t>(id_)}};
}

int SysvSemBell::Sweep() {
  return static_cast<int>(absl::c_count_if(kSets.Identifiers(), [](int id) {
    return IsOfTheDead(id) && ::semctl(id, 0, IPC_RMID) == 0;
  }));
}

bool PeerSysvSemBell::Ring(BellLetter which) {
  CountRing(rung_, which);
  // At its highest value it does not need to be raised.
  return Add(id_, kBell, 1, IPC_NOWAIT) || errno == ERANGE;
}

}  // namespace nigh
