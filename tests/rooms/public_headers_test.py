#!/usr/bin/env python3
"""What users include: how much of nigh one include line brings, and that all of it is public.

Fails with the headers that are one too many, or lie elsewhere, or that nothing brings.
"""

import pathlib
import re
import sys

PUBLIC = pathlib.Path("include")
MOST = 28  # headers, those for authors of transports aside
INCLUDE = re.compile(r'^#include "(nigh/[^"]+)"', re.MULTILINE)


def includes(file):
    # The options of .proto files are generated.
    return [name for name in INCLUDE.findall(file.read_text()) if not name.endswith(".pb.h")]


def reach(file):
    """Every header of nigh's that `file` brings, by its name, and what includes it."""
    reached = {}
    left = [(name, str(file)) for name in includes(file)]
    while left:
        name, by = left.pop()
        if name in reached:
            continue
        reached[name] = by
        header = PUBLIC / name
        if header.is_file():
            left += [(each, name) for each in includes(header)]
    return reached


def complaints():
    doors = [PUBLIC / "nigh/nigh.h", *sorted(pathlib.Path("tests/codegen/golden").glob("*.nigh.h"))]
    brought = {"nigh/nigh.h"}
    for door in doors:
        reached = reach(door)
        brought.update(reached)
        for name, by in sorted(reached.items()):
            if not (PUBLIC / name).is_file():
                yield "%s brings %s (by %s), which is not in include/" % (door, name, by)
        count = sum(not name.startswith("nigh/transport/") for name in {*reached, "nigh/nigh.h"} if
                    name != "nigh/nigh.h" or door == doors[0])
        print("%s: %d public headers, and of those for authors of transports: %s" % (
            door, count, ", ".join(n for n in sorted(reached) if n.startswith("nigh/transport/"))))
        if count > MOST:
            yield "%s brings %d public headers, where %d are the most: %s" % (
                door, count, MOST, " ".join(sorted(reached)))
    for header in sorted(PUBLIC.glob("nigh/*.h")):
        name = str(header.relative_to(PUBLIC))
        if name not in brought:
            yield "%s: no user needs it; nothing that users include brings it" % name


def main():
    found = list(complaints())
    print("\n".join(found))
    sys.exit(1 if found else 0)


main()
