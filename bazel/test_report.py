"""Counts what `bazel test` ran, case by case. The last line is "N passed, N failed" and, where there
are any, ", N skipped".

usage: test_report.py EVENTS EXIT_CODE [--program NAME EXIT_CODE]...

EVENTS is what --build_event_json_file wrote and EXIT_CODE how bazel ended; a program counts as one
case. The events name exactly the results of this run, cached ones too; the folder of test logs also
holds those of earlier runs and of targets that no longer build.
"""

import argparse
import json
import re
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree

# A sanitizer's report fails a test even where it comes from a process whose end the test ignores.
SANITIZER_REPORT = re.compile(
    rb"^(==\d+==\s*ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|\S+:\d+:\d+: runtime error: ).*", re.M)


class Tally:
    def __init__(self):
        self.passed = 0
        self.failed = []  # (name, where to look)
        self.skipped = []  # (name, reason)

    def add_test(self, label, result):
        """One run of one test target: a testResult event's payload."""
        paths = {output["name"]: urllib.parse.unquote(urllib.parse.urlparse(output["uri"]).path)
                 for output in result.get("testActionOutput", [])}
        log = paths.get("test.log", "no log")
        failed_before = len(self.failed)
        cases = read_cases(paths.get("test.xml"))
        succeeded = result["status"] == "PASSED"
        for case in cases:
            name = " ".join(part for part in (label, case_name(case)) if part)
            skip = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                self.failed.append((name, log))
            elif skip is not None:
                self.skipped.append((name, skip_reason(skip)))
            elif case.get("status") == "notrun":
                self.skipped.append((name, "disabled"))
            else:
                self.passed += 1
        report = sanitizer_report(log)
        if len(self.failed) == failed_before and (report or not succeeded):
            self.failed.append(("%s %s" % (label, report or result["status"]), log))
        elif not cases:
            self.skipped.append((label, "it has no cases, or the filter left none"))

    def print(self):
        for name, reason in sorted(self.skipped):
            print("SKIPPED %s: %s" % (name, reason))
        for name, place in self.failed:
            print("FAILED  %s (%s)" % (name, place))
        skipped = ", %d skipped" % len(self.skipped) if self.skipped else ""
        print("%d passed, %d failed%s" % (self.passed, len(self.failed), skipped))


def read_cases(path):
    """The <testcase> elements of a test.xml; for a test that isn't GoogleTest, Bazel writes one with
    a single case."""
    try:
        return list(ElementTree.parse(path).iter("testcase"))
    except (OSError, TypeError, ElementTree.ParseError):
        return [ElementTree.Element("testcase")]


def case_name(case):
    """Nothing for the single case that Bazel writes, whose name is the target's again."""
    return "%s.%s" % (case.get("classname"), case.get("name")) if case.get("classname") else ""


def skip_reason(skip):
    """GoogleTest's message begins with the line `file:line`."""
    text = (skip.get("message") or skip.text or "").strip()
    return " ".join(re.sub(r"\A\S+:\d+\s+", "", text).split()) or "no reason given"


def sanitizer_report(log):
    try:
        with open(log, "rb") as file:
            found = SANITIZER_REPORT.search(file.read())
    except OSError:
        return None
    return found.group(0).decode(errors="replace") if found else None


def read_events(path):
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)
    except (OSError, json.JSONDecodeError):
        return  # bazel did not get that far, or was killed


def count(events, exit_code, tally):
    tests = {}  # (label, run, shard) -> its last attempt
    for event in events:
        kind, key = next(iter(event["id"].items()), ("", {}))
        if kind == "testResult" and "testResult" in event:
            tests[key["label"], key.get("run"), key.get("shard")] = event["testResult"]
        elif kind in ("targetCompleted", "unconfiguredLabel"):
            aborted = event.get("aborted", {})
            if aborted.get("reason") == "SKIPPED":
                tally.skipped.append((key["label"], "not for this platform"))
            elif aborted or not event.get("completed", {}).get("success"):
                tally.failed.append((key["label"], "did not build"))
    unbuilt = bool(tally.failed)
    for (label, _, _), result in sorted(tests.items(), key=str):
        tally.add_test(label, result)
    # Bazel's 3 is "tests failed"; any other error (a BUILD file that does not parse, no test found,
    # an interrupt) is one beside what the tests say.
    if exit_code and not (tally.failed if exit_code == 3 else unbuilt):
        tally.failed.append(("bazel test", "exit code %d, see above" % exit_code))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("events")
    parser.add_argument("exit_code", type=int)
    parser.add_argument("--program", nargs=2, action="append", default=[])
    arguments = parser.parse_args()

    tally = Tally()
    count(read_events(arguments.events), arguments.exit_code, tally)
    for name, exit_code in arguments.program:
        if exit_code == "0":
            tally.passed += 1
        else:
            tally.failed.append((name, "exit code %s, see above" % exit_code))
    tally.print()
    return 1 if tally.failed else 0


sys.exit(main())
