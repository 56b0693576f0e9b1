#!/usr/bin/env python3
"""What the README's count.sh counts on a street video against the crossings of
crossings.txt, counted by eye.  Prints TAP and the table.
Usage: test_count.py SOURCES BUILD"""
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
RATE = 10  # frames a second
NEAR = 15  # frames between what was seen and what was counted
# Crossings that may be missed, and that may be nobody's, of each direction.
MOST = 1
NAMES = ("everybody is counted", "nobody else is counted",
         "the sums are those of the lines before")


def seen():
    """[(frame, direction, who)] by eye."""
    with open(HERE + "/crossings.txt") as file:
        rows = [line.strip().split(None, 2) for line in file
                if not line.startswith("#")]
    return [(int(frame), direction, who) for frame, direction, who in rows]


def typed():
    """The README's command, as it stands there."""
    with open(SOURCES + "/README.md") as file:
        text = file.read()
    return re.search(r"^    (pipelines/count\.sh in\.mp4 .*)\n", text,
                     re.M).group(1)


def counted(work):
    """([(frame, direction)], {direction: sum}) of count.sh"""
    environment = dict(os.environ, DEFCN_BUILD=BUILD,
                       GST_REGISTRY=work + "/registry.bin")
    done = subprocess.run(SOURCES + "/" + typed(), shell=True, cwd=work,
                          env=environment, stdout=subprocess.PIPE,
                          universal_newlines=True, check=True)
    *lines, last = done.stdout.splitlines()
    found = []
    for line in lines:
        match = re.fullmatch(r"(\d+\.\d) road line-crossed (forward|backward) "
                             r"#\d+ person", line)
        found.append((round(float(match.group(1)) * RATE), match.group(2)))
    match = re.fullmatch(r"road: forward (\d+), backward (\d+)", last)
    return found, {"forward": int(match.group(1)),
                   "backward": int(match.group(2))}


def pair(people, found):
    """{index of one of @people: index of what was counted for them}: the
    nearest two go together first."""
    pairs = sorted((abs(p[0] - f[0]), i, k) for i, p in enumerate(people)
                   for k, f in enumerate(found)
                   if p[1] == f[1] and abs(p[0] - f[0]) <= NEAR)
    of_people, of_found = {}, {}
    for _, i, k in pairs:
        if i not in of_people and k not in of_found:
            of_people[i], of_found[k] = k, i
    return of_people


def table(people, found):
    """(missed, extra): rows of either that have none of the other near them;
    prints all."""
    pairs = pair(people, found)
    print("# frame seen  counted  direction")
    for i, (frame, direction, who) in enumerate(people):
        own = found[pairs[i]][0] if i in pairs else "-"
        print("# %10d  %7s  %-8s  %s" % (frame, own, direction, who))
    extra = [f for k, f in enumerate(found) if k not in pairs.values()]
    for frame, direction in extra:
        print("# %10s  %7d  %-8s" % ("-", frame, direction))
    return [p for i, p in enumerate(people) if i not in pairs], extra


def check_pair():
    """The comparison itself."""
    people = [(10, "forward", "a"), (12, "forward", "b"), (50, "backward", "c")]
    assert pair(people, []) == pair([], [(1, "forward")]) == {}
    assert pair(people, [(11, "forward"), (13, "forward"), (51, "forward")]) \
        == {0: 0, 1: 1}
    assert pair(people, [(51, "backward"), (24, "forward")]) == {2: 0, 1: 1}
    assert pair(people, [(66, "backward")]) == {}


def of(rows, direction):
    return sum(row[1] == direction for row in rows)


def main():
    check_pair()
    print("1..%d" % len(NAMES))
    with tempfile.TemporaryDirectory() as work:
        if not street.copy(SOURCES, work + "/in.mp4"):
            for number, name in enumerate(NAMES, 1):
                print("ok %d - %s # SKIP vtest.avi of opencv-doc is not there"
                      % (number, name))
            return 0
        found, sums = counted(work)
    people = seen()
    missed, extra = table(people, found)
    both = ("forward", "backward")
    print("# by eye %s, counted %s" % tuple(
        " and ".join("%d %s" % (n, d) for n, d in zip(ns, both))
        for ns in ([of(people, d) for d in both], [sums[d] for d in both])))
    results = (all(of(missed, d) <= MOST for d in both),
               all(of(extra, d) <= MOST for d in both),
               sums == {d: of(found, d) for d in both})
    for number, (good, name) in enumerate(zip(results, NAMES), 1):
        print("%s %d - %s" % ("ok" if good else "not ok", number, name))
    return not all(results)


sys.exit(main())
