"""How fast a training step of defcn is beside PyTorch's on the CPU: the same
network, numbers and batch, alternating in one run.

PyTorch's side is forward, backward from given gradients of the heads, and the
update with momentum; ours has assignment and losses on top.

usage: train_ratio.py [--tool DEFCN] [--case NAME] [--rounds N] [--save FILE]
"""
import argparse
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

import network

TREE = pathlib.Path(__file__).resolve().parents[2]
PRESET = ["--preset", "coco.poto.3dmf.aux"]
CASES = {
    "r50": [*PRESET, "--size", "512x512", "--batch", "2"],
    "r18": [*PRESET, "--set", "backbone=resnet18", "--set", "fpn_channels=128",
            "--size", "320x320", "--batch", "4"],
    "person": ["--model", str(TREE / "pipelines/models/person.safetensors"),
               "--size", "320x320", "--batch", "4"],
}
# What the recipes freeze, at freeze_at 2.
FROZEN = ("backbone.bottom_up.stem", "backbone.bottom_up.res2",
          "backbone.bottom_up.block0", "backbone.bottom_up.block1.")


def bench(options, threads, *more):
    done = subprocess.run(
        [options.tool, "bench", *CASES[options.case], "--device", "cpu",
         "--json", "--threads", str(threads), *more],
        capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


class Torch:
    """A training step of the dumped network; layout: of the activations."""

    def __init__(self, steps, arrays, layout):
        import torch
        self.torch = torch
        run = network.to_torch(steps, arrays, "cpu", torch.float32)
        trained = []
        for n, step in enumerate(steps, 1):
            if not step["name"].startswith(FROZEN):
                trained += [run.parameters[name] for name in (f"w{n}", f"b{n}")
                            if run.parameters.get(name) is not None]
        for parameter in trained:
            parameter.requires_grad_(True)
        self.run_heads = run
        self.x = torch.tensor(arrays["y0"].transpose(0, 3, 1, 2).copy())
        if layout == "channels_last":
            self.x = self.x.contiguous(memory_format=torch.channels_last)
        self.optimizer = torch.optim.SGD(trained, 1e-6, 0.9, weight_decay=1e-4)
        heads = self.run_heads(self.x)
        self.check(heads, arrays)
        self.gradients = [torch.randn_like(y) * 1e-4 for y in heads]

    @staticmethod
    def check(heads, arrays):
        for number, value in zip(network.head_numbers(arrays), heads):
            wanted = arrays[f"y{number}"].transpose(0, 3, 1, 2)
            error = np.abs(value.detach().numpy() - wanted).max()
            if not error <= 1e-3 * np.abs(wanted).max():
                sys.exit(f"head {number} differs by {error:.2g}: not the same "
                         "network")

    def step(self):
        start = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        self.torch.autograd.backward(self.run_heads(self.x), self.gradients)
        self.optimizer.step()
        return (time.perf_counter() - start) * 1e3


def compare(options, threads, rng):
    import torch
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        dump = str(pathlib.Path(folder) / "network.safetensors")
        bench(options, threads, "--repetitions", "1", "--dump", dump)
        steps, arrays = network.read(dump)
    sides = {name: Torch(steps, arrays, name)
             for name in ("nchw", "channels_last")}
    times = {name: [] for name in ["defcn", *sides]}
    for _ in range(options.rounds):
        for name in rng.sample(list(times), len(times)):
            if name == "defcn":
                report = bench(options, threads, "--train", "--repetitions",
                               str(options.repetitions))
                times[name].append(report["total"]["ms"])
                continue
            sides[name].step()
            times[name].append(statistics.median(
                sides[name].step() for _ in range(options.repetitions)))
    best = min(sides, key=lambda name: statistics.median(times[name]))
    ratios = [b / a for a, b in zip(times["defcn"], times[best])]
    return {"case": options.case, "threads": threads, "rounds_ms": times,
            "peer": f"PyTorch {torch.__version__} {best}",
            "defcn_ms": statistics.median(times["defcn"]),
            "peer_ms": statistics.median(times[best]),
            "ratio": statistics.median(ratios),
            "ratio_least": min(ratios), "ratio_most": max(ratios)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--case", choices=CASES, default="r50")
    parser.add_argument("--tool", default=str(TREE / "build/training/defcn"))
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1000000)
    parser.add_argument("--save", help="also write JSON")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    results = []
    for threads in map(int, options.threads.split(",")):
        r = compare(options, threads, rng)
        results.append(r)
        print(f"{r['case']}, {threads} threads: defcn {r['defcn_ms']:.0f} ms, "
              f"{r['peer']} {r['peer_ms']:.0f} ms, ratio {r['ratio']:.2f} "
              f"({r['ratio_least']:.2f} .. {r['ratio_most']:.2f})", flush=True)
        if options.save:
            pathlib.Path(options.save).write_text(
                json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
