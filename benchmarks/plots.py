"""Draws the pictures of docs/performance.md from what ./dev bench --json wrote.

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

from tables import SIZES, load

# What is drawn, from the fastest on; nigh's own in one colour, by shade.
COLOURS = {
    "cache lines": "#c0c0c0", "raw pipe": "#c0c0c0", "raw socketpair": "#909090",
    "nigh shm": "#08519c", "nigh unix": "#4292c6", "nigh tcp": "#9ecae1",
    "Thrift unix": "#fdae6b", "Cap'n Proto unix": "#e6550d", "gRPC unix": "#a63603",
    "gRPC tcp": "#d08050", "ZeroMQ ipc": "#bcbd22",
}


def save(figure, path):
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
    sizes = (1, 1 << 10, 4 << 10, 64 << 10, 1 << 20, 16 << 20)  # 0 B stands at 1
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


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    results = load(sys.argv[1])
    folder = pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    plot_latencies(results, folder / "latency.svg")
    plot_sizes(results, folder / "sizes.svg")
    plot_in_flight(results, folder / "in_flight.svg")


if __name__ == "__main__":
    main()
