"""Compares what Bazel compiles into //:nigh, //testing and the plugin with what CMake compiles.

usage: sources.py COMPILE_COMMANDS

CMake takes whatever lies in the folders of these; Bazel is told each file. A file that one of them
lacks is named.
"""

import json
import os
import re
import subprocess
import sys

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def of_bazel():
    targets = "deps(//:nigh) + deps(//testing) + deps(//codegen:protoc-gen-nigh)"
    labels = subprocess.run(
        ["bazel", "query", "--noshow_progress", 'kind("source file", %s)' % targets],
        cwd=TREE, check=True, stdout=subprocess.PIPE, universal_newlines=True).stdout.split()
    return {label[2:].replace(":", "/").lstrip("/") for label in labels
            if label.startswith("//") and label.endswith(".cc")}


def of_cmake(path):
    with open(path) as file:
        compiled = [command["file"] for command in json.load(file)]
    files = set()
    for name in compiled:
        # A folder's, as one.
        if re.search(r"/Unity/unity_[^/]*$", name):
            with open(name) as file:
                includes = re.findall('^#include "(.*)"', file.read(), re.MULTILINE)
            files.update(os.path.join(os.path.dirname(name), include) for include in includes)
        else:
            files.add(name)
    files = {os.path.relpath(file, TREE) for file in files}
    # The build's own files are generated.
    return {file for file in files if not file.startswith((".cache/", ".."))}


def main():
    bazel, cmake = of_bazel(), of_cmake(sys.argv[1])
    for file in sorted(bazel - cmake):
        print("%s: Bazel compiles it, CMake does not" % file)
    for file in sorted(cmake - bazel):
        print("%s: CMake compiles it, Bazel does not (name it in its folder's BUILD)" % file)
    print("%d sources in both" % len(bazel & cmake))
    return 0 if bazel == cmake and bazel else 1


if __name__ == "__main__":
    sys.exit(main())
