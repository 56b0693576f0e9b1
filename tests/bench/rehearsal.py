#!/usr/bin/env python3
"""The commands of training/README.md on data of the size and make of COCO's
and CrowdHuman's, with made-up numbers: do they start, how long and how much
memory does that take, do they come to a figure.  Pictures are hard links to a
few of a quarter of the sides, the networks are the page's but for --set, which
makes them small.

usage: rehearsal.py [--tool DEFCN] [--keep FOLDER] [coco] [crowdhuman]
"""
import argparse
import array
import json
import os
import pathlib
import random
import resource
import shlex
import struct
import subprocess
import sys
import tempfile
import time
import zlib

from process import cpu_seconds, memory
from result import TREE

HERE = pathlib.Path(__file__).resolve().parent
SIDES = (480, 640)
COCO = {"train2017": (118287, 860001), "val2017": (5000, 36781)}
CROWD = {"train": 15000, "val": 4370}
SMALL = ("batch=2 canvas_width=64 canvas_height=64 short_edge=64 "
         "test_long_edge=96 fpn_channels=32 norm_groups=4 tower_depth=1 "
         "iterations=3 log_interval=1 warmup=0")

# What the page says to type; "small" stands for the settings.
COMMANDS = {
    "coco": """
defcn info annotations/instances_train2017.json
defcn import R-50.pkl -o resnet50.safetensors
defcn train --preset coco.poto.3dmf.aux --init resnet50.safetensors \
  --annotations annotations/instances_train2017.json --images train2017 \
  --val-annotations annotations/instances_val2017.json \
  --val-images val2017 -o runs/coco small
defcn eval --model runs/coco/best.safetensors --images val2017 \
  --annotations annotations/instances_val2017.json --detections val.json
defcn eval --results val.json --images val2017 \
  --annotations annotations/instances_val2017.json
""",
    "crowdhuman": """
defcn info annotation_train.odgt
defcn import R-50.pkl -o resnet50.safetensors
defcn train --preset crowdhuman.poto.3dmf.aux --init resnet50.safetensors \
  --annotations annotation_train.odgt --images Images \
  --val-annotations annotation_val.odgt --val-images Images -o runs/crowd small
defcn eval --model runs/crowd/best.safetensors --images Images \
  --annotations annotation_val.odgt
""",
}


def chunk(kind, data):
    return (struct.pack(">I", len(data)) + kind + data
            + struct.pack(">I", zlib.crc32(kind + data)))


def picture(path, width, height):
    """A PNG, whatever its name: it is read by what it is."""
    row = b"\0" + bytes(range(256)) * (3 * width // 256 + 1)
    data = zlib.compress(row[:3 * width + 1] * height, 1)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", data) + chunk(b"IEND", b""))


class Links:
    """Names for a few pictures, a new copy after every 30000."""

    def __init__(self, folder):
        self.folder = folder
        self.copies = {}
        folder.mkdir(exist_ok=True)

    def add(self, path, width, height):
        copy, used = self.copies.get((width, height), (None, 30000))
        if used == 30000:
            number = len(os.listdir(self.folder))
            copy = self.folder / f"{width}x{height}-{number}"
            picture(copy, width // 4, height // 4)
            used = 0
        os.link(copy, path)
        self.copies[width, height] = copy, used + 1


def backbone(path):
    """A ResNet-50 as detectron2's R-50.pkl, of random numbers."""
    sys.path.insert(0, str(TREE / "tests/fuzz"))
    from make_seeds import Array, pickled
    rng = random.Random(1)
    noise = [rng.gauss(0, 1) for _ in range(1 << 14)]
    model = {}

    def conv(name, out, into, size):
        count = out * into * size * size
        scale = (2 / (into * size * size)) ** .5
        block = array.array("f", (scale * value for value in noise)).tobytes()
        model[name + ".weight"] = Array(
            (out, into, size, size),
            (block * (4 * count // len(block) + 1))[:4 * count])
        for part, value in (("weight", 1), ("bias", 0), ("running_mean", 0),
                            ("running_var", 1)):
            model[f"{name}.norm.{part}"] = Array(
                (out,), struct.pack("<f", value) * out)

    conv("stem.conv1", 64, 3, 7)
    into = 64
    for stage, blocks, middle in ((2, 3, 64), (3, 4, 128), (4, 6, 256),
                                  (5, 3, 512)):
        for block in range(blocks):
            name = f"res{stage}.{block}."
            if block == 0:
                conv(name + "shortcut", 4 * middle, into, 1)
            conv(name + "conv1", middle, into, 1)
            conv(name + "conv2", middle, middle, 3)
            conv(name + "conv3", 4 * middle, middle, 1)
            into = 4 * middle
    path.write_bytes(pickled({"model": model, "__author__": "rehearsal"}))


def make_coco(folder):
    (folder / "annotations").mkdir()
    links = Links(folder / "pictures")
    for name, (images, annotations) in COCO.items():
        path = folder / "annotations" / f"instances_{name}.json"
        subprocess.run([sys.executable, HERE / "gen_coco.py", path, str(images),
                        str(annotations)], check=True)
        (folder / name).mkdir()
        with path.open() as text:
            for image in json.load(text)["images"]:
                links.add(folder / name / image["file_name"], image["width"],
                          image["height"])


def make_crowdhuman(folder):
    rng = random.Random(1)
    (folder / "Images").mkdir()
    links = Links(folder / "pictures")
    for name, images in CROWD.items():
        with (folder / f"annotation_{name}.odgt").open("w") as out:
            for i in range(images):
                image = f"273271,{name}{i:012x}"
                width, height = rng.choice(SIDES), rng.choice(SIDES)
                links.add(folder / "Images" / (image + ".jpg"), width, height)
                boxes = []
                for k in range(rng.randint(1, 45)):
                    box = [rng.randrange(width), rng.randrange(height),
                           rng.randint(8, 120), rng.randint(20, 260)]
                    boxes.append({
                        "tag": "mask" if rng.random() < .05 else "person",
                        "fbox": box, "vbox": box, "hbox": box,
                        "extra": {"box_id": k, "occ": 1},
                        "head_attr": {"ignore": 0, "occ": 1, "unsure": 0}})
                out.write(json.dumps({"ID": image, "gtboxes": boxes}) + "\n")


def run(tool, line, folder):
    words = shlex.split(line)
    if words[-1] == "small":
        words[-1:] = [f"--set={setting}" for setting in SMALL.split()]
    metrics = (folder / words[words.index("-o") + 1] / "metrics.jsonl"
               if words[1] == "train" else None)
    begin = time.monotonic()
    first, most, private = None, 0, 0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(folder / "log", "w+b") as log:
        process = subprocess.Popen([tool, *words[1:]], cwd=folder, stdout=log,
                                   stderr=subprocess.STDOUT)
        while process.poll() is None:
            high, anonymous = memory(process.pid, "VmHWM", "RssAnon")
            most, private = max(most, high), max(private, anonymous)
            if metrics and not first and metrics.exists() \
                    and metrics.stat().st_size:
                first = (time.monotonic() - begin, cpu_seconds(process.pid),
                         private)
            time.sleep(.02)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        log.seek(0)
        text = log.read().decode(errors="replace").replace("\r", "\n")
    print(" ".join(words))
    cpu = (after.ru_utime + after.ru_stime
           - before.ru_utime - before.ru_stime)
    print(f"    status {process.returncode}, {time.monotonic() - begin:.0f} s, "
          f"{cpu:.0f} CPU s, {most:.0f} MiB at most, {private:.0f} MiB without "
          "files")
    if first:
        print(f"    first update after {first[0]:.1f} s, {first[1]:.1f} CPU s, "
              f"{first[2]:.0f} MiB")
    for tail in [t for t in text.split("\n") if t.strip()][-6:]:
        print("    | " + tail[:100])
    sys.stdout.flush()
    return process.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--tool", default=str(TREE / "build/training/defcn"))
    parser.add_argument("--keep", help="make the data here, or use it again")
    parser.add_argument("sets", nargs="*", default=["coco", "crowdhuman"])
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        for name in options.sets:
            folder = pathlib.Path(options.keep or temporary) / name
            if not folder.exists():
                folder.mkdir(parents=True)
                {"coco": make_coco, "crowdhuman": make_crowdhuman}[name](folder)
            if not (folder / "R-50.pkl").exists():
                backbone(folder / "R-50.pkl")
            for old in ("runs", "val.json", "resnet50.safetensors"):
                subprocess.run(["rm", "-rf", folder / old], check=True)
            for line in COMMANDS[name].strip().splitlines():
                failed |= run(options.tool, line, folder) != 0
    sys.exit(failed)


main()
