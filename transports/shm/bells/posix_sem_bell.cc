#include "nigh/transports/shm/bells/posix_sem_bell.h"

#include <fcntl.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "nigh/runtime/base/duplicate_fd.h"
#include "nigh/runtime/base/file_size_limit.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/shm/bell.h"
#include "nigh/transports/shm/bells/ear.h"
#include "nigh/transports/shm/memory.h"

namespace nigh {
namespace {

constexpr size_t kPage = 4096;
// Nobody can take it away from under the other, who would be killed by SIGBUS.
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

sem_t* SemIn(const Mapping& page) { return reinterpret_cast<sem_t*>(page.bytes().data()); }

Mapping MapPage(int fd) {
  void* const at = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return at == MAP_FAILED ? Mapping() : Mapping(at, kPage);
}

}  // namespace

absl::StatusOr<std::unique_ptr<OwnBell>> PosixSemBell::Make(const Sleepers& sleepers, int socket) {
  constexpr char kWhere[] = "POSIX semaphore";
  UniqueFd fd(::memfd_create("nigh-bell", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return UnavailableErrno(errno, kWhere, "memfd_create");
  if (!MayHaveFileOf(kPage) || ::ftruncate(fd.get(), kPage) != 0 ||
      ::fcntl(fd.get(), F_ADD_SEALS, kSeals) != 0) {
    return UnavailableErrno(errno, kWhere, "ftruncate");
  }
  Mapping page = MapPage(fd.get());
  if (page.bytes().empty()) return UnavailableErrno(errno, kWhere, "mmap");
  if (::sem_init(SemIn(page), /*pshared=*/1, 0) != 0) {
    return UnavailableErrno(errno, kWhere, "sem_init");
  }
  return std::make_unique<PosixSemBell>(sleepers, socket, std::move(fd), std::move(page));
}

PosixSemBell::PosixSemBell(const Sleepers& sleepers, int socket, UniqueFd fd, Mapping page)
    : fd_(std::move(fd)),
      page_(std::move(page)),
      ear_(
          sleepers, socket,
          [this](uint32_t) { return ::sem_wait(SemIn(page_)) == 0 || errno == EINTR; },
          [this] { ::sem_post(SemIn(page_)); }) {}

absl::StatusOr<BellHandle> PosixSemBell::Handle() const {
  UniqueFd fd = DuplicateFd(fd_.get());
  if (!fd) return UnavailableErrno(errno, "POSIX semaphore", "dup");
  BellHandle handle = {.kind = BellKind::kPosixSem};
  handle.fds.push_back(std::move(fd));
  return handle;
}

std::unique_ptr<PeerBell> PeerPosixSemBell::Attach(const BellHandle& handle,
                                                   std::atomic<uint32_t>& rung) {
  const int fd = handle.fds[0].get();
  struct stat file;
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals || ::fstat(fd, &file) != 0 || file.st_size != kPage) {
    return nullptr;
  }
  Mapping page = MapPage(fd);
  if (page.bytes().empty()) return nullptr;
  return std::make_unique<PeerPosixSemBell>(std::move(page), rung);
}

bool PeerPosixSemBell::Ring(BellLetter which) {
  CountRing(rung_, which);
  // At its highest value it does not need to be posted.
  return ::sem_post(SemIn(page_)) == 0 || errno == EOVERFLOW;
}

}  // namespace nigh
