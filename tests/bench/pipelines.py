"""How fast whole pipelines with the person model are on this machine, how that
scales with threads, streams and input size, what they do beside busy
neighbours, and what memory they take.

Frames are counted where they leave the pipeline, after the first few, which
wait for the model and for queues to fill.  CPU time and memory are those of
the process.  In every round each case of a part is measured once, in an order
drawn anew; the median of the rounds is the result.  "others" is how many cores
everything else on the machine kept busy meanwhile.
"""
import argparse
import contextlib
import json
import os
import pathlib
import random
import resource
import shlex
import subprocess
import sys
import tempfile
import time

import street
from process import cpu_seconds
from result import (TREE, caption, line, names_of, origin, rounds_of, spread)

MODEL = TREE / "pipelines/models/person.safetensors"
PERSON = ["--model", str(MODEL)]
# Network and input.  R-50's weights are random, which takes the same time.
NETWORKS = {
    ("person", "288x160"): PERSON, ("person", "576x320"): PERSON,
    ("person", "864x512"): PERSON, ("person", "1152x640"): PERSON,
    ("r50", "864x512"): ["--preset", "coco.poto.3dmf.aux"],
}
WARM = 10  # frames that do not count
DECODE_ONLY = 7  # times as many frames where the network does not run
QUIET = 0.1  # cores that others may take without a second try
CORES = len(os.sched_getaffinity(0))

# What follows the decoder; {count} is where frames are counted.
PIPELINES = {
    "decode": "{count} ! fakesink sync=false",
    "decode, detect": "{detect} ! {count} ! fakesink sync=false",
    "decode, detect, publish":
        "{detect} ! {publish} ! {count} ! fakesink sync=false",
    "decode, detect, publish, draw, encode":
        "{detect} ! {publish} ! tee name=t "
        "t. ! queue ! defcnoverlay ! videoconvert "
        "! x264enc tune=zerolatency speed-preset=veryfast ! {count} "
        "! h264parse ! mp4mux ! filesink location={folder}/drawn.mp4 "
        "t. ! queue ! fakesink sync=false",
}


class Launcher:
    """Runs pipelines out of a build."""

    def __init__(self, options, video, folder):
        build = pathlib.Path(options.build).resolve()
        self.frames, self.video, self.folder = options.frames, video, folder
        path = [str(build / "gst-plugin"), os.environ.get("GST_PLUGIN_PATH")]
        self.environment = {**os.environ,
                            "GST_PLUGIN_PATH": ":".join(filter(None, path))}

    def describe(self, name, stream, frames, threads, more, streams):
        # Of frames of several streams that come at once -v tells some only.
        count = "identity silent=false" if streams == 1 else \
            f"defcnpublish source={stream} add-empty-results=true"
        rest = PIPELINES[name].format(
            count=count,
            detect=f"defcndetect model={shlex.quote(str(MODEL))} device=cpu "
                   f"threads={threads} threshold=0.3 {more}",
            publish=f"defcnpublish location={self.folder}/found.jsonl "
                    "add-empty-results=true",
            folder=self.folder)
        return (f"filesrc location={shlex.quote(str(self.video))} ! decodebin "
                f"! identity eos-after={frames} ! queue max-size-buffers=8 "
                f"! {rest}")

    def run(self, name, streams=1, threads=0, hogs=0, more=""):
        """Frames per second of all streams while all run, CPU milliseconds of
        a frame, and the peak of the process's memory in MB.  @more: properties
        of every detector."""
        frames = WARM + max(self.frames // streams, WARM)
        if name == "decode":
            frames *= DECODE_ONLY
        words = shlex.split(" ".join(
            self.describe(name, i, frames, threads, more, streams)
            for i in range(streams)))
        with busy(hogs), tempfile.TemporaryFile("w+") as errors:
            process = subprocess.Popen(
                ["gst-launch-1.0", "-v" if streams == 1 else "-q", *words],
                env=self.environment,
                stdout=subprocess.PIPE, stderr=errors, text=True)
            counted, before = watch(process, streams)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            errors.seek(0)
            if process.returncode or len(counted) < streams:
                sys.exit(errors.read() or f"{' '.join(words)}: no frames")
        start = max(times[WARM - 1] for times in counted.values())
        end = min(times[-1] for times in counted.values())
        within = sum(start < t <= end
                     for times in counted.values() for t in times)
        after = sum(t > start for times in counted.values() for t in times)
        cpu = usage.ru_utime + usage.ru_stime - before
        return {"fps": within / (end - start), "cpu_ms": cpu / after * 1e3,
                "peak_mb": usage.ru_maxrss * 1024e-6}


def watch(process, streams):
    """When each stream's frames arrived, and the CPU seconds that had passed
    when the last of the streams was warm."""
    counted, before, warm = {}, 0, 0
    for text in process.stdout:
        if text.startswith("{"):
            stream = json.loads(text)["source"]
        elif ": last-message = chain" in text:
            stream = "0"
        else:
            continue
        now = time.perf_counter()
        times = counted.setdefault(stream, [])
        times.append(now)
        if len(times) == WARM:
            warm += 1
            if warm == streams:
                before = cpu_seconds(process.pid)
    if any(len(times) <= WARM for times in counted.values()):
        sys.exit(f"the video has no more than {WARM} frames")
    return counted, before


@contextlib.contextmanager
def busy(hogs):
    """Beside so many processes that never sleep."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
                for _ in range(hogs)]
    try:
        yield
    finally:
        for hog in spinning:
            hog.kill()
            hog.wait()


def bench(options, arguments):
    """Report of `defcn bench` and the peak of its memory in MB."""
    tool = pathlib.Path(options.build) / "training/defcn"
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(
            [str(tool), "bench", "--device", "cpu", "--json", "--repetitions",
             str(options.repetitions), *arguments], stdout=out, text=True)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{tool} failed")
        out.seek(0)
        return json.loads(out.read()), usage.ru_maxrss * 1024e-6


def busy_seconds():
    """Of all cores since the machine started, and of us and our children."""
    values = pathlib.Path("/proc/stat").read_text().split("\n")[0].split()
    user, nice, system, _, _, *rest = map(int, values[1:9])
    own = [resource.getrusage(who) for who in
           (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return ((user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK"),
            sum(usage.ru_utime + usage.ru_stime for usage in own))


def undisturbed(run, tries):
    """What @run gives, run again while others take much of the cores; the
    least disturbed."""
    runs = []
    while len(runs) < tries and not any(r["others"] <= QUIET for r in runs):
        start, (all_before, own_before) = time.perf_counter(), busy_seconds()
        given = run()
        all_after, own_after = busy_seconds()
        others = (all_after - all_before) - (own_after - own_before)
        wall = time.perf_counter() - start
        runs.append({**given, "others": max(others / wall, 0.0)})
    return min(runs, key=lambda r: r["others"])


def summary(runs):
    return {key: spread([run[key] for run in runs]) for key in runs[0]}


def measure(options, rng, cases):
    """@cases: what describes each, and how it is run.  Rows with both."""
    sides = {i: lambda run=run: undisturbed(run, options.tries)
             for i, (_, run) in enumerate(cases)}
    runs = rounds_of(sides, options.rounds, rng)
    return [{**about, **summary(runs[i]), "rounds": runs[i]}
            for i, (about, _) in enumerate(cases)]


def pipelines(launcher, options, rng):
    return measure(options, rng, [
        ({"pipeline": name}, lambda name=name: launcher.run(name))
        for name in PIPELINES])


def against_first(rows, best, same=None):
    """Frames per second as a part, in each round, of those of the first row
    with as much of @same, and beside it the @best that can be of a row."""
    def fps(row):
        return [run["fps"] for run in row["rounds"]]
    for row in rows:
        first = next(r for r in rows if not same or r[same] == row[same])
        row["relative"] = spread([a / b for a, b in zip(fps(row), fps(first))])
        row["best"] = float(best(row))
    return rows


def threads(launcher, options, rng):
    counts = {CORES, *(2 ** i for i in range(CORES.bit_length()))}
    rows = measure(options, rng, [
        ({"threads": n},
         lambda n=n: launcher.run("decode, detect", threads=n))
        for n in sorted(counts) if n <= CORES])
    return against_first(rows, lambda row: row["threads"])


def streams(launcher, options, rng):
    rows = measure(options, rng, [
        ({"streams": n, "threads": t}, lambda n=n, t=t: launcher.run(
            "decode, detect", streams=n, threads=t))
        for t in sorted({1, CORES}) for n in (1, 2, 4)])
    return against_first(rows, lambda row: min(
        row["streams"], CORES // row["threads"]), "threads")


def fair_cores(row):
    """That a scheduler with an eye for nothing but threads gives to ours."""
    others = row["hogs"] + row["others"]["median"]
    return row["threads"] * min(1, CORES / (row["threads"] + others))


def neighbours(launcher, options, rng):
    rows = measure(options, rng, [
        ({"hogs": n, "threads": t}, lambda n=n, t=t: launcher.run(
            "decode, detect", threads=t, hogs=n))
        for t in sorted({1, CORES}) for n in (0, 1, 2)])
    quiet = {row["threads"]: fair_cores(row)
             for row in rows if not row["hogs"]}
    return against_first(
        rows, lambda row: fair_cores(row) / quiet[row["threads"]], "threads")


def networks(launcher, options, rng):
    def run(size, arguments):
        report, peak = bench(options, [*arguments, "--size", size])
        return {"ms": report["network"]["ms"],
                "gflop_per_second": report["network"]["gflop_per_second"],
                "peak_percent": report["network"].get("peak_percent", 0.0),
                "peak_mb": peak, "activations_mb": report["activations_mb"],
                "unshared_mb": report["activations_unshared_mb"]}
    return measure(options, rng, [
        ({"network": name, "size": size},
         lambda size=size, more=more: run(size, more))
        for (name, size), more in NETWORKS.items()])


# Titles of the columns, and what is in a row; the function says how.
PARTS = {
    "pipelines": (pipelines, {
        "pipeline": "pipeline", "frames/s": "fps", "CPU ms/frame": "cpu_ms",
        "peak MB": "peak_mb", "others": "others"}),
    "threads": (threads, {
        "threads": "threads", "frames/s": "fps", "CPU ms/frame": "cpu_ms",
        "of one": "relative", "at best": "best", "others": "others"}),
    "streams": (streams, {
        "streams": "streams", "threads of each": "threads",
        "frames/s in all": "fps", "CPU ms/frame": "cpu_ms",
        "peak MB": "peak_mb", "of one stream": "relative",
        "at best": "best", "others": "others"}),
    "neighbours": (neighbours, {
        "busy neighbours": "hogs", "threads": "threads", "frames/s": "fps",
        "CPU ms/frame": "cpu_ms", "of the quiet": "relative",
        "fair share": "best", "others": "others"}),
    "networks": (networks, {
        "network": "network", "input": "size", "ms": "ms",
        "GFLOP/s": "gflop_per_second", "% of peak": "peak_percent",
        "peak MB": "peak_mb", "activations MB": "activations_mb",
        "without reuse": "unshared_mb", "others": "others"}),
}


def cell(value):
    def shown(number):
        return f"{number:.{2 if number < 10 else 1}f}"
    if isinstance(value, float):
        return shown(value)
    if not isinstance(value, dict):
        return str(value)
    median, least, most = map(shown, value.values())
    return median if least == most else f"{median} ({least} .. {most})"


def table(name, rows):
    columns = PARTS[name][1]
    return [line(columns), line("---" for _ in columns),
            *(line(cell(row[key]) for key in columns.values())
              for row in rows), ""]


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--parts", type=names_of(PARTS), default=list(PARTS),
                        metavar="NAME,..", help=f"of {', '.join(PARTS)} (all)")
    parser.add_argument("--build", default=str(TREE / "build"),
                        metavar="FOLDER", help="that was built (build)")
    parser.add_argument("--video", metavar="FILE",
                        help="to read (Debian's street video, as the demo)")
    parser.add_argument("--frames", type=int, default=100, metavar="N",
                        help="of a measurement, of all streams (100)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N",
                        help="measurements of every case (3)")
    parser.add_argument("--repetitions", type=int, default=5, metavar="N",
                        help="runs of a network, the median counts (5)")
    parser.add_argument("--tries", type=int, default=2, metavar="N",
                        help="of a measurement while others disturb it; the "
                        "least disturbed counts (2)")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1000000,
                        metavar="N", help="of the order (the clock)")
    parser.add_argument("--save", metavar="FILE.json",
                        help="also write JSON, and the tables as FILE.md")
    return parser.parse_args()


def begin(options, video):
    """The result, still without measurements."""
    report, _ = bench(options, [*PERSON, "--size", "64x64"])
    said = subprocess.run(["gst-launch-1.0", "--version"], text=True,
                          capture_output=True, check=True).stdout
    result = origin(report, options)
    result["versions"]["gstreamer"] = said.split("\n")[0].split()[-1]
    return {**result, "video": video.name, "frames": options.frames,
            "nice": os.nice(0), "results": {}}


def save(path, result):
    path = pathlib.Path(path)
    path.write_text(json.dumps(result, indent=1) + "\n")
    path.with_suffix(".md").write_text("\n".join([
        caption(result), "",
        *(text for name, rows in result["results"].items()
          for text in table(name, rows))]))


def main():
    options = parse_options()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        video = street.find(options.video, folder)
        launcher = Launcher(options, video, folder)
        result = begin(options, video)
        for name in options.parts:
            rows = PARTS[name][0](launcher, options, rng)
            result["results"][name] = rows
            print("\n".join(table(name, rows)), flush=True)
            if options.save:
                save(options.save, result)


if __name__ == "__main__":
    main()
