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
