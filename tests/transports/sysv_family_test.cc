#include "nigh/transports/rendezvous/sysv_family.h"

#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/types.h>

#include <cerrno>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nigh {
namespace {

using ::testing::Contains;
using ::testing::Not;

constexpr SysvFamily kFamily = {.prefix = 0x6e74, .table = "/proc/sysvipc/msg"};
constexpr SysvFamily kOthers = {.prefix = 0x6e75, .table = "/proc/sysvipc/msg"};

int MakeQueue(key_t key) { return ::msgget(key, IPC_CREAT | IPC_EXCL | 0600); }

TEST(SysvFamily, FindsItsOwnAndNoOthers) {
  const int id = kFamily.Make(&MakeQueue);
  ASSERT_GE(id, 0);
  EXPECT_THAT(kFamily.Identifiers(), Contains(id));
  EXPECT_THAT(kOthers.Identifiers(), Not(Contains(id)));
  msqid_ds queue;
  ASSERT_EQ(::msgctl(id, IPC_STAT, &queue), 0);
  EXPECT_TRUE(kFamily.Has(queue.msg_perm.__key));
  EXPECT_FALSE(kOthers.Has(queue.msg_perm.__key));
  ASSERT_EQ(::msgctl(id, IPC_RMID, nullptr), 0);
  EXPECT_THAT(kFamily.Identifiers(), Not(Contains(id)));
}

TEST(SysvFamily, KeysThatSomebodyHasArePassedOver) {
  std::vector<key_t> tried;
  const int id = kFamily.Make([&](key_t key) {
    tried.push_back(key);
    if (tried.size() == 3) return 7;
    errno = EEXIST;
    return -1;
  });
  EXPECT_EQ(id, 7);
  for (const key_t key : tried) EXPECT_TRUE(kFamily.Has(key)) << key;
}

TEST(SysvFamily, OtherFailuresAreFinal) {
  int calls = 0;
  const int id = kFamily.Make([&](key_t) {
    ++calls;
    errno = ENOSPC;
    return -1;
  });
  EXPECT_EQ(id, -1);
  EXPECT_EQ(errno, ENOSPC);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace nigh
