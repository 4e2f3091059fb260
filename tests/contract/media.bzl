"""The media that every suite runs over: one entry each."""

load(":defs.bzl", "medium")

MEDIA = {
    "inproc": medium(
        header = "nigh/transports/inproc/inproc.h",
        transport = "nigh::kInprocTransport",
        address = "inproc:{n}",
        deps = ["//transports/inproc"],
        processes = False,
    ),
    "local": medium(
        header = "nigh/transports/local/local.h",
        transport = "nigh::kLocalTransport",
        address = "local:{dir}/{n}",
        deps = ["//transports/local"],
        stranger = "unix",
    ),
    # Where shared memory cannot be had.
    "local_socket": medium(
        header = "nigh/transports/local/local.h",
        transport = "nigh::kLocalTransport",
        address = "local:{dir}/{n}?shm=off",
        deps = ["//transports/local"],
        stranger = "unix",
    ),
    "unix": medium(
        header = "nigh/transports/unix/unix.h",
        transport = "nigh::kUnixTransport",
        address = "unix:{dir}/{n}",
        deps = ["//transports/unix"],
        stranger = "unix",
    ),
    "unix_abstract": medium(
        header = "nigh/transports/unix/unix.h",
        transport = "nigh::kUnixAbstractTransport",
        address = "unix-abstract:{n}",
        deps = ["//transports/unix"],
        stranger = "unix-abstract",
    ),
    "shm": medium(
        header = "nigh/transports/shm/shm.h",
        transport = "nigh::kShmTransport",
        address = "shm:{dir}/{n}",
        deps = ["//transports/shm"],
        stranger = "unix-seqpacket",
    ),
    "tcp": medium(
        header = "nigh/transports/tcp/tcp.h",
        transport = "nigh::kTcpTransport",
        address = "tcp://127.0.0.1:0",
        deps = ["//transports/tcp"],
        stranger = "tcp",
    ),
    # Pipes have no place where somebody could arrive; these are handed over by a Unix socket.
    "pipe": medium(
        header = "tests/contract/pipes.h",
        transport = "nigh::testing::kPipesTransport",
        address = "pipes+unix:{dir}/{n}",
        deps = ["//tests/contract:pipes"],
    ),
    "fifo": medium(
        header = "nigh/transports/fifo/fifo.h",
        transport = "nigh::kFifoTransport",
        address = "fifo:{dir}/{n}",
        deps = ["//transports/fifo"],
    ),
    # So small that a user may have some dozens of connections, in all tests that run at once:
    # RLIMIT_MSGQUEUE, as errors say (tests/transports/mqueue_test.cc).
    "mqueue": medium(
        header = "nigh/transports/mqueue/mqueue.h",
        transport = "nigh::kMqueueTransport",
        address = "mqueue:/{n}?messages=8&size=1024",
        deps = ["//transports/mqueue"],
        connections = 10,
    ),
    "sysvmq": medium(
        header = "nigh/transports/sysvmq/sysvmq.h",
        transport = "nigh::kSysvmqTransport",
        address = "sysvmq:{dir}/{n}",
        deps = ["//transports/sysvmq"],
        threads = True,
    ),
    # Each read and each write moves one byte.
    "trickle_unix": medium(
        header = "tests/contract/trickle.h",
        transport = "nigh::testing::kTrickleUnixTransport",
        address = "trickle+unix:{dir}/{n}",
        deps = ["//tests/contract:trickle"],
        slow = True,
        stranger = "unix",
    ),
}

# Shared memory of every kind with every doorbell. Each memory and each doorbell once, in the pairs
# below, are among MEDIA; tests of the others are tagged "manual":
#
#   bazel test //tests/contract:shm_combinations //tests/conformance:shm_combinations
SHM_COMBINATIONS = {
    "shm_%s_%s" % (memory, doorbell.replace("-", "_")): medium(
        header = "nigh/transports/shm/shm.h",
        transport = "nigh::kShmTransport",
        address = "shm:{dir}/{n}?memory=%s&doorbell=%s" % (memory, doorbell),
        deps = ["//transports/shm"],
        stranger = "unix-seqpacket",
        threads = doorbell != "eventfd",
    )
    for memory in ["memfd", "posix", "sysv"]
    for doorbell in ["eventfd", "futex", "posix-sem", "sysv-sem", "signal"]
}

_ALWAYS = [
    "shm_memfd_futex",
    "shm_posix_posix_sem",
    "shm_sysv_sysv_sem",
    "shm_memfd_signal",
]

# Without these: for suites to which a doorbell makes no difference.
CORE_MEDIA = dict(MEDIA)

MEDIA.update({name: SHM_COMBINATIONS[name] for name in _ALWAYS})

# "shm" is the first of them.
RARE_MEDIA = {
    name: SHM_COMBINATIONS[name]
    for name in SHM_COMBINATIONS
    if name not in _ALWAYS and name != "shm_memfd_eventfd"
}
