#include "nigh/transports/shm/memory.h"

#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "nigh/runtime/base/file_size_limit.h"
#include "nigh/runtime/base/sealed_memory.h"
#include "nigh/runtime/base/uninterrupted.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/process_name.h"
#include "nigh/transports/rendezvous/sysv_family.h"

namespace nigh {
namespace {

// Changes of its size alone.
constexpr int kSizeSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
constexpr char kPosixDirectory[] = "/dev/shm";
constexpr absl::string_view kPosixPrefix = "nigh-";
constexpr int kAttempts = 100;
constexpr SysvFamily kSegments = {.prefix = 0x6e6d /* "nm" */, .table = "/proc/sysvipc/shm"};
// A peer attaches memory as soon as it has the offer; after so many seconds nobody will.
constexpr std::time_t kOrphaned = 60;

// Makes the file `size` bytes long, and may have the system set all of them aside: a page that
// turns out to be missing later would end the process by SIGBUS.
bool SetSize(int fd, size_t size, Pages pages) {
  const auto length = static_cast<off_t>(size);
  return MayHaveFileOf(size) && Uninterrupted([&] {
                                  return pages == Pages::kAll ? ::fallocate(fd, 0, 0, length)
                                                              : ::ftruncate(fd, length);
                                }) == 0;
}

absl::StatusOr<OwnMemory> CreateMemfd(size_t size, Pages pages) {
  OwnMemory memory;
  memory.handle.kind = MemoryKind::kMemfd;
  if (pages == Pages::kAll) {
    absl::StatusOr<SealedMemory> sealed = CreateSealedMemory(size);
    if (!sealed.ok()) return sealed.status();
    memory.mapping = std::move(sealed->mapping);
    memory.handle.fd = std::move(sealed->fd);
    return memory;
  }
  memory.handle.fd = UniqueFd(::memfd_create("nigh", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const int fd = memory.handle.fd.get();
  if (fd < 0) return MemoryErrno("memfd_create");
  if (!SetSize(fd, size, pages)) return MemoryErrno("fallocate");
  absl::StatusOr<Mapping> mapping = MapMemory(fd, size, PROT_READ | PROT_WRITE);
  if (!mapping.ok()) return mapping.status();
  memory.mapping = *std::move(mapping);
  if (::fcntl(fd, F_ADD_SEALS, kSizeSeals) != 0) return MemoryErrno("fcntl(F_ADD_SEALS)");
  return memory;
}

absl::StatusOr<OwnMemory> CreatePosix(size_t size, Pages pages) {
  std::random_device random;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const std::string name =
        absl::StrCat("/", kPosixPrefix, ::getpid(), "-", absl::Hex(random(), absl::kZeroPad8));
    const UniqueFd writable(
        Uninterrupted([&] { return ::shm_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600); }));
    if (!writable && errno == EEXIST) continue;
    if (!writable) return MemoryErrno("shm_open");
    OwnMemory memory;
    memory.handle = {
        .kind = MemoryKind::kPosix,
        .fd = UniqueFd(Uninterrupted([&] { return ::shm_open(name.c_str(), O_RDONLY, 0); }))};
    ::shm_unlink(name.c_str());
    if (!memory.handle.fd) return MemoryErrno("shm_open");
    if (!SetSize(writable.get(), size, pages)) return MemoryErrno("fallocate");
    absl::StatusOr<Mapping> mapping = MapMemory(writable.get(), size, PROT_READ | PROT_WRITE);
    if (!mapping.ok()) return mapping.status();
    memory.mapping = *std::move(mapping);
    return memory;
  }
  return MemoryErrno("shm_open");
}

absl::StatusOr<OwnMemory> CreateSysv(size_t size, Pages pages) {
  const int flags = IPC_CREAT | IPC_EXCL | 0600 | (pages == Pages::kAll ? 0 : SHM_NORESERVE);
  const int id = kSegments.Make([=](key_t key) { return ::shmget(key, size, flags); });
  if (id < 0) return MemoryErrno("shmget");
  void* const at = ::shmat(id, nullptr, 0);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): shmat(2) says so
  if (at == reinterpret_cast<void*>(-1)) {
    absl::Status failed = MemoryErrno("shmat");
    ::shmctl(id, IPC_RMID, nullptr);
    return failed;
  }
  OwnMemory memory;
  memory.mapping = Mapping(at, size);
  memory.handle = {.kind = MemoryKind::kSysv, .fd = UniqueFd(), .id = id};
  if (pages == Pages::kOnDemand) return memory;
  // There is no fallocate(2) for it. Kernels before 5.14 do not know this advice, either; later
  // ones say by it what a touch would say by SIGBUS.
  if (!Populate(memory.mapping.bytes())) {
    if (errno != EINVAL) {
      absl::Status failed = MemoryErrno("madvise");
      ::shmctl(id, IPC_RMID, nullptr);
      return failed;
    }
    for (size_t i = 0; i < size; i += 4096) {
      *static_cast<volatile std::byte*>(&memory.mapping.bytes()[i]) = std::byte{0};
    }
  }
  return memory;
}

absl::Status CheckFile(const MemoryHandle& handle, size_t size, Pages pages) {
  const int fd = handle.fd.get();
  // The seals first, as AttachSealedMemory does.
  if (handle.kind == MemoryKind::kMemfd) {
    const int seals = ::fcntl(fd, F_GET_SEALS);
    if (seals < 0) return MemoryRefused("is no memory");
    if ((seals & kSizeSeals) != kSizeSeals) return MemoryRefused("is not sealed");
  } else if ((::fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY) {
    return MemoryRefused("is writable");
  }
  return CheckMemoryFile(fd, size, /*whole=*/pages == Pages::kAll);
}

absl::StatusOr<Mapping> AttachSysv(int id, size_t size) {
  shmid_ds segment;
  if (::shmctl(id, IPC_STAT, &segment) != 0) return MemoryErrno("shmctl");
  if (segment.shm_segsz != size) {
    return MemoryRefused(absl::StrCat("has ", segment.shm_segsz, " bytes instead of ", size));
  }
  if (segment.shm_perm.cuid != ::geteuid()) return MemoryRefused("was made by another user");
  void* const at = ::shmat(id, nullptr, SHM_RDONLY);
  // NOLINTNEXTLINE(performance-no-int-to-ptr): shmat(2) says so
  if (at == reinterpret_cast<void*>(-1)) return MemoryErrno("shmat");
  // From now on it lasts as long as somebody has it attached.
  ::shmctl(id, IPC_RMID, nullptr);
  return Mapping(at, size);
}

int SweepPosix() {
  int swept = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(kPosixDirectory, error)) {
    const std::string name = entry.path().filename().string();
    if (!absl::StartsWith(name, kPosixPrefix)) continue;
    const std::vector<std::string> parts = absl::StrSplit(name, '-');
    pid_t pid = 0;
    if (parts.size() != 3 || !absl::SimpleAtoi(parts[1], &pid) || MayBeAlive(pid)) continue;
    struct stat file;
    // Root could remove what others have called so.
    if (::lstat(entry.path().c_str(), &file) != 0 || file.st_uid != ::geteuid()) continue;
    if (::shm_unlink(absl::StrCat("/", name).c_str()) == 0) ++swept;
  }
  return swept;
}

// Whether nobody will attach that segment any more.
bool IsAbandoned(int id) {
  shmid_ds segment;
  if (::shmctl(id, IPC_STAT, &segment) != 0 || segment.shm_nattch != 0) return false;
  // Root could remove what others have given such a key.
  if (segment.shm_perm.cuid != ::geteuid()) return false;
  // Its maker has closed the connection, and the peer, who was to attach it, was killed.
  const bool orphaned =
      segment.shm_dtime != 0 && segment.shm_dtime + kOrphaned < std::time(nullptr);
  return orphaned || !MayBeAlive(segment.shm_cpid);
}

int SweepSysv() {
  return static_cast<int>(absl::c_count_if(kSegments.Identifiers(), [](int id) {
    return IsAbandoned(id) && ::shmctl(id, IPC_RMID, nullptr) == 0;
  }));
}

}  // namespace

absl::string_view MemoryKindName(MemoryKind kind) {
  switch (kind) {
    case MemoryKind::kMemfd:
      return "memfd";
    case MemoryKind::kPosix:
      return "posix";
    case MemoryKind::kSysv:
      return "sysv";
  }
  return "unknown";
}

std::optional<MemoryKind> ParseMemoryKind(absl::string_view name) {
  for (const MemoryKind kind : {MemoryKind::kMemfd, MemoryKind::kPosix, MemoryKind::kSysv}) {
    if (name == MemoryKindName(kind)) return kind;
  }
  return std::nullopt;
}

absl::StatusOr<OwnMemory> CreateMemory(MemoryKind kind, size_t size, Pages pages) {
  switch (kind) {
    case MemoryKind::kMemfd:
      return CreateMemfd(size, pages);
    case MemoryKind::kPosix:
      return CreatePosix(size, pages);
    case MemoryKind::kSysv:
      return CreateSysv(size, pages);
  }
  return absl::InvalidArgumentError("no such kind of memory");
}

bool Populate(ByteSpan bytes) {
  return ::madvise(bytes.data(), bytes.size(), MADV_POPULATE_WRITE) == 0;
}

void Depopulate(ByteSpan bytes) { (void)::madvise(bytes.data(), bytes.size(), MADV_REMOVE); }

absl::StatusOr<Mapping> AttachMemory(const MemoryHandle& handle, size_t size, Pages pages) {
  if (handle.kind == MemoryKind::kSysv) return AttachSysv(handle.id, size);
  if (!handle.fd) return MemoryRefused("is missing");
  if (handle.kind == MemoryKind::kMemfd && pages == Pages::kAll) {
    return AttachSealedMemory(handle.fd.get(), size);
  }
  if (absl::Status checked = CheckFile(handle, size, pages); !checked.ok()) {
    return checked;
  }
  return MapMemory(handle.fd.get(), size, PROT_READ);
}

void DiscardMemory(const MemoryHandle& handle, pid_t maker) {
  shmid_ds segment;
  if (handle.kind != MemoryKind::kSysv || ::shmctl(handle.id, IPC_STAT, &segment) != 0) return;
  if (kSegments.Has(segment.shm_perm.__key) && segment.shm_perm.cuid == ::geteuid() &&
      segment.shm_cpid == maker) {
    ::shmctl(handle.id, IPC_RMID, nullptr);
  }
}

int SweepMemory(MemoryKind kind) {
  switch (kind) {
    case MemoryKind::kMemfd:
      return 0;
    case MemoryKind::kPosix:
      return SweepPosix();
    case MemoryKind::kSysv:
      return SweepSysv();
  }
  return 0;
}

}  // namespace nigh
