#!/usr/bin/env python3
"""Counts the cases of meson's JUnit logs, those of all files together.

count.py [--slowest N] LOG...   The last line is "N passed, N failed, N
skipped"; what failed or was skipped is named before, and the N tests that took
longest.  Exit status 1 when a case failed or none ran.

JUnit knows of no program that crashed or took too long after its last case:
that is in testlog.json, which meson puts beside it.
"""
import argparse
import json
import pathlib
import xml.etree.ElementTree as tree

GOOD = ("OK", "SKIP", "EXPECTEDFAIL")


def read_cases(path, passed, failed, skipped):
    """Sorts the log's cases into the lists."""
    for suite in tree.parse(path).getroot().iter("testsuite"):
        for case in suite.iter("testcase"):
            name = suite.get("name", "") + " " + case.get("name", "")
            if case.find("failure") is not None or \
                    case.find("error") is not None:
                failed.append(name)
            elif case.find("skipped") is not None:
                skipped.append(name)
            else:
                passed.append(name)


def read_programs(path):
    """The log's programs: (seconds, name, result)."""
    with open(path.with_name("testlog.json")) as log:
        entries = [json.loads(line) for line in log]
    return [(e["duration"], e["name"], e["result"]) for e in entries]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--slowest", type=int, default=0)
    parser.add_argument("logs", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    passed, failed, skipped, programs = [], [], [], []
    for path in options.logs:
        read_cases(path, passed, failed, skipped)
        for seconds, name, result in read_programs(path):
            programs.append((seconds, name, path.parts[-3]))
            if result not in GOOD and not any(
                    f.partition(".")[2].startswith(name + " ")
                    for f in failed):
                failed.append("%s (%s)" % (name, result))
    for name in skipped:
        print("skipped:", name)
    for seconds, name, build in sorted(programs)[:-options.slowest - 1:-1]:
        print("%7.1f s  %s  %s" % (seconds, build, name))
    for name in failed:
        print("FAILED:", name)
    print("%d passed, %d failed, %d skipped"
          % (len(passed), len(failed), len(skipped)))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    raise SystemExit(main())
