"""How fast is defcn's network on the CPU beside other engines: the same
network, numbers, input and threads, in one run.

First the outputs are compared.  Then every round measures all sides, in an
order that is drawn anew, so that whatever else the machine does meets all; the
ratio to defcn of each round is kept and their median is the result: above 1
defcn is the faster.
"""
import argparse
import pathlib
import random
import statistics
import sys
import tempfile
import time

import numpy as np

import network
from ours import CASES, Ours
from peers import PEERS
from result import (TREE, add_options, caption, line, names_of, origin,
                    rounds_of, save, shown, spread)

LARGEST_ERROR = {"fp32": 1e-3, "bf16": 0.1}


def dump(ours):
    """The report of a network, and the network with its input and outputs."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "network.safetensors")
        return ours.bench(1, "--dump", path), *network.read(path)


def measure(peer, repetitions):
    times = []
    peer.run()
    for _ in range(repetitions):
        start = time.perf_counter()
        peer.run()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def worst_error(peer, arrays):
    """Largest difference of an output, over the largest value of it."""
    worst = 0
    for name, value in peer.run().items():
        wanted = arrays["y" + name[1:]].transpose(0, 3, 1, 2)
        scale = max(np.abs(wanted).max(), 1e-6)
        worst = max(worst, np.abs(value - wanted).max() / scale)
    return float(worst)


def compare(options, case, threads, rng):
    """Rows of the result, one for each peer."""
    ours = Ours(options.tool, case, threads, options.precision)
    report, steps, arrays = dump(ours)
    peers = {name: PEERS[name](steps, arrays, threads, options.precision)
             for name in options.peers}
    errors = {name: worst_error(peer, arrays) for name, peer in peers.items()}
    for name, error in errors.items():
        if not error <= LARGEST_ERROR[options.precision]:
            sys.exit(f"{case}: {name}'s outputs differ by {error:.2g} of the "
                     "largest: not the same network")
    sides = {"defcn": lambda: ours.measure(options.repetitions)}
    for name, peer in peers.items():
        sides[name] = lambda peer=peer: measure(peer, options.repetitions)
    times = rounds_of(sides, options.rounds, rng)
    return report, [{
        "case": case, "width": report["width"], "height": report["height"],
        "gflop": report["network"]["gflop"], "threads": threads,
        "precision": options.precision,
        "peer": name, "version": peer.version, "error": errors[name],
        "defcn_ms": spread(times["defcn"]), "peer_ms": spread(times[name]),
        "ratio": spread([b / a for a, b in
                         zip(times["defcn"], times[name])]),
        "rounds_ms": {"defcn": times["defcn"], "peer": times[name]},
    } for name, peer in peers.items()]


HEAD = ["network", "input", "threads", "defcn ms", "peer", "peer ms",
        "peer / defcn", "error"]


def cells(row):
    return [row["case"], f"{row['width']}x{row['height']}",
            str(row["threads"]), shown(row["defcn_ms"], 1), row["version"],
            shown(row["peer_ms"], 1), shown(row["ratio"], 2),
            f"{row['error']:.0e}"]


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--cases", type=names_of(CASES), default=list(CASES),
                        metavar="NAME,..", help=f"of {', '.join(CASES)} (all)")
    parser.add_argument("--peers", type=names_of(PEERS),
                        default=["onnxruntime"], metavar="NAME,..",
                        help=f"of {', '.join(PEERS)} (onnxruntime)")
    parser.add_argument("--tool", default=str(TREE / "build/training/defcn"),
                        metavar="DEFCN", help="the program (build's)")
    parser.add_argument("--threads", default=[1, 2], metavar="N,..",
                        type=lambda text: [int(n) for n in text.split(",")],
                        help="CPU threads of all sides (1,2)")
    parser.add_argument("--precision", choices=LARGEST_ERROR, default="fp32",
                        help="bf16: of defcn, and of the peers that have it")
    add_options(parser)
    return parser.parse_args()


def main():
    options = parse_options()
    rng = random.Random(options.seed)
    result, rows = None, []
    print(line(HEAD), line("---" for _ in HEAD), sep="\n", flush=True)
    for case in options.cases:
        for threads in options.threads:
            report, new = compare(options, case, threads, rng)
            result = result or origin(report, options)
            rows += new
            for row in new:
                print(line(cells(row)), flush=True)
            if options.save:
                save(options.save, result, rows, [caption(result)], HEAD,
                     cells)


if __name__ == "__main__":
    main()
