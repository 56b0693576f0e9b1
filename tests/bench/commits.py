#!/usr/bin/env python3
"""Has defcn become slower?  Builds an earlier commit beside this tree and
measures both in one run, with `defcn bench`.

Every round measures both in an order that is drawn anew, so that whatever else
the machine does meets both; the ratio of each round is kept and their median
is the result: above 1 this tree is the faster.
"""
import argparse
import random
import subprocess
import sys

from ours import CASES, Ours
from result import (TREE, add_options, caption, line, names_of, origin,
                    rounds_of, save, shown, spread)

HEAD = ["network", "threads", "before ms", "now ms", "before / now"]


def run(*command):
    done = subprocess.run(command, cwd=TREE, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        sys.exit(" ".join(command) + ":\n" + done.stdout)
    return done.stdout.strip()


def build(source, folder):
    """The tool of a tree, built without CUDA and tests."""
    if not (folder / "build.ninja").exists():
        run("meson", "setup", str(folder), str(source), "--buildtype=release",
            "-Dcuda=disabled", "-Dtests=false", "-Dplugin=disabled")
    run("ninja", "-C", str(folder), "training/defcn")
    return str(folder / "training" / "defcn")


def build_before(revision, runs):
    """The tool of a commit, in a work tree of its own that is kept."""
    commit = run("git", "rev-parse", "--short", revision + "^{commit}")
    source = runs / ("commit-" + commit)
    if not source.exists():
        run("git", "worktree", "add", "--detach", str(source), commit)
    return commit, build(source, source / "build")


def compare(tools, options, case, threads, rng):
    sides = {name: Ours(tool, case, threads) for name, tool in tools.items()}
    times = rounds_of(
        {name: lambda ours=ours: ours.measure(options.repetitions)
         for name, ours in sides.items()}, options.rounds, rng)
    return {"case": case, "threads": threads,
            "before_ms": spread(times["before"]),
            "now_ms": spread(times["now"]),
            "ratio": spread([before / now for before, now in
                             zip(times["before"], times["now"])]),
            "rounds_ms": times}


def cells(row):
    return [row["case"], str(row["threads"]), shown(row["before_ms"], 1),
            shown(row["now_ms"], 1), shown(row["ratio"], 3)]


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("revision", help="the earlier commit")
    parser.add_argument("--cases", type=names_of(CASES),
                        default=["person", "r50"], metavar="NAME,..",
                        help=f"of {', '.join(CASES)} (person,r50)")
    parser.add_argument("--threads", default=[1, 2], metavar="N,..",
                        type=lambda text: [int(n) for n in text.split(",")],
                        help="CPU threads (1,2)")
    add_options(parser)
    return parser.parse_args()


def main():
    options = parse_options()
    runs = TREE / "runs"
    runs.mkdir(exist_ok=True)
    commit, before = build_before(options.revision, runs)
    tools = {"before": before, "now": build(TREE, runs / "bench-build")}
    rng = random.Random(options.seed)
    report = Ours(tools["now"], options.cases[0], 1).bench(1)
    result = {**origin(report, options), "before": commit}
    rows = []
    print(line(HEAD), line("---" for _ in HEAD), sep="\n", flush=True)
    for case in options.cases:
        for threads in options.threads:
            rows.append(compare(tools, options, case, threads, rng))
            print(line(cells(rows[-1])), flush=True)
            if options.save:
                save(options.save, result, rows,
                     [caption(result), f"Before: {commit}."], HEAD, cells)


if __name__ == "__main__":
    main()
