#!/usr/bin/env python3
"""What skip-still saves on a street video and what it loses: for every
threshold the share of frames that were looked at, and how many of the boxes of
a run that looks at every frame are still there (IoU .5); beside it the same for
inference-interval.  Counts, no times: a busy machine does no harm."""
import argparse
import datetime
import os
import pathlib
import sys
import tempfile

import result
from street import corners, find, iou, records

SAME = 0.5  # IoU of one box and the other
HEAD = ["setting", "looked at", "still", "recall", "precision",
        "oldest result (s)"]


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=result.TREE / "build",
                        type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--video", metavar="FILE",
                        help="(opencv-doc's vtest.avi)")
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
    return records(given.build, folder, video, ["videocrop", *given.crop],
                   ["defcndetect", f"model={given.model}",
                    "repeat-detections=true", *settings])


def boxes(record):
    """Best first."""
    return [corners(found) for found in sorted(
        record["objects"], key=lambda o: -o["detection"]["confidence"])]


def matched(found, wanted):
    """How many of @wanted a box of @found is on, each for one."""
    free, n = list(found), 0
    for box in wanted:
        best = max(free, key=lambda f: iou(f, box), default=None)
        if best is not None and iou(best, box) >= SAME:
            free.remove(best)
            n += 1
    return n


def judge(name, given, every):
    hits = total = shown = 0
    oldest = 0
    for record, wanted in zip(given, every):
        a, b = boxes(record), boxes(wanted)
        hits += matched(a, b)
        total += len(b)
        shown += len(a)
        if "inferred_timestamp" in record:
            oldest = max(oldest, record["timestamp"]
                         - record["inferred_timestamp"])
    n = len(given)
    return {"setting": name, "frames": n,
            "looked_at": sum(r["inferred"] for r in given) / n,
            "still": sum(r.get("reason") == "still" for r in given) / n,
            "recall": hits / max(total, 1), "precision": hits / max(shown, 1),
            "oldest": oldest / 1e9}


def cells(row):
    return [row["setting"], f"{row['looked_at']:.3f}", f"{row['still']:.3f}",
            f"{row['recall']:.3f}", f"{row['precision']:.3f}",
            f"{row['oldest']:.1f}"]


def main():
    given = options()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        video = find(given.video, folder)
        every = run(given, video, folder, [])
        cases = [("every frame", [])]
        cases += [(f"skip-still={n}", [f"skip-still={n}"])
                  for n in given.steps.split(",")]
        cases += [(f"inference-interval={n}", [f"inference-interval={n}"])
                  for n in given.intervals.split(",")]
        print(result.line(HEAD))
        print(result.line("---" for _ in HEAD))
        for name, settings in cases:
            ours = run(given, video, folder, settings) if settings else every
            if len(ours) != len(every):
                sys.exit(f"{name}: {len(ours)} records of {len(every)}")
            rows.append(judge(name, ours, every))
            print(result.line(cells(rows[-1])), flush=True)
    if given.save:
        about = {"date": datetime.date.today().isoformat(),
                 "commit": result.commit(),
                 "video": video.name, "crop": given.crop,
                 "model": os.path.basename(given.model)}
        result.save(given.save, about, rows,
                    [f"{' '.join([about['video'], *given.crop])}, "
                     f"{len(every)} frames, {about['model']}, "
                     f"defcn {about['commit']}, {about['date']}; "
                     "repeat-detections is on."], HEAD, cells)


if __name__ == "__main__":
    main()
