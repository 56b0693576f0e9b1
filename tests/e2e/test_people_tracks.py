#!/usr/bin/env python3
"""What the README's track.sh makes of a street video: as many tracks as people
were counted by hand, and boxes that stay on them when every fifth frame alone
is looked at.  Prints TAP and the table.
Usage: test_people_tracks.py SOURCES BUILD"""
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import street  # noqa: E402

SOURCES, BUILD = sys.argv[1:]
# First frame, one behind the last, and how many people are seen in between:
# whoever leaves the picture and comes back counts as another.
WINDOWS = ((0, 200, 9), (200, 400, 9), (400, 600, 9), (595, 795, 9))
EVERYBODY = (0, 795, 20)
OFF = 0.1      # of the people, of all frames and of the windows together,
OFF_BY = 1     # and people of one window
INTERVAL = 5
ON = 0.5       # IoU of boxes of one person
STAY = 0.85    # predicted boxes that are on somebody, at least
FOUND = 0.8    # boxes of a look that have a predicted one, at least
NAMES = ("as many tracks as people", "in every 200 frames too",
         "predicted boxes stay on people", "and everybody keeps one")


def typed():
    """The README's script, as it is called there."""
    with open(SOURCES + "/README.md") as file:
        text = file.read()
    return re.search(r"^    (pipelines/track\.sh in\.mp4) > tracks\.txt\n",
                     text, re.M).group(1)


def tracked(work, interval):
    """[(frame from 0, id, (x, y, w, h))]"""
    environment = dict(os.environ, DEFCN_BUILD=BUILD,
                       GST_REGISTRY=work + "/registry.bin")
    done = subprocess.run("%s/%s %d" % (SOURCES, typed(), interval), shell=True,
                          cwd=work, env=environment, stdout=subprocess.PIPE,
                          universal_newlines=True, check=True)
    rows = [line.split(",") for line in done.stdout.splitlines()]
    return [(int(row[0]) - 1, int(row[1]), tuple(map(float, row[2:6])))
            for row in rows]


def ids(rows, first, end):
    return len({track for frame, track, _ in rows if first <= frame < end})


def iou(a, b):
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0
    return w * h / (a[2] * a[3] + b[2] * b[3] - w * h)


def share_on(ours, theirs):
    """The share of the boxes of @ours, in frames without a look, that are on
    one of @theirs of the same frame."""
    frames = {}
    for frame, _, box in theirs:
        frames.setdefault(frame, []).append(box)
    on = [any(iou(box, other) > ON for other in frames.get(frame, []))
          for frame, _, box in ours if frame % INTERVAL]
    return sum(on) / len(on)


def check_helpers():
    """The comparison itself."""
    box, far = (0, 0, 10, 20), (90, 0, 10, 20)
    assert iou(box, box) == 1 and iou(box, far) == 0
    assert share_on([(1, 1, box), (1, 2, far), (5, 1, far)],
                    [(1, 7, box), (2, 7, far)]) == 0.5
    assert ids([(0, 1, box), (1, 1, box), (1, 2, box), (2, 3, box)], 0, 2) == 2


def main():
    check_helpers()
    print("1..%d" % len(NAMES))
    with tempfile.TemporaryDirectory() as work:
        if not street.copy(SOURCES, work + "/in.mp4"):
            for number, name in enumerate(NAMES, 1):
                print("ok %d - %s # SKIP vtest.avi of opencv-doc is not there"
                      % (number, name))
            return 0
        every, some = tracked(work, 1), tracked(work, INTERVAL)
    print("# frames      people  tracks")
    off = {}
    for first, end, people in WINDOWS + (EVERYBODY,):
        off[first, end] = ids(every, first, end) - people
        print("# %3d to %3d  %6d  %6d" % (first, end - 1, people,
                                          people + off[first, end]))
    all_off = abs(off.pop(EVERYBODY[:2]))
    stay, found = share_on(some, every), share_on(every, some)
    print("# interval %d: %.3f on somebody, %.3f of all found"
          % (INTERVAL, stay, found))
    results = (all_off <= OFF * EVERYBODY[2],
               max(map(abs, off.values())) <= OFF_BY and sum(
                   map(abs, off.values())) <= OFF * sum(w[2] for w in WINDOWS),
               stay >= STAY, found >= FOUND)
    for number, (good, name) in enumerate(zip(results, NAMES), 1):
        print("%s %d - %s" % ("ok" if good else "not ok", number, name))
    return not all(results)


sys.exit(main())
