"""How fast is defcn's network on a GPU beside PyTorch's: the same network,
numbers and input, in one run, outputs compared first.

usage: torch_ratio.py [--tool DEFCN] [--save FILE] [--batches N,N]
                      [--ways NAME,NAME] [--device cpu] [CASE ..]

On --device cpu PyTorch runs on the host, which only tries the script.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch

import network

TREE = pathlib.Path(__file__).resolve().parents[2]
PRESET = ["--preset", "coco.poto.3dmf.aux"]
CASES = {
    "r50-800": [*PRESET, "--size", "1344x800"],
    "r50-640": [*PRESET, "--size", "640x640"],
    "tiny": [*PRESET, "--set", "backbone=mobilenetv2",
             "--set", "pixels=torchvision", "--set", "fpn_channels=16",
             "--set", "tower_depth=1", "--set", "norm_groups=4",
             "--size", "64x64"],
    "r18-512": [*PRESET, "--set", "backbone=resnet18",
                "--set", "fpn_channels=128", "--size", "512x512"],
}
TYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "tf32": torch.float32,
         "fp32": torch.float32}


def ours(tool, case, batch, precision, repetitions, dump=None):
    """The report of `defcn bench`, or None with its reason printed."""
    command = [tool, "bench", *CASES[case], "--device", "cuda", "--json",
               "--precision", precision, "--batch", str(batch),
               "--repetitions", str(repetitions)]
    if dump:
        command += ["--dump", dump]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"{case} {batch} {precision}: {done.stderr.strip()}", flush=True)
        return None
    return json.loads(done.stdout)


def wait(x):
    if x.is_cuda:
        torch.cuda.synchronize()


def timed(run, x, repetitions):
    """Median milliseconds, by the host's clock from the call until all is
    done, as ours are."""
    times = []
    for i in range(repetitions + 5):
        wait(x)
        start = time.perf_counter()
        run(x)
        wait(x)
        if i >= 5:
            times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def recorded(run, x):
    """@run as a CUDA graph over @x."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            run(x)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run(x)
    return lambda _: graph.replay()


# PyTorch's ways to run a function over an input.
WAYS = {
    "eager": lambda run, x: run,
    "graph": recorded,
    "compile": lambda run, x: torch.compile(run),
    "max-autotune": lambda run, x: torch.compile(run, mode="max-autotune"),
}


def peers(run, x, ways, repetitions):
    """Milliseconds of PyTorch's ways to run it; None where one fails."""
    results = {}
    for name in ways:
        try:
            results[name] = timed(WAYS[name](run, x), x, repetitions)
        except Exception as error:  # a compiler's failures are of many kinds
            print(f"torch {name}: {error}", file=sys.stderr)
            results[name] = None
    return results


def compare(options, case, batch, precision):
    ways, repetitions = options.ways.split(","), options.repetitions
    tool, device = options.tool, options.device
    with tempfile.TemporaryDirectory() as folder:
        dump = str(pathlib.Path(folder) / "network.safetensors")
        report = ours(tool, case, batch, precision, repetitions, dump)
        if not report:
            return None
        print(f"{case} batch {batch} {precision}: defcn"
              f" {report['network']['ms']:.2f} ms", flush=True)
        steps, arrays = network.read(dump)
    tf32 = precision != "fp32"
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    dtype = TYPES[precision]
    run = network.to_torch(steps, arrays, device, dtype)
    x = torch.tensor(arrays["y0"].transpose(0, 3, 1, 2).copy()).to(
        device, dtype).contiguous(memory_format=torch.channels_last)
    error = 0.0
    with torch.inference_mode():
        for number, value in zip(network.head_numbers(arrays), run(x)):
            wanted = arrays[f"y{number}"].transpose(0, 3, 1, 2)
            found = value.float().cpu().numpy()
            error = max(error, float(np.abs(found - wanted).max()
                                     / max(np.abs(wanted).max(), 1e-6)))
        times = peers(run, x, ways, repetitions)
    mine = report["network"]["ms"]
    known = [t for t in times.values() if t]
    return {"case": case, "batch": batch, "precision": precision,
            "defcn": report, "defcn_ms": mine, "torch_ms": times,
            "error": error, "ratio": min(known) / mine if known else None}


def name_of(device):
    return torch.cuda.get_device_name() if device == "cuda" else device


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE",
                        help=f"of {', '.join(CASES)} (all)")
    parser.add_argument("--tool", default=str(TREE / "build/training/defcn"))
    parser.add_argument("--batches", default="1,8,32")
    parser.add_argument("--precisions", default="fp16,bf16,tf32")
    parser.add_argument("--ways", default=",".join(WAYS),
                        help="of PyTorch's; compiling takes minutes")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--repetitions", type=int, default=30)
    parser.add_argument("--save", help="also write JSON")
    options = parser.parse_args()
    results = []
    for case in options.cases or [c for c in CASES if c != "tiny"]:
        for batch in map(int, options.batches.split(",")):
            for precision in options.precisions.split(","):
                r = compare(options, case, batch, precision)
                if not r:
                    continue
                results.append(r)
                ways = "  ".join(f"{n} {t:.2f}" if t else f"{n} -"
                                 for n, t in r["torch_ms"].items())
                print(f"{case} batch {batch} {precision}: defcn"
                      f" {r['defcn_ms']:.2f} ms,"
                      f" {1e3 * batch / r['defcn_ms']:.0f} images/s | {ways} |"
                      f" ratio {r['ratio'] or 0:.2f}, error {r['error']:.1e}",
                      flush=True)
                if options.save:
                    pathlib.Path(options.save).write_text(json.dumps({
                        "device": name_of(options.device),
                        "torch": torch.__version__, "results": results},
                        indent=1) + "\n")


main()
