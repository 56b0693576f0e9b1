#!/usr/bin/env python3
"""Is every source file in the table of tests/README.md, and every test of it
one that there is?

tested.py SOURCES BUILD   Prints a line for each that is not.
"""
import json
import os
import pathlib
import subprocess
import sys


def table(path):
    """(patterns, tests) of the rows whose first cell names a source."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            cells = [cell.strip() for cell in line.strip(" |\n").split("|")]
            if line.startswith("|") and cells[0].endswith((".c", ".cu")):
                yield cells[0].split(), [t.strip() for t in cells[1].split(",")]


def matches(file, pattern):
    """`*` stands for a name in one folder, not for a folder."""
    return pathlib.PurePath(file).match(pattern)


def sources(tree):
    for top in ("core", "gst-plugin", "pipelines", "training"):
        for folder, _, names in os.walk(os.path.join(tree, top)):
            for name in sorted(names):
                if name.endswith((".c", ".cu")):
                    yield os.path.relpath(os.path.join(folder, name), tree)


def main(tree, build):
    rows = list(table(os.path.join(tree, "tests", "README.md")))
    patterns = [pattern for row, _ in rows for pattern in row]
    files = list(sources(tree))
    for file in files:
        if not any(matches(file, pattern) for pattern in patterns):
            print("tests/README.md has no row for %s" % file)
    for pattern in patterns:
        if not any(matches(file, pattern) for file in files):
            print("tests/README.md: no source is %s" % pattern)
    found = json.loads(subprocess.run(
        ["meson", "introspect", "--tests", build], check=True,
        capture_output=True, text=True).stdout)
    there = {test["name"] for test in found} | {
        suite.rpartition(":")[2] + "/" + test["name"]
        for test in found for suite in test["suite"]}
    if not {"tool", "launch"} <= there:
        return  # built without the tool or the plugin
    with_cuda = any(name.startswith("cuda emulated") for name in there)
    with_frames = "cuda emulated cudaframe" in there
    for row, tests in rows:
        if row[0].startswith("core/cuda/") and not with_cuda:
            continue
        if row[0].endswith("/cudaframe.c") and not with_frames:
            continue
        if row[0].startswith("pipelines/live/") and "live" not in there:
            continue
        for name in tests:
            if name not in there and (with_cuda or "cuda" not in name):
                print("tests/README.md: %s: no test is %s"
                      % (" ".join(row), name))


main(*sys.argv[1:])
