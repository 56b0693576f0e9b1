#!/usr/bin/env python3
"""Whole pipelines beside what else there is in Debian 13 for the same work: the
street video decoded, people found in every frame, a JSON line for each, all
with the same model and on the same cores.

defcn                  defcndetect and defcnpublish, in gst-launch-1.0
onnxinference          GStreamer's own element with its optimisations on, behind
                       videoconvertscale; onnx.c makes lines of its tensors
onnxinference-default  the same as it comes: without optimisations
opencv-loop            OpenCV and onnxruntime in Python (opencv_loop.py)

The peers run what `defcn export --decode --preprocess` writes: means, duplicate
filter and the best boxes are in the graph, of the size that defcndetect takes.
In every round each is measured once, in an order drawn anew, as a process of
its own: start is until its first line is there, frames and CPU time are counted
from the tenth on.  Nothing is told before the boxes of all are the same.
"""
import argparse
import itertools
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import pipelines
import result
import street
from process import cpu_seconds, memory
from result import line, shown, spread

WARM = pipelines.WARM
SAME = 0.7  # IoU of one box and the other
SURE = 0.1  # above the threshold; what is nearer to it may be found by one only
AGREEING = 0.95  # share of the sure boxes that the other has found
HEAD = ["", "frames/s", "CPU ms/frame", "peak MB", "start s", "boxes/frame",
        "same boxes", "others"]
RATIO_HEAD = ["defcn beside", "frames/s, above 1 is faster",
              "its CPU time by ours", "its memory by ours"]


class Work:
    """What all of them do: files, sizes, numbers."""

    def __init__(self, options, video, folder):
        self.options, self.video = options, video
        self.build = pathlib.Path(options.build).resolve()
        self.tool = str(self.build / "training/defcn")
        self.model = str(pathlib.Path(options.model).resolve())
        self.onnx = os.path.join(folder, "model.onnx")
        self.environment = {
            **os.environ, "GST_REGISTRY": os.path.join(folder, "registry"),
            "GST_PLUGIN_PATH": ":".join(filter(None, [
                str(self.build / "gst-plugin"),
                os.environ.get("GST_PLUGIN_PATH")]))}
        self.cores = sorted(os.sched_getaffinity(0))[:options.threads]
        for program in (self.tool, "gst-launch-1.0", "gst-inspect-1.0"):
            if not shutil.which(program):
                sys.exit(f"no program {program}")
        self.spec = json.loads(output(
            [self.tool, "info", "--json", self.model]))["spec"]
        self.labels = ",".join(self.spec["labels"])
        if options.threshold is None:
            options.threshold = self.spec["working_threshold"]

    def begin(self):
        """Looks at the video and exports the model for what defcndetect makes
        of such frames."""
        first = run(self, "defcn", 2)["texts"][0]
        resolution = json.loads(first)["resolution"]
        wide, high = resolution["width"], resolution["height"]
        scale = min(self.spec["short_edge"] / min(wide, high),
                    self.spec["long_edge"] / max(wide, high))
        self.size = [round(side * scale) for side in (wide, high)]
        output([self.tool, "export", self.model, "--onnx", self.onnx,
                "--decode", "--preprocess", "--batch", "1", "--size",
                "x".join(map(str, self.size))])

    def decoded(self):
        """The pipelines' beginning: words of gst-launch."""
        return ["filesrc", f"location={self.video}", "!", "decodebin", "!"]

    def has(self, element):
        return not subprocess.run(
            ["gst-inspect-1.0", element], env=self.environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


def output(command):
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


class Defcn:
    def lacks(self, work):
        if not work.has("defcndetect"):
            return f"no plugin in {work.build}: build it"

    def command(self, work):
        return ["gst-launch-1.0", "-q", *work.decoded(), "defcndetect",
                f"model={work.model}", "device=cpu",
                f"threads={work.options.threads}",
                f"threshold={work.options.threshold}", "!", "defcnpublish",
                "add-empty-results=true", "!", "fakesink"]


class OnnxInference:
    def __init__(self, level):
        self.level = level

    def lacks(self, work):
        if not work.has("onnxinference"):
            return ("no onnxinference in this GStreamer: Debian 13 has it in "
                    "gstreamer1.0-plugins-bad")
        if work.options.threads != os.cpu_count():
            return (f"takes a thread for each of {os.cpu_count()} cores and "
                    f"has no property for it: not with --threads "
                    f"{work.options.threads}")
        if not self.program(work).exists():
            return f"build it: ninja -C {work.build} tests/e2e/onnx-bench"

    def program(self, work):
        return work.build / "tests/e2e/onnx-bench"

    def command(self, work):
        wide, high = work.size
        return [str(self.program(work)), str(work.options.threshold),
                work.labels, *work.decoded(), "videoconvertscale", "!",
                f"video/x-raw,format=RGB,width={wide},height={high}", "!",
                "onnxinference", "name=tensors", f"model-file={work.onnx}",
                "execution-provider=cpu", f"optimization-level={self.level}",
                "!", "fakesink"]


class OpencvLoop:
    def lacks(self, work):
        if not shutil.which(work.options.python) or subprocess.run(
                [work.options.python, "-c", "import cv2, onnxruntime"],
                stderr=subprocess.DEVNULL).returncode:
            return (f"{work.options.python} has no cv2 or no onnxruntime: "
                    "install python3-opencv and python3-onnxruntime")

    def command(self, work):
        loop = pathlib.Path(__file__).with_name("opencv_loop.py")
        return [work.options.python, str(loop), str(work.video), work.onnx,
                "x".join(map(str, work.size)), str(work.options.threads),
                str(work.options.threshold), work.labels]


CONTENDERS = {"defcn": Defcn(), "onnxinference": OnnxInference("enable-all"),
              "onnxinference-default": OnnxInference("disable-all"),
              "opencv-loop": OpencvLoop()}


def run(work, name, frames):
    """One process of a contender, until so many of its records are there: its
    figures, and the records as text."""
    times, texts, cpu = [], [], [0]
    with tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            CONTENDERS[name].command(work), env=work.environment, text=True,
            stdout=subprocess.PIPE, stderr=errors,
            preexec_fn=lambda: os.sched_setaffinity(0, work.cores))
        try:
            for text in itertools.islice(process.stdout, frames):
                times.append(time.perf_counter())
                texts.append(text)
                if len(times) in (WARM, frames):
                    cpu.append(cpu_seconds(process.pid))
            peak, = memory(process.pid, "VmHWM")
        finally:
            process.kill()
            process.stdout.close()
            process.wait()
        errors.seek(0)
        if len(texts) < frames:
            sys.exit(f"{name}: {len(texts)} records of {frames} frames\n"
                     + errors.read())
    warm = min(WARM, frames - 1)
    return {"fps": (frames - warm) / (times[-1] - times[warm - 1]),
            "cpu_ms": (cpu[-1] - cpu[-2]) / (frames - warm) * 1e3,
            "peak_mb": peak * 1.048576, "start_s": times[0] - start,
            "texts": texts}


def boxes(text):
    """Score and corners of a record's objects, best first."""
    return sorted(((found["detection"]["confidence"], street.corners(found))
                   for found in json.loads(text)["objects"]), reverse=True)


def both(ours, theirs, sure):
    """The share of sure boxes of either that the other has too, each for one;
    of the frames in @ours and @theirs as boxes() gives them."""
    hits = total = 0
    for a, b in [*zip(ours, theirs), *zip(theirs, ours)]:
        free = [corners for _, corners in b]
        for score, corners in a:
            if score < sure:
                continue
            total += 1
            best = max(free, key=lambda f: street.iou(f, corners),
                       default=None)
            if best is not None and street.iou(best, corners) >= SAME:
                free.remove(best)
                hits += 1
    return hits / total if total else 1.0


def agree(runs, sure):
    """Boxes of a frame and the share that is the first one's too, of each."""
    found = {name: [boxes(text) for text in rounds[0]["texts"]]
             for name, rounds in runs.items()}
    first = next(iter(found.values()))
    return {name: {"boxes": sum(map(len, frames)) / len(frames),
                   "same": both(first, frames, sure)}
            for name, frames in found.items()}


def refuse_others(agreed):
    """Ends where it was not the same work."""
    if not next(iter(agreed.values()))["boxes"]:
        sys.exit("nothing was found in the video: nothing to compare")
    for name, row in agreed.items():
        if row["same"] < AGREEING:
            sys.exit(f"{name}: {row['same']:.3f} of the boxes are those of "
                     f"{next(iter(agreed))}, {AGREEING} are wanted: it is not "
                     "the same work")


def ratios(runs):
    """Of every round, for each peer; above 1 is ours the better."""
    ours = runs["defcn"]
    def of(theirs, key):
        return [b[key] / a[key] for a, b in zip(ours, theirs)]
    return {name: {"fps": spread([1 / r for r in of(rounds, "fps")]),
                   "cpu_ms": spread(of(rounds, "cpu_ms")),
                   "peak_mb": spread(of(rounds, "peak_mb"))}
            for name, rounds in runs.items() if name != "defcn"}


def cells(row):
    return [row["case"], shown(row["fps"], 1), shown(row["cpu_ms"], 1),
            shown(row["peak_mb"], 0), shown(row["start_s"], 2),
            f"{row['boxes']:.2f}", f"{row['same']:.3f}",
            shown(row["others"], 2)]


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--skip", type=result.names_of(CONTENDERS), default=[],
                        metavar="NAME,..", help="measure without these")
    parser.add_argument("--build", default=str(result.TREE / "build"),
                        metavar="FOLDER", help="that was built (build)")
    parser.add_argument("--video", metavar="FILE",
                        help="to read (Debian's street video)")
    parser.add_argument("--model", default=pipelines.MODEL, metavar="FILE",
                        help="the bundled person model")
    parser.add_argument("--threads", type=int, metavar="N",
                        default=pipelines.CORES,
                        help="and cores that each may use (all)")
    parser.add_argument("--threshold", type=float, metavar="SCORE",
                        help="the model's own")
    parser.add_argument("--frames", type=int, default=75, metavar="N",
                        help="of a measurement, without the first 10 (75)")
    parser.add_argument("--tries", type=int, default=2, metavar="N",
                        help="of a measurement while others disturb it (2)")
    parser.add_argument("--python", default=sys.executable, metavar="PYTHON",
                        help="of opencv-loop (this one)")
    result.add_options(parser)
    parser.set_defaults(rounds=3, repetitions=1)
    options = parser.parse_args()
    if "defcn" in options.skip:
        parser.error("--skip defcn: the others are beside it")
    if not 1 <= options.threads <= pipelines.CORES:
        parser.error(f"--threads {options.threads}: of 1 to "
                     f"{pipelines.CORES} cores")
    if options.frames < 1:
        parser.error(f"--frames {options.frames}: of 1 and more")
    return options


def contenders(work, skip):
    """Those that are asked for; ends where one is missing."""
    names = [name for name in CONTENDERS if name not in skip]
    lacks = {name: CONTENDERS[name].lacks(work) for name in names}
    for name, reason in lacks.items():
        if reason:
            otherwise = f", or --skip {name}" if name != "defcn" else ""
            print(f"{name}: {reason}{otherwise}", file=sys.stderr)
    if any(lacks.values()):
        sys.exit(1)
    return names


def main():
    options = parse()
    rng = random.Random(options.seed)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        video = street.find(options.video, folder)
        work = Work(options, video, folder)
        names = contenders(work, options.skip)
        work.begin()
        about = pipelines.begin(options, video)
        runs = result.rounds_of(
            {name: lambda name=name: pipelines.undisturbed(
                lambda: run(work, name, WARM + options.frames), options.tries)
             for name in names}, options.rounds, rng)
    agreed = agree(runs, options.threshold + SURE)
    refuse_others(agreed)
    rounds = {name: [{key: value for key, value in one.items()
                      if key != "texts"} for one in ones]
              for name, ones in runs.items()}
    rows = [{"case": name, **agreed[name], "rounds": ones,
             **{key: spread([one[key] for one in ones]) for key in ones[0]}}
            for name, ones in rounds.items()]
    about.update(threads=options.threads, input=work.size,
                 ratios=ratios(rounds))
    beside = [line(RATIO_HEAD), line("---" for _ in RATIO_HEAD),
              *(line([name, *(shown(value, 2) for value in of.values())])
                for name, of in about["ratios"].items())]
    print("\n".join([line(HEAD), line("---" for _ in HEAD),
                     *(line(cells(row)) for row in rows), "", *beside]))
    print(f"took {time.monotonic() - begun:.0f} s")
    if options.save:
        del about["results"]
        wide, high = work.size
        result.save(options.save, about, rows, [
            result.caption(about), "",
            f"{video.name}, input {wide}x{high}, {options.threads} threads, "
            f"{options.frames} frames.", "", *beside], HEAD, cells)


if __name__ == "__main__":
    main()
