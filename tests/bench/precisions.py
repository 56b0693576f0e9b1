"""What a training step takes in one precision beside another: the same network,
batch and device, in turns, in one run.

usage: precisions.py [--tool DEFCN] [--case NAME] [--device NAME]
                     [--precisions A,B] [--threads N] [--rounds N]
                     [--repetitions N] [--seed N] [--save FILE.json]
"""
import argparse
import json
import random
import subprocess
import sys

import result

PRESET = ["--preset", "coco.poto.3dmf.aux"]
CASES = {
    "r50": [*PRESET, "--size", "512x512", "--batch", "2"],
    "r18": [*PRESET, "--set", "backbone=resnet18", "--set", "fpn_channels=128",
            "--size", "320x320", "--batch", "4"],
    "person": ["--model",
               str(result.TREE / "pipelines/models/person.safetensors"),
               "--size", "320x320", "--batch", "4"],
}
PRECISIONS = ("fp32", "tf32", "bf16")


def bench(options, precision):
    """The report of `defcn bench --train`."""
    done = subprocess.run(
        [options.tool, "bench", "--train", *CASES[options.case], "--json",
         "--device", options.device, "--precision", precision,
         "--threads", str(options.threads),
         "--repetitions", str(options.repetitions)],
        capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def compare(options):
    """What each took, and how many times as long the first took as each."""
    reports = result.rounds_of(
        {name: lambda name=name: bench(options, name)
         for name in options.precisions},
        options.rounds, random.Random(options.seed))
    times = {name: [report["total"]["ms"] for report in given]
             for name, given in reports.items()}
    first = times[options.precisions[0]]
    rows = [{"case": options.case, "device": options.device,
             "threads": options.threads, "precision": name,
             "ms": result.spread(given),
             "ratio": result.spread([a / b for a, b in zip(first, given)])}
            for name, given in times.items()]
    return result.origin(reports[options.precisions[0]][0], options), rows


def cells(row):
    return (row["case"], row["device"], str(row["threads"]), row["precision"],
            result.shown(row["ms"], 1), result.shown(row["ratio"], 2))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--tool",
                        default=str(result.TREE / "build/training/defcn"))
    parser.add_argument("--case", choices=CASES, default="r50")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precisions", default=["fp32", "bf16"],
                        type=result.names_of(PRECISIONS))
    parser.add_argument("--threads", type=int, default=2)
    result.add_options(parser)
    options = parser.parse_args()
    origin, rows = compare(options)
    for row in rows:
        print(", ".join(cells(row)), flush=True)
    if options.save:
        first = options.precisions[0]
        result.save(options.save, origin, rows,
                    [result.caption(origin),
                     f"A ratio is the time of {first} over that of the row."],
                    ("case", "device", "threads", "precision", "ms", "ratio"),
                    cells)


if __name__ == "__main__":
    main()
