"""What several processes make of a training step: the time of one and of two
ranks of one thread each, what share of it is waiting for the others, and how
many bytes of gradients are summed; on paper the curve to 8 x 8 GPUs.

Two ranks have twice the batch of one, so that a step has the same work for
each.  Every round runs both, in an order drawn anew.

The curve is no measurement.  With S bytes in b buckets, m machines of g GPUs
and n = m g of them, all with the same number of images:

  step    = images x forward x training, of one GPU
  sum     = 2 (g - 1) / g S / nvlink + 2 (m - 1) / m S / network
            + b 2 (ceil (log2 g) hop + ceil (log2 m) far_hop)
  exposed = sum / b + max (0, sum - sum / b - backward step)
            (the last bucket, and what backward does not hide)
  slowest = the mean of the largest of n draws from a normal distribution of
            mean 1 and deviation spread: all wait for who has the most work
  took    = step slowest + exposed

and the efficiency is step / took.  S is measured, unless --mib says it, which
measures nothing; forward is that of results/count-h200-2026-11-30.md, training
and backward follow from multiply-adds; the rest are assumptions.

usage: ranks.py [--tool DEFCN] [--preset NAME] [--size N] [--micro N]
                [--steps N] [--rounds N] [--seed N] [--mib MIB] [--save FILE]
"""
import argparse
import datetime
import json
import math
import os
import pathlib
import platform
import random
import statistics
import subprocess
import sys
import tempfile

import result

BUCKET = 4 << 20
WARM = 3 # steps that do not count
CLASSES = 80 # COCO's: those of the last convolution are summed too


def make_data(folder):
    """Annotations of the blocks that the end-to-end tests use, and classes."""
    subprocess.run([sys.executable, result.TREE / "tests/e2e/make_blocks.py",
                    folder], check=True)
    path = pathlib.Path(folder, "a.json")
    data = json.loads(path.read_text())
    first = data["categories"][0]["id"]
    data["categories"] += [{"id": first + i, "name": f"class {i}"}
                           for i in range(1, CLASSES)]
    path.write_text(json.dumps(data))


def train(options, folder, ranks):
    """The seconds of every step, the share waited and MiB summed in one."""
    run = f"{folder}/run"
    command = [
        options.tool, "train", "--preset", options.preset, "--device", "cpu",
        "--annotations", f"{folder}/a.json", "--images", folder, "-o", run,
        "--force", "--set", f"batch={options.micro * ranks}",
        "--set", f"micro_batch={options.micro}", "--set", "threads=1",
        "--set", "workers=1", "--set", "log_interval=1", "--set", "group=0",
        "--set", "freeze_at=2", "--set", f"canvas_width={options.size}",
        "--set", f"canvas_height={options.size}",
        "--set", f"iterations={options.steps + WARM}",
        "--set", "checkpoint_interval=100000"]
    if ranks > 1:
        command = ["mpirun", "-n", str(ranks), "--bind-to", "none", *command]
    done = subprocess.run(
        command, capture_output=True, text=True,
        env={**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1",
             "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"})
    if done.returncode:
        sys.exit(done.stderr)
    with open(f"{run}/metrics.jsonl") as file:
        lines = [line for line in map(json.loads, file) if "loss" in line]
    lines = lines[WARM:]
    return {"seconds": [options.micro * ranks / line["images_per_second"]
                        for line in lines],
            "waited": [line.get("waited_for_ranks", 0) for line in lines],
            "mib": lines[-1].get("summed_mib", 0) / (options.steps + WARM)}


def slowest(spread, n, rng):
    """The mean of the largest of @n numbers around 1; drawn."""
    return statistics.mean(max(rng.gauss(1, spread) for _ in range(n))
                           for _ in range(4000)) if n > 1 else 1


def curve(options, mib, network):
    """On paper, for 1 to 8 machines of 8 GPUs; @network: GB/s of a machine."""
    rng = random.Random(options.seed)
    rows = []
    size = mib * (1 << 20)
    buckets = max(1, math.ceil(size / BUCKET))
    step = options.images * options.forward * options.training
    backward = step * (1 - 1 / options.training)
    for machines, each in ((1, 1), (1, 2), (1, 4), (1, 8), (2, 8), (4, 8),
                           (8, 8)):
        n = machines * each
        whole = 1e-6 * size * (2 * (each - 1) / each / options.nvlink
                               + 2 * (machines - 1) / machines / network)
        hops = (math.ceil(math.log2(each)) * options.hop
                + math.ceil(math.log2(machines)) * options.far_hop)
        whole += buckets * 2 * hops * 1e-3
        last = whole / buckets
        exposed = last + max(0, whole - last - backward)
        late = step * (slowest(options.spread, n, rng) - 1)
        took = step + late + exposed
        rows.append({"machines": machines, "gpus": each, "step_ms": step,
                     "sum_ms": whole, "exposed_ms": exposed, "late_ms": late,
                     "took_ms": took, "efficiency": step / took,
                     "speedup": n * step / took,
                     "images_per_second": 1e3 * n * options.images / took})
    return rows


def options_of(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tool",
                        default=str(result.TREE / "build/training/defcn"))
    parser.add_argument("--preset", default="coco.poto.3dmf.aux")
    parser.add_argument("--size", type=int, default=256,
                        help="side of the canvas")
    parser.add_argument("--micro", type=int, default=1,
                        help="images of a rank")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mib", type=float, metavar="MIB",
                        help="what is summed in a step: the curve alone")
    parser.add_argument("--save", help="JSON, and a table beside it")
    group = parser.add_argument_group("of the curve")
    group.add_argument("--images", type=int, default=2,
                       help="of a GPU in a step (2, the paper's)")
    group.add_argument("--forward", type=float, default=1.35,
                       help="ms of a forward pass of one image (1.35, counted)")
    group.add_argument("--training", type=float, default=2.84,
                       help="multiply-adds of a step over those of forward "
                       "(2.84)")
    group.add_argument("--spread", type=float, default=0.1,
                       help="relative standard deviation of the work of a "
                       "step (0.1: short edges of 640 to 800)")
    group.add_argument("--nvlink", type=float, default=300,
                       help="GB/s of a sum between GPUs of a machine (300)")
    group.add_argument("--network", type=float, nargs="+", default=[320, 10],
                       help="GB/s of a machine's network (320: eight links of "
                       "400 Gb/s at .8; 10: one of 100)")
    group.add_argument("--hop", type=float, default=5,
                       help="microseconds between GPUs (5)")
    group.add_argument("--far-hop", type=float, default=15,
                       help="the same between machines (15)")
    return parser.parse_args(arguments)


def measure(options, rng):
    """One and two ranks in turn."""
    with tempfile.TemporaryDirectory() as folder:
        make_data(folder)
        given = result.rounds_of(
            {"one": lambda: train(options, folder, 1),
             "two": lambda: train(options, folder, 2)}, options.rounds, rng)
    median = {side: [statistics.median(run["seconds"]) for run in runs]
              for side, runs in given.items()}
    return {
        "one_ms": result.spread([1e3 * s for s in median["one"]]),
        "two_ms": result.spread([1e3 * s for s in median["two"]]),
        "ratio": result.spread([b / a for a, b in zip(median["one"],
                                                      median["two"])]),
        "waited": result.spread([statistics.median(run["waited"])
                                 for run in given["two"]]),
        "mib": given["two"][-1]["mib"]}


def measured_text(options, measured):
    return [
        f"{options.preset}, {CLASSES} classes, {options.size}x{options.size}, "
        f"{options.micro} images a rank; {options.rounds} rounds of "
        f"{options.steps} steps; {platform.processor() or platform.machine()}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
        f"{result.commit()}, {datetime.date.today()}.", "",
        f"one rank {result.shown(measured['one_ms'], 0)} ms, two "
        f"{result.shown(measured['two_ms'], 0)} ms, ratio "
        f"{result.shown(measured['ratio'], 2)}; waited "
        f"{result.shown(measured['waited'], 3)} of the time; "
        f"{measured['mib']:.1f} MiB summed in a step", ""]


def curve_text(options, mib, network, rows):
    text = [
        f"On paper: {mib:.1f} MiB, {options.images} images of "
        f"{options.forward:g} x {options.training:g} ms a GPU, spread "
        f"{options.spread:g}, {options.nvlink:g} GB/s in a machine and "
        f"{network:g} from it, hops of {options.hop:g} and "
        f"{options.far_hop:g} us:", "",
        result.line(["machines x GPUs", "sum, ms", "not hidden, ms",
                     "waits for the slowest, ms", "step, ms", "efficiency",
                     "times one GPU", "images/s"]),
        result.line(["---"] * 8)]
    return text + [result.line([
        f"{row['machines']} x {row['gpus']}", f"{row['sum_ms']:.2f}",
        f"{row['exposed_ms']:.2f}", f"{row['late_ms']:.2f}",
        f"{row['took_ms']:.2f}", f"{row['efficiency']:.2f}",
        f"{row['speedup']:.1f}", f"{row['images_per_second']:.0f}"])
                   for row in rows] + [""]


def main(arguments):
    options = options_of(arguments)
    rng = random.Random(options.seed)
    measured = None if options.mib else measure(options, rng)
    mib = options.mib or measured["mib"]
    curves = {network: curve(options, mib, network)
              for network in options.network}

    text = measured_text(options, measured) if measured else []
    for network, rows in curves.items():
        text += curve_text(options, mib, network, rows)
    print("\n".join(text[:-1]))
    if options.save:
        path = pathlib.Path(options.save)
        path.write_text(json.dumps(
            {"options": vars(options), "measured": measured,
             "curves": [{"network": network, "rows": rows}
                        for network, rows in curves.items()]},
            indent=1) + "\n")
        path.with_suffix(".md").write_text("\n".join(text[:-1]) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
