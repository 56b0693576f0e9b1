"""Trains one recipe several ways, each alike in budget and with the same seeds,
and measures all on one validation set: what a key is worth.

usage: arms.py RECIPE.ini --arm base --arm alpha=alpha=0.5 \\
               --arm both=alpha=0.5,mosaic=0.3 --seeds 2 --output runs/arms \\
               --val-annotations VAL.json --val-images FOLDER \\
               -- --annotations TRAIN.json --images FOLDER --init FILE

An arm is a name and the keys that it sets, or a name alone; what follows "--"
goes to `defcn train` as it is.  What is done is kept: an interrupted run goes
on from its checkpoint, and a finished one is not trained again.
"""
import argparse
import pathlib
import statistics
import sys

import runs
from result import TREE, commit, line, save

# Of `defcn eval --json`: what the table shows of each way, and of none first.
WAYS = (("none", "no_nms"), ("local", "local"), ("NMS", "nms"))
FIGURES = ("ap", "ap50", "ap75")


def arm(text):
    name, _, keys = text.partition("=")
    if not name or "/" in name:
        raise argparse.ArgumentTypeError(f"{text}: an arm begins with a name")
    return name, [key for key in keys.split(",") if key]


def parse():
    arguments = sys.argv[1:]
    passed = []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, passed = arguments[:at], arguments[at + 1:]
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", metavar="RECIPE.ini")
    parser.add_argument("--arm", action="append", type=arm, required=True,
                        metavar="NAME[=KEY=VALUE,..]", dest="arms")
    parser.add_argument("--seeds", type=int, default=2, metavar="N",
                        help="runs of every arm, with seeds 1 .. N (2)")
    parser.add_argument("--output", required=True, metavar="FOLDER",
                        help="a folder for the runs")
    parser.add_argument("--val-annotations", required=True, metavar="VAL.json")
    parser.add_argument("--val-images", required=True, metavar="FOLDER")
    parser.add_argument("--tool", default=str(TREE / "build/training/defcn"),
                        metavar="DEFCN")
    parser.add_argument("--save", metavar="FILE.json",
                        help="also write JSON, and the table as FILE.md")
    options = parser.parse_args(arguments)
    names = [name for name, _ in options.arms]
    if len(set(names)) != len(names):
        parser.error("two arms of one name")
    options.passed = passed
    return options


def measured(options, name, keys, seed):
    """The figures of one run, which is trained as far as it is not yet."""
    folder = pathlib.Path(options.output, f"{name}-{seed}")
    words = [options.recipe]
    for key in [*keys, f"seed={seed}"]:
        words += ["--set", key]
    model = runs.train(options.tool, folder, [*words, *options.passed])
    return runs.measure(options.tool, model, folder / "figures.json",
                        ["--annotations", options.val_annotations,
                         "--images", options.val_images])


def row_of(name, keys, seeds):
    row = {"name": name, "keys": keys, "seeds": len(seeds)}
    for title, key in WAYS:
        for figure in (*FIGURES, "duplicate_rate"):
            row[f"{title} {figure}"] = [runs.column(s, key)[figure]
                                         for s in seeds]
    return row


def mean(values):
    text = f"{statistics.mean(values):.3f}"
    if len(values) > 1:
        text += f" ({min(values):.3f} .. {max(values):.3f})"
    return text


HEAD = ["arm", "keys", *(f"{figure.upper()} none / local / NMS"
                         for figure in FIGURES), "twins, none"]


def cells(row):
    return [row["name"], ", ".join(row["keys"]) or "-",
            *(" / ".join(mean(row[f"{title} {figure}"]) for title, _ in WAYS)
              for figure in FIGURES), mean(row["none duplicate_rate"])]


def main():
    runs.stop_by_signals()
    options = parse()
    rows = []
    for name, keys in options.arms:
        seeds = [measured(options, name, keys, seed)
                 for seed in range(1, options.seeds + 1)]
        rows.append(row_of(name, keys, seeds))
        if len(rows) == 1:
            print(line(HEAD))
            print(line("---" for _ in HEAD))
        print(line(cells(rows[-1])), flush=True)
    if options.save:
        recipe = pathlib.Path(options.recipe).read_text()
        save(options.save, {"commit": commit(), "recipe": recipe}, rows,
             [f"{options.seeds} seeds an arm, mean (least .. most), "
              f"{commit()}."], HEAD, cells)


if __name__ == "__main__":
    try:
        main()
    except runs.Stopped as why:
        sys.exit(f"{why}: the same command goes on")
    except runs.Failed as why:
        sys.exit(str(why))
