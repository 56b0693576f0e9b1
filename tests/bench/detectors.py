"""Models of defcn beside other detectors: average precision, twins, crowds and
milliseconds, of the same pictures, by the same scorer (pycocotools), in one
run, on one thread.

usage: detectors.py --annotations VAL.json --images FOLDER
                    --model NAME=FILE .. --peer KIND:SIZE=FILE.onnx ..
(needs numpy, onnxruntime, pycocotools, pillow)

KIND is one of the classes below: a detector in onnxruntime, its input SIZE the
longer side in pixels.  Milliseconds are the mean of a pass over all pictures:
of the peers the network with what decodes it inside the file, of ours the
picture's resizing and the decoding too.

How to add a kind: a class with boxes(), the person class of COCO's numbers,
and a row in PEERS.
"""
import argparse
import contextlib
import io
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnxruntime
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from result import TREE, caption, line, origin, rounds_of, save, spread

CROWD = 8


def session_of(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options,
                                        ["CPUExecutionProvider"])


def letterbox(picture, size, fill):
    """BGR floats of the picture with @size its longer side, padded to
    multiples of 32; and the scale."""
    scale = size / max(picture.size)
    w, h = (max(1, round(side * scale)) for side in picture.size)
    small = np.asarray(picture.resize((w, h), Image.BILINEAR), np.float32)
    x = np.full((-(-h // 32) * 32, -(-w // 32) * 32, 3), fill, np.float32)
    x[:h, :w] = small[:, :, ::-1]
    return x, scale


def nchw(x):
    return np.ascontiguousarray(x.transpose(2, 0, 1)[None], np.float32)


class Peer:
    def __init__(self, path, size, threads):
        self.session, self.size = session_of(path, threads), size
        self.milliseconds = 0

    def run(self, feed):
        start = time.perf_counter()
        values = self.session.run(None, feed)
        self.milliseconds += (time.perf_counter() - start) * 1e3
        return values


class RtmDet(Peer):
    """RTMDet of OpenMMLab with its NMS inside: dets (x1, y1, x2, y2, score)."""
    MEAN = np.array([103.53, 116.28, 123.675], np.float32)
    STD = np.array([57.375, 57.12, 58.395], np.float32)

    def boxes(self, picture):
        x, scale = letterbox(picture, self.size, 114)
        dets, labels = self.run({self.session.get_inputs()[0].name:
                                 nchw((x - self.MEAN) / self.STD)})
        person = labels[0] == 0
        return dets[0][person, :4] / scale, dets[0][person, 4]


class Deim(Peer):
    """DEIMv2: no NMS, the picture stretched to a square."""

    def boxes(self, picture):
        x = np.asarray(picture.resize((self.size, self.size), Image.BILINEAR),
                       np.float32) / 255
        labels, boxes, scores = self.run({
            "images": nchw(x),
            "orig_target_sizes": np.array([picture.size], np.int64)})
        person = labels[0] == 0
        return boxes[0][person], scores[0][person]


class YoloX(Peer):
    """YOLOX: square letterbox, boxes in strides, class-wise NMS at 0.65."""

    def boxes(self, picture):
        x, scale = letterbox(picture, self.size, 114)
        square = np.full((self.size, self.size, 3), 114, np.float32)
        square[:x.shape[0], :x.shape[1]] = x[:self.size, :self.size]
        values = self.run({self.session.get_inputs()[0].name:
                           nchw(square)})[0][0]
        at = 0
        for stride in (8, 16, 32):
            n = self.size // stride
            y, x = np.divmod(np.arange(n * n), n)
            rows = values[at:at + n * n]
            rows[:, :2] = (rows[:, :2] + np.stack([x, y], 1)) * stride
            rows[:, 2:4] = np.exp(rows[:, 2:4]) * stride
            at += n * n
        scores = values[:, 4] * values[:, 5]
        keep = scores > 0.01
        rows, scores = values[keep], scores[keep]
        boxes = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2,
                                rows[:, :2] + rows[:, 2:4] / 2], 1) / scale
        start = time.perf_counter()
        kept = nms(boxes, scores, 0.65)
        self.milliseconds += (time.perf_counter() - start) * 1e3
        return boxes[kept], scores[kept]


PEERS = {"rtmdet": RtmDet, "deimv2": Deim, "yolox": YoloX}


def iou_of(a, b):
    """(len (a), len (b)) of corners."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inner = np.clip(high - low, 0, None).prod(2)
    area = [(c[:, 2:] - c[:, :2]).prod(1) for c in (a, b)]
    return inner / np.maximum(area[0][:, None] + area[1] - inner, 1e-9)


def nms(boxes, scores, limit):
    kept = []
    order = list(np.argsort(-scores, kind="stable"))
    iou = iou_of(boxes, boxes)
    while order:
        best = order.pop(0)
        kept.append(best)
        order = [i for i in order if iou[best, i] <= limit]
    return kept


class Truth:
    """The objects of a validation set, and how detections compare."""

    def __init__(self, path):
        with contextlib.redirect_stdout(io.StringIO()):
            self.coco = COCO(path)
        person = [c["id"] for c in self.coco.loadCats(self.coco.getCatIds())
                  if c["name"] == "person"]
        if not person:
            sys.exit(f"{path}: no category person")
        self.category = person[0]
        self.images = {}
        for i in self.coco.getImgIds():
            rows = self.coco.loadAnns(self.coco.getAnnIds(i, self.category))
            boxes = np.array([r["bbox"] for r in rows],
                             np.float64).reshape(-1, 4)
            boxes[:, 2:] += boxes[:, :2]
            crowd = np.array([r.get("iscrowd", 0) for r in rows], bool)
            self.images[i] = boxes[~crowd], boxes[crowd]

    def evaluate(self, results, images=None):
        if not results:
            return [0.0] * 12
        with contextlib.redirect_stdout(io.StringIO()):
            run = COCOeval(self.coco, self.coco.loadRes(results), "bbox")
            run.params.catIds = [self.category]
            if images is not None:
                run.params.imgIds = images
            run.evaluate()
            run.accumulate()
            run.summarize()
        return [float(x) for x in run.stats]

    def crowded(self):
        return [i for i, (boxes, _) in self.images.items()
                if len(boxes) >= CROWD]

    def matches(self, results, images):
        """Score and object of every detection, -1 for none; best first.  An
        object may be found twice: that is a twin."""
        by_image = {i: [] for i in images}
        for r in results:
            if r["image_id"] in by_image:
                by_image[r["image_id"]].append(r)
        found = []
        for i, rows in by_image.items():
            truth = self.images[i][0]
            if not rows or not len(truth):
                found += [(r["score"], i, -1) for r in rows]
                continue
            boxes = np.array([r["bbox"] for r in rows], np.float64)
            boxes[:, 2:] += boxes[:, :2]
            iou = iou_of(boxes, truth)
            for r, row in zip(rows, iou):
                best = int(row.argmax())
                found.append((r["score"], i, best if row[best] > 0.5 else -1))
        return sorted(found, reverse=True)

    def twins(self, results, recall, images=None):
        """At the highest threshold with @recall of all objects: the threshold
        and the share of detections whose object has a better one.  None where
        the recall is not reached."""
        images = list(self.images) if images is None else images
        wanted = recall * sum(len(self.images[i][0]) for i in images)
        seen, extra = set(), 0
        for n, (score, image, place) in enumerate(
                self.matches(results, images), 1):
            if place >= 0 and (image, place) in seen:
                extra += 1
            elif place >= 0:
                seen.add((image, place))
            if len(seen) >= wanted:
                return score, extra / n
        return None

    def recall(self, results, images):
        """Of all objects with any detection at IoU 0.5."""
        seen = {(i, place) for _, i, place in self.matches(results, images)
                if place >= 0}
        return len(seen) / max(1, sum(len(self.images[i][0]) for i in images))


def run_peer(peer, pictures, category):
    results, peer.milliseconds = [], 0
    for i, path in pictures:
        with Image.open(path) as file:
            boxes, scores = peer.boxes(file.convert("RGB"))
        for (x1, y1, x2, y2), score in zip(boxes.tolist(), scores.tolist()):
            results.append({"image_id": i, "category_id": category,
                            "bbox": [x1, y1, x2 - x1, y2 - y1],
                            "score": score})
    return results, peer.milliseconds / len(pictures)


def run_ours(options, model):
    with tempfile.TemporaryDirectory() as folder:
        found = pathlib.Path(folder, "found.json")
        figures = pathlib.Path(folder, "figures.json")
        done = subprocess.run(
            [options.tool, "eval", "--model", model, "--annotations",
             options.annotations, "--images", options.images, "--device",
             "cpu", "--threads", "1", "--detections", found, "--json",
             figures], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True)
        if done.returncode:
            sys.exit(done.stderr)
        return (json.loads(found.read_text()),
                json.loads(figures.read_text())["milliseconds"])


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        epilog="\n\n".join(__doc__.split("\n\n")[1:]),
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotations", required=True, metavar="VAL.json")
    parser.add_argument("--images", required=True, metavar="FOLDER")
    parser.add_argument("--model", action="append", default=[],
                        metavar="NAME=FILE", help="a model of defcn")
    parser.add_argument("--peer", action="append", default=[],
                        metavar="KIND:SIZE=FILE", help="an ONNX file; KIND is "
                        + ", ".join(PEERS))
    parser.add_argument("--recall", type=float, default=0.5, metavar="R",
                        help="where twins are counted (0.5)")
    parser.add_argument("--tool", default=str(TREE / "build/training/defcn"),
                        metavar="DEFCN")
    parser.add_argument("--rounds", type=int, default=3, metavar="N",
                        help="passes of each (3)")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1000000,
                        metavar="N", help="of the order (the clock)")
    parser.add_argument("--save", metavar="FILE.json",
                        help="also write JSON, and a table as FILE.md")
    options = parser.parse_args()
    if not options.model and not options.peer:
        parser.error("no --model and no --peer")
    return options


def told(name, call):
    """The same call, which tells how long it took."""
    def run():
        results, ms = call()
        print(f"{name}: {ms:.1f} ms", file=sys.stderr)
        return results, ms
    return run


def sides_of(options, truth):
    """name -> call giving (results, milliseconds)."""
    folder = pathlib.Path(options.images)
    pictures = [(i, folder / truth.coco.imgs[i]["file_name"])
                for i in sorted(truth.images)]
    sides = {}
    for text in options.model:
        name, _, path = text.partition("=")
        if not path:
            sys.exit(f"--model {text}: not NAME=FILE")
        sides[name] = lambda path=path: run_ours(options, path)
    for text in options.peer:
        kind, _, path = text.partition("=")
        kind, _, size = kind.partition(":")
        if kind not in PEERS or not size.isdecimal() or not path:
            sys.exit(f"--peer {text}: not KIND:SIZE=FILE")
        peer = PEERS[kind](path, int(size), 1)
        sides[f"{kind} {size}"] = (
            lambda peer=peer: run_peer(peer, pictures, truth.category))
    return {name: told(name, call) for name, call in sides.items()}


def row_of(name, truth, results, milliseconds, recall):
    stats = truth.evaluate(results)
    crowded = truth.crowded()
    twins = truth.twins(results, recall)
    return {"name": name, "ms": spread(milliseconds),
            **dict(zip(("ap", "ap50", "ap75", "ap_small", "ap_medium",
                        "ap_large", "ar1", "ar10", "ar100"), stats)),
            "threshold": twins[0] if twins else None,
            "twins": twins[1] if twins else None,
            "crowd_recall": truth.recall(results, crowded),
            "crowd_ap50": truth.evaluate(results, crowded)[1],
            "crowd_images": len(crowded)}


def cells(row):
    def three(key):
        return "-" if row[key] is None else f"{row[key]:.3f}"
    return [row["name"], f"{row['ms']['median']:.1f}",
            *(three(key) for key in KEYS)]


KEYS = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar100",
        "threshold", "twins", "crowd_ap50", "crowd_recall")


def main():
    options = parse()
    truth = Truth(options.annotations)
    sides = sides_of(options, truth)
    given = rounds_of(sides, options.rounds, random.Random(options.seed))
    rows = [row_of(name, truth, passes[-1][0], [ms for _, ms in passes],
                   options.recall) for name, passes in given.items()]
    head = ["", "ms", "AP", "AP50", "AP75", "APs", "APm", "APl", "AR100",
            f"score at recall {options.recall:g}", "twins there",
            f"AP50, {CROWD} people and more", "recall there"]
    print(line(head))
    print(line("---" for _ in head))
    for row in rows:
        print(line(cells(row)))
    if options.save:
        report = json.loads(subprocess.run(
            [options.tool, "bench", "--size", "64x64", "--model",
             str(TREE / "pipelines/models/person.safetensors"), "--json",
             "--repetitions", "1"], stdout=subprocess.PIPE,
            check=True).stdout)
        options.repetitions = len(truth.images)
        result = origin(report, options)
        result["versions"]["onnxruntime"] = onnxruntime.__version__
        save(options.save, result, rows,
             [caption(result), "", f"{len(truth.images)} pictures, "
              f"{rows[0]['crowd_images']} with {CROWD} people and more, one "
              f"thread; onnxruntime {onnxruntime.__version__}."], head, cells)


if __name__ == "__main__":
    main()
