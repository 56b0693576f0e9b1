"""Six pictures of one bright block each on a dark ground, and their boxes in
a.json.

usage: make_blocks.py FOLDER
"""
import json
import struct
import sys
import zlib
folder = sys.argv[1]
images, annotations = [], []
for i in range(6):
    w, h = 128, 96
    x, y, bw, bh = 8 + 12 * i, 10 + 6 * i, 40, 36
    rows = b""
    for r in range(h):
        row = b"".join(
            bytes([230, 200, 40]) if x <= c < x + bw and y <= r < y + bh
            else bytes([20 + c % 16, 30 + r % 16, 60]) for c in range(w))
        rows += b"\0" + row

    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))
    with open("%s/%d.png" % (folder, i), "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n"
                   + chunk(b"IHDR",
                           struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0))
                   + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    images.append({"id": i, "file_name": "%d.png" % i, "width": w,
                   "height": h})
    annotations.append({"id": i, "image_id": i, "category_id": 7,
                        "bbox": [x, y, bw, bh], "area": bw * bh,
                        "iscrowd": 0})
json.dump({"images": images, "annotations": annotations,
           "categories": [{"id": 7, "name": "block"}]},
          open(folder + "/a.json", "w"))
