#!/usr/bin/env python3
"""Counts the cases of meson's JUnit logs, those of all files together.

count.py LOG...   The last line is "N passed, N failed, N skipped"; what failed
or was skipped is named before.  Exit status 1 when a case failed or none ran.
"""
import sys
import xml.etree.ElementTree as tree


def main(paths):
    passed, failed, skipped = [], [], []
    for path in paths:
        for suite in tree.parse(path).getroot().iter("testsuite"):
            cases = list(suite.iter("testcase"))
            for case in cases:
                name = suite.get("name", "") + " " + case.get("name", "")
                if case.find("failure") is not None or \
                        case.find("error") is not None:
                    failed.append(name)
                elif case.find("skipped") is not None:
                    skipped.append(name)
                else:
                    passed.append(name)
            if int(suite.get("errors", 0)) + int(suite.get("failures", 0)) \
                    and not any(n.startswith(suite.get("name", ""))
                                for n in failed):
                failed.append(suite.get("name", "") + " (program)")
    for name in skipped:
        print("skipped:", name)
    for name in failed:
        print("FAILED:", name)
    print("%d passed, %d failed, %d skipped"
          % (len(passed), len(failed), len(skipped)))
    return 1 if failed or not passed else 0


sys.exit(main(sys.argv[1:]))
