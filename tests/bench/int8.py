"""What int8 would do to the person model: average precision, duplicates and
milliseconds of its network in onnxruntime, float beside quantised weights and
activations of every convolution but the head's last ones.

usage: int8.py --annotations VAL.json --images FOLDER
               --calibration TRAIN.json [--tool DEFCN] [--threads N]
(needs onnx, onnxruntime, opencv-python-headless, pycocotools)
"""
import argparse
import contextlib
import io
import json
import pathlib
import statistics
import subprocess
import tempfile
import time

import cv2
import numpy as np
import onnx
import onnxruntime
from onnxruntime import quantization
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import network

TREE = pathlib.Path(__file__).resolve().parents[2]
SIDE, SHORT_EDGE = 512, 320
MEAN = np.array([123.675, 116.28, 103.53], np.float32)
STD = np.array([58.395, 57.12, 57.375], np.float32)
LAST = ("head.cls_score", "head.bbox_pred", "head.filter")


def prepare(path):
    """NCHW input and the scale of one picture, padded to a square."""
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    h, w = image.shape[:2]
    scale = min(SHORT_EDGE / min(h, w), SIDE / max(h, w))
    size = max(1, round(w * scale)), max(1, round(h * scale))
    image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    x = np.zeros((SIDE, SIDE, 3), np.float32)
    x[:size[1], :size[0]] = (image - MEAN) / STD
    return x.transpose(2, 0, 1)[None].copy(), scale


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def decode(values, levels, scale):
    """Boxes (x, y, w, h) and scores, best 100 above 0.05."""
    boxes, scores = [], []
    for stride, (cls, box, flt) in levels.items():
        score = (sigmoid(values[cls]) * sigmoid(values[flt]))[0, 0]
        at = np.argwhere(score > 0.05)
        d = values[box][0][:, at[:, 0], at[:, 1]]
        y, x = (at.T + 0.5) * stride
        boxes.append(np.stack([x - d[0], y - d[1], d[0] + d[2], d[1] + d[3]]).T)
        scores.append(score[at[:, 0], at[:, 1]])
    boxes, scores = np.concatenate(boxes) / scale, np.concatenate(scores)
    order = np.argsort(-scores, kind="stable")[:100]
    return boxes[order], scores[order]


def duplicates(detections):
    """Of the detections above 0.3: the share that overlaps a better one of its
    image by 0.7."""
    by_image, found, extra = {}, 0, 0
    for d in detections:
        if d["score"] > 0.3:
            by_image.setdefault(d["image_id"], []).append(d["bbox"])
    for boxes in by_image.values():
        b = np.array(boxes)
        b[:, 2:] += b[:, :2]
        area = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
        for i in range(len(b)):
            found += 1
            inner = np.clip(np.minimum(b[:i, 2:], b[i, 2:])
                            - np.maximum(b[:i, :2], b[i, :2]), 0, None)
            both = inner[:, 0] * inner[:, 1]
            extra += bool((both / (area[:i] + area[i] - both) > 0.7).any())
    return extra / max(found, 1)


class Run:
    def __init__(self, model, threads, steps):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(
            model, options, ["CPUExecutionProvider"])
        self.names = [o.name for o in self.session.get_outputs()]
        heads = {"head.cls_score": [], "head.scales": [], "head.filter": []}
        for n, step in enumerate(steps, 1):
            for name, list_ in heads.items():
                if step["name"].startswith(name) and f"t{n}" in self.names:
                    list_.append((n, step["shape"][1]))
        self.levels = {}
        for kind in heads.values():
            for n, h in kind:
                self.levels.setdefault(h, []).append(f"t{n}")
        self.levels = {8 << i: self.levels[h] for i, h in enumerate(
            sorted(self.levels, reverse=True))}

    def __call__(self, x):
        return dict(zip(self.names, self.session.run(self.names, {"t0": x})))


def evaluate(run, coco, folder):
    detections, times = [], []
    for image in coco.loadImgs(coco.getImgIds()):
        x, scale = prepare(folder / image["file_name"])
        start = time.perf_counter()
        values = run(x)
        times.append((time.perf_counter() - start) * 1e3)
        for box, score in zip(*decode(values, run.levels, scale)):
            detections.append({
                "image_id": image["id"], "category_id": coco.getCatIds()[0],
                "bbox": [float(v) for v in box], "score": float(score)})
    with contextlib.redirect_stdout(io.StringIO()):
        e = COCOeval(coco, coco.loadRes(detections), "bbox")
        e.evaluate()
        e.accumulate()
        e.summarize()
    return {"ap": e.stats[0], "ap50": e.stats[1], "ar": e.stats[8],
            "duplicates": duplicates(detections),
            "ms": statistics.median(times)}


class Calibration(quantization.CalibrationDataReader):
    def __init__(self, paths):
        self.paths = iter(paths)

    def get_next(self):
        path = next(self.paths, None)
        return path and {"t0": prepare(path)[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--annotations", required=True)
    parser.add_argument("--images", required=True, type=pathlib.Path)
    parser.add_argument("--calibration", required=True)
    parser.add_argument("--pictures", type=int, default=64,
                        help="to calibrate with (64)")
    parser.add_argument("--tool", default=str(TREE / "build/training/defcn"))
    model = TREE / "pipelines/models/person.safetensors"
    parser.add_argument("--model", default=str(model))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(options.annotations)
    train = json.loads(pathlib.Path(options.calibration).read_text())["images"]
    step = max(1, len(train) // options.pictures)
    pictures = [options.images / i["file_name"] for i in train[::step]]
    with tempfile.TemporaryDirectory() as folder:
        dump, plain, small = (str(pathlib.Path(folder) / name)
                              for name in ("d", "float.onnx", "int8.onnx"))
        subprocess.run([options.tool, "bench", "--model", options.model,
                        "--size", f"{SIDE}x{SIDE}", "--device", "cpu",
                        "--repetitions", "1", "--dump", dump],
                       check=True, stdout=subprocess.DEVNULL)
        steps, arrays = network.read(dump)
        model = network.to_onnx(steps, arrays)
        last = {f"w{n}" for n, s in enumerate(steps, 1) if s["name"] in LAST}
        for i, node in enumerate(model.graph.node):
            node.name = f"node{i}"
        kept = [node.name for node in model.graph.node
                if last & set(node.input)]
        onnx.save(model, plain)
        rows = [("float32", plain)]
        for method in ("MinMax", "Percentile", "Entropy"):
            path = small + method
            quantization.quantize_static(
                plain, path, Calibration(pictures), per_channel=True,
                op_types_to_quantize=["Conv", "Add"], nodes_to_exclude=kept,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                calibrate_method=quantization.CalibrationMethod[method])
            rows.append((f"int8, {method}", path))
        print("| numbers | AP | AP50 | AR100 | duplicates | ms |\n"
              "|---|---|---|---|---|---|")
        for name, path in rows:
            r = evaluate(Run(path, options.threads, steps), coco,
                         options.images)
            print(f"| {name} | {r['ap']:.3f} | {r['ap50']:.3f} | {r['ar']:.3f}"
                  f" | {r['duplicates']:.3f} | {r['ms']:.1f} |", flush=True)


if __name__ == "__main__":
    main()
