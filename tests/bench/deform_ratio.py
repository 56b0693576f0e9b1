"""How fast is a deformable convolution (DCNv2) of defcn on the CPU beside
torchvision's: the same numbers and threads, in one run, results and gradients
compared first.  Above 1 defcn is the faster.

usage: deform_ratio.py [--program FILE] [--cases NAME,..] [--threads N,..]
                       (a Python with torch and torchvision)
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
import torchvision

from result import (TREE, add_options, line, names_of, rounds_of, shown,
                    spread)

# Channels, width and height of the input, stride and groups: those of networks
# at 1344x800.
CASES = {
    "r50-res3": (128, 168, 100, 1, 1),
    "r50-res4": (256, 84, 50, 1, 1),
    "r50-res5": (512, 42, 25, 1, 1),
    "r50-res4-stride": (256, 168, 100, 2, 1),
    "x101-32x8d-res3": (512, 168, 100, 1, 32),
    "x101-64x4d-res5": (2048, 42, 25, 1, 64),
    "head-p3": (256, 168, 100, 1, 1),
    "tiny": (24, 21, 13, 2, 3),
}
LARGEST_ERROR = 1e-3


def save_file(arrays, path):
    """float32 arrays as safetensors."""
    header, at = {}, 0
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": array.shape,
                        "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            file.write(array.astype(np.float32).tobytes())


def load_file(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    header.pop("__metadata__", None)
    return {name: np.frombuffer(data[slice(*t["data_offsets"])],
                                np.float32).reshape(t["shape"])
            for name, t in header.items()}


def numbers(case, seed):
    """What both sides are given, as torchvision has it."""
    channels, width, height, stride, groups = CASES[case]
    torch.manual_seed(seed)
    out_h, out_w = (height - 1) // stride + 1, (width - 1) // stride + 1
    fan_in = 9 * channels // groups
    return {"x": torch.randn(1, channels, height, width),
            "offset": 2 * torch.randn(1, 18, out_h, out_w),
            "logit": torch.randn(1, 9, out_h, out_w),
            "w": torch.randn(channels, channels // groups, 3, 3)
            / fan_in ** 0.5,
            "b": torch.randn(channels),
            "dy": torch.randn(1, channels, out_h, out_w)}


def last(t):
    """Channels last, for defcn."""
    return np.ascontiguousarray(t.detach().permute(0, 2, 3, 1).numpy())


class Peer:
    def __init__(self, given, stride):
        self.stride, self.dy = stride, given["dy"]
        self.leaves = {name: given[name].clone().requires_grad_()
                       for name in ("x", "offset", "logit", "w", "b")}

    def forward(self):
        t = self.leaves
        return torchvision.ops.deform_conv2d(
            t["x"], t["offset"], t["w"], t["b"], stride=self.stride, padding=1,
            mask=torch.sigmoid(t["logit"]))

    def step(self):
        y = self.forward()
        return y, torch.autograd.grad(y, list(self.leaves.values()), self.dy)

    def measure(self, kind, repetitions):
        times = []
        for i in range(repetitions + 1):
            start = time.perf_counter()
            if kind == "step":
                self.step()
            else:
                with torch.no_grad():
                    self.forward()
            times.append(1e3 * (time.perf_counter() - start))
        return statistics.median(times[1:])

    def results(self):
        y, (dx, d_offset, d_logit, dw, db) = self.step()
        return {"y": last(y), "dx": last(dx), "dw": last(dw),
                "doffsets": last(torch.cat([d_offset, d_logit], 1)),
                "db": db.reshape(1, 1, 1, -1).numpy()}


class Ours:
    def __init__(self, options, case, threads, given, folder):
        stride, groups = CASES[case][3:]
        paths = [str(folder / name) for name in ("in", "out")]
        save_file({"x": last(given["x"]), "dy": last(given["dy"]),
                   "w": last(given["w"]),
                   "offsets": last(torch.cat([given["offset"],
                                              given["logit"]], 1)),
                   "b": given["b"].reshape(1, 1, 1, -1).numpy()}, paths[0])
        self.process = subprocess.Popen(
            [options.program, *paths, str(threads), str(stride), str(groups),
             str(options.repetitions)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_WAIT_POLICY": "active"})
        if self.process.stdout.readline() != "ready\n":
            sys.exit(f"{case}: {options.program} has failed")
        self.results = load_file(paths[1])

    def measure(self, kind):
        self.process.stdin.write(kind + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def worst_error(ours, peer):
    """Of any result, over its largest value; a sample that rounding has moved
    over the edge of a pixel has another slope there, so that of the offsets
    one in ten thousand is left out."""
    errors = {}
    for name, wanted in peer.results().items():
        off = np.sort(np.abs(ours.results[name] - wanted).ravel())
        left_out = off.size // 10000 if name == "doffsets" else 0
        errors[name] = off[off.size - 1 - left_out] / np.abs(wanted).max()
    return max(errors.values())


def compare(options, case, threads, rng):
    torch.set_num_threads(threads)
    given = numbers(case, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(options, case, threads, given, pathlib.Path(folder))
        peer = Peer(given, CASES[case][3])
        error = worst_error(ours, peer)
        if not error <= LARGEST_ERROR:
            sys.exit(f"{case}: results differ by {error:.2g} of the largest")
        for kind in ("forward", "step"):
            times = rounds_of(
                {"defcn": lambda: ours.measure(kind),
                 "torchvision": lambda: peer.measure(
                     kind, options.repetitions)}, options.rounds, rng)
            ratio = spread([b / a for a, b in zip(times["defcn"],
                                                  times["torchvision"])])
            print(line([case, kind, str(threads),
                        shown(spread(times["defcn"]), 2),
                        shown(spread(times["torchvision"]), 2),
                        shown(ratio, 2), f"{error:.0e}"]), flush=True)
        ours.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--program", metavar="FILE",
                        default=str(TREE / "build/tests/deform-bench"),
                        help="deform-bench (build's)")
    parser.add_argument("--cases", type=names_of(CASES),
                        default=[name for name in CASES if name != "tiny"],
                        metavar="NAME,..", help=f"of {', '.join(CASES)} "
                        "(all but tiny)")
    parser.add_argument("--threads", default=[1, 2], metavar="N,..",
                        type=lambda text: [int(n) for n in text.split(",")],
                        help="CPU threads of both sides (1,2)")
    add_options(parser)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    head = ["convolution", "what", "threads", "defcn ms", "torchvision ms",
            "torchvision / defcn", "error"]
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}")
    print(line(head), line("---" for _ in head), sep="\n", flush=True)
    for case in options.cases:
        for threads in options.threads:
            compare(options, case, threads, rng)


if __name__ == "__main__":
    main()
