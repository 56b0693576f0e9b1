"""What several processes make of a training step: the time of one and of two
ranks of one thread each, what share of it is waiting for the others, and how
many bytes of gradients are summed; on paper, from these, the curve to 8 x 8
GPUs.

Two ranks have twice the batch of one, so that a step has the same work for
each.  Every round runs both, in an order drawn anew.

The curve is no measurement.  A step of n ranks takes what the slowest of n
takes, drawn from the steps that were measured, scaled to --gpu-step; and of the
sum what backward does not hide: all of the last bucket, and whatever the others
take longer than backward.  The sum is a ring's, 2 (n - 1) / n of the bytes over
the slowest link, and a hop's latency 2 (n - 1) times for each bucket.

usage: ranks.py [--tool DEFCN] [--preset NAME] [--size N] [--micro N]
                [--steps N] [--rounds N] [--seed N] [--save FILE]
"""
import argparse
import datetime
import json
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


def make_data(folder):
    """Annotations of the blocks that the end-to-end tests use."""
    subprocess.run([sys.executable, result.TREE / "tests/e2e/make_blocks.py",
                    folder], check=True)


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


def slowest(steps, n, rng):
    """The mean of the slowest of @n steps, over that of one; drawn."""
    draws = [max(rng.choices(steps, k=n)) for _ in range(2000)]
    return statistics.mean(draws) / statistics.mean(steps)


def curve(options, steps, mib, rng):
    """Efficiency on paper, for 1 to 8 machines of 8 GPUs."""
    rows = []
    size = mib * (1 << 20)
    buckets = max(1, size / BUCKET)
    for machines, each in ((1, 1), (1, 2), (1, 4), (1, 8), (2, 8), (4, 8),
                           (8, 8)):
        n = machines * each
        link = options.nvlink if machines == 1 else options.network
        latency = options.latency * 1e-6 * (1 if machines == 1 else 5)
        whole = 2 * (n - 1) / n * size / (link * 1e9)
        whole += 2 * (n - 1) * latency * buckets
        last = whole / buckets
        backward = options.gpu_step * 1e-3 * options.backward
        exposed = last + max(0, whole - last - backward) if n > 1 else 0
        step = options.gpu_step * 1e-3
        took = step * slowest(steps, n, rng) + exposed
        rows.append({"machines": machines, "gpus": each, "sum_ms": whole * 1e3,
                     "exposed_ms": exposed * 1e3, "step_ms": took * 1e3,
                     "efficiency": step / took, "speedup": n * step / took})
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
    parser.add_argument("--save", help="JSON, and a table beside it")
    group = parser.add_argument_group("of the curve, which are assumptions")
    group.add_argument("--gpu-step", type=float, default=150,
                       help="ms of a step of two images on a GPU")
    group.add_argument("--backward", type=float, default=0.6,
                       help="share of it in which sums are hidden")
    group.add_argument("--nvlink", type=float, default=100,
                       help="GB/s between GPUs of a machine")
    group.add_argument("--network", type=float, default=10,
                       help="GB/s between machines")
    group.add_argument("--latency", type=float, default=10,
                       help="microseconds of a hop in a machine, a fifth of "
                       "one between machines")
    return parser.parse_args(arguments)


def main(arguments):
    options = options_of(arguments)
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        make_data(folder)
        given = result.rounds_of(
            {"one": lambda: train(options, folder, 1),
             "two": lambda: train(options, folder, 2)}, options.rounds, rng)
    median = {side: [statistics.median(run["seconds"]) for run in runs]
              for side, runs in given.items()}
    measured = {
        "one_ms": result.spread([1e3 * s for s in median["one"]]),
        "two_ms": result.spread([1e3 * s for s in median["two"]]),
        "ratio": result.spread([b / a for a, b in zip(median["one"],
                                                      median["two"])]),
        "waited": result.spread([statistics.median(run["waited"])
                                 for run in given["two"]]),
        "mib": given["two"][-1]["mib"]}
    steps = [s for run in given["one"] for s in run["seconds"]]
    rows = curve(options, steps, measured["mib"], rng)

    text = [
        f"{options.preset}, {options.size}x{options.size}, {options.micro} "
        f"images a rank; {options.rounds} rounds of {options.steps} steps; "
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} "
        f"cores, load {os.getloadavg()[0]:.1f}; {result.commit()}, "
        f"{datetime.date.today()}.", "",
        f"one rank {result.shown(measured['one_ms'], 0)} ms, two "
        f"{result.shown(measured['two_ms'], 0)} ms, ratio "
        f"{result.shown(measured['ratio'], 2)}; waited "
        f"{result.shown(measured['waited'], 3)} of the time; "
        f"{measured['mib']:.1f} MiB summed in a step", "",
        f"On paper, with {options.gpu_step:g} ms a step, {options.nvlink:g} "
        f"GB/s in a machine and {options.network:g} between:", "",
        result.line(["machines x GPUs", "sum, ms", "not hidden, ms",
                     "step, ms", "efficiency", "times one GPU"]),
        result.line(["---"] * 6)]
    text += [result.line([
        f"{row['machines']} x {row['gpus']}", f"{row['sum_ms']:.1f}",
        f"{row['exposed_ms']:.1f}", f"{row['step_ms']:.1f}",
        f"{row['efficiency']:.2f}", f"{row['speedup']:.1f}"]) for row in rows]
    print("\n".join(text))
    if options.save:
        path = pathlib.Path(options.save)
        path.write_text(json.dumps(
            {"options": vars(options), "measured": measured, "curve": rows,
             "steps": steps}, indent=1) + "\n")
        path.with_suffix(".md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
