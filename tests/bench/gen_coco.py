#!/usr/bin/env python3
"""Writes an annotation file of the size and make of COCO's instances_train2017,
with made-up numbers, to measure the reader with.

usage: gen_coco.py OUT.json [IMAGES [ANNOTATIONS]]
"""
import json
import random
import sys


def polygon(rng):
    """Text of one polygon: 4 to 33 points with two decimals."""
    points = rng.randint(4, 33)
    return ", ".join("%.2f" % rng.uniform(0, 640) for _ in range(2 * points))


def segmentation(rng, pool, crowd):
    if crowd:
        counts = ", ".join(str(rng.randint(0, 900)) for _ in range(300))
        return '{"counts": [%s], "size": [480, 640]}' % counts
    parts = rng.choice((1, 1, 1, 2))
    return "[%s]" % ", ".join("[%s]" % rng.choice(pool) for _ in range(parts))


def annotation(rng, pool, number, images):
    x, y = rng.uniform(0, 500), rng.uniform(0, 300)
    w, h = rng.uniform(1, 140), rng.uniform(1, 180)
    crowd = rng.random() < 0.012
    return (
        '{"segmentation": %s, "area": %.4f, "iscrowd": %d, "image_id": %d, '
        '"bbox": [%.2f, %.2f, %.2f, %.2f], "category_id": %d, "id": %d}'
        % (segmentation(rng, pool, crowd), w * h / 2, crowd,
           5 * rng.randrange(images) + 9, x, y, w, h,
           rng.randint(1, 80), 2 * number + 1))


def image(rng, number):
    name = "%012d.jpg" % (5 * number + 9)
    return json.dumps({
        "license": 3, "file_name": name,
        "coco_url": "http://images.example/train2017/" + name,
        "height": rng.choice((480, 640)), "width": rng.choice((640, 480)),
        "date_captured": "2013-11-14 11:18:45",
        "flickr_url": "http://flickr.example/%032x.jpg" % rng.getrandbits(128),
        "id": 5 * number + 9})


def write_array(out, name, items, last=False):
    out.write('"%s": [' % name)
    for i, item in enumerate(items):
        out.write(", " + item if i else item)
    out.write("]" if last else "], ")


def main():
    images = int(sys.argv[2]) if len(sys.argv) > 2 else 118287
    annotations = int(sys.argv[3]) if len(sys.argv) > 3 else 860001
    rng = random.Random(1)
    pool = [polygon(rng) for _ in range(4000)]
    with open(sys.argv[1], "w") as out:
        out.write('{"info": {"description": "made-up numbers"}, ')
        write_array(out, "images", (image(rng, i) for i in range(images)))
        write_array(out, "annotations",
                    (annotation(rng, pool, i, images)
                     for i in range(annotations)))
        write_array(out, "categories",
                    ('{"supercategory": "thing", "id": %d, "name": "class %d"}'
                     % (i, i) for i in range(1, 81)), last=True)
        out.write("}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main()
