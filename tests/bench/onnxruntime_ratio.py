"""How fast is defcn's network beside onnxruntime's: the same network, numbers,
input and threads, in one run.

Rounds alternate between the two, so that whatever else the machine does meets
both; the ratio of each round is kept and their median is the result: above 1
defcn is the faster.  The outputs are compared first.

usage: onnxruntime_ratio.py [--rounds N] [--threads N,N] [--save FILE] [CASE ..]
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnxruntime

import network

TREE = pathlib.Path(__file__).resolve().parents[2]
R18 = ["--preset", "coco.poto.3dmf.aux", "--set", "backbone=resnet18",
       "--set", "fpn_channels=128", "--size", "544x320"]
CASES = {
    "person": ["--model", str(TREE / "pipelines/models/person.safetensors"),
               "--size", "576x320"],
    "r18": R18,
    "r50": ["--preset", "coco.poto.3dmf.aux", "--size", "864x512"],
}


def ours(tool, case, threads, repetitions, dump=None):
    """Milliseconds of one forward pass: the median of the repetitions."""
    command = [tool, "bench", *CASES[case], "--device", "cpu", "--json",
               "--threads", str(threads), "--repetitions", str(repetitions)]
    if dump:
        command += ["--dump", dump]
    # onnxruntime's threads spin too
    spinning = {**os.environ, "OMP_WAIT_POLICY": "active"}
    done = subprocess.run(command, capture_output=True, text=True, env=spinning)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)["network"]["ms"]


def open_session(model, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, ["CPUExecutionProvider"])


def theirs(session, picture, repetitions):
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        session.run(None, {"t0": picture})
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def worst_error(session, picture, arrays):
    """Largest difference of an output, over the largest value of it."""
    worst = 0
    values = session.run(None, {"t0": picture})
    for output, value in zip(session.get_outputs(), values):
        wanted = arrays["y" + output.name[1:]].transpose(0, 3, 1, 2)
        scale = max(np.abs(wanted).max(), 1e-6)
        worst = max(worst, np.abs(value - wanted).max() / scale)
    return float(worst)


def spread(values):
    ordered = sorted(values)
    return [ordered[0], statistics.median(ordered), ordered[-1]]


def compare(tool, case, threads, rounds, repetitions):
    with tempfile.TemporaryDirectory() as folder:
        dump = str(pathlib.Path(folder) / "network.safetensors")
        ours(tool, case, threads, 1, dump)
        steps, arrays = network.read(dump)
    session = open_session(network.to_onnx(steps, arrays), threads)
    picture = np.ascontiguousarray(arrays["y0"].transpose(0, 3, 1, 2))
    error = worst_error(session, picture, arrays)
    if error > 1e-3:
        sys.exit(f"{case}: outputs differ by {error:.2g}: not the same network")
    pairs = []
    for i in range(rounds):
        order = [lambda: ours(tool, case, threads, repetitions),
                 lambda: theirs(session, picture, repetitions)]
        if i % 2:
            second, first = order[1](), order[0]()
        else:
            first, second = order[0](), order[1]()
        pairs.append((first, second))
    return {
        "case": case, "threads": threads, "rounds": rounds,
        "repetitions": repetitions, "worst_error": error,
        "defcn_ms": spread([a for a, _ in pairs]),
        "onnxruntime_ms": spread([b for _, b in pairs]),
        "ratio": spread([b / a for a, b in pairs]),
    }


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo")
                  if line.startswith("model name")), platform.machine())
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=TREE,
                            capture_output=True, text=True).stdout.strip()
    return {"cpu": model, "onnxruntime": onnxruntime.__version__,
            "commit": commit, "date": time.strftime("%Y-%m-%d")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE",
                        help=f"of {', '.join(CASES)} (all)")
    parser.add_argument("--tool", default=str(TREE / "build/training/defcn"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--save", help="also write JSON")
    options = parser.parse_args()
    unknown = set(options.cases) - set(CASES)
    if unknown:
        parser.error(f"no case {', '.join(unknown)}")
    results = []
    print(f"{'case':8} threads {'defcn ms':>22} {'onnxruntime ms':>22}"
          f" {'ratio':>20}  error")
    for case in options.cases or CASES:
        for threads in map(int, options.threads.split(",")):
            r = compare(options.tool, case, threads, options.rounds,
                        options.repetitions)
            results.append(r)
            print(f"{case:8} {threads:7}"
                  + "".join(f" {m:9.1f} ({a:.1f}..{b:.1f})" for a, m, b in
                            (r["defcn_ms"], r["onnxruntime_ms"]))
                  + " {1:7.2f} ({0:.2f}..{2:.2f})".format(*r["ratio"])
                  + f"  {r['worst_error']:.1e}", flush=True)
    if options.save:
        text = json.dumps({"machine": machine(), "results": results}, indent=1)
        pathlib.Path(options.save).write_text(text + "\n")


main()
