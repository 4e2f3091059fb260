"""What ./dev bench measures: a list of measurements, grouped by what they are compared with."""

import dataclasses

PLACEMENTS = ("split", "stacked", "free")

NIGH = "nigh_bench"
RAW = "raw_bench"
GRPC = "grpc/grpc_bench"
CAPNPROTO = "peers/capnproto_bench"
THRIFT = "peers/thrift_bench"
ZEROMQ = "peers/zeromq_bench"

# What a table calls it -> program and address.
SUBJECTS = {
    "cache lines": (RAW, "cache-lines"),
    "raw ring": (RAW, "ring"),
    "raw memory": (RAW, "memory"),
    "raw socketpair": (RAW, "socketpair"),
    "raw pipe": (RAW, "pipe"),
    "raw mqueue": (RAW, "mqueue"),
    "raw sysvmq": (RAW, "sysvmq"),
    "nigh shm": (NIGH, "shm:{scratch}/{pid}"),
    "nigh shm posix": (NIGH, "shm:{scratch}/{pid}?memory=posix"),
    "nigh shm sysv": (NIGH, "shm:{scratch}/{pid}?memory=sysv"),
    "nigh shm 1 GiB region": (NIGH, "shm:{scratch}/{pid}?bulk=1024MiB"),
    "nigh shm futex": (NIGH, "shm:{scratch}/{pid}?doorbell=futex"),
    "nigh shm posix-sem": (NIGH, "shm:{scratch}/{pid}?doorbell=posix-sem"),
    "nigh shm sysv-sem": (NIGH, "shm:{scratch}/{pid}?doorbell=sysv-sem"),
    "nigh shm signal": (NIGH, "shm:{scratch}/{pid}?doorbell=signal"),
    "nigh unix": (NIGH, "unix:{scratch}/{pid}"),
    "nigh unix-abstract": (NIGH, "unix-abstract:nigh-bench-{pid}"),
    "nigh tcp": (NIGH, "tcp://127.0.0.1:0"),
    "nigh pipe": (NIGH, "pipe:"),
    "nigh fifo": (NIGH, "fifo:{scratch}/{pid}"),
    "nigh mqueue": (NIGH, "mqueue:/nigh-bench-{pid}"),
    "nigh sysvmq": (NIGH, "sysvmq:{scratch}/{pid}"),
    "nigh inproc": (NIGH, "inproc:bench"),
    "gRPC unix": (GRPC, "unix:{scratch}/{pid}"),
    "gRPC tcp": (GRPC, "127.0.0.1:0"),
    "Cap'n Proto unix": (CAPNPROTO, "unix:{scratch}/{pid}"),
    "Thrift unix": (THRIFT, "{scratch}/{pid}"),
    "ZeroMQ ipc": (ZEROMQ, "ipc://{scratch}/{pid}"),
}

NOW_AND_THEN = "1 call a millisecond"
OPEN_LOOP_RATES = (1000, 5000, 20000)
# Calls a second of one thread. The latter is what no framework over a socket keeps up with.
RATES = (100, 1000, 5000, 20000, 100000)
THREADS = (1, 4, 16)

KIB = 1 << 10
MIB = 1 << 20
SIZES = (0, KIB, 4 * KIB, 64 * KIB, MIB, 16 * MIB, 64 * MIB)
STREAM_SIZES = (64, 64 * KIB, MIB, 16 * MIB)
ATTACHMENT_SIZES = (64 * KIB, MIB, 16 * MIB)
MEMORY_SIZES = (MIB, 16 * MIB, 64 * MIB)
# Of the calls that another thread makes on the same channel.
BESIDE_SIZE = 4 * MIB
# Limits::window: several of most messages from the beginning on, and more than it grows to.
WIDE_WINDOW = 8 * MIB
WIDE = "with a window of 8 MiB"
# What cannot be undercut, or has nothing to do with size.
SPINNING = ("cache lines", "raw ring", "raw memory")

DOORBELLS = ("futex", "posix-sem", "sysv-sem", "signal")

# WaitPolicy::yields, the only part of the policy that counts where a poll is a system call; and
# WaitPolicy::spins, which counts besides where it is a look at memory.
HAND_TUNED_YIELDS = (0, 4, 12, 100, 400)
HAND_TUNED_SPINS = (0, 400)

# How long a handler sleeps in whose client one wants to see no CPU burnt.
SLOW_SERVERS = ("100us", "1ms")

# What may run beside a measurement, to disturb it.
BESIDE = {
    "busy process": ("sh", "-c", "while :; do :; done"),
}

# Where policies are compared: the group, the placement, and what else there is.
WAIT_POLICY = (
    ("wait policy", "split", {}),
    ("wait policy", "stacked", {}),
    ("wait policy", "free", {}),
    ("wait policy, 4 pairs", "free", {"copies": 4}),
    ("wait policy, beside a busy process", "free", {"beside": "busy process"}),
)


@dataclasses.dataclass(frozen=True)
class Measurement:
    group: str
    subject: str
    placement: str
    flags: tuple = ()
    copies: int = 1  # of the whole pair, at the same time
    label: str = ""  # beside the subject's name
    beside: str = ""  # of BESIDE

    @property
    def name(self):
        return " ".join(filter(None, (self.subject, self.label)))

    @property
    def key(self):
        return (self.group, self.name, self.placement)


def size_name(size):
    for unit, suffix in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit and size % unit == 0:
            return "%d %s" % (size // unit, suffix)
    return "%d B" % size


def threads_name(threads, channels):
    return "%d thread%s, %d channel%s" % (threads, "s" * (threads > 1), channels,
                                          "s" * (channels > 1))


def rate_name(rate):
    return "1 thread, %d calls a second" % rate


def make_plan(quick):
    plan = []

    def add(group, subjects, placements, *flags, **more):
        for placement in placements:
            for subject in subjects:
                if subject in SPINNING and placement == "stacked":
                    continue  # each burns its whole time slice: that is known
                plan.append(Measurement(group, subject, placement, flags, **more))

    add("unary 64 B", [s for s in SUBJECTS if s not in ("raw memory", "nigh shm 1 GiB region")],
        PLACEMENTS)
    for size in (0, 4 * KIB, MIB) if quick else SIZES:
        add("unary " + size_name(size),
            ("raw socketpair", "nigh shm", "nigh unix", "nigh pipe", "nigh fifo", "nigh mqueue",
             "nigh sysvmq", "nigh tcp", "gRPC unix", "gRPC tcp", "Cap'n Proto unix", "Thrift unix",
             "ZeroMQ ipc"),
            ("split", "stacked"), "--payload=%d" % size)
    for size in (MIB,) if quick else ATTACHMENT_SIZES:
        group = "attachment " + size_name(size)
        add(group, ("raw memory",), ("split", "stacked"), "--payload=%d" % size)
        add(group, ("nigh shm", "nigh unix", "nigh tcp"), ("split", "stacked"), "--attachment",
            "--payload=%d" % size)
    add("64 B beside %s" % size_name(BESIDE_SIZE), ("nigh shm", "nigh unix", "gRPC unix"),
        ("split", "free"), "--beside=%d" % BESIDE_SIZE)
    for size in () if quick else MEMORY_SIZES:
        add("memory, " + size_name(size),
            ("nigh shm", "nigh unix", "gRPC unix", "Cap'n Proto unix", "Thrift unix", "ZeroMQ ipc"),
            ("free",), "--workload=memory", "--payload=%d" % size)
    # When a call begins, both sides are asleep.
    add(NOW_AND_THEN, ("raw socketpair", "raw pipe", "nigh shm", "nigh unix", "nigh pipe", "nigh fifo",
                       "nigh mqueue", "nigh tcp", "gRPC unix", "Cap'n Proto unix", "Thrift unix",
                       "ZeroMQ ipc"), PLACEMENTS, "--rate=1000")
    for rate in () if quick else RATES:
        add(rate_name(rate), ("raw socketpair", "nigh shm", "nigh unix", "gRPC unix"),
            ("split", "stacked"), "--rate=%d" % rate)
    # Each call sleeps, and so is woken by a doorbell.
    add("asleep, 64 B", ["nigh shm"] + ["nigh shm " + bell for bell in DOORBELLS] + ["nigh unix"],
        ("split", "stacked"), "--spins=0", "--yields=0")
    for threads, channels in (*((each, 1) for each in THREADS),
                              *((each, each) for each in THREADS[1:]), (64, 64)):
        add(threads_name(threads, channels),
            ("nigh shm", "nigh unix", "nigh tcp", "gRPC unix"), ("free",),
            "--threads=%d" % threads, "--channels=%d" % channels)
    # Followers on the leader's CPU, the server on its own.
    add(threads_name(4, 1), ("nigh shm", "nigh unix"), ("split",), "--threads=4", "--channels=1")
    for calls in (1, 4, 16, 64):
        add("%d in flight, 1 thread" % calls, ("nigh shm", "nigh unix", "nigh tcp", "gRPC unix"),
            ("split", "free"), "--workload=flight", "--in_flight=%d" % calls)
    for size in (64, MIB) if quick else STREAM_SIZES:
        add("stream of " + size_name(size),
            ("raw socketpair", "raw pipe", "nigh shm", "nigh unix", "nigh pipe", "nigh fifo",
             "nigh mqueue", "nigh sysvmq", "nigh tcp", "gRPC unix", "gRPC tcp", "ZeroMQ ipc"),
            ("split", "stacked"), "--workload=stream", "--payload=%d" % size)
        add("stream of " + size_name(size), ("nigh shm", "nigh unix", "nigh tcp"),
            ("split", "stacked"), "--workload=stream", "--payload=%d" % size,
            "--window=%d" % WIDE_WINDOW, label=WIDE)
    add("connect and first call", ("nigh shm", "nigh shm 1 GiB region", "nigh unix", "gRPC unix"),
        ("split", "free"), "--workload=connect")
    for idle in (0, 64):
        add("1 active, %d idle" % idle, ("nigh shm", "nigh unix", "gRPC unix"), ("split", "stacked"),
            "--idle=%d" % idle)
    add("100 idle connections", ("nigh shm", "nigh unix", "nigh tcp", "gRPC unix"), ("free",),
        "--workload=idle", "--idle=100")
    for rate in OPEN_LOOP_RATES[:1] if quick else OPEN_LOOP_RATES:
        add("open loop, %d/s" % rate, ("nigh shm", "nigh unix", "gRPC unix"), ("split", "free"),
            "--rate=%d" % rate, "--threads=4", "--channels=4")
    for delay in SLOW_SERVERS:
        for label, flags in (("default", ()), ("that never looks", ("--spins=0", "--yields=0"))):
            add("slow server, " + delay, ("nigh shm", "nigh unix"), PLACEMENTS, "--delay=" + delay,
                *flags, label=label)
    for group, placement, how in WAIT_POLICY:
        subjects = ("nigh shm", "nigh unix")
        add(group, subjects, (placement,), label="default", **how)
        for yields in HAND_TUNED_YIELDS:
            add(group, subjects, (placement,), "--yields=%d" % yields, label="yields=%d" % yields,
                **how)
        for spins in HAND_TUNED_SPINS:
            add(group, ("nigh shm",), (placement,), "--spins=%d" % spins, label="spins=%d" % spins,
                **how)
    return plan
