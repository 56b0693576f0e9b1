#!/usr/bin/env python3
"""What the CUDA module's kernels take, as compiled for sm_90: registers,
shared memory, stack, spills, the widths of their loads and stores; the most of
any on every kind of device that the module runs on; and beside the bytes that
have to be moved those that the kernels ask for.

usage: kernels.py SOURCES NVCC     (TAP; the tables are its comments)

A kernel with a stack or spills on any device fails: what is there lies in
local memory.
"""
import collections
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile

# A ResNet-50 detector's pyramid on 1344x800 pixels, in half precision.
WIDTH, HEIGHT, CHANNELS, CLASSES = 1344, 800, 256, 80
BANDWIDTH = 4.8e12  # bytes a second, of an H200
TILE_BORDER = (10 / 8) ** 2  # of the tube maximum, phi 3

# What devices run of the module (core/cuda/meson.build): up to 8.9 its machine
# code for sm_80, then that for sm_90, or what their drivers make of its PTX.
TARGETS = {"compute_80": ("sm_80",),
           "compute_90": ("sm_90", "sm_100", "sm_120")}
SHOWN = "sm_90"
MOST_SHARED = 48 << 10  # without a launch that asks for more

WIDTHS = (16, 8, 4, 2, 1)
Kernel = collections.namedtuple(
    "Kernel", "name registers shared stack spills loads stores")


def known(nvcc):
    """The devices that this compiler can compile for."""
    return set(subprocess.run([nvcc, "--list-gpu-code"], check=True,
                              capture_output=True, text=True).stdout.split())


def compiled(nvcc, source, flags, devices):
    """{device: the kernels of a file, in order}."""
    ptxas = pathlib.Path(nvcc).with_name("ptxas")
    kernels = {}
    with tempfile.TemporaryDirectory() as folder:
        ptx = pathlib.Path(folder) / "kernels.ptx"
        for virtual, targets in TARGETS.items():
            subprocess.run(
                [nvcc, "-std=c++20", "-O3", "-diag-suppress=1217",
                 f"-arch={virtual}", "-ptx", *flags, str(source), "-o",
                 str(ptx)], check=True, capture_output=True, text=True)
            found = accesses(ptx.read_text())
            for device in devices.intersection(targets):
                report = subprocess.run(
                    [ptxas, "-v", "-O3", f"-arch={device}", str(ptx), "-o",
                     folder + "/kernels.cubin"],
                    check=True, capture_output=True, text=True).stderr
                kernels[device] = list(parse(report, found))
                assert len(kernels[device]) == len(found), source
    return kernels


def accesses(ptx):
    """{kernel: (loads, stores)} of global memory, counted by their width."""
    found = {}
    for entry in re.split(r"\.entry\s+", ptx)[1:]:
        name = re.match(r"\w+", entry).group()
        counts = {"ld": collections.Counter(), "st": collections.Counter()}
        for kind, vector, bits in re.findall(
                r"\b(ld|st)\.global(?:\.\w+)*?(?:\.(v[248]))?\.[usbf](\d+)",
                entry):
            counts[kind][int(bits) // 8 * int((vector or "v1")[1:])] += 1
        found[name] = counts["ld"], counts["st"]
    return found


def parse(report, found):
    pattern = re.compile(
        r"Compiling entry function '(\w+)'.*?(\d+) bytes stack frame, "
        r"(\d+) bytes spill stores, (\d+) bytes spill loads.*?"
        r"Used (\d+) registers(?:[^\n]*?(\d+) bytes smem)?", re.S)
    for name, stack, stores, loads, registers, shared in (
            match.groups() for match in pattern.finditer(report)):
        yield Kernel(name, int(registers), int(shared or 0), int(stack),
                     int(stores) + int(loads), *found[name])


def readable(names):
    """forward_kernel<half, 8> of what the compiler calls it."""
    lines = subprocess.run(["c++filt"], input="\n".join(names), check=True,
                           capture_output=True, text=True).stdout.splitlines()
    for line in lines:
        name = re.sub(r"^void ", "", line).split("(")[0]
        yield name.replace("__nv_bfloat16", "bfloat").replace("__half", "half")


def widths(counts):
    return " ".join(f"{counts[width]}x{width}" for width in WIDTHS
                    if counts[width]) or "-"


def print_kernels(results):
    print("# | kernel | registers | shared | stack | spills | loads | stores |")
    print("# |---|---|---|---|---|---|---|")
    for file, kernels in results:
        shown = kernels[SHOWN]
        for kernel, name in zip(shown, readable(k.name for k in shown)):
            print(f"# | {file} {name} | {kernel.registers} | {kernel.shared} |"
                  f" {kernel.stack} | {kernel.spills} | {widths(kernel.loads)}"
                  f" | {widths(kernel.stores)} |")


def print_devices(results):
    print("# | device | kernels | registers at most | shared at most |"
          " with a stack | with spills |")
    print("# |---|---|---|---|---|---|")
    for device in sorted(results[0][1], key=lambda d: int(d[3:])):
        kernels = [k for _, found in results for k in found[device]]
        print(f"# | {device} | {len(kernels)} |"
              f" {max(k.registers for k in kernels)} |"
              f" {max(k.shared for k in kernels)} |"
              f" {sum(k.stack > 0 for k in kernels)} |"
              f" {sum(k.spills > 0 for k in kernels)} |")


def is_bad(kernel):
    return kernel.stack or kernel.spills or kernel.shared > MOST_SHARED


def maps():
    """Height and width of the five maps of the pyramid."""
    h, w = HEIGHT // 8, WIDTH // 8
    for _ in range(5):
        yield h, w
        h, w = (h + 1) // 2, (w + 1) // 2


def traffic():
    """(what, bytes that have to be moved, bytes that the kernels ask for)."""
    sizes = list(maps())
    pixels = sum(h * w for h, w in sizes)
    whole = pixels * CHANNELS * 2
    fine = sum(h * w for h, w in sizes[:2]) * CHANNELS * 2
    stem = HEIGHT // 2 * (WIDTH // 2) * 64 * 2
    frame = 1920 * 1080 * 3 // 2
    # own level, and four taps of each that is resized: two, at the ends one
    taps = sum(h * w * (1 + 4 * (2 if 0 < i < 4 else 1))
               for i, (h, w) in enumerate(sizes)) * CHANNELS * 2
    yield "preprocess, a 1920x1080 NV12 frame", \
        frame + WIDTH * HEIGHT * 4 * 2, None
    yield "max pool", stem + stem // 4, None
    yield "FPN, two upsample-add", fine * 2 + fine // 4, fine * 3
    yield "group norm of five maps, read twice", 2 * whole, 3 * whole
    yield "3DMF of five maps", 3 * whole, int(taps * TILE_BORDER) + 2 * whole
    yield "box branch of five maps", pixels * 4 * 4 * 2, None
    yield "decode, 80 classes", pixels * (CLASSES + 1) * 4, None


def print_traffic():
    print("# | at 1344x800, half, one image | MB at least | us at least |"
          " MB asked for |")
    print("# |---|---|---|---|")
    for what, least, asked in traffic():
        print(f"# | {what} | {least / 1e6:.1f} |"
              f" {least / BANDWIDTH * 1e6:.1f} |"
              f" {(asked or least) / 1e6:.1f} |")


def main():
    sources, nvcc = pathlib.Path(sys.argv[1]), sys.argv[2]
    flags = subprocess.run(
        ["pkg-config", "--cflags-only-I", "glib-2.0", "gmodule-2.0"],
        check=True, capture_output=True, text=True).stdout.split()
    flags += [f"-I{sources}/core", f"-I{sources}/core/cuda"]
    files = sorted((sources / "core" / "cuda").glob("*.cu"))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = list(pool.map(
            lambda f: compiled(nvcc, f, flags, known(nvcc)), files))
    results = [(file.stem, kernels) for file, kernels in zip(files, found)]
    print_kernels(results)
    print_devices(results)
    print_traffic()
    print(f"1..{len(results)}")
    for number, (file, kernels) in enumerate(results, 1):
        good = bool(kernels[SHOWN])
        for device, found in kernels.items():
            bad = [k for k in found if is_bad(k)]
            for name in readable(k.name for k in bad) if bad else ():
                print(f"# {name} keeps something in local memory or asks for"
                      f" too much shared memory on {device}")
                good = False
        print(f"{'ok' if good else 'not ok'} {number} - {file},"
              f" {len(kernels[SHOWN])} kernels")


main()
