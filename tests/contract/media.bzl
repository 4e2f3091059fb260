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
