#!/usr/bin/env python3
"""Pictures of people in a street video: one of each track, the best; one of
each who goes over a line; and none in which the detector finds anybody once
people are redacted.  Prints TAP.
Usage: test_snapshots.py SOURCES BUILD"""
import glob
import json
import os
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import street  # noqa: E402

SOURCES, BUILD = sys.argv[1:]
FRAMES, FPS = 120, 10
STEP = 0.05  # by which a better score is better
INTERVAL = 3  # seconds, shorter than the people are there
HIDDEN = 0.02  # share of people that may still be found
LINE = "0.43,0.66 0.43,0.33"  # over the road, as in the README
MODEL = SOURCES + "/pipelines/models/person.safetensors"
DETECT = "defcndetect model=%s threshold=0.1" % MODEL


def launch(work, line):
    environment = dict(os.environ, GST_PLUGIN_PATH=BUILD + "/gst-plugin",
                       GST_REGISTRY=work + "/registry.bin",
                       OMP_WAIT_POLICY="passive")
    subprocess.run("gst-launch-1.0 -q " + line, shell=True, cwd=work,
                   env=environment, check=True)


def has(element):
    return subprocess.run(["gst-inspect-1.0", "--exists", element],
                          check=False).returncode == 0


def records(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def size(path):
    """(width, height) as the JPEG itself has it."""
    with open(path, "rb") as file:
        data = file.read()
    at = 2
    while data[at + 1] not in (0xc0, 0xc1, 0xc2):
        at += 2 + struct.unpack(">H", data[at + 2:at + 4])[0]
    height, width = struct.unpack(">HH", data[at + 5:at + 9])
    return width, height


def scores(lines):
    """{id: [(seconds, confidence) of frames that were looked at]}"""
    tracks = {}
    for line in lines:
        for item in line["objects"]:
            if "object_id" in item and line.get("inferred", True):
                tracks.setdefault(item["object_id"], []).append(
                    (line["timestamp"] / 1e9,
                     item["detection"]["confidence"]))
    return tracks


def check_best(tracks, pictures):
    """What is wrong with the pictures of the tracks, a line each."""
    wrong = []
    if sorted(tracks) != sorted(pictures):
        wrong.append("pictures of %s, tracks %s"
                     % (sorted(pictures), sorted(tracks)))
    for number, about in sorted(pictures.items()):
        first = tracks[number][0][0]
        best = max(score for time, score in tracks[number]
                   if time < first + INTERVAL)
        if not best - STEP <= about["confidence"] <= best + 1e-6:
            wrong.append("%d: %.3f, the best was %.3f"
                         % (number, about["confidence"], best))
    return wrong


def crossings(lines):
    """Names of the pictures that there should be."""
    return sorted("%s-%d-%d.jpg" % (event["place"], event["object_id"],
                                    line["timestamp"] // 1000000)
                  for line in lines for event in line.get("events", ()))


def people(path):
    return sum(item["detection"]["confidence"] >= 0.36
               for line in records(path) for item in line["objects"])


def tap(number, good, name, lines=()):
    print("%sok %d %s" % ("" if good else "not ", number, name))
    for line in lines:
        print("# " + line)
    return good


def main():
    with tempfile.TemporaryDirectory(prefix="defcn-snapshots-") as work:
        if not street.copy(SOURCES, work + "/street.avi"):
            print("1..0 # SKIP no street video (opencv-doc)")
            return True
        launch(work, "filesrc location=street.avi num-buffers=%d ! decodebin"
               " ! %s ! defcntrack ! tee name=t"
               " t. ! queue ! defcnsnapshot sidecar=true interval=%d000000000"
               "   location='all/{label}-{id}.jpg' ! fakesink"
               " t. ! queue ! defcnzones zones='road: line %s'"
               " ! defcnsnapshot on=line what=frame interval=0"
               "   location='road/{place}-{id}-{pts}.jpg'"
               " ! defcnpublish location=tracks.jsonl ! fakesink"
               % (FRAMES, DETECT, INTERVAL, LINE))
        pictures = {}
        for path in glob.glob(work + "/all/*.json"):
            with open(path) as file:
                about = json.load(file)
            pictures[about["object_id"]] = about
        tracks = scores(records(work + "/tracks.jsonl"))
        wrong = check_best(tracks, pictures)
        print("1..4")
        good = tap(1, len(tracks) > 3 and not wrong,
                   "one picture of each track, the best", wrong)
        sizes = [size(work + "/all/" + about["picture"])
                 == (about["width"], about["height"])
                 for about in pictures.values()]
        good &= tap(2, all(sizes) and len(sizes) == len(glob.glob(
            work + "/all/*.jpg")), "pictures as large as they say")
        crossed = crossings(records(work + "/tracks.jsonl"))
        good &= tap(3, len(crossed) > 1
                    and sorted(os.listdir(work + "/road")) == crossed,
                    "a picture of each who goes over the line", crossed)
        if not has("jpegdec") or not has("multifilesrc"):
            print("ok 4 # SKIP no jpegdec or multifilesrc")
            return good
        return good & hidden(work)


def hidden(work):
    """The detector finds nobody in redacted frames, and does in others."""
    counts = {}
    for name, redact in (("plain", ""), ("hidden", "redact=person")):
        launch(work, "filesrc location=street.avi num-buffers=%d ! decodebin"
               " ! %s inference-interval=6"
               " ! defcnsnapshot on=object what=frame interval=0"
               "   queue-size=1000 quality=95 %s location='%s/{n}.jpg'"
               " ! fakesink" % (FRAMES, DETECT, redact, name))
        launch(work, "multifilesrc location=%s/%%d.jpg"
               "   caps=image/jpeg,framerate=10/1 ! jpegdec"
               " ! defcndetect model=%s threshold=0.36"
               " ! defcnpublish location=%s.jsonl ! fakesink"
               % (name, MODEL, name))
        counts[name] = people(work + "/%s.jsonl" % name)
    return tap(4, counts["plain"] > 20
               and counts["hidden"] <= HIDDEN * counts["plain"],
               "who is redacted is not found",
               ["%(plain)d people, %(hidden)d when redacted" % counts])


if __name__ == "__main__":
    sys.exit(0 if main() else 1)
