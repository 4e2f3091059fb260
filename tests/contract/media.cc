#include "absl/types/span.h"
#include "nigh/transports/fifo/fifo.h"
#include "nigh/transports/inproc/inproc.h"
#include "nigh/transports/local/local.h"
#include "nigh/transports/mqueue/mqueue.h"
#include "nigh/transports/shm/shm.h"
#include "nigh/transports/sysvmq/sysvmq.h"
#include "nigh/transports/tcp/tcp.h"
#include "nigh/transports/unix/unix.h"
#include "tests/contract/pipes.h"
#include "tests/contract/subject.h"
#include "tests/contract/trickle.h"

namespace nigh::testing {
namespace {

// Shared memory whose doorbell is a descriptor, which can be polled.
constexpr Subject PolledShm(const char* name, const char* address) {
  return {
      .name = name, .transport = kShmTransport, .address = address, .stranger = "unix-seqpacket"};
}

constexpr Subject Shm(const char* name, const char* address) {
  Subject medium = PolledShm(name, address);
  medium.threads = true;
  return medium;
}

// media.bzl has the names, once more.
constexpr Subject kMedia[] = {
    {.name = "inproc", .transport = kInprocTransport, .address = "inproc:{n}", .processes = false},
    {.name = "local",
     .transport = kLocalTransport,
     .address = "local:{dir}/{n}",
     .stranger = "unix"},
    // Where shared memory cannot be had.
    {.name = "local_socket",
     .transport = kLocalTransport,
     .address = "local:{dir}/{n}?shm=off",
     .stranger = "unix"},
    {.name = "unix", .transport = kUnixTransport, .address = "unix:{dir}/{n}", .stranger = "unix"},
    {.name = "unix_abstract",
     .transport = kUnixAbstractTransport,
     .address = "unix-abstract:{n}",
     .stranger = "unix-abstract"},
    {.name = "tcp", .transport = kTcpTransport, .address = "tcp://127.0.0.1:0", .stranger = "tcp"},
    // Pipes have no place where somebody could arrive; these are handed over by a Unix socket.
    {.name = "pipe", .transport = kPipesTransport, .address = "pipes+unix:{dir}/{n}"},
    {.name = "fifo", .transport = kFifoTransport, .address = "fifo:{dir}/{n}"},
    // So small that a user may have some dozens of connections, in all tests that run at once:
    // RLIMIT_MSGQUEUE, as errors say (tests/transports/mqueue_test.cc).
    {.name = "mqueue",
     .transport = kMqueueTransport,
     .address = "mqueue:/{n}?messages=8&size=1024",
     .connections = 10},
    {.name = "sysvmq",
     .transport = kSysvmqTransport,
     .address = "sysvmq:{dir}/{n}",
     .threads = true},
    // Each read and each write moves one byte.
    {.name = "trickle_unix",
     .transport = kTrickleUnixTransport,
     .address = "trickle+unix:{dir}/{n}",
     .slow = true,
     .stranger = "unix"},

    // Memory of every kind with every doorbell: memfd with eventfd is the first of them.
    PolledShm("shm", "shm:{dir}/{n}"),
    Shm("shm_memfd_futex", "shm:{dir}/{n}?memory=memfd&doorbell=futex"),
    Shm("shm_memfd_posix_sem", "shm:{dir}/{n}?memory=memfd&doorbell=posix-sem"),
    Shm("shm_memfd_sysv_sem", "shm:{dir}/{n}?memory=memfd&doorbell=sysv-sem"),
    Shm("shm_memfd_signal", "shm:{dir}/{n}?memory=memfd&doorbell=signal"),
    PolledShm("shm_posix_eventfd", "shm:{dir}/{n}?memory=posix&doorbell=eventfd"),
    Shm("shm_posix_futex", "shm:{dir}/{n}?memory=posix&doorbell=futex"),
    Shm("shm_posix_posix_sem", "shm:{dir}/{n}?memory=posix&doorbell=posix-sem"),
    Shm("shm_posix_sysv_sem", "shm:{dir}/{n}?memory=posix&doorbell=sysv-sem"),
    Shm("shm_posix_signal", "shm:{dir}/{n}?memory=posix&doorbell=signal"),
    PolledShm("shm_sysv_eventfd", "shm:{dir}/{n}?memory=sysv&doorbell=eventfd"),
    Shm("shm_sysv_futex", "shm:{dir}/{n}?memory=sysv&doorbell=futex"),
    Shm("shm_sysv_posix_sem", "shm:{dir}/{n}?memory=sysv&doorbell=posix-sem"),
    Shm("shm_sysv_sysv_sem", "shm:{dir}/{n}?memory=sysv&doorbell=sysv-sem"),
    Shm("shm_sysv_signal", "shm:{dir}/{n}?memory=sysv&doorbell=signal"),
};

}  // namespace

absl::Span<const Subject> Media() { return kMedia; }

}  // namespace nigh::testing
