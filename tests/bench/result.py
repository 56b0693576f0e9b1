"""What the benchmarks' results have in common: where they were measured, how
rounds are drawn and how tables are written."""
import argparse
import json
import os
import pathlib
import statistics
import shutil
import subprocess
import time

TREE = pathlib.Path(__file__).resolve().parents[2]


def spread(values):
    return {"median": statistics.median(values), "least": min(values),
            "most": max(values)}


def rounds_of(sides, rounds, rng):
    """What every side gave in every round, each in an order drawn anew."""
    given = {name: [] for name in sides}
    for _ in range(rounds):
        for name in rng.sample(list(sides), len(sides)):
            given[name].append(sides[name]())
    return given


def shown(spread, digits):
    return (f"{spread['median']:.{digits}f} ({spread['least']:.{digits}f} .. "
            f"{spread['most']:.{digits}f})")


def line(texts):
    return "| " + " | ".join(texts) + " |"


def commit():
    """Of the tree; DEFCN_COMMIT where no git is, as in tests/trixie.sh, or
    unknown."""
    if "DEFCN_COMMIT" in os.environ or not shutil.which("git"):
        return os.environ.get("DEFCN_COMMIT", "unknown")

    def git(*arguments):
        return subprocess.run(["git", *arguments], cwd=TREE, text=True,
                              capture_output=True).stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no")
    return git("rev-parse", "--short", "HEAD") + (" changed" if changed else "")


def origin(report, options):
    """Who measured: of a report of `defcn bench`, and of our options."""
    return {"date": report["date"], "commit": commit(),
            "machine": report["machine"], "versions": report["versions"],
            "seed": options.seed, "rounds": options.rounds,
            "repetitions": options.repetitions}


def caption(result):
    """The line above a saved table."""
    machine, versions = result["machine"], result["versions"]
    return (f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, "
            f"load {machine['load']:.1f} before; defcn {versions['defcn']} "
            f"({result['commit']}) with {versions.get('engine', 'no engine')}; "
            f"{result['rounds']} rounds of {result['repetitions']}, "
            f"{result['date'][:10]}.")


def save(path, result, rows, captions, head, cells):
    """JSON at @path and a table beside it."""
    path = pathlib.Path(path)
    path.write_text(json.dumps({**result, "results": rows}, indent=1) + "\n")
    path.with_suffix(".md").write_text("\n".join([
        *captions, "", line(head), line("---" for _ in head),
        *(line(cells(row)) for row in rows)]) + "\n")


def add_options(parser):
    """How often is measured, in which order, and where it is kept."""
    parser.add_argument("--rounds", type=int, default=7, metavar="N",
                        help="measurements of every side (7)")
    parser.add_argument("--repetitions", type=int, default=5, metavar="N",
                        help="runs in a measurement, the median counts (5)")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1000000,
                        metavar="N", help="of the order (the clock)")
    parser.add_argument("--save", metavar="FILE.json",
                        help="also write JSON, and a table as FILE.md")


def names_of(table):
    """An option's type: names out of @table, with commas."""
    def parse(text):
        names = text.split(",")
        unknown = [name for name in names if name not in table]
        if unknown:
            raise argparse.ArgumentTypeError(
                f"no {', '.join(unknown)}; there are {', '.join(table)}")
        return names
    return parse
