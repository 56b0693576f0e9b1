#!/usr/bin/env python3
"""A picture that EXIF turns is the upright one to train, eval and detect alike:
the same pixels, so the same losses and boxes to the last bit; and by option it
is what is stored.  Prints TAP.

usage: test_exif.py DEFCN MODEL
"""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
import tap  # noqa: E402

tool, model = sys.argv[1:3]
WIDTH, HEIGHT = 96, 64
BOX = [20, 10, 30, 40]

# For every orientation: where the upright pixel (x, y) of a w x h picture is
# stored (EXIF 2.3, table 6: what the first row and column of the file are).
STORED = {
    1: lambda x, y, w, h: (x, y),
    2: lambda x, y, w, h: (w - 1 - x, y),
    3: lambda x, y, w, h: (w - 1 - x, h - 1 - y),
    4: lambda x, y, w, h: (x, h - 1 - y),
    5: lambda x, y, w, h: (y, x),
    6: lambda x, y, w, h: (y, w - 1 - x),
    7: lambda x, y, w, h: (h - 1 - y, w - 1 - x),
    8: lambda x, y, w, h: (h - 1 - y, x),
}


def pixel(x, y):
    """No symmetry: a bright box, and a ground that rises right and down."""
    inside = (BOX[0] <= x < BOX[0] + BOX[2] and BOX[1] <= y < BOX[1] + BOX[3])
    return (230 - y, 120 + x, 40) if inside else (x, 2 * y, (x * y) % 200)


def chunk(kind, data):
    return (struct.pack(">I", len(data)) + kind + data
            + struct.pack(">I", zlib.crc32(kind + data)))


def write_png(path, orientation):
    turned = orientation > 4
    w, h = (HEIGHT, WIDTH) if turned else (WIDTH, HEIGHT)
    rows = [[None] * w for _ in range(h)]
    for y in range(HEIGHT):
        for x in range(WIDTH):
            column, row = STORED[orientation](x, y, WIDTH, HEIGHT)
            rows[row][column] = bytes(pixel(x, y))
    data = b"".join(b"\0" + b"".join(row) for row in rows)
    exif = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x112, 3, 1, orientation,
                                  0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0))
        + (chunk(b"eXIf", exif) if orientation > 1 else b"")
        + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b""))


def run(*arguments):
    done = subprocess.run([tool, *map(str, arguments)], capture_output=True,
                          text=True)
    if done.returncode:
        raise AssertionError(f"{arguments}: {done.stderr}")
    return done.stdout


def write_set(path, orientations):
    json.dump({
        "images": [{"id": o, "file_name": f"{o}.png", "width": WIDTH,
                    "height": HEIGHT} for o in orientations],
        "annotations": [{"id": o, "image_id": o, "category_id": 1, "bbox": BOX,
                         "area": BOX[2] * BOX[3], "iscrowd": 0}
                        for o in orientations],
        "categories": [{"id": 1, "name": "person"}]}, path.open("w"))


def detected(folder, orientation, *more):
    path = folder / "detected.json"
    run("detect", "--model", model, "--threshold", "0.001",
        "--json", path, folder / f"{orientation}.png", *more)
    (picture,) = json.loads(path.read_text())
    return [[found["score"], *found["box"]] for found in picture["detections"]]


def evaluated(folder):
    """The boxes of each picture: score and corners."""
    path = folder / "evaluated.json"
    run("eval", "--model", model, "--annotations", folder / "all.json",
        "--images", folder, "--threshold", "0.001", "--detections", path,
        "--force")
    boxes = {orientation: [] for orientation in STORED}
    for row in json.loads(path.read_text()):
        x, y, w, h = row["bbox"]
        boxes[row["image_id"]].append([row["score"], x, y, x + w, y + h])
    return boxes


def losses(folder, orientation, *more):
    annotations = folder / f"{orientation}.json"
    write_set(annotations, [orientation])
    output = folder / f"run-{orientation}-{len(more)}"
    settings = ("backbone=mobilenetv2 pixels=torchvision freeze_at=0 "
                "fpn_channels=16 tower_depth=1 norm_groups=4 batch=1 workers=1 "
                "canvas_width=128 canvas_height=96 iterations=2 log_interval=1 "
                "eval_interval=0 threads=1 warmup=0").split()
    run("train", "--annotations", annotations, "--images", folder, "-o", output,
        *(f"--set={setting}" for setting in settings), *more)
    lines = (json.loads(line)
             for line in (output / "metrics.jsonl").read_text().splitlines())
    return [line["loss"] for line in lines if "loss" in line]


def close(some, others):
    """But for the two decimals that detect writes."""
    return (len(some) == len(others) > 0
            and all(abs(a - b) < 6e-3 for p, q in zip(sorted(some),
                                                      sorted(others))
                    for a, b in zip(p, q)))


def test_detect(folder):
    """Detections."""
    upright = detected(folder, 1)
    assert upright
    for orientation in STORED:
        assert detected(folder, orientation) == upright, orientation
    assert detected(folder, 3, "--ignore-exif") != upright


def test_eval(folder):
    """Evaluated boxes."""
    boxes = evaluated(folder)
    for orientation in STORED:
        assert boxes[orientation] == boxes[1], orientation
    assert close(boxes[1], detected(folder, 1)), "not what detect finds"


def test_train(folder):
    """Losses."""
    upright = losses(folder, 1)
    assert len(upright) == 2
    for orientation in STORED:
        if orientation > 1:
            assert losses(folder, orientation) == upright, orientation
    assert losses(folder, 3, "--ignore-exif") != upright


with tempfile.TemporaryDirectory() as name:
    pictures = pathlib.Path(name)
    for stored in STORED:
        write_png(pictures / f"{stored}.png", stored)
    write_set(pictures / "all.json", STORED)
    sys.exit(tap.run(globals(), pictures))
