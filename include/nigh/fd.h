#ifndef NIGH_FD_H_
#define NIGH_FD_H_

#include <cstdint>
#include <initializer_list>

namespace nigh {

// What a descriptor can stand for.
enum class FdKind : uint32_t {
  kFile = 1,             // a regular file
  kPipe = 2,             // or a FIFO
  kSocket = 4,           // of any family
  kMemory = 8,           // memfd_create(2), sealed against shrinking (F_SEAL_SHRINK): safe to map
  kUnsealedMemory = 16,  // memfd_create(2): whoever maps it may get SIGBUS
  kDirectory = 32,
  kDevice = 64,
  kOther = 128,  // what has no place in a file system: eventfd, epoll, a process; O_PATH
};

// Several of them.
class FdKinds {
 public:
  constexpr FdKinds(std::initializer_list<FdKind> kinds) {
    for (const FdKind kind : kinds) bits_ |= static_cast<uint32_t>(kind);
  }
  constexpr bool Has(FdKind kind) const { return (bits_ & static_cast<uint32_t>(kind)) != 0; }

 private:
  uint32_t bits_ = 0;
};

// What is taken unless other kinds are named: what can do its owner no harm.
inline constexpr FdKinds kUsualFds = {FdKind::kFile, FdKind::kPipe, FdKind::kSocket,
                                      FdKind::kMemory};

inline constexpr FdKinds kAllFds = {FdKind::kFile,   FdKind::kPipe,           FdKind::kSocket,
                                    FdKind::kMemory, FdKind::kUnsealedMemory, FdKind::kDirectory,
                                    FdKind::kDevice, FdKind::kOther};

}  // namespace nigh

#endif  // NIGH_FD_H_
