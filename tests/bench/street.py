"""What the benchmarks of pipelines have in common: the street video, records,
boxes."""
import gzip
import json
import os
import pathlib
import subprocess
import sys

from result import TREE

STREETS = [TREE / "demo-out/vtest.avi",
           *(pathlib.Path("/usr/share/doc/opencv-doc/examples/data") / name
             for name in ("vtest.avi", "vtest.avi.gz"))]


def find(asked, folder):
    """The video @asked, else the street's; unpacked into @folder."""
    for path in [pathlib.Path(asked).resolve()] if asked else STREETS:
        if path.exists() and path.suffix == ".gz":
            video = pathlib.Path(folder) / path.stem
            video.write_bytes(gzip.decompress(path.read_bytes()))
            return video
        if path.exists():
            return path
    sys.exit(f"{asked}: not there" if asked else
             "no street video: install Debian's opencv-doc, run "
             "pipelines/demo.sh once, or give --video FILE")


def environment(build, folder):
    """Of pipelines with the plugin of @build alone."""
    return dict(os.environ,
                GST_PLUGIN_PATH=str(pathlib.Path(build) / "gst-plugin"),
                GST_REGISTRY=os.path.join(folder, "registry"))


def records(build, folder, video, *elements):
    """Those of all frames of @video that go through @elements, each given as
    gst-launch's words."""
    lines = os.path.join(folder, "lines")
    words = ["filesrc", f"location={video}", "!", "decodebin", "!"]
    for element in elements:
        words += [*element, "!"]
    subprocess.run(
        ["gst-launch-1.0", "-q", *words, "defcnpublish", "location=" + lines,
         "add-empty-results=true", "!", "fakesink"],
        env=environment(build, folder), check=True)
    with open(lines, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def corners(found):
    """A record's object as (left, top, right, bottom)."""
    box = found["detection"]["bounding_box"]
    return tuple(box[side] for side in ("x_min", "y_min", "x_max", "y_max"))


def iou(a, b):
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0
    area = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return w * h / (sum(area) - w * h)
