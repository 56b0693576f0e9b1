#!/usr/bin/env python3
"""What one more stream costs: 1 to 64 live streams of synthetic pictures in one
process, each with its own model, and with one model for all; memory, CPU time
and frames looked at.  A table, and a plot as SVG.

Every stream looks at every so many frames (--interval), so that two cores carry
64 of them.  It is measured once each has been looked at, so that the plan of
the first look is in no figure; who has to wait too long for that is told of."""
import argparse
import datetime
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import result
from process import cpu_seconds, memory
from street import environment

HEAD = ["streams", "sharing", "fps of a stream", "looked at per s", "of wanted",
        "cores", "ms of CPU a look", "cores a further stream", "memory (MB)",
        "MB a further stream"]
# Seconds until every stream has been looked at, and a part of them for each.
PATIENCE, PATIENCE_EACH = 60, 5


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=result.TREE / "build",
                        type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--model", default=result.TREE
                        / "pipelines/models/person.safetensors", metavar="FILE")
    parser.add_argument("--streams", default="1,4,16,64",
                        metavar="N,..", help="(1,4,16,64)")
    parser.add_argument("--fps", type=int, default=10, metavar="N",
                        help="frames a second of every source (10)")
    parser.add_argument("--interval", type=int, default=20, metavar="N",
                        help="every so many are looked at (20)")
    parser.add_argument("--size", default="640x360", metavar="WxH",
                        help="of the pictures (640x360)")
    parser.add_argument("--detect", default="threads=1 no-block=true",
                        metavar="PROPERTIES", help="(threads=1 no-block=true)")
    parser.add_argument("--shared", default="model-instance-id=all workers=2",
                        metavar="PROPERTIES", help="of those that share "
                        "(model-instance-id=all workers=2); batch-size=8 "
                        "batch-timeout=20 besides for batches")
    parser.add_argument("--warm", type=float, default=2, metavar="SECONDS",
                        help="between all first looks and the measurement (2)")
    parser.add_argument("--seconds", type=float, default=16, metavar="N",
                        help="measured (16)")
    parser.add_argument("--save", metavar="FILE.json",
                        help="also write JSON, a table as FILE.md and a plot "
                        "as FILE.svg")
    given = parser.parse_args()
    given.streams = [int(n) for n in given.streams.split(",")]
    return given


def launch(given, folder, n, properties):
    width, height = given.size.split("x")
    words = []
    for i in range(n):
        words += ["videotestsrc", "is-live=true", "pattern=ball", "!",
                  f"video/x-raw,format=NV12,width={width},height={height},"
                  f"framerate={given.fps}/1", "!", "queue",
                  "leaky=downstream", "max-size-buffers=2", "!", "defcndetect",
                  f"model={given.model}",
                  f"inference-interval={given.interval}",
                  *given.detect.split(), *properties,
                  "!", "defcnpublish", "add-empty-results=true",
                  f"location={folder}/{i}.json", "!", "fakesink", "sync=false"]
    return subprocess.Popen(["gst-launch-1.0", "-q", *words],
                            env=environment(given.build, folder))


def lines(folder, i):
    """A stream's records so far, whole lines."""
    try:
        with open(f"{folder}/{i}.json", encoding="utf-8") as file:
            return [line for line in file if line.endswith("\n")]
    except FileNotFoundError:
        return []


def looked(folder, n):
    """Of every stream: frames, and those that were looked at, until now."""
    return [(len(seen), sum('"fresh":true' in line for line in seen))
            for seen in (lines(folder, i) for i in range(n))]


def wait_all(process, folder, n):
    """Until every stream has been looked at once: the plans are there."""
    until = time.monotonic() + PATIENCE + PATIENCE_EACH * n
    while True:
        if process.poll() is not None:
            sys.exit(f"{n} streams: gst-launch-1.0 ended by itself")
        slow = sum(looks == 0 for _, looks in looked(folder, n))
        if not slow:
            return
        if time.monotonic() > until:
            print(f"{n} streams: {slow} were not looked at within "
                  f"{PATIENCE + PATIENCE_EACH * n} s", file=sys.stderr)
            return
        time.sleep(0.2)


def measure(given, n, sharing):
    with tempfile.TemporaryDirectory() as folder:
        process = launch(given, folder, n,
                         given.shared.split() if sharing else [])
        try:
            wait_all(process, folder, n)
            time.sleep(given.warm)
            before = looked(folder, n)
            cpu, begin = cpu_seconds(process.pid), time.monotonic()
            time.sleep(given.seconds)
            took = time.monotonic() - begin
            cpu = cpu_seconds(process.pid) - cpu
            resident, = memory(process.pid, "VmRSS")
            after = looked(folder, n)
        finally:
            process.kill()
            process.wait()
    frames, looks = (sum(a[k] - b[k] for a, b in zip(after, before))
                     for k in (0, 1))
    if not looks:
        sys.exit(f"{n} streams: nothing was looked at in {took:.0f} s, of "
                 f"{frames} frames; take more --seconds, or fewer --streams")
    return {"streams": n, "sharing": sharing, "fps": frames / took / n,
            "looks": looks / took,
            "wanted": looks / took / (n * given.fps / given.interval),
            "cores": cpu / took, "ms": 1000 * cpu / looks, "memory": resident}


def add_differences(rows):
    """What a further stream takes: since the row of fewer streams before it."""
    before = {}
    for row in rows:
        last = before.get(row["sharing"])
        for key in ("memory", "cores"):
            row["further_" + key] = None if last is None else (
                (row[key] - last[key]) / (row["streams"] - last["streams"]))
        before[row["sharing"]] = row


def cells(row):
    def further(key, digits):
        value = row["further_" + key]
        return "-" if value is None else f"{value:.{digits}f}"
    return [str(row["streams"]),
            "one model" if row["sharing"] else "each its own",
            f"{row['fps']:.1f}", f"{row['looks']:.1f}",
            f"{100 * row['wanted']:.0f} %", f"{row['cores']:.2f}",
            f"{row['ms']:.1f}", further("cores", 3), f"{row['memory']:.0f}",
            further("memory", 1)]


def curve(rows, key, x, y, colour):
    points = " ".join(f"{x(row['streams']):.1f},{y(row[key]):.1f}"
                      for row in rows)
    dots = [f'<circle cx="{point.split(",")[0]}" cy="{point.split(",")[1]}" '
            f'r="3" fill="{colour}"/>' for point in points.split()]
    return (f'<polyline fill="none" stroke="{colour}" stroke-width="2" '
            f'points="{points}"/>' + "".join(dots))


def chart(rows, key, title, left):
    """One of the plots that stand side by side."""
    most = max(row["streams"] for row in rows)
    high = max(row[key] for row in rows) or 1
    def x(n):
        return left + 50 + 280 * n / most
    def y(value):
        return 250 - 200 * value / high
    text = [f'<text x="{left + 50}" y="30">{title}</text>',
            f'<path d="M{left + 50} 50V250H{left + 330}" fill="none" '
            'stroke="black"/>',
            f'<text x="{left + 45}" y="55" text-anchor="end">{high:.4g}</text>',
            f'<text x="{left + 45}" y="254" text-anchor="end">0</text>',
            f'<text x="{left + 330}" y="268" text-anchor="end">{most} streams'
            '</text>']
    for sharing, colour, name in ((False, "#b03020", "each its own"),
                                  (True, "#2060b0", "one model")):
        part = [row for row in rows if row["sharing"] == sharing]
        if part:
            text.append(curve(part, key, x, y, colour))
            text.append(f'<text x="{left + 62}" y="{66 + 16 * sharing}" '
                        f'fill="{colour}">{name}</text>')
    return "\n".join(text)


def plot(path, rows):
    charts = [chart(rows, "memory", "Memory, MB", 0),
              chart(rows, "cores", "Cores", 350),
              chart(rows, "looks", "Frames looked at a second", 700)]
    path.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="1050" '
                    'height="280" font-family="sans-serif" font-size="12">\n'
                    '<rect width="100%" height="100%" fill="white"/>\n'
                    + "\n".join(charts) + "\n</svg>\n")


def main():
    given = options()
    rows, load = [], os.getloadavg()[0]
    print(result.line(HEAD))
    print(result.line("---" for _ in HEAD))
    for sharing in (False, True):
        for n in given.streams:
            rows.append(measure(given, n, sharing))
            add_differences(rows)
            print(result.line(cells(rows[-1])), flush=True)
    if given.save:
        about = {"date": datetime.date.today().isoformat(),
                 "commit": result.commit(), "cores": os.cpu_count(),
                 "load": load,
                 "model": os.path.basename(given.model), "fps": given.fps,
                 "interval": given.interval, "size": given.size,
                 "detect": given.detect,
                 "shared": given.shared, "seconds": given.seconds}
        result.save(given.save, about, rows,
                    [f"{given.size} at {given.fps} frames a second, of which "
                     f"every {given.interval}th is looked at, "
                     f"{about['model']}, {given.detect}; sharing: "
                     f"{given.shared}; {about['cores']} cores, load "
                     f"{about['load']:.1f} before, defcn {about['commit']}, "
                     f"{about['date']}."], HEAD, cells)
        plot(pathlib.Path(given.save).with_suffix(".svg"), rows)


if __name__ == "__main__":
    main()
