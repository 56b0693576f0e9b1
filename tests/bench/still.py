#!/usr/bin/env python3
"""What skip-still saves on a street video and what it loses: for every
threshold the share of frames that were looked at, and how many of the boxes of
a run that looks at every frame are still there (IoU .5); beside it the same for
inference-interval.  Counts, no times: a busy machine does no harm."""
import argparse
import datetime
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import result

VIDEO = "/usr/share/doc/opencv-doc/examples/data/vtest.avi"
SAME = 0.5  # IoU of one box and the other
HEAD = ["setting", "looked at", "still", "recall", "precision",
        "oldest result (s)"]


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=result.TREE / "build",
                        type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--video", default=VIDEO, metavar="FILE",
                        help="opencv-doc's vtest.avi")
    parser.add_argument("--model", default=result.TREE
                        / "pipelines/models/person.safetensors", metavar="FILE")
    parser.add_argument("--crop", default="", metavar="top=N,left=N,..",
                        help="look at a part of the picture, as videocrop")
    parser.add_argument("--steps", default="2,3,4,6,8,12,16,24,32",
                        metavar="N,..",
                        help="values of skip-still (2,3,4,6,8,12,16,24,32)")
    parser.add_argument("--intervals", default="2,3,5,10", metavar="N,..",
                        help="values of inference-interval (2,3,5,10)")
    parser.add_argument("--save", metavar="FILE.json",
                        help="also write JSON, and a table as FILE.md")
    given = parser.parse_args()
    given.crop = given.crop.split(",") if given.crop else []
    return given


def run(given, video, folder, settings):
    """The records of all frames."""
    lines = os.path.join(folder, "lines")
    environment = dict(os.environ, OMP_WAIT_POLICY="passive",
                       GST_PLUGIN_PATH=str(given.build / "gst-plugin"),
                       GST_REGISTRY=os.path.join(folder, "registry"))
    subprocess.run(
        ["gst-launch-1.0", "-q", "filesrc", "location=" + video, "!",
         "decodebin", "!", "videocrop", *given.crop, "!", "defcndetect",
         f"model={given.model}",
         "repeat-detections=true", *settings, "!", "defcnpublish",
         "location=" + lines, "add-empty-results=true", "!", "fakesink"],
        env=environment, check=True)
    with open(lines, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def boxes(record):
    """Best first."""
    found = [o["detection"] for o in record["objects"]]
    found.sort(key=lambda d: -d["confidence"])
    return [tuple(d["bounding_box"][side]
                  for side in ("x_min", "y_min", "x_max", "y_max"))
            for d in found]


def iou(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0
    area = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return w * h / (sum(area) - w * h)


def matched(found, wanted):
    """How many of @wanted a box of @found is on, each for one."""
    free, n = list(found), 0
    for box in wanted:
        best = max(free, key=lambda f: iou(f, box), default=None)
        if best is not None and iou(best, box) >= SAME:
            free.remove(best)
            n += 1
    return n


def judge(name, records, every):
    hits = total = shown = 0
    oldest = 0
    for record, wanted in zip(records, every):
        a, b = boxes(record), boxes(wanted)
        hits += matched(a, b)
        total += len(b)
        shown += len(a)
        if "inferred_timestamp" in record:
            oldest = max(oldest, record["timestamp"]
                         - record["inferred_timestamp"])
    n = len(records)
    return {"setting": name, "frames": n,
            "looked_at": sum(r["inferred"] for r in records) / n,
            "still": sum(r.get("reason") == "still" for r in records) / n,
            "recall": hits / max(total, 1), "precision": hits / max(shown, 1),
            "oldest": oldest / 1e9}


def cells(row):
    return [row["setting"], f"{row['looked_at']:.3f}", f"{row['still']:.3f}",
            f"{row['recall']:.3f}", f"{row['precision']:.3f}",
            f"{row['oldest']:.1f}"]


def main():
    given = options()
    if not os.path.exists(given.video):
        sys.exit(f"{given.video}: not there; --video names another, or install "
                 "opencv-doc")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        video = os.path.join(folder, "in.avi")
        opener = gzip.open if given.video.endswith(".gz") else open
        with opener(given.video, "rb") as source, open(video, "wb") as copy:
            shutil.copyfileobj(source, copy)
        every = run(given, video, folder, [])
        cases = [("every frame", [])]
        cases += [(f"skip-still={n}", [f"skip-still={n}"])
                  for n in given.steps.split(",")]
        cases += [(f"inference-interval={n}", [f"inference-interval={n}"])
                  for n in given.intervals.split(",")]
        print(result.line(HEAD))
        print(result.line("---" for _ in HEAD))
        for name, settings in cases:
            records = run(given, video, folder, settings) if settings else every
            if len(records) != len(every):
                sys.exit(f"{name}: {len(records)} records of {len(every)}")
            rows.append(judge(name, records, every))
            print(result.line(cells(rows[-1])), flush=True)
    if given.save:
        about = {"date": datetime.date.today().isoformat(),
                 "commit": result.commit(),
                 "video": os.path.basename(given.video), "crop": given.crop,
                 "model": os.path.basename(given.model)}
        result.save(given.save, about, rows,
                    [f"{' '.join([about['video'], *given.crop])}, "
                     f"{len(every)} frames, {about['model']}, "
                     f"defcn {about['commit']}, {about['date']}; "
                     "repeat-detections is on."], HEAD, cells)


if __name__ == "__main__":
    main()
