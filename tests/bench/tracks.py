#!/usr/bin/env python3
"""Tracks of the street video with the bundled model: how many there are where
people were counted by hand, and how well the boxes stay on the people when
only some frames are looked at.

    tests/bench/tracks.py [--video FILE] [--build DIR] [--intervals 1,2,3,5]

Writes a table in Markdown.  Nothing is timed.
"""
import argparse
import sys
import tempfile

from result import TREE
from street import corners, find, iou, records

# First frame, one behind the last, and how many people are seen in between:
# counted by hand, whoever leaves the picture and comes back as another.
WINDOWS = ((0, 200, 9), (200, 400, 9), (400, 600, 9), (595, 795, 9),
           (0, 795, 20))


def tracked(video, build, interval):
    """{frame: [(id, box)]}, and the frames that were looked at."""
    with tempfile.TemporaryDirectory() as work:
        every = records(
            build, work, find(video, work),
            ["defcndetect", "threshold=0.1", f"inference-interval={interval}",
             f"model={TREE}/pipelines/models/person.safetensors"],
            ["defcntrack"])
    return ({record["frame"]: [(o["object_id"], corners(o))
                               for o in record["objects"] if "object_id" in o]
             for record in every},
            {record["frame"] for record in every if record["inferred"]})


def pairs(ours, wanted):
    """The IoU of the pairs of two lists of boxes, the best first."""
    every = sorted(((iou(a, b), i, k) for i, a in enumerate(ours)
                    for k, b in enumerate(wanted)), reverse=True)
    left, right, found = set(), set(), []
    for value, i, k in every:
        if value > 0 and i not in left and k not in right:
            left.add(i)
            right.add(k)
            found.append(value)
    return found


def stay(frames, looked, wanted):
    """(mean IoU, share of the boxes on one with IoU > .5, share of those of
    every frame that have one) in the frames that were not looked at."""
    values, n, n_wanted = [], 0, 0
    for frame in frames:
        if frame in looked:
            continue
        ours = [box for _, box in frames[frame]]
        theirs = [box for _, box in wanted[frame]]
        n += len(ours)
        n_wanted += len(theirs)
        values += pairs(ours, theirs)
    over = sum(value > 0.5 for value in values)
    return sum(values) / len(values), over / n, over / n_wanted


def ids(frames, first, end):
    return len({i for frame in frames if first <= frame < end
                for i, _ in frames[frame]})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--video")
    parser.add_argument("--build", default=str(TREE / "build"))
    parser.add_argument("--intervals", default="1,2,3,5")
    options = parser.parse_args()
    intervals = [int(word) for word in options.intervals.split(",")]
    if intervals[0] != 1:
        sys.exit("tracks.py: the intervals begin with 1")
    found = {n: tracked(options.video, options.build, n) for n in intervals}
    print("| frames | people by hand |"
          + "".join(" tracks, interval %d |" % n for n in intervals))
    print("|---" * (2 + len(intervals)) + "|")
    for first, end, people in WINDOWS:
        print("| %d to %d | %d |" % (first, end - 1, people) + "".join(
            " %d |" % ids(found[n][0], first, end) for n in intervals))
    print("\n| interval | mean IoU | of its boxes on one | of every frame's"
          " found |\n|---|---|---|---|")
    for n in intervals[1:]:
        print("| %d | %.3f | %.3f | %.3f |"
              % ((n,) + stay(*found[n], found[1][0])))


main()
