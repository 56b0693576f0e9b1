#!/usr/bin/env python3
"""What a pass of the detector would take on an H200, counted and not measured:
launches, bytes, tiles of the convolutions that cuDNN has plans for, and the
time that planning takes.

usage: count.py LIST_PLANS [BATCH ..]       (tests/cuda/list_plans; 1 and 32)

A convolution is a product of (pixels, channels out) by (taps * channels in),
in the best of some tiles: waves of tiles over 132 multiprocessors, or its
bytes if those take longer, and LAUNCH beside.  Steps that go together share
the multiprocessors: what counts is the longest of them or their tiles
together.  What else there is takes its bytes.  The rates are guesses of what
such kernels reach, which is why the sum is good to a fifth at best.
"""
import collections
import math
import subprocess
import sys

SMS = 132
PEAK = 989e12 / SMS      # half precision, a multiprocessor
HOPPER, AMPERE = .62, .38  # of the peak: wgmma; what older code reaches
BANDWIDTH = .8 * 4.8e12  # bytes a second
LAUNCH = 2.5e-6          # of a node in a recorded graph, with its ramp
TILES = [(64, 64), (128, 64), (128, 128), (256, 128), (128, 256)]
WIDTH, HEIGHT = 1344, 800

Step = collections.namedtuple(
    "Step", "kind name n h w c k out_h out_w size stride groups inputs "
    "together n_together y_bytes engine workspace compiled seconds known")


def steps_of(program, batch):
    text = subprocess.run(
        [program, str(batch), str(HEIGHT), str(WIDTH), "fp16"], check=True,
        capture_output=True, text=True).stdout
    for line in text.splitlines():
        words = line.split()
        numbers = [float(word) for word in words[2:16] + words[17:]]
        yield Step(*words[:2], *numbers[:14], words[16], *numbers[14:])


def is_ampere(step):
    """cuDNN's own names: 41 and 45 on are for Hopper, what is compiled is
    not."""
    return step.compiled or not step.engine.startswith("eng4")


def tiles_of(step):
    """(waves' seconds, seconds of all multiprocessors) of the best tile."""
    rate = PEAK * (AMPERE if is_ampere(step) else HOPPER)
    pixels = step.n * step.out_h * step.out_w
    depth = step.size ** 2 * step.c / step.groups
    best = None
    for rows, columns in TILES:
        count = math.ceil(pixels / rows) * math.ceil(step.k / columns)
        tile = 2 * rows * columns * depth / rate
        found = math.ceil(count / SMS) * tile, count * tile / SMS
        best = min(best or found, found)
    return best


def bytes_of(step):
    here = step.n * step.out_h * step.out_w * step.k
    read = step.n * step.h * step.w * step.c * 2
    if step.kind == "conv":
        weights = step.k * step.size ** 2 * step.c / step.groups * 2
        residual = here * 2 * (step.inputs - 1)
        return read + weights + residual + here * step.y_bytes
    if step.kind == "group_norm":
        return 2 * read + here * 2
    if step.kind == "tube_max":
        return here * 2 * (step.inputs + 1)
    if step.kind == "upsample_add":
        return here * 2 * 2.25
    return read + here * step.y_bytes


def groups_of(steps):
    """Steps that go together, one after the other."""
    at = 0
    while at < len(steps):
        n = max(1, int(steps[at].n_together))
        yield steps[at:at + n]
        at += n


def count(steps):
    """{kind: (steps, launches, seconds)}."""
    table = collections.defaultdict(lambda: [0, 0, 0.0])
    for group in groups_of(steps):
        kind = group[0].kind
        moved = sum(map(bytes_of, group)) / BANDWIDTH
        if kind == "conv":
            tiles = [tiles_of(step) for step in group]
            seconds = max(max(t[0] for t in tiles), sum(t[1] for t in tiles),
                          moved)
            launches = len(group)
        else:
            seconds, launches = moved, 2 if kind == "group_norm" else 1
        row = table[kind]
        row[0] += len(group)
        row[1] += launches
        row[2] += seconds + LAUNCH * (1 if kind == "conv" else launches)
    first = steps[0]
    pixels = first.n * first.h * first.w
    # planes of NV12 at twice the width and the padded pixels; the scores of
    # every location
    for name, launches, moved in (
            ("preprocess", 1, pixels * (6 + 2 * first.c)),
            ("clear, find, copy", 3, pixels / 64 * 1.33 * 85 * 4)):
        table[name] = [launches, launches,
                       moved / BANDWIDTH + launches * LAUNCH]
    return table


def main():
    program, batches = sys.argv[1], [int(b) for b in sys.argv[2:]] or [1, 32]
    for batch in batches:
        steps = list(steps_of(program, batch))
        table = count(steps)
        convs = [s for s in steps if s.kind == "conv"]
        new = [s for s in convs if not s.known]
        print(f"\n## R-50, {WIDTH}x{HEIGHT}, fp16, batch {batch}\n")
        print("| what | steps | launches | ms |")
        print("|---|---|---|---|")
        for kind, (number, launches, seconds) in table.items():
            print(f"| {kind} | {number} | {launches} | {1e3 * seconds:.2f} |")
        total = sum(row[2] for row in table.values())
        print(f"| all | | {sum(row[1] for row in table.values())} |"
              f" {1e3 * total:.2f}, {batch / total:.0f} images/s |")
        flops = sum(2 * s.n * s.out_h * s.out_w * s.k * s.size ** 2 * s.c
                    / s.groups for s in convs)
        print(f"\n{flops / 1e9:.0f} GFLOP in {len(convs)} convolutions of"
              f" {len(new)} shapes; engines: "
              + ", ".join(f"{n} {name}" for name, n in collections.Counter(
                  s.engine.split("_")[0] for s in convs).most_common())
              + f"; {sum(s.compiled > 0 for s in new)} plans are compiled."
              f" Planning takes {sum(s.seconds for s in new):.1f} CPU-seconds,"
              f" {sum(s.seconds for s in new if not s.compiled):.1f} of them"
              " for those that are not. The largest workspace has"
              f" {max(s.workspace for s in convs) / 1e6:.0f} MB.")


main()
