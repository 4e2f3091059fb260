"""Prints the tables of docs/performance.md from what ./dev bench --json wrote.

usage: tables.py FILE
"""

import json
import sys

from plan import (ATTACHMENT_SIZES, MEMORY_SIZES, NOW_AND_THEN, OPEN_LOOP_RATES, PLACEMENTS,
                  SLOW_SERVERS, STREAM_SIZES, SUBJECTS, WAIT_POLICY, WIDE, size_name, threads_name)
from plan import SIZES as SIZES_IN_BYTES
from report import Results, hand_tuned, number

SIZES = tuple(size_name(size) for size in SIZES_IN_BYTES)


def load(path):
    with open(path) as file:
        run = json.load(file)
    results = Results()
    results.costs = run["costs"]
    for measurement in run["measurements"]:
        for values in measurement["rounds"]:
            results.add((measurement["group"], measurement["name"], measurement["placement"]),
                        values)
    return results


def print_rows(title, head, rows):
    """Rows in which nothing was measured are left out."""
    print("### %s\n" % title)
    print("| | " + " | ".join(head) + " |")
    print("|---" * (len(head) + 1) + "|")
    for name, *cells in rows:
        if any(cell != "-" for cell in cells):
            print("| %s | %s |" % (name, " | ".join(cells)))
    print()


def cpu_a_call(results, key):
    sides = [number(results.median(key, side)) for side in ("client_cpu", "server_cpu")]
    return ", ".join(sides) if sides[0] != "-" else "-"


def print_latencies(results, placement):
    rows = []
    for name in SUBJECTS:
        key = ("unary 64 B", name, placement)
        spread = results.spread(key)
        rows.append([name] + [number(results.median(key, field))
                              for field in ("p50", "p90", "p99", "p999", "per_s")]
                    + [cpu_a_call(results, key), "%.2f" % spread if spread else "-"])
    print_rows("64-byte unary echo, " + placement,
               ("p50", "p90", "p99", "p99.9", "calls a second", "CPU a call: client, server",
                "spread"), rows)


def print_now_and_then(results):
    head = []
    for placement in PLACEMENTS:
        head += [placement + " p50", "p99", "CPU a call: client, server"]
    rows = []
    for name in SUBJECTS:
        row = [name]
        for placement in PLACEMENTS:
            key = (NOW_AND_THEN, name, placement)
            row += [number(results.median(key, "p50")), number(results.median(key, "p99")),
                    cpu_a_call(results, key)]
        rows.append(row)
    print_rows("64-byte unary echo, one call each millisecond, latency from the intended start", head,
               rows)


def print_grid(results, title, columns, field, names=tuple(SUBJECTS)):
    """Subjects by columns; a column is its title, the measurement's group and the placement."""
    print_rows(title, [column[0] for column in columns],
               [[name] + [number(results.median((group, name, placement), field))
                          for _, group, placement in columns] for name in names])


def print_memory(results):
    """Rows in which a side's memory before, during and after is one cell."""
    def cell(size, name, side):
        values = [results.median(("memory, " + size_name(size), name, "free"), side + "_" + when)
                  for when in ("before", "during", "after")]
        return " ".join(map(number, values)) if None not in values else "-"

    print_rows("Resident memory, MiB: before, during, 3 s after echoes of a size",
               ["%s, %s" % (size_name(size), side) for size in MEMORY_SIZES
                for side in ("client", "server")],
               [[name] + [cell(size, name, side) for size in MEMORY_SIZES
                          for side in ("client", "server")] for name in SUBJECTS])


def print_open_loop(results):
    rows = [["%d a second: %s" % (rate, name)]
            + [number(results.median(("open loop, %d/s" % rate, name, placement), field))
               for placement in ("split", "free") for field in ("p50", "p99", "p999")]
            for rate in OPEN_LOOP_RATES for name in ("nigh shm", "nigh unix", "gRPC unix")]
    print_rows("Open loop: 4 threads and channels, latency from the intended start",
               ("split p50", "p99", "p99.9", "free p50", "p99", "p99.9"), rows)


def print_wait_policy(results):
    labels = ["default"] + hand_tuned("nigh shm")
    rows = [["%s: %s" % (subject, what)]
            + [number(results.median((group, "%s %s" % (subject, label), placement), "p50"))
               for label in labels]
            for subject in ("nigh shm", "nigh unix") for group, placement, _ in WAIT_POLICY
            for what in [", ".join(filter(None, (group[len("wait policy, "):], placement)))]]
    print_rows("Wait policy: p50 by WaitPolicy", ["40 spins, 40 yields"] + labels[1:], rows)


def print_slow_servers(results):
    rows = [["%s, handler of %s" % (subject, delay)]
            + [number(results.median(("slow server, " + delay, subject + " " + label, placement),
                                     field))
               for placement in PLACEMENTS
               for field, label in (("p50", "default"), ("client_cpu", "default"),
                                    ("client_cpu", "that never looks"))]
            for delay in SLOW_SERVERS for subject in ("nigh shm", "nigh unix")]
    print_rows("A handler that sleeps: p50, and CPU a call of a client that looks by default or never",
               [head for placement in PLACEMENTS
                for head in (placement + " p50", "client CPU", "never looks")], rows)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    results = load(sys.argv[1])
    for placement in PLACEMENTS:
        print_latencies(results, placement)
    print_now_and_then(results)
    for placement in ("split", "stacked"):
        print_grid(results, "Unary echo by size, p50, " + placement,
                   [(size, "unary " + size, placement) for size in SIZES], "p50")
    print_rows("Protobuf's codec alone, one thread", SIZES[:1] + ("64 B",) + SIZES[2:],
               [["both ends of an echo"]
                + [number(results.median(("unary " + size, "codec alone", "one thread"), "p50"))
                   for size in SIZES[:1] + ("64 B",) + SIZES[2:]]])
    print_grid(results, "Calls a second by threads and channels",
               [("%d, %d, %s" % (*pair, placement), threads_name(*pair), placement)
                for *pair, placement in (
                    (1, 1, "free"), (4, 1, "split"), (4, 1, "free"), (4, 4, "free"),
                    (16, 1, "free"), (16, 16, "free"), (64, 64, "free"))], "per_s")
    print_grid(results, "Calls a second by calls in flight, 1 thread and channel",
               [("%d, %s" % (calls, placement), "%d in flight, 1 thread" % calls, placement)
                for placement in ("split", "free") for calls in (1, 4, 16, 64)], "per_s")
    print_grid(results, "A new connection and its first call, p50",
               [(placement, "connect and first call", placement)
                for placement in ("split", "free")], "p50")
    for placement in ("split", "stacked"):
        print_grid(results, "One way: a server's stream by size, messages a second, " + placement,
                   [(size_name(size), "stream of " + size_name(size), placement)
                    for size in STREAM_SIZES], "per_s",
                   [each for name in SUBJECTS for each in (name, "%s %s" % (name, WIDE))])
    for placement in ("split", "stacked"):
        print_grid(results, "Attachments: echo by size, filled and read by both, p50, " + placement,
                   [(size_name(size), "attachment " + size_name(size), placement)
                    for size in ATTACHMENT_SIZES], "p50")
    print_grid(results, "64-byte echo beside a thread that echoes 4 MiB on the same channel, p50",
               [(placement, "64 B beside 4 MiB", placement) for placement in ("split", "free")],
               "p50")
    print_memory(results)
    print_grid(results, "Doorbells: 64-byte unary echo of two sides that sleep before each message, p50",
               [(placement, "asleep, 64 B", placement) for placement in ("split", "stacked")], "p50")
    print_open_loop(results)
    print_slow_servers(results)
    print_wait_policy(results)


if __name__ == "__main__":
    main()
