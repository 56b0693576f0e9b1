#!/usr/bin/env python3
"""What a shared model, batches and workers are worth on this machine: eight
streams of the street with a model each, of one thread and as they are, beside
one model for all, and with batches of eight; and one stream with two workers of
one thread beside one frame at a time, of as many threads as are best.  Frames a
second and memory of the process, in rounds of an order drawn anew, and the
ratios of each round.  The memory of models is that of the process less what it
takes to read and decode the streams alone."""
import argparse
import random
import tempfile
import time

import pipelines
import result
import street
from result import line, shown, spread

STREAMS = 8
SHARED = "model-instance-id=all"
DECODED = "8, no model"
# What is measured: streams, threads, properties; none where no model is.
CASES = {
    DECODED: (STREAMS, 0, None),
    "8, a model each, 1 thread": (STREAMS, 1, ""),
    "8, a model each": (STREAMS, 0, ""),
    "8, one model": (STREAMS, 0, SHARED),
    "8, one model, batches": (STREAMS, 2, SHARED + f" batch-size={STREAMS} "
                              "batch-timeout=200"),
    "8, one model, two workers of 1 thread": (STREAMS, 1, SHARED +
                                              " workers=2"),
    "1, a frame at a time, 1 thread": (1, 1, "nireq=1"),
    "1, a frame at a time, 2 threads": (1, 2, "nireq=1"),
    "1, two workers of 1 thread": (1, 1, "workers=2 nireq=4"),
}
HEAD = ["case", "frames/s", "CPU ms/frame", "peak MB", "others"]
RATIO_HEAD = ["ratio", "of each round"]


def ratios(runs):
    """What is promised, of every round, as it should be: above 1 is better."""
    decoded, own, default, shared, batch, both, one, two, workers = (
        runs[c] for c in CASES)
    def of(key, above, *below):
        return [a[key] / max(b[key] for b in rest)
                for a, *rest in zip(above, *below)]

    def models(runs):
        return [{"peak_mb": run["peak_mb"] - less["peak_mb"]}
                for run, less in zip(runs, decoded)]
    return {
        "memory of models, a model each by one model":
            of("peak_mb", models(own), models(shared)),
        "memory of models, a model each by one model with batches":
            of("peak_mb", models(own), models(batch)),
        "memory of the process, a model each by one model":
            of("peak_mb", own, shared),
        "frames/s, batches by a model each, 1 thread": of("fps", batch, own),
        "frames/s, batches by a model each": of("fps", batch, default),
        "frames/s, one model by a model each, 1 thread":
            of("fps", shared, own),
        "frames/s, two workers of one model by a model each":
            of("fps", both, default),
        "frames/s, two workers by the better of one frame at a time":
            of("fps", workers, one, two),
    }


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=str(result.TREE / "build"),
                        metavar="FOLDER", help="that was built (build)")
    parser.add_argument("--video", metavar="FILE",
                        help="to read (Debian's street video)")
    parser.add_argument("--frames", type=int, default=160, metavar="N",
                        help="of a measurement, of all streams (160)")
    parser.add_argument("--tries", type=int, default=2, metavar="N",
                        help="of a measurement while others disturb it (2)")
    result.add_options(parser)
    parser.set_defaults(rounds=5, repetitions=1)
    return parser.parse_args()


def rows_of(runs):
    return [{"case": name, **{key: spread([run[key] for run in runs[name]])
                              for key in runs[name][0]}, "rounds": runs[name]}
            for name in runs]


def cells(row):
    return [row["case"], shown(row["fps"], 1), shown(row["cpu_ms"], 1),
            shown(row["peak_mb"], 0), shown(row["others"], 2)]


def main():
    options = parse_options()
    rng = random.Random(options.seed)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        video = street.find(options.video, folder)
        launcher = pipelines.Launcher(options, video, folder)
        about = pipelines.begin(options, video)

        def measure(streams, threads, more):
            chain = "decode" if more is None else "decode, detect"
            return pipelines.undisturbed(
                lambda: launcher.run(chain, streams, threads, more=more),
                options.tries)
        runs = result.rounds_of(
            {name: lambda case=case: measure(*case)
             for name, case in CASES.items()}, options.rounds, rng)
    rows = rows_of(runs)
    about["ratios"] = {name: spread(values)
                       for name, values in ratios(runs).items()}
    found = [line(RATIO_HEAD), line("---" for _ in RATIO_HEAD),
             *(line([name, shown(value, 2)])
               for name, value in about["ratios"].items())]
    print("\n".join([line(HEAD), line("---" for _ in HEAD),
                     *(line(cells(row)) for row in rows), "", *found]))
    print(f"took {time.monotonic() - begun:.0f} s")
    if options.save:
        del about["results"]
        result.save(options.save, about, rows,
                    [result.caption(about), "", *found], HEAD, cells)


if __name__ == "__main__":
    main()
