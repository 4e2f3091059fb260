"""How Bazel compiles each C++ source of this workspace, as compile_commands.json at the top of the
tree, by which clangd and editors follow an include.

usage: compile_commands.py

An include like "nigh/runtime/base/mutex.h" is found by a link in Bazel's output folder; headers and
links must be built for that, which ./dev compdb does first.
"""

import json
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent

# What clang 14 does not know or complains about, as the start of a flag; and how it is told to let
# the rest of g++'s pass.
_DROPPED_FLAGS = ("-fno-canonical-system-headers", "-D__DATE__", "-D__TIME", "-MD", "-frandom-seed=")
_CLANG_FLAGS = ["-Wno-unknown-warning-option"]


def bazel(*arguments):
    """What bazel prints; nothing where it fails, which the build before this has explained."""
    return subprocess.run(["bazel", *arguments], cwd=ROOT, check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True).stdout.strip()


def compile_flags():
    """source -> the flags that Bazel compiles it with, for clang; paths are relative to Bazel's
    execution root. The first action stands for all."""
    graph = json.loads(bazel("aquery", "--keep_going", "--output=jsonproto",
                             'mnemonic("CppCompile", //...)') or "{}")
    flags = {}
    for action in graph.get("actions", []):
        arguments = action["arguments"]
        source = arguments[arguments.index("-c") + 1]
        kept = []
        rest = iter(arguments[1:])
        for argument in rest:
            if argument in ("-c", "-o", "-MF"):
                next(rest)
            elif not argument.startswith(_DROPPED_FLAGS):
                kept.append(argument)
        flags.setdefault(source, kept + _CLANG_FLAGS)
    return flags


def database():
    """The entries of compile_commands.json. Only what Bazel makes is named by an absolute path: the
    execution root has the tree, too, but as links that come and go with every build."""
    execution_root = bazel("info", "execution_root")

    def absolute(path):
        return re.sub("^(-I|-isystem)?(?=(bazel-out|external)/)",
                      lambda option: option[0] + execution_root + "/", path)

    return [{"directory": str(ROOT), "file": absolute(source),
             "arguments": ["clang++", *map(absolute, flags), "-c", absolute(source)]}
            for source, flags in sorted(compile_flags().items())]


def main():
    entries = database()
    if not entries:
        return 1
    (ROOT / "compile_commands.json").write_text(json.dumps(entries, indent=1) + "\n")
    print("compile_commands.json: %d sources" % len(entries))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
