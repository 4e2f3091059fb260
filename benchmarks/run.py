"""Measures nigh beside its floors and gRPC, and prints one table. ./dev bench builds and runs it.

usage: run.py --programs DIR [--quick] [--rounds N] [--seconds S] [--only TEXT]... [--json FILE]

Rounds are interleaved (A B C A B C): whatever else the machine does meets all of them alike. A
number of the table is the median of the rounds; a ratio is the median of the rounds' ratios.
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

from plan import BESIDE, SUBJECTS, make_plan, size_name
from report import Results, print_memory, print_table, print_targets


def start_beside(what):
    return subprocess.Popen(BESIDE[what], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)


def start(programs, address, measurement, seconds):
    program = SUBJECTS[measurement.subject][0]
    return subprocess.Popen(
        [programs / program, "--address=" + address,
         "--placement=" + measurement.placement, "--seconds=%g" % seconds, *measurement.flags],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def measure(programs, scratch, measurement, seconds):
    """One round's values; None where the program failed. Of several copies, their mean."""
    address = SUBJECTS[measurement.subject][1].replace("{scratch}", scratch)
    beside = start_beside(measurement.beside) if measurement.beside else None
    running = [start(programs, address, measurement, seconds) for _ in range(measurement.copies)]
    values = []
    for process in running:
        try:
            output, _ = process.communicate(timeout=60 + 20 * seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            print("no result in time: %s" % " ".join(map(str, process.args)), file=sys.stderr)
            continue
        if process.returncode == 0:
            values.append(json.loads(output))
    if beside:
        beside.kill()
        beside.wait()
    if len(values) < measurement.copies:
        return None
    return {field: sum(v[field] for v in values) / len(values) for field in values[0]}


def measure_codec(programs):
    """What takes one thread: ("codec alone" or "cached copy", payload, microseconds), each. The
    codec's is all that protobuf does of an echo."""
    run = subprocess.run(
        [programs / "codec_benchmark", "--benchmark_filter=EchoCodec|CachedCopy", "--benchmark_format=json",
         "--benchmark_min_time=0.05"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    names = {"EchoCodec": "codec alone", "CachedCopy": "cached copy"}
    for each in json.loads(run.stdout)["benchmarks"]:
        what, size = each["name"].split("/")
        yield names[what], int(size), each["real_time"] / 1000


def count_costs(programs):
    """What costs/ counts, by name."""
    costs = {}
    counter = pathlib.Path(__file__).parent / "costs/count_instructions.sh"
    for command in ([programs / "costs/costs_test"],
                    [counter, programs / "costs/instructions_of_unary_calls", "unix"],
                    [counter, programs / "costs/instructions_of_unary_calls", "shm"]):
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        for line in run.stdout.splitlines():
            if line.startswith("cost "):
                _, name, value = line.split()
                costs[name] = float(value)
    return costs


def load_average():
    return "%.1f" % os.getloadavg()[0]


def main():
    parser = argparse.ArgumentParser(prog="./dev bench")
    parser.add_argument("--programs", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="a minute or two, less exact")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of each measurement in each round")
    parser.add_argument("--only", action="append", metavar="TEXT",
                        help="measurements whose row contains this text; may be repeated")
    parser.add_argument("--json", metavar="FILE", help="every round's values go there, too")
    arguments = parser.parse_args()
    rounds = arguments.rounds or (1 if arguments.quick else 5)
    seconds = arguments.seconds or (0.2 if arguments.quick else 0.5)

    only = arguments.only or [""]
    plan = [m for m in make_plan(arguments.quick)
            if any(text in " ".join(m.key) for text in only)]
    results = Results()
    before = load_average()
    with tempfile.TemporaryDirectory() as scratch:
        for turn in range(rounds):
            for what, size, micros in measure_codec(arguments.programs):
                results.add(("unary " + size_name(size), what, "one thread"), {"p50": micros})
            for index, measurement in enumerate(plan):
                if sys.stderr.isatty():
                    print("\rround %d of %d, %d of %d " % (turn + 1, rounds, index + 1, len(plan)),
                          end="", file=sys.stderr)
                results.add(measurement.key,
                            measure(arguments.programs, scratch, measurement, seconds))
    if not arguments.only:
        results.costs = count_costs(arguments.programs)
    if sys.stderr.isatty():
        print("\r" + " " * 40, end="\r", file=sys.stderr)
    print("%d CPUs, Linux %s, %d rounds of %g s, load average %s before, %s after"
          % (os.cpu_count(), platform.release(), rounds, seconds, before, load_average()))
    print("Latencies in microseconds, medians of the rounds; spread: slowest over fastest round.\n")
    print_table(results)
    print()
    print_memory(results)
    print_targets(results)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(results.as_json(), indent=1) + "\n")
    return 1 if any(None in values for values in results.rounds.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
