"""The table of ./dev bench, and the targets."""

import statistics

from plan import (HAND_TUNED_SPINS, HAND_TUNED_YIELDS, NOW_AND_THEN, OPEN_LOOP_RATES, PLACEMENTS,
                  SLOW_SERVERS, WAIT_POLICY, threads_name)

PEERS = ("gRPC unix", "gRPC tcp", "Cap'n Proto unix", "Thrift unix", "ZeroMQ ipc")

COLUMNS = (("p50", "p50 us"), ("p90", "p90"), ("p99", "p99"), ("p999", "p99.9"),
           ("per_s", "a second"), ("client_cpu", "client CPU us"), ("server_cpu", "server CPU us"))


def number(value):
    if value is None:
        return "-"
    return "%.0f" % value if value >= 1000 else "%.1f" % value if value >= 10 else "%.2f" % value


class Results:
    """What the rounds of one run found, by measurement."""

    def __init__(self):
        self.rounds = {}  # key -> [values of a round]
        self.costs = {}  # name -> value

    def add(self, key, values):
        self.rounds.setdefault(key, []).append(values)

    def median(self, key, field):
        values = [r[field] for r in self.rounds.get(key, ()) if r and field in r]
        return statistics.median(values) if values else None

    def spread(self, key, field="p50"):
        """How far the rounds lie apart: the largest over the smallest."""
        values = [r[field] for r in self.rounds.get(key, ()) if r and field in r]
        return max(values) / min(values) if values and min(values) > 0 else None

    def ratio(self, above, below, field="p50"):
        """The median of the rounds' ratios: what disturbs one round disturbs both."""
        ratios = [a[field] / b[field]
                  for a, b in zip(self.rounds.get(above, ()), self.rounds.get(below, ()))
                  if a and b and b.get(field)]
        return statistics.median(ratios) if ratios else None

    def system_calls(self, prefix):
        """All system calls of one call, of both sides: the costs whose names begin so."""
        kinds = [value for name, value in self.costs.items() if name.startswith(prefix)]
        return sum(kinds) if kinds else None

    def as_json(self):
        return {
            "costs": self.costs,
            "measurements": [
                {"group": group, "name": name, "placement": placement, "rounds": rounds}
                for (group, name, placement), rounds in self.rounds.items()],
            "targets": [dict(zip(("target", "value", "limit", "verdict"), row))
                        for row in targets(self)],
        }


def print_aligned(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) if i < 3 else cell.rjust(width)
                        for i, (cell, width) in enumerate(zip(row, widths))).rstrip())


def print_table(results):
    rows = [("what", "placement", "over") + tuple(title for _, title in COLUMNS) + ("spread",)]
    for key in results.rounds:
        group, name, placement = key
        if group.startswith(("100 idle", "memory")):
            continue  # has no latency; see the targets and print_memory
        spread = results.spread(key, "p50" if results.median(key, "p50") else "per_s")
        rows.append((group, placement, name)
                    + tuple(number(results.median(key, field)) for field, _ in COLUMNS)
                    + ("failed" if spread is None else "x %.2f" % spread,))
    print_aligned(rows)


def print_memory(results):
    """What both processes have of memory before, during and after large messages."""
    sides = [(side, when) for side in ("client", "server") for when in ("before", "during", "after")]
    rows = [("MiB resident", "over", "") + tuple(" ".join(each) for each in sides)]
    for key in results.rounds:
        if key[0].startswith("memory"):
            rows.append((key[0], key[1], "")
                        + tuple(number(results.median(key, "_".join(each))) for each in sides))
    if len(rows) > 1:
        print_aligned(rows)
        print()


def hand_tuned(subject):
    """The labels of what the default wait policy is compared with."""
    return (["yields=%d" % yields for yields in HAND_TUNED_YIELDS]
            + ["spins=%d" % spins for spins in HAND_TUNED_SPINS if subject == "nigh shm"])


def best_hand_tuned(results, group, subject, placement):
    """The default policy's p50 over that of the best of the others."""
    default = (group, subject + " default", placement)
    ratios = [results.ratio(default, (group, subject + " " + label, placement))
              for label in hand_tuned(subject)]
    known = [ratio for ratio in ratios if ratio is not None]
    return max(known) if known else None


def looking(results, group, subject, placement):
    """How much of a CPU a client takes that looks for a slow peer, beyond what the calls take."""
    def cpu(label):
        key = (group, subject + " " + label, placement)
        taken, calls = results.median(key, "client_cpu"), results.median(key, "per_s")
        return taken * calls / 1e6 if taken is not None and calls else None

    looks, sleeps = cpu("default"), cpu("that never looks")
    return looks - sleeps if looks is not None and sleeps is not None else None


def shm_over_floor(results):
    """shm's p50, split, over what cannot be undercut: two cache lines and the codec."""
    unary = "unary 64 B"
    lines = results.median((unary, "cache lines", "split"), "p50")
    codec = results.median((unary, "codec alone", "one thread"), "p50")
    ours = results.median((unary, "nigh shm", "split"), "p50")
    return ours / (lines + codec) if ours and lines and codec else None


def one_way_over_copy(results):
    """How much of a cached memcpy's rate a stream of 1 MiB messages has."""
    messages = results.median(("stream of 1 MiB", "nigh shm", "split"), "per_s")
    copy = results.median(("unary 1 MiB", "cached copy", "one thread"), "p50")
    return messages * copy / 1e6 if messages and copy else None


def tail(results, key):
    p99, p50 = results.median(key, "p99"), results.median(key, "p50")
    return p99 / p50 if p50 else None


def shm_targets(results):
    unary = "unary 64 B"

    def over_grpc(group, placement, field="p50"):
        shm, grpc = (group, "nigh shm", placement), (group, "gRPC unix", placement)
        return results.ratio(shm, grpc, field) if field == "per_s" else results.ratio(grpc, shm)

    return [
        ("shm split / (cache lines + codec)", shm_over_floor(results), "<=", 2.0),
        ("shm p99 / p50, split", tail(results, (unary, "nigh shm", "split")), "<=", 3),
        ("gRPC unix / nigh shm, split", over_grpc(unary, "split"), ">=", 300),
        ("gRPC unix / nigh shm, stacked", over_grpc(unary, "stacked"), ">=", 15),
        ("instructions a unary call, both sides, shm", results.costs.get("instructions_shm"),
         "<=", 2500),
        # Yields are no part of a call that finds its reply while it spins.
        ("system calls a call, shm, while polling, without yields",
         results.system_calls("shm_system_calls_busy_other"), "<=", 0),
        ("system calls a call, shm, asleep", results.system_calls("shm_system_calls_asleep"),
         "<=", 4),
        ("heap allocations a call, shm, 64 B", results.costs.get("shm_allocations_64"), "<=", 0),
        ("64 B stream, split: nigh shm / gRPC unix", over_grpc("stream of 64 B", "split", "per_s"),
         ">=", 20),
        ("16 threads, 1 channel: nigh shm / gRPC unix",
         over_grpc("16 threads, 1 channel", "free", "per_s"), ">=", 20),
    ]


def large_targets(results):
    """Large messages, over shared memory."""
    def ours(size, placement="split"):
        return ("unary " + size, "nigh shm", placement)

    def codec(size):
        return ("unary " + size, "codec alone", "one thread")

    def attachment(name="nigh shm", placement="split"):
        return ("attachment 1 MiB", name, placement)

    def peers(size):
        ratios = [results.ratio(("unary " + size, name, "split"), ours(size)) for name in PEERS]
        return min((ratio for ratio in ratios if ratio), default=None)

    copies = results.median(("unary 1 MiB", "cached copy", "one thread"), "p50")
    for size in ("1 MiB", "16 MiB"):
        yield ("%s echo, split: nigh shm / codec alone" % size,
               results.ratio(ours(size), codec(size)), "<=", 1.3)
    yield ("1 MiB echo, split: gRPC unix / nigh shm",
           results.ratio(("unary 1 MiB", "gRPC unix", "split"), ours("1 MiB")), ">=", 4)
    yield ("1 MiB echo, split: Cap'n Proto unix / nigh shm",
           results.ratio(("unary 1 MiB", "Cap'n Proto unix", "split"), ours("1 MiB")), ">=", 2.5)
    yield ("16 MiB echo, split: fastest of the others / nigh shm", peers("16 MiB"), ">=", 1)
    yield ("1 MiB attachment echo, split: gRPC unix's 1 MiB echo / nigh shm",
           results.ratio(("unary 1 MiB", "gRPC unix", "split"), attachment()), ">=", 20)
    for placement in ("split", "stacked"):
        took = results.median(attachment(placement=placement), "p50")
        yield ("1 MiB attachment echo, %s: nigh shm / two cached memcpy" % placement,
               took / (2 * copies) if took and copies else None, "<=", 1.5)
    yield ("1 MiB one way, split: nigh shm / cached memcpy", one_way_over_copy(results), ">=", 0.5)
    yield ("64 B beside 4 MiB echoes on the same channel / alone, shm, free",
           results.ratio(("64 B beside 4 MiB", "nigh shm", "free"),
                         ("unary 64 B", "nigh shm", "free")), "<=", 2)
    for name in ("nigh shm", "nigh shm 1 GiB region"):
        yield ("a new connection and its first call, %s, us" % name,
               results.median(("connect and first call", name, "split"), "p50"), "<=", 200)
    yield ("1 MiB echo, stacked: nigh shm / nigh unix",
           results.ratio(ours("1 MiB", "stacked"), ("unary 1 MiB", "nigh unix", "stacked")),
           "<=", 1)


def unix_targets(results):
    unary = "unary 64 B"

    def ours(placement):
        return (unary, "nigh unix", placement)

    return [
        ("unix stacked / raw socketpair stacked",
         results.ratio(ours("stacked"), (unary, "raw socketpair", "stacked")), "<=", 1.2),
        ("gRPC unix / nigh unix, split",
         results.ratio((unary, "gRPC unix", "split"), ours("split")), ">=", 20),
        ("Cap'n Proto unix / nigh unix, split",
         results.ratio((unary, "Cap'n Proto unix", "split"), ours("split")), ">=", 10),
        ("instructions a unary call, both sides, unix", results.costs.get("instructions_unix"),
         "<=", 2800),
        ("system calls a call that carry bytes", results.costs.get("system_calls_busy_carrying"),
         "<=", 4),
        ("system calls a call, all, while polling", results.system_calls("system_calls_busy"),
         "<=", 4),
        ("system calls a call, all, asleep", results.system_calls("system_calls_asleep"), "<=", 6),
        ("heap allocations a call, 64 B", results.costs.get("allocations_64"), "<=", 0),
        ("heap allocations a call, 4 KiB", results.costs.get("allocations_4096"), "<=", 0),
    ]


def other_media_targets(results):
    unary = "unary 64 B"

    def over(subject, other, placement):
        return results.ratio((unary, subject, placement), (unary, other, placement))

    yield ("pipe stacked / raw socketpair stacked", over("nigh pipe", "raw socketpair", "stacked"),
           "<=", 0.7)
    for name in ("pipe", "fifo"):
        yield ("%s split / nigh unix split" % name, over("nigh " + name, "nigh unix", "split"),
               "<=", 1)
    for name in ("mqueue", "sysvmq"):
        for placement in ("split", "stacked"):
            yield ("%s / raw %s, %s" % (name, name, placement),
                   over("nigh " + name, "raw " + name, placement), "<=", 1.5)
    for name in ("pipe", "fifo", "mqueue", "sysvmq"):
        yield ("system calls a call that carry bytes, " + name,
               results.costs.get("%s_system_calls_busy_carrying" % name), "<=", 4)


def waiting_targets(results):
    for placement in PLACEMENTS:
        for name in ("shm", "unix"):
            yield ("a call each ms: nigh %s / raw socketpair, %s" % (name, placement),
                   results.ratio((NOW_AND_THEN, "nigh " + name, placement),
                                 (NOW_AND_THEN, "raw socketpair", placement)), "<=", 1.15)
        yield ("a call each ms: nigh shm / nigh unix, " + placement,
               results.ratio((NOW_AND_THEN, "nigh shm", placement),
                             (NOW_AND_THEN, "nigh unix", placement)), "<=", 1)
    for rate in OPEN_LOOP_RATES:
        for placement in ("split", "free"):
            group = "open loop, %d/s" % rate
            yield ("%s, 4 channels: nigh shm / nigh unix, %s" % (group, placement),
                   results.ratio((group, "nigh shm", placement), (group, "nigh unix", placement)),
                   "<=", 1)
    yield ("shm / raw pipe, stacked", results.ratio(("unary 64 B", "nigh shm", "stacked"),
                                                    ("unary 64 B", "raw pipe", "stacked")), "<=", 1.1)
    for name in ("shm", "unix"):
        for threads in (4, 16):
            together = (threads_name(threads, 1), "nigh " + name, "free")
            for what, other, limit in (("on channels of their own", threads_name(threads, threads), 0.6),
                                       ("one thread", threads_name(1, 1), 1)):
                yield ("%s, %d threads on one channel / %s, calls a second" % (name, threads, what),
                       results.ratio(together, (other, "nigh " + name, "free"), "per_s"), ">=", limit)


def shared_targets(results):
    for name in ("unix", "shm"):
        subject = "nigh " + name
        yield ("100 idle connections, wake-ups a second, " + name,
               results.median(("100 idle connections", subject, "free"), "wakeups_per_s"), "<=", 0)
        for placement in ("split", "stacked"):
            yield ("64 idle and 1 active / 1 active, %s, %s" % (name, placement),
                   results.ratio(("1 active, 64 idle", subject, placement),
                                 ("1 active, 0 idle", subject, placement)), "<=", 1.3)
        for group, placement, _ in WAIT_POLICY:
            yield ("default %s / best hand-tuned, %s, %s" % (group, name, placement),
                   best_hand_tuned(results, group, subject, placement), "<=", 1.2)
        for delay in SLOW_SERVERS:
            yield ("CPUs a client takes for looking, server of %s, %s, free" % (delay, name),
                   looking(results, "slow server, " + delay, subject, "free"), "<=", 0.1)


def targets(results):
    """(what, value, limit, verdict) of each of nigh's targets."""
    for what, value, relation, limit in (*shm_targets(results), *large_targets(results),
                                         *unix_targets(results),
                                         *other_media_targets(results), *waiting_targets(results),
                                         *shared_targets(results)):
        if value is None:
            verdict = "not measured"
        else:
            verdict = "pass" if (value <= limit if relation == "<=" else value >= limit) else "MISS"
        yield what, value, "%s %g" % (relation, limit), verdict


def print_targets(results):
    rows = [("target", "limit", "verdict", "measured")]
    for what, value, limit, verdict in targets(results):
        rows.append((what, limit, verdict, number(value)))
    print_aligned(rows)
