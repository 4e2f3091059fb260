#ifndef NIGH_FD_H_
#define NIGH_FD_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>

#include "absl/status/statusor.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

class Descriptors;
class Fd;  // nigh/fd.pb.h, of nigh/fd.proto

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

// The descriptors of a call's messages, as a context has them. A message holds numbers (nigh.Fd);
// copies of it own nothing. To send one:
//
//   *request.mutable_log() = context.Attach(std::move(file));
//   stub.Open(context, request, &reply);
//
// and to receive one:
//
//   absl::StatusOr<nigh::UniqueFd> file = context.Take(reply.file());
//
// A method sends and takes descriptors only in messages whose type has a nigh.Fd. The medium has to
// carry them (docs/transports.md), else the call fails with UNIMPLEMENTED before anything of it is
// sent. Interceptors see the numbers alone. Who passes messages on as bytes (GenericStub,
// GenericService) asks for descriptors when it is made, and passes on those that there are, in
// order.
//
// Of the threads of a stream, the one that writes attaches, and the one that reads takes.
class MessageFds {
 public:
  // Has `fd` travel with the message of this call that is sent next: a request, a reply. It is
  // closed when the message has left; a request's when anything of the reply has come, or the call
  // is over, as one that is made again needs it still. A copy by dup(2) outlives that. A message
  // with none for `fd`, or with an io_uring, which Linux passes to nobody, is not sent
  // (INVALID_ARGUMENT).
  Fd Attach(UniqueFd fd);

  // How many have come with the message of this call that was received last: their numbers are 1 to
  // that.
  size_t received_fds() const;

  // Takes a descriptor out of the message of this call that was received last: the request; what
  // Read has returned; the reply, once the call is over. What is not taken is closed when the next
  // one is received, or with the call or the context.
  //
  // It is of one of `kinds`, and closed on exec. Looking may wait for the file's server, if that is
  // another process (FUSE). INVALID_ARGUMENT: the message has none of that number, or it is of
  // another kind. FAILED_PRECONDITION: it has been taken.
  absl::StatusOr<UniqueFd> Take(const Fd& fd, FdKinds kinds = kUsualFds);

 protected:
  MessageFds() = default;
  ~MessageFds() = default;

 private:
  friend class CallFds;

  std::shared_ptr<Descriptors> attached_;
  std::shared_ptr<Descriptors> received_;
};

}  // namespace nigh

#endif  // NIGH_FD_H_
