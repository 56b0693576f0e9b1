#!/usr/bin/env python3
"""Records of whole pipelines are what gst-plugin/publish/record.schema.json
says.  Prints TAP.  Usage: test_records.py SOURCES BUILD"""
import copy
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import schema  # noqa: E402
import tap  # noqa: E402

SOURCES, BUILD = sys.argv[1:]
SCHEMA = schema.Schema(SOURCES + "/gst-plugin/publish/record.schema.json")
MODEL = "model=%s/pipelines/models/person.safetensors" % SOURCES
PICTURE = ["filesrc", "location=%s/pipelines/demo.jpg" % SOURCES, "!",
           "jpegdec", "!", "imagefreeze", "num-buffers=%d", "!",
           "video/x-raw,framerate=10/1", "!"]
PUBLISH = ["!", "defcnpublish", "add-empty-results=true"]


def records(work, elements, n=1, publish=()):
    """Of @n frames of the picture through @elements."""
    source = [word % n if "%d" in word else word for word in PICTURE]
    environment = dict(os.environ, GST_PLUGIN_PATH=BUILD + "/gst-plugin",
                       GST_REGISTRY=work + "/registry.bin",
                       OMP_WAIT_POLICY="passive")
    done = subprocess.run(
        ["gst-launch-1.0", "-q"] + source + elements + PUBLISH + list(publish)
        + ["!", "fakesink"], env=environment, stdout=subprocess.PIPE,
        universal_newlines=True, timeout=120)
    assert done.returncode == 0, done.returncode
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == n, "%d records" % len(found)
    for record in found:
        SCHEMA.validate(record)
    return found


def detect(*properties):
    return ["defcndetect", MODEL] + list(properties)


def test_one(work):
    """Everything of one detector, with all that the publisher adds."""
    record, = records(work, detect("name=eye"), 1, (
        "source=a \"b\"", "tags={\"site\":[7]}", "timestamp-utc=true"))
    assert len(record["objects"]) >= 3
    assert all(o["detector"] == "eye" for o in record["objects"])
    assert record["detectors"][0]["model"] == "person.safetensors"
    assert record["fresh"] and record["inferred"]
    assert record["frame"] == record["seq"] == 0
    return record


def test_two(work):
    """One looks, another into what it found."""
    record, = records(work, detect("name=a") + ["!"] + detect(
        "name=b", "inference-region=roi-list", "threshold=0.1"))
    whose = [o["detector"] for o in record["objects"]]
    assert set(whose) == {"a", "b"}, whose
    ids = {o["region_id"]: o for o in record["objects"]}
    for o in record["objects"]:
        assert ("parent" in o) == (o["detector"] == "b")
        if "parent" in o:
            parent = ids[o["parent"]["region_id"]]
            assert parent["detector"] == "a"
            assert o["parent"]["roi_type"] == parent["roi_type"] == "person"
    assert [d["name"] for d in record["detectors"]] == ["a", "b"]


def test_repeated(work):
    """Frames between two looks repeat, and say so."""
    found = records(work, detect("inference-interval=3",
                                 "repeat-detections=true"), 5)
    for i, record in enumerate(found):
        assert record["frame"] == record["seq"] == i
        assert record["fresh"] == (i % 3 == 0)
        assert record.get("repeated", False) == (i % 3 != 0)
        assert record["inferred_timestamp"] == found[i - i % 3]["timestamp"]


def test_tracked(work):
    """Ids, and boxes for frames between two looks."""
    found = records(work, detect("threshold=0.1", "inference-interval=3")
                    + ["!", "defcntrack", "!", "videoconvert"], 10)
    for i, record in enumerate(found):
        ids = sorted(o["id"] for o in record["objects"] if "id" in o)
        assert all(o.get("object_id") == o.get("id")
                   for o in record["objects"])
        assert record.get("predicted", False) == (i % 3 != 0)
        assert "repeated" not in record
        assert record["inferred_timestamp"] == found[i - i % 3]["timestamp"]
        assert len(record["objects"]) >= 3
        assert ids == (list(range(1, len(ids) + 1)) if i >= 6 else [])
        assert i < 6 or len(ids) >= 3


def test_counted(work):
    """Places with their counts in every record, events where they happen; a
    crop takes away the places and leaves the events."""
    zones = ["!", "defcntrack", "confirm=1", "!", "defcnzones", "zones="
             "all: polygon 0,0 1,0 1,1 loitering=100; cut: line 0,1 1,0"]
    found = records(work, detect("threshold=0.1") + zones, 3)
    assert all([p["name"] for p in r["places"]] == ["all", "cut"]
               for r in found)
    zone = found[-1]["places"][0]
    assert zone["kind"] == "zone" and zone["entered"] == zone["occupancy"] >= 1
    assert zone["classes"][0]["label"] == "person"
    assert zone["classes"][0]["entered"] == zone["entered"]
    assert found[-1]["places"][1]["forward"] == 0
    events = found[0]["events"]
    assert {e["type"] for e in events} == {"zone-entered"}
    ids = {o["id"]: o for o in found[0]["objects"] if "id" in o}
    for e in events:
        box = ids[e["object_id"]]["detection"]["bounding_box"]
        assert e["bounding_box"] == box and e["place"] == "all"
    cropped = records(work, detect("threshold=0.1") + zones
                      + ["!", "videocrop", "left=100"], 3)
    assert all("places" not in r for r in cropped)
    assert [[e["object_id"] for e in r.get("events", [])] for r in cropped] \
        == [[e["object_id"] for e in r.get("events", [])] for r in found]
    assert all("bounding_box" not in e for e in cropped[0]["events"])


def readme(comment):
    """The README's command below that comment, as it stands there."""
    with open(SOURCES + "/README.md") as file:
        text = file.read()
    return re.search(r"# %s\n((?:    .*\n)+?)(?:    #|\n)"
                     % re.escape(comment), text).group(1)


def typed(work, comment):
    """What it prints."""
    environment = dict(os.environ, GST_PLUGIN_PATH=BUILD + "/gst-plugin",
                       GST_REGISTRY=work + "/registry.bin")
    return subprocess.run(["bash", "-c", readme(comment)], cwd=work,
                          env=environment, stdout=subprocess.PIPE,
                          universal_newlines=True, check=True).stdout


def test_readme(work):
    """The README's command for counting, on a single frame."""
    shutil.copy(SOURCES + "/pipelines/demo.jpg", work + "/in.mp4")
    typed(work, "counts in every record, and what happened in the frames where "
          "it did")
    with open(work + "/counts.jsonl") as file:
        record, = [json.loads(line) for line in file]
    assert [(p["name"], p["kind"]) for p in record["places"]] \
        == [("road", "line"), ("grass", "zone")]


def test_readme_jq(work):
    """The README's command for what has happened."""
    if not shutil.which("jq"):
        raise tap.Skipped("jq is not there")
    with open(work + "/counts.jsonl", "w") as file:
        file.write('{"timestamp": 500000000, "events": [{"type": '
                   '"line-crossed", "place": "road", "direction": "forward", '
                   '"object_id": 3}, {"type": "zone-left", "place": "grass", '
                   '"object_id": 4}]}\n{"timestamp": 1}\n')
    assert typed(work, "what happened, read with jq") \
        == "0.5 road forward #3\n0.5 grass zone-left #4\n"


def test_lost(work):
    """What a crop takes away."""
    record, = records(work, detect() + ["!", "videocrop", "left=100"])
    assert record["objects"] == [] and record["lost"] >= 3


def test_unseen(work):
    """A frame that no detector saw."""
    record, = records(work, ["identity"])
    assert record["objects"] == [] and "inferred" not in record


def test_schema(work):
    """What is not as the schema says is refused."""
    record = test_one(work)

    def refuses(change):
        other = copy.deepcopy(record)
        change(other)
        try:
            SCHEMA.validate(other)
        except schema.Invalid:
            return
        raise AssertionError("taken: %r" % other)

    for name in ("objects", "resolution", "frame", "seq", "schema", "fresh",
                 "detectors", "inferred"):
        refuses(lambda r: r.pop(name))
    refuses(lambda r: r.update(schema=2))
    refuses(lambda r: r.update(extra=1))
    refuses(lambda r: r.update(timestamp=-1))
    refuses(lambda r: r.update(timestamp=0.5))
    refuses(lambda r: r.update(timestamp_utc="now"))
    refuses(lambda r: r.update(reason="because"))
    refuses(lambda r: r.update(detectors=[]))
    refuses(lambda r: r["detectors"][0].update(model_hash="c0ffee"))
    for name in ("detection", "x", "y", "w", "h", "roi_type"):
        refuses(lambda r: r["objects"][0].pop(name))
    refuses(lambda r: r["objects"][0].update(w=0))
    refuses(lambda r: r["objects"][0]["detection"].update(confidence=2))
    refuses(lambda r: r["objects"][0]["detection"]["bounding_box"].pop("x_min"))


with tempfile.TemporaryDirectory() as registry:
    sys.exit(tap.run(globals(), registry))
