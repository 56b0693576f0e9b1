"""Copies a set of annotated pictures, the longest side at most SIDE, until they
take BYTES: what fits is a set of its own.  With SIZES only pictures of the so
many commonest sizes, since a network plans for each anew.  Needs
gst-launch-1.0.

usage: pictures.py ANNOTATIONS IMAGES OUT_ANNOTATIONS OUT_IMAGES SIDE BYTES
                   [SIZES]
"""
import collections
import json
import os
import pathlib
import subprocess
import sys


def scale(source, target, width, height):
    subprocess.run(
        ["gst-launch-1.0", "-q", "filesrc", f"location={source}", "!",
         "jpegdec", "!", "videoconvert", "!", "videoscale", "!",
         f"video/x-raw,width={width},height={height}", "!",
         "jpegenc", "quality=80", "!", "filesink", f"location={target}"],
        check=True, stdout=subprocess.DEVNULL)


def size_of(image, side):
    factor = min(1, side / max(image["width"], image["height"]))
    return tuple(max(1, round(image[key] * factor))
                 for key in ("width", "height"))


def commonest(images, side, number):
    """The images of the commonest sizes."""
    sizes = collections.Counter(size_of(image, side) for image in images)
    wanted = {size for size, _ in sizes.most_common(number)}
    return [image for image in images if size_of(image, side) in wanted]


def main():
    annotations, images, out_annotations, out_images = map(
        pathlib.Path, sys.argv[1:5])
    side, left = int(sys.argv[5]), int(sys.argv[6])
    data = json.loads(annotations.read_text())
    if len(sys.argv) > 7:
        data["images"] = commonest(data["images"], side, int(sys.argv[7]))
    out_images.mkdir(parents=True, exist_ok=True)
    factors = {}
    for image in data["images"]:
        width, height = size_of(image, side)
        target = out_images / image["file_name"]
        scale(images / image["file_name"], target, width, height)
        left -= os.path.getsize(target)
        if left < 0:
            target.unlink()
            break
        factors[image["id"]] = (width / image["width"],
                                height / image["height"])
        image["width"], image["height"] = width, height
    kept = []
    for box in data["annotations"]:
        if box["image_id"] not in factors:
            continue
        x, y = factors[box["image_id"]]
        box = {key: box[key] for key in
               ("id", "image_id", "category_id", "bbox", "area", "iscrowd")
               if key in box}
        box["bbox"] = [round(v * s, 2) for v, s in
                       zip(box["bbox"], (x, y, x, y))]
        box["area"] = round(box["area"] * x * y, 2)
        kept.append(box)
    data["annotations"] = kept
    data["images"] = [i for i in data["images"] if i["id"] in factors]
    out_annotations.write_text(json.dumps(data, separators=(",", ":")))
    print(f"{out_annotations}: {len(factors)} pictures, {len(kept)} boxes")


main()
