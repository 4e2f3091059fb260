#include "nigh/transports/fifo/grant.h"

#include <sys/types.h>
#include <sys/xattr.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "nigh/transport/bytes.h"

namespace nigh {
namespace {

// The attribute as the kernel has it: include/uapi/linux/posix_acl_xattr.h, posix_acl.h.
constexpr uint32_t kVersion = 2;
constexpr uint32_t kNobody = UINT32_MAX;  // where the tag says who
constexpr uint16_t kReadWrite = 6;

struct Entry {
  uint16_t tag;
  uint16_t permissions;
  uint32_t id;
};

}  // namespace

bool GrantTo(int fd, uid_t user) {
  // In the order of their tags.
  const std::array<Entry, 5> entries = {Entry{0x01, kReadWrite, kNobody},  // the owner
                                        Entry{0x02, kReadWrite, user},     // a user
                                        Entry{0x04, 0, kNobody},           // the group
                                        Entry{0x10, kReadWrite, kNobody},  // the most but for owner
                                        Entry{0x20, 0, kNobody}};          // others
  std::array<std::byte, sizeof(kVersion) + entries.size() * sizeof(Entry)> list;
  StoreLittle(kVersion, list.data());
  std::byte* at = list.data() + sizeof(kVersion);
  for (const Entry& entry : entries) {
    StoreLittle(entry.tag, at);
    StoreLittle(entry.permissions, at + 2);
    StoreLittle(entry.id, at + 4);
    at += sizeof(Entry);
  }
  return ::fsetxattr(fd, "system.posix_acl_access", list.data(), list.size(), 0) == 0;
}

}  // namespace nigh
