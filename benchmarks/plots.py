"""Draws the pictures of docs/performance.md from what ./dev bench --json wrote.

A picture of which FILE has no numbers stays as it is.

usage: plots.py FILE FOLDER
"""

import pathlib
import sys

import matplotlib
matplotlib.use("svg")
# Letters stay letters, and the same numbers give the same file.
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "nigh", "font.size": 9,
                            "font.family": "sans-serif", "axes.spines.top": False,
                            "axes.spines.right": False})
import matplotlib.pyplot as plt  # noqa: E402: after the backend is chosen

from plan import RATES, THREADS, rate_name, threads_name
from plan import SIZES as SIZES_IN_BYTES
from tables import SIZES, load

# What is drawn, from the fastest on; nigh's own in one colour, by shade.
COLOURS = {
    "cache lines": "#c0c0c0", "raw pipe": "#c0c0c0", "raw socketpair": "#909090",
    "nigh shm": "#08519c", "nigh unix": "#4292c6", "nigh tcp": "#9ecae1",
    "Thrift unix": "#fdae6b", "Cap'n Proto unix": "#e6550d", "gRPC unix": "#a63603",
    "gRPC tcp": "#d08050", "ZeroMQ ipc": "#bcbd22",
}


def save(figure, path):
    """A picture of nothing that was measured is left as it is."""
    if any(axis.has_data() for axis in figure.axes):
        figure.tight_layout()
        figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def plot_latencies(results, path):
    """64-byte echo, p50, a bar each; split and stacked side by side."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.9), sharex=True)
    for axis, placement in zip(axes, ("split", "stacked")):
        found = [(name, results.median(("unary 64 B", name, placement), "p50"))
                 for name in COLOURS]
        found = sorted(((n, v) for n, v in found if v), key=lambda pair: -pair[1])
        bars = axis.barh([n for n, _ in found], [v for _, v in found],
                         color=[COLOURS[n] for n, _ in found])
        axis.bar_label(bars, ["%.3g" % v for _, v in found], padding=2)
        axis.set_xscale("log")
        axis.set_xlim(0.08, 900)
        axis.set_xlabel("microseconds")
        axis.set_title({"split": "a CPU each", "stacked": "one CPU for both"}[placement])
    figure.suptitle("64-byte unary echo between two processes, median")
    save(figure, path)


def plot_sizes(results, path):
    """Echo by size, p50, split."""
    figure, axis = plt.subplots(figsize=(6, 3.6))
    sizes = [max(1, size) for size in SIZES_IN_BYTES]  # 0 B stands at 1
    for name, colour in COLOURS.items():
        values = [results.median(("unary " + size, name, "split"), "p50") for size in SIZES]
        points = [(s, v) for s, v in zip(sizes, values) if v]
        if len(points) > 1:
            axis.plot(*zip(*points), marker="o", markersize=3, color=colour, label=name)
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xticks(sizes, SIZES)
    axis.set_ylabel("microseconds, median")
    axis.set_title("Unary echo by size, a CPU each")
    axis.legend(frameon=False, fontsize=8)
    save(figure, path)


def plot_in_flight(results, path):
    """Calls a second by calls in flight, split."""
    figure, axis = plt.subplots(figsize=(6, 3))
    for name, colour in COLOURS.items():
        points = [(calls, results.median(("%d in flight, 1 thread" % calls, name, "split"), "per_s"))
                  for calls in (1, 4, 16, 64)]
        points = [(c, v / 1000) for c, v in points if v]
        if points:
            axis.plot(*zip(*points), marker="o", markersize=3, color=colour, label=name)
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xticks((1, 4, 16, 64), ("1", "4", "16", "64"))
    axis.set_xlabel("calls in flight, one thread and channel")
    axis.set_ylabel("thousand calls a second")
    axis.set_title("Throughput, a CPU each")
    axis.legend(frameon=False, fontsize=8)
    save(figure, path)


def both_sides_cpu(results, key):
    """Microseconds of CPU a call, client and server together."""
    sides = [results.median(key, side) for side in ("client_cpu", "server_cpu")]
    return sum(sides) if None not in sides else None


def lines(axis, styles, points_of):
    """A line for each subject, in its colour, and each style, where there are points."""
    for name, colour in COLOURS.items():
        for style, what in styles.items():
            points = [(x, y) for x, y in points_of(name, what) if y]
            if points:
                axis.plot(*zip(*points), style, marker="o", markersize=3, color=colour,
                          label="%s, %s" % (name, what))


def plot_rates(results, path):
    """One thread that calls at a rate: p50, and how much of a CPU both processes take."""
    def kept_up(name, placement):
        for rate in RATES:
            key = (rate_name(rate), name, placement)
            if (results.median(key, "per_s") or 0) > 0.9 * rate:
                yield rate, key

    figure, (latency, cpu) = plt.subplots(1, 2, figsize=(9, 3.4), sharex=True)
    styles = {"-": "split", ":": "stacked"}
    lines(latency, styles, lambda name, placement: (
        (rate, results.median(key, "p50")) for rate, key in kept_up(name, placement)))
    lines(cpu, styles, lambda name, placement: (
        (rate, both_sides_cpu(results, key) * rate / 1e6) for rate, key in kept_up(name, placement)))
    for axis in (latency, cpu):
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel("calls a second, one thread")
    latency.set_title("Microseconds, median, from when the call is due")
    cpu.set_title("CPUs taken by both processes")
    cpu.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, path)


def plot_threads(results, path):
    """Threads that call back to back, over one channel or one each: rate, and CPU a call."""
    channels = {"one channel": lambda threads: 1, "a channel each": lambda threads: threads}
    figure, (rate, cpu) = plt.subplots(1, 2, figsize=(9, 3.4), sharex=True)
    styles = {"-": "one channel", ":": "a channel each"}

    def values(read):
        return lambda name, what: (
            (threads, read((threads_name(threads, channels[what](threads)), name, "free")))
            for threads in THREADS)

    lines(rate, styles, values(lambda key: (results.median(key, "per_s") or 0) / 1000))
    lines(cpu, styles, values(lambda key: both_sides_cpu(results, key)))
    for axis in (rate, cpu):
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xticks(THREADS, [str(each) for each in THREADS])
        axis.set_xlabel("threads, placed by the kernel")
    rate.set_title("Thousand calls a second")
    cpu.set_title("Microseconds of CPU a call, both processes")
    cpu.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, path)


PLOTS = {
    plot_latencies: "latency.svg", plot_sizes: "sizes.svg", plot_in_flight: "in_flight.svg",
    plot_rates: "rates.svg", plot_threads: "threads.svg",
}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    results = load(sys.argv[1])
    folder = pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for plot, name in PLOTS.items():
        plot(results, folder / name)


if __name__ == "__main__":
    main()
