// Memory that is not there, and memory that is somebody else's: what a peer, or a full system, can
// do to whoever maps it.

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/rendezvous/sysv_family.h"
#include "nigh/transports/shm/memory.h"
#include "nigh/transports/shm/ring.h"
#include "nigh/transports/shm/shm.h"
#include "nigh/transports/sysvmq/sysv_queue.h"
#include "tests/contract/frames.h"
#include "tests/shm/raw_peer.h"
#include "tests/support/run_in_child.h"
#include "tests/support/temporary_folder.h"

namespace nigh::testing {
namespace {

using ::testing::HasSubstr;

constexpr size_t kMemory = kControlSize + 128 * 1024;
constexpr uid_t kNobody = 65534;
constexpr SysvFamily kSegments = {.prefix = 0x6e6d, .table = "/proc/sysvipc/shm"};

bool Exists(int segment) {
  shmid_ds ignored;
  return ::shmctl(segment, IPC_STAT, &ignored) == 0;
}

// Runs `code` in a child, whose exit status it returns; -1: a signal has ended the child.
template <class Code>
int StatusOfChild(const Code& code) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(code());
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(FullSystem, RefusesMemoryInsteadOfEndingTheProcess) {
  constexpr int kRefused = 1;
  constexpr int kMade = 2;
  constexpr int kNoNamespace = 3;
  const int became = StatusOfChild([] {
    // A /dev/shm of this child's own that holds 16 pages.
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=64k") != 0) {
      return kNoNamespace;
    }
    const absl::Status made = CreateMemory(MemoryKind::kPosix, kMemory).status();
    return absl::StrContains(made.message(), "fallocate: No space left on device") ? kRefused
                                                                                   : kMade;
  });
  if (became == kNoNamespace) GTEST_SKIP() << "needs a mount namespace: run it as root";
  EXPECT_EQ(became, kRefused);
}

TEST(Memory, HasAllOfItsPagesWhenItIsMade) {
  for (const MemoryKind kind : {MemoryKind::kMemfd, MemoryKind::kPosix}) {
    const auto memory = CreateMemory(kind, kMemory).value();
    struct stat file;
    ASSERT_EQ(::fstat(memory.handle.fd.get(), &file), 0);
    EXPECT_GE(static_cast<size_t>(file.st_blocks) * 512, kMemory);
  }
}

TEST(SparseMemory, IsRefusedBeforeAPageOfItIsMade) {
  constexpr size_t kLarge = kControlSize + (size_t{64} << 20);
  const UniqueFd sparse(::memfd_create("sparse", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(sparse.get(), kLarge), 0);
  ASSERT_EQ(::pwrite(sparse.get(), "x", 1, 0), 1);
  ASSERT_EQ(::fcntl(sparse.get(), F_ADD_SEALS, kAllSeals), 0);
  MemoryHandle handle = {.kind = MemoryKind::kMemfd, .fd = UniqueFd(::dup(sparse.get()))};
  const absl::Status attached = AttachMemory(handle, kLarge).status();
  EXPECT_EQ(attached.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(attached.message()), HasSubstr("has holes: 4096 of its "));
  struct stat file;
  ASSERT_EQ(::fstat(sparse.get(), &file), 0);
  EXPECT_EQ(file.st_blocks, 8) << "looking at it has filled it";
}

class SysvMeeting : public ::testing::Test {
 protected:
  ~SysvMeeting() override { EXPECT_EQ(Ours(), before_) << "segments are left"; }

  static std::vector<int> Ours() {
    std::vector<int> ours = kSegments.Identifiers();
    shmid_ds segment;
    std::erase_if(ours, [&](int id) {
      return ::shmctl(id, IPC_STAT, &segment) != 0 || segment.shm_cpid != ::getpid();
    });
    return ours;
  }

  const std::vector<int> before_ = Ours();
  const TemporaryFolder folder_;
  const std::string path_ = folder_.PathOf("server");
  const Address address_ = MakeAddress(absl::StrCat("shm:", path_, "?memory=sysv"));
};

// It would be the server that removes it, by the peer's word.
TEST_F(SysvMeeting, ASecondOfferHasNobodysMemoryRemoved) {
  auto listener = ListenShm(address_).value();  // before there is anything to sweep
  int id = -1;
  int out[2];
  ASSERT_EQ(::pipe(out), 0);
  RunInChild([&] {
    const int made = ::shmget(0x6e6d0099, kMemory, IPC_CREAT | IPC_EXCL | 0600);
    (void)!::write(out[1], &made, sizeof(made));
  });
  ASSERT_EQ(::read(out[0], &id, sizeof(id)), static_cast<ssize_t>(sizeof(id)));
  ::close(out[0]);
  ::close(out[1]);
  ASSERT_TRUE(Exists(id));

  RawPeer peer(path_);
  auto server = Accept(*listener).value();
  ASSERT_TRUE(peer.Send("nonsense") && peer.Send(OfferBytes{.memory = 3, .id = id}.Encode()));
  EXPECT_EQ(ReceiveEnd(*server).code(), absl::StatusCode::kInternal);
  server.reset();
  EXPECT_TRUE(Exists(id)) << "the peer had the server remove it";

  // Nor is the first one, of a connection that ends before it is looked at.
  RawPeer hasty(path_);
  server = Accept(*listener).value();
  ASSERT_TRUE(hasty.Send(OfferBytes{.memory = 3, .id = id}.Encode()));
  hasty.HangUp();
  server.reset();
  EXPECT_TRUE(Exists(id));
  EXPECT_EQ(::shmctl(id, IPC_RMID, nullptr), 0);
}

TEST_F(SysvMeeting, ManyWhoTalkNonsenseLeaveNoSegment) {
  auto listener = ListenShm(address_).value();
  for (int i = 0; i < 50; ++i) {
    RawPeer peer(path_);
    auto server = Accept(*listener).value();
    ASSERT_TRUE(peer.Send("nonsense"));
    EXPECT_EQ(ReceiveEnd(*server).code(), absl::StatusCode::kInternal);
    server.reset();  // while the peer is still there
    ASSERT_EQ(Ours(), before_);
  }
}

TEST(Sweeping, LeavesOtherUsersObjectsAlone) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root could remove them: run it as root";
  const std::string name = absl::StrCat("/nigh-", 1 << 22, "-0123abcd");  // no process has that pid
  int out[2];
  ASSERT_EQ(::pipe(out), 0);
  RunInChild([&] {
    if (::setresuid(kNobody, kNobody, kNobody) != 0) return;
    (void)::shm_open(name.c_str(), O_CREAT | O_RDWR, 0600);
    const int ids[] = {::shmget(0x6e6d0077, 4096, IPC_CREAT | 0600),
                       ::msgget(0x6e710077, IPC_CREAT | 0600)};
    (void)!::write(out[1], ids, sizeof(ids));
  });
  ::close(out[1]);
  int ids[2] = {-1, -1};
  const bool made = ::read(out[0], ids, sizeof(ids)) == static_cast<ssize_t>(sizeof(ids));
  ::close(out[0]);
  if (!made) GTEST_SKIP() << "this user namespace has no second user";
  const auto [segment, queue] = ids;
  SweepMemory(MemoryKind::kPosix);
  SweepMemory(MemoryKind::kSysv);
  SweepSysvQueues();
  EXPECT_TRUE(Exists(segment)) << "a segment was removed";
  EXPECT_EQ(::shmctl(segment, IPC_RMID, nullptr), 0);
  EXPECT_EQ(::msgctl(queue, IPC_RMID, nullptr), 0) << "a queue was removed";
  EXPECT_EQ(::shm_unlink(name.c_str()), 0) << "a file was removed";
}

}  // namespace
}  // namespace nigh::testing
