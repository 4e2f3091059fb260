#!/usr/bin/env python3
"""Whether the documents hold together: lines of at most 100 columns, links that lead somewhere.

usage: markdown.py    looks at every tracked .md file

Tables and code may be wider: they cannot be broken. A link into the tree has to name a file or a
folder that is there and, after a #, one of its headings.
"""

import os
import re
import subprocess
import sys
import urllib.parse

WIDEST = 100
FENCE = re.compile(r"^\s*(```|~~~)")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.*?) *#*$")


def prose(text):
    """The numbered lines outside code."""
    fenced = False
    for number, line in enumerate(text.split("\n"), 1):
        if FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            yield number, line


def anchors(path):
    """The names of a document's headings, as they are linked to."""
    found = set()
    with open(path) as file:
        for _, line in prose(file.read()):
            heading = HEADING.match(line)
            if heading:
                words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.group(1)).lower()
                name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
                count = 0
                unique = name
                while unique in found:
                    count += 1
                    unique = "%s-%d" % (name, count)
                found.add(unique)
    return found


def wrong_link(path, link):
    """What is wrong with a link of the document at `path`, or None."""
    if re.match(r"[a-z]+:", link):
        return None
    target, _, anchor = urllib.parse.unquote(link).partition("#")
    file = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
    if not os.path.exists(file):
        return "there is no %s" % file
    if anchor and os.path.isfile(file) and anchor not in anchors(file):
        return "%s has no heading #%s" % (file, anchor)
    return None


def check(path):
    with open(path) as file:
        text = file.read()
    for number, line in prose(text):
        if len(line) > WIDEST and not line.lstrip().startswith("|"):
            # A word that is longer than a line cannot be broken.
            if " " in line.strip()[:WIDEST]:
                yield "%s:%d: %d columns" % (path, number, len(line))
        for match in LINK.finditer(re.sub(r"`[^`]*`", "", line)):
            wrong = wrong_link(path, match.group(1) or match.group(2))
            if wrong:
                yield "%s:%d: %s" % (path, number, wrong)


def main():
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.md"], check=True,
                           stdout=subprocess.PIPE, universal_newlines=True).stdout.split("\n")
    found = [wrong for path in files if path and not path.startswith("cmake/paths/")
             for wrong in check(path)]
    for wrong in found:
        print(wrong)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
