"""The table of ./dev bench, and the targets."""

import statistics

from plan import HAND_TUNED_YIELDS

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

    def system_calls(self, when):
        """All system calls of one call, of both sides; `when` is "busy" or "asleep"."""
        kinds = [value for name, value in self.costs.items()
                 if name.startswith("system_calls_" + when)]
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
        if group.startswith("100 idle"):
            continue  # has no calls; see the targets
        spread = results.spread(key, "p50" if results.median(key, "p50") else "per_s")
        rows.append((group, placement, name)
                    + tuple(number(results.median(key, field)) for field, _ in COLUMNS)
                    + ("failed" if spread is None else "x %.2f" % spread,))
    print_aligned(rows)


def best_hand_tuned(results, group, placement):
    """The default policy's p50 over that of the best of the others."""
    default = (group, "nigh unix default", placement)
    ratios = [results.ratio(default, (group, "nigh unix yields=%d" % yields, placement))
              for yields in HAND_TUNED_YIELDS]
    known = [ratio for ratio in ratios if ratio is not None]
    return max(known) if known else None


def targets(results):
    """(what, value, limit, verdict) of each of nigh's targets that can be judged so far."""
    unary = "unary 64 B"

    def ours(placement):
        return (unary, "nigh unix", placement)

    idle = results.median(("100 idle connections", "nigh unix", "free"), "wakeups_per_s")
    judged = [
        ("unix stacked / raw socketpair stacked",
         results.ratio(ours("stacked"), (unary, "raw socketpair", "stacked")), "<=", 1.2),
        ("gRPC unix / nigh unix, split",
         results.ratio((unary, "gRPC unix", "split"), ours("split")), ">=", 20),
        ("instructions a unary call, both sides", results.costs.get("instructions"), "<=", 2800),
        ("system calls a call that carry bytes", results.costs.get("system_calls_busy_carrying"),
         "<=", 4),
        ("system calls a call, all, while polling", results.system_calls("busy"), "<=", 4),
        ("system calls a call, all, asleep", results.system_calls("asleep"), "<=", 4),
        ("heap allocations a call, 64 B", results.costs.get("allocations_64"), "<=", 0),
        ("heap allocations a call, 4 KiB", results.costs.get("allocations_4096"), "<=", 0),
        ("100 idle connections, wake-ups a second", idle, "<=", 0),
    ]
    for placement in ("split", "stacked"):
        judged.append(("64 idle and 1 active / 1 active, " + placement,
                       results.ratio(("1 active, 64 idle", "nigh unix", placement),
                                     ("1 active, 0 idle", "nigh unix", placement)), "<=", 1.3))
    for placement in ("split", "stacked", "free"):
        judged.append(("default wait policy / best hand-tuned, " + placement,
                       best_hand_tuned(results, "wait policy", placement), "<=", 1.3))
    judged.append(("default wait policy / best hand-tuned, 4 pairs on all CPUs",
                   best_hand_tuned(results, "wait policy, 4 pairs", "free"), "<=", 1.3))
    for what, value, relation, limit in judged:
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
