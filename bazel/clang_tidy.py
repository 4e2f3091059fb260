"""Runs clang-tidy, and through it clang's own warnings, over every C++ source that Bazel compiles,
or over those that are named.

usage: clang_tidy.py [FILE...]

Works in Bazel's execution root, where headers have the names that sources include them by; the
targets' headers must be built. What was found clean is remembered in .lint-cache by its content, so
that a second run checks only what changed.
"""

import concurrent.futures
import hashlib
import pathlib
import subprocess
import sys

from compile_commands import ROOT, bazel, compile_flags

CACHE = ROOT / ".lint-cache"
JOBS = 2

# The folders through which headers of ours reach the compiler. Generated ones, which nobody writes,
# have a second dot in their names (hello.pb.h, hello.nigh.h).
OUR_HEADERS = (r"(^|/)(_virtual_includes|include|runtime|codegen|transports|examples|tests|benchmarks|tools)/"
               r"([^/]*/)*[^./]+\.h$")
# What it is to look for.
WARNINGS = ["-Wold-style-cast", "-Wthread-safety", "-Wthread-safety-beta"]


def tracked_sources():
    listing = subprocess.run(["git", "ls-files", "-z", "--", "*.cc"], cwd=ROOT, check=True,
                             stdout=subprocess.PIPE, text=True).stdout
    return set(filter(None, listing.split("\0")))


def fingerprint(source, flags, directory, common):
    """Of everything that clang-tidy sees: the preprocessed text with comments (they hold NOLINT) and
    macro definitions. Nothing for a source that does not preprocess."""
    text = subprocess.run(["clang++", *flags, "-E", "-CC", "-dD", source], cwd=directory,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if text.returncode:
        return None
    digest = hashlib.sha256(common)
    digest.update("\0".join(flags).encode())
    digest.update(text.stdout)
    return digest.hexdigest()


def check(source, flags, directory, common):
    """The complaints about one source; empty for none."""
    key = fingerprint(source, flags, directory, common)
    if key and (CACHE / key).exists():
        return ""
    run = subprocess.run(
        ["clang-tidy", "--quiet", "--config-file=%s" % (ROOT / ".clang-tidy"),
         "--header-filter=%s" % OUR_HEADERS, source, "--", *flags],
        cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if run.returncode or run.stdout.strip():
        return run.stdout + ("" if run.stdout.strip() else run.stderr)
    if key:
        (CACHE / key).touch()
    return ""


def main():
    flags = {source: found + WARNINGS for source, found in compile_flags().items()}
    sources = tracked_sources()
    if sys.argv[1:]:
        sources &= set(sys.argv[1:])
    for source in sorted(sources - flags.keys()):
        print("clang-tidy: %s is in no target of this workspace, not checked" % source)
    CACHE.mkdir(exist_ok=True)
    common = (ROOT / ".clang-tidy").read_bytes() + pathlib.Path(__file__).read_bytes()
    common += subprocess.run(["clang-tidy", "--version"], check=True, stdout=subprocess.PIPE).stdout
    directory = bazel("info", "execution_root")

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        checked = sorted(sources & flags.keys())
        for complaint in pool.map(lambda s: check(s, flags[s], directory, common), checked):
            if complaint:
                failed += 1
                # Bazel's folder says nothing to the reader.
                print(complaint.replace(directory + "/", ""), flush=True)
    print("clang-tidy: %d files, %d with complaints" % (len(checked), failed))
    return 1 if failed else 0


sys.exit(main())
