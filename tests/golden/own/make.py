"""Writes the small goldens beside it, in the form of the golden set: single
rows with gradients, the 3DMF module, label assignment, the losses, and of
whole networks heads, detections and training steps.

Everything is written down once more in numpy's double precision, apart from
the C code.  Gradients are central differences, good to 1e-8, those of training
steps tape.py's.

usage: make.py [FOLDER [PART..]]        (needs numpy; eval: pycocotools)
"""
import json
import pathlib
import struct
import sys
import zlib

import numpy as np

import tape

EPS = 1e-5
MASK = (1 << 64) - 1
GAMMA = 0x9E3779B97F4A7C15


def save(path, arrays, metadata=None):
    """A safetensors file: float64 goes to F32, the rest as it is."""
    names = {np.dtype(np.float32): "F32", np.dtype(np.int64): "I64",
             np.dtype(np.uint8): "U8"}
    header, blobs, at = {}, [], 0
    if metadata:
        header["__metadata__"] = metadata
    for name, array in sorted(arrays.items()):
        array = np.asarray(array)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        blob = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": names[array.dtype],
                        "shape": list(array.shape),
                        "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def pad(x, size, value=0.0):
    return np.pad(x, ((0, 0), (0, 0), (size, size), (size, size)),
                  constant_values=value)


def windows(x, size, stride):
    """(n, c, out_h, out_w, size, size) of an already padded x."""
    view = np.lib.stride_tricks.sliding_window_view(x, (size, size), (2, 3))
    return view[:, :, ::stride, ::stride]


def conv(x, w, b, stride=1, groups=1):
    """NCHW, OIHW, padding (size - 1) / 2."""
    size = w.shape[2]
    outputs = []
    for xs, ws in zip(np.split(windows(pad(x, size // 2), size, stride),
                               groups, 1), np.split(w, groups)):
        outputs.append(np.einsum("nchwyx,ocyx->nohw", xs, ws, optimize=True))
    y = np.concatenate(outputs, 1)
    return y if b is None else y + b[:, None, None]


def max_pool(x):
    return windows(pad(x, 1, -np.inf), 3, 2).max((4, 5))


def group_norm(x, w, b, groups=32):
    n, c, h, width = x.shape
    split = x.reshape(n, groups, -1)
    split = ((split - split.mean(2, keepdims=True))
             / np.sqrt(split.var(2, keepdims=True) + EPS))
    return split.reshape(x.shape) * w[:, None, None] + b[:, None, None]


def bilinear_matrix(source, size):
    """(size, source), align_corners false."""
    at = np.maximum((np.arange(size) + 0.5) * source / size - 0.5, 0)
    low = np.minimum(at.astype(int), source - 1)
    high = np.minimum(low + 1, source - 1)
    matrix = np.zeros((size, source))
    np.add.at(matrix, (np.arange(size), low), 1 - (at - low))
    np.add.at(matrix, (np.arange(size), high), at - low)
    return matrix


def bilinear(x, h, w):
    return np.einsum("yi,ncij,xj->ncyx", bilinear_matrix(x.shape[2], h), x,
                     bilinear_matrix(x.shape[3], w), optimize=True)


class Plain:
    """What tape has, on arrays."""
    conv, max_pool, group_norm = map(staticmethod, (conv, max_pool, group_norm))

    @staticmethod
    def relu(x):
        return np.maximum(x, 0)

    @staticmethod
    def largest(xs):
        return np.max(xs, 0)

    @staticmethod
    def double(x):
        return x.repeat(2, 2).repeat(2, 3)

    @staticmethod
    def linear(x, rows, columns):
        return np.einsum("yi,ncij,xj->ncyx", rows, x, columns, optimize=True)

    @staticmethod
    def window_max(x, size, stride):
        return windows(pad(x, size // 2, -np.inf), size, stride).max((4, 5))


def max3d(xs, weights, tau, phi, ops=Plain):
    """Eq. 5 and 6: the module's outputs on all levels."""
    filtered = [ops.conv(x, weights["conv.weight"], weights["conv.bias"])
                for x in xs]
    outputs = []
    for level, x in enumerate(xs):
        h, w = x.shape[2:]
        near = filtered[max(level - tau // 2, 0):level + tau // 2 + 1]
        tube = ops.largest([ops.linear(f, bilinear_matrix(f.shape[2], h),
                                       bilinear_matrix(f.shape[3], w))
                            for f in near])
        y = x + ops.window_max(tube, phi, 1)
        if "norm.weight" in weights:
            y = ops.group_norm(y, weights["norm.weight"], weights["norm.bias"])
        outputs.append(ops.relu(y))
    return outputs


def gradient(function, x, step=1e-5):
    """Of a scalar function, element by element; x is changed and restored."""
    d = np.empty_like(x)
    for i in np.ndindex(x.shape):
        old = x[i]
        x[i] = old + step
        above = function()
        x[i] = old - step
        d[i] = (above - function()) / (2 * step)
        x[i] = old
    return d


def rounded(rng, *shape):
    """What float32 holds exactly, so that both sides start from the same."""
    return rng.uniform(-1, 1, shape).astype(np.float32).astype(np.float64)


def row(arrays, name, function, rng, **inputs):
    """Output and gradients of function(**inputs) under a random gout."""
    y = function(**inputs)
    gout = rounded(rng, *y.shape)
    arrays.update({f"{name}.{k}": v for k, v in inputs.items()})
    arrays.update({f"{name}.y": y, f"{name}.gout": gout})
    for key, value in inputs.items():
        arrays[f"{name}.g{key}"] = gradient(
            lambda: (function(**inputs) * gout).sum(), value)


def make_conv(rng):
    arrays = {}
    # channels in, out, height, width, size, stride, groups
    for i, (c, k, h, w, size, stride, groups) in enumerate([
            (3, 8, 11, 13, 7, 2, 1), (8, 12, 5, 7, 1, 2, 1),
            (8, 8, 5, 7, 3, 2, 1), (8, 16, 5, 6, 3, 1, 4),
            (8, 4, 2, 3, 3, 1, 1), (8, 8, 2, 3, 3, 2, 1)]):
        row(arrays, f"conv{i}",
            lambda x, weight, bias: conv(x, weight, bias, stride, groups),
            rng, x=rounded(rng, 2, c, h, w),
            weight=rounded(rng, k, c // groups, size, size),
            bias=rounded(rng, k))
        arrays[f"conv{i}.spec"] = np.array([size, stride, size // 2, groups])
    row(arrays, "maxpool", max_pool, rng, x=rounded(rng, 1, 4, 7, 10))
    x = rounded(rng, 2, 8, 3, 4)
    w, b, mean = (rounded(rng, 8) for _ in range(3))
    variance = (1.5 + rounded(rng, 8)).astype(np.float32).astype(np.float64)
    scale = w / np.sqrt(variance + EPS)
    arrays.update({
        "fbn.x": x, "fbn.weight": w, "fbn.bias": b, "fbn.running_mean": mean,
        "fbn.running_var": variance,
        "fbn.y": (x - mean[:, None, None]) * scale[:, None, None]
        + b[:, None, None]})
    return arrays


def make_norm(rng):
    arrays = {}
    for i, shape in enumerate([(2, 32, 2, 3), (1, 64, 3, 2), (1, 32, 2, 2),
                               (1, 96, 1, 3)]):
        row(arrays, f"gn{i}",
            lambda x, weight, bias: group_norm(x, weight, bias), rng,
            x=rounded(rng, *shape), weight=rounded(rng, shape[1]),
            bias=rounded(rng, shape[1]))
    return arrays


def make_bilinear(rng):
    arrays = {}
    for i, (h, w, to_h, to_w) in enumerate([
            (2, 3, 4, 5), (4, 5, 8, 10), (1, 2, 4, 5), (8, 10, 4, 5),
            (7, 9, 4, 5), (4, 5, 7, 9), (8, 10, 2, 3), (3, 5, 3, 5),
            (2, 2, 11, 7)]):
        row(arrays, f"c{i}", lambda x: bilinear(x, to_h, to_w), rng,
            x=rounded(rng, 1, 4, h, w))
    return arrays


def make_max3d(rng, norm):
    c = 32 if norm else 8
    sizes = [(6, 10), (3, 5), (2, 3), (1, 2), (1, 1)]
    if norm:  # a group of one value has no gradient to compare
        sizes = [(6, 9), (4, 6), (3, 4), (2, 3), (2, 2)]
    xs = [rounded(rng, 1, c, *s) for s in sizes]
    gouts = [rounded(rng, *x.shape) for x in xs]
    weights = {"conv.weight": rounded(rng, c, c, 3, 3) / 8,
               "conv.bias": rounded(rng, c)}
    if norm:
        weights.update({"norm.weight": rounded(rng, c),
                        "norm.bias": rounded(rng, c)})
    arrays = dict(weights)
    for l, (x, gout) in enumerate(zip(xs, gouts)):
        arrays.update({f"x.{l}": x, f"gout.{l}": gout})
    for tau, phi in ((2, 3), (4, 5)):
        def loss():
            ys = max3d(xs, weights, tau, phi)
            return sum((y * g).sum() for y, g in zip(ys, gouts))

        for l, y in enumerate(max3d(xs, weights, tau, phi)):
            arrays[f"tau{tau}_phi{phi}.y.{l}"] = y
            arrays[f"tau{tau}_phi{phi}.gx.{l}"] = gradient(loss, xs[l])
        for name in weights:
            if name != "conv.weight":
                arrays[f"tau{tau}_phi{phi}.g_{name}"] = gradient(
                    loss, weights[name])
    return arrays


def synthetic(name, shape, lo, hi, seed):
    """The rule of the golden set: values from the tensor's name."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = (state ^ byte) * 0x100000001B3 & MASK
    state ^= seed * GAMMA & MASK
    values = []
    for _ in range(int(np.prod(shape))):
        state = z = (state + GAMMA) & MASK
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        values.append(lo + (hi - lo) * (((z ^ z >> 31) >> 40) * 2.0 ** -24))
    return np.array(values, np.float32).astype(np.float64).reshape(shape)


class Detector:
    """ResNet, FPN and the head, as in sections 2 to 4 of the paper.  @ops: of
    arrays, or of the tape: then what is trained has gradients."""

    BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}

    def __init__(self, config, ops=Plain):
        self.config, self.seed, self.ops = config, config["seed"], ops
        self.tensors, self.values = [], {}

    def is_trained(self, name):
        parts = name.split(".")
        frozen = [f"res{i}" for i in range(2, self.config["freeze_at"] + 1)]
        return not (parts[1] == "bottom_up" and (
            parts[2] in ["stem"] + frozen or "norm" in parts))

    def get(self, name, shape, lo, hi):
        if name not in self.values:
            self.tensors.append(
                {"name": name, "shape": list(shape), "lo": lo, "hi": hi})
            value = synthetic(name, shape, lo, hi, self.seed)
            if self.ops is tape and self.is_trained(name):
                value = tape.Value(value)
            self.values[name] = value
        return self.values[name]

    def conv(self, x, name, out, size, stride=1, bias=(-0.2, 0.2), gain=2.0,
             groups=1):
        c = x.shape[1] // groups
        limit = gain * (3 / (c * size * size)) ** 0.5
        w = self.get(name + ".weight", (out, c, size, size), -limit, limit)
        b = self.get(name + ".bias", (out,), *bias) if bias else None
        return self.ops.conv(x, w, b, stride, groups)

    def conv_norm(self, x, name, out, size, stride=1, spread=1.0, groups=1):
        y = self.conv(x, name, out, size, stride, None, 1.0, groups)
        n = name + ".norm."
        scale = (self.get(n + "weight", (out,), 0.7, 1.3) / np.sqrt(self.get(
            n + "running_var", (out,), 0.5 * spread ** 2, 1.5 * spread ** 2)
            + EPS))
        shift = (self.get(n + "bias", (out,), -0.3, 0.3)
                 - scale * self.get(n + "running_mean", (out,), -0.3 * spread,
                                    0.3 * spread))
        return y * scale[:, None, None] + shift[:, None, None]

    def basic_block(self, x, name, out, stride):
        relu, skip = self.ops.relu, x
        if x.shape[1] != out:
            skip = self.conv_norm(x, name + ".shortcut", out, 1, stride)
        y = relu(self.conv_norm(x, name + ".conv1", out, 3, stride))
        return relu(self.conv_norm(y, name + ".conv2", out, 3) + skip)

    def bottleneck(self, x, name, out, stride):
        relu, skip, backbone = self.ops.relu, x, self.config["backbone"]
        width = (backbone["NUM_GROUPS"] * backbone["WIDTH_PER_GROUP"]
                 * out // backbone["RES2_OUT_CHANNELS"])
        first = backbone["STRIDE_IN_1X1"]
        if x.shape[1] != out:
            skip = self.conv_norm(x, name + ".shortcut", out, 1, stride)
        y = relu(self.conv_norm(x, name + ".conv1", width, 1,
                                stride if first else 1))
        y = relu(self.conv_norm(y, name + ".conv2", width, 3,
                                1 if first else stride,
                                groups=backbone["NUM_GROUPS"]))
        return relu(self.conv_norm(y, name + ".conv3", out, 1) + skip)

    def features(self, x):
        backbone = self.config["backbone"]
        depth = backbone["DEPTH"]
        block = self.basic_block if depth < 50 else self.bottleneck
        x = self.ops.relu(self.conv_norm(
            x, "backbone.bottom_up.stem.conv1", backbone["STEM_OUT_CHANNELS"],
            7, 2, 70.0))
        x = self.ops.max_pool(x)
        kept = []
        for stage, n in enumerate(self.BLOCKS[depth], 2):
            for i in range(n):
                x = block(x, f"backbone.bottom_up.res{stage}.{i}",
                          backbone["RES2_OUT_CHANNELS"] << (stage - 2),
                          2 if stage > 2 and i == 0 else 1)
            kept.append(x)
        return kept[1:]

    def pyramid(self, features):
        c = self.config["fpn_channels"]
        levels, top = [None] * 3, None
        for i in (2, 1, 0):
            t = self.conv(features[i], f"backbone.fpn_lateral{i + 3}", c, 1)
            if top is not None:
                t = t + self.ops.double(top)
            top = t
            levels[i] = self.conv(t, f"backbone.fpn_output{i + 3}", c, 3)
        under = levels[2] if self.config["p6_from"] == "p5" else features[2]
        levels.append(self.conv(under, "backbone.top_block.p6", c, 3, 2))
        levels.append(self.conv(self.ops.relu(levels[3]),
                                "backbone.top_block.p7", c, 3, 2))
        return levels

    def tower(self, x, name):
        for i in range(self.config["num_convs"]):
            x = self.conv(x, f"head.{name}.{3 * i}", x.shape[1], 3)
            w, b = (self.get(f"head.{name}.{3 * i + 1}.{p}", (x.shape[1],),
                             *limits) for p, limits in
                    (("weight", (0.6, 1.4)), ("bias", (-0.2, 0.2))))
            x = self.ops.relu(self.ops.group_norm(x, w, b))
        return x

    def heads(self, levels):
        """Logits, distances and, where the network has them, filters."""
        logits, deltas, towers = [], [], []
        for l, x in enumerate(levels):
            logits.append(self.conv(self.tower(x, "cls_subnet"),
                                    "head.cls_score",
                                    self.config["num_classes"], 3,
                                    bias=(-2.0, -1.0)))
            towers.append(self.tower(x, "bbox_subnet"))
            box = self.conv(towers[-1], "head.bbox_pred", 4, 3, bias=(1.6, 2.4))
            scale = self.get(f"head.scales.{l}.scale", (1,), 0.75, 1.3)
            deltas.append(self.ops.relu(box * scale) * (8 << l))
        if self.config["third_output"] != "filter":
            return logits, deltas, []
        c = towers[0].shape[1]
        limit = 1.5 * (3 / (9 * c)) ** 0.5
        module = {
            "conv.weight": self.get("head.max3d.conv.weight", (c, c, 3, 3),
                                    -limit, limit),
            "conv.bias": self.get("head.max3d.conv.bias", (c,), -0.2, 0.2),
            "norm.weight": self.get("head.max3d.norm.weight", (c,), 0.6, 1.4),
            "norm.bias": self.get("head.max3d.norm.bias", (c,), -0.2, 0.2)}
        rule = self.config["max3d"]
        filters = [self.conv(z, "head.filter", 1, 3, bias=(0.4, 0.6))
                   for z in max3d(towers, module, rule["tau"],
                                  rule["kernel_size"], self.ops)]
        return logits, deltas, filters


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def iou_of(a, b):
    """Of all pairs of corners."""
    sides = np.maximum(np.minimum(a[:, None, 2:], b[:, 2:])
                       - np.maximum(a[:, None, :2], b[:, :2]), 0)
    inter = sides.prod(2)
    union = ((a[:, 2:] - a[:, :2]).prod(1)[:, None]
             + (b[:, 2:] - b[:, :2]).prod(1) - inter)
    return np.divide(inter, union, out=np.zeros_like(inter), where=inter > 0)


def decode(config, logits, deltas, filters, i=0):
    """Section 3.2's inference on image @i: boxes, scores, classes, best
    first."""
    found = []
    for l, (z, d) in enumerate(zip(logits, deltas)):
        stride = 8 << l
        score = sigmoid(z[i]) * (sigmoid(filters[l][i]) if filters else 1)
        ranked = sorted(np.ndindex(score.shape), key=lambda j: -score[j])
        # as many as there are locations at most, whatever the classes
        room = min(config["topk_candidates"], score[0].size)
        for k, y, x in ranked[:room]:
            if score[k, y, x] > config["score_thresh"]:
                cx, cy = x * stride + stride / 2, y * stride + stride / 2
                left, top, right, bottom = d[i, :, y, x]
                found.append((score[k, y, x], k, cx - left, cy - top,
                              cx + right, cy + bottom))
    found.sort(key=lambda b: -b[0])
    found = np.array(found).reshape(-1, 6)
    if config["nms_type"] == "normal":
        kept = []
        for j, box in enumerate(found):
            rivals = found[[m for m in kept if found[m, 1] == box[1]]]
            if not (iou_of(box[None, 2:], rivals[:, 2:])
                    > config["nms_thresh"]).any():
                kept.append(j)
        found = found[kept]
    found = found[:config["detections_per_image"]]
    return found[:, 2:], found[:, 0], found[:, 1].astype(np.int64)


CONFIG = {
    "experiment": "own/poto.res18.3dmf", "seed": 1,
    "backbone": {"DEPTH": 18, "NUM_GROUPS": 1, "WIDTH_PER_GROUP": 8,
                 "STEM_OUT_CHANNELS": 8, "RES2_OUT_CHANNELS": 8,
                 "STRIDE_IN_1X1": True, "NORM": "FrozenBN"},
    "freeze_at": 2, "fpn_channels": 32, "p6_from": "p5", "num_classes": 3,
    "num_convs": 1, "pixel_mean_bgr": [103.53, 116.28, 123.675],
    "pixel_std": [1.0, 1.0, 1.0], "size_divisibility": 32,
    "norm_reg_targets": True, "third_output": "filter", "score_thresh": 0.05,
    "topk_candidates": 1000, "nms_type": None, "nms_thresh": 1.0,
    "detections_per_image": 100,
    "max3d": {"kernel_size": 3, "tau": 2, "gn": True},
}


# Grouped bottlenecks whose 3x3 has the stride, P6 from C5, NMS.
FCOS = dict(
    CONFIG, experiment="own/fcos.res50.wo_ctrness", seed=7,
    backbone={"DEPTH": 50, "NUM_GROUPS": 2, "WIDTH_PER_GROUP": 4,
              "STEM_OUT_CHANNELS": 8, "RES2_OUT_CHANNELS": 16,
              "STRIDE_IN_1X1": False, "NORM": "FrozenBN"},
    p6_from="c5", num_classes=5, third_output=None, nms_type="normal",
    nms_thresh=0.6, reg_weight=None, fcos_center_sampling_radius=1.5)


def batch_of(config, pictures):
    """Normalised and padded to the largest, NCHW."""
    h, w = (-(-max(p.shape[i] for p in pictures) // 32) * 32 for i in (0, 1))
    x = np.zeros((len(pictures), 3, h, w))
    mean = np.array(config["pixel_mean_bgr"], np.float32).astype(float)
    for i, p in enumerate(pictures):
        x[i, :, :p.shape[0], :p.shape[1]] = (p - mean).transpose(2, 0, 1)
    return x


def make_forward(folder, name, config, pictures, outs, features=False):
    """Heads and detections of a batch; @outs: heights and widths asked for."""
    detector = Detector(config)
    stages = detector.features(batch_of(config, pictures))
    levels = detector.pyramid(stages)
    kinds = dict(zip(("logits", "deltas", "filter"), detector.heads(levels)))
    if features:
        kinds["fpn"] = levels
    arrays = {f"{kind}.p{l + 3}": m for kind, maps in kinds.items()
              for l, m in enumerate(maps)}
    if features:
        arrays.update({f"backbone.res{i + 3}": f
                       for i, f in enumerate(stages)})
    for i, (p, (h, w)) in enumerate(zip(pictures, outs)):
        boxes, scores, classes = decode(
            config, kinds["logits"], kinds["deltas"], kinds["filter"], i)
        final = boxes * np.array([w / p.shape[1], h / p.shape[0]] * 2)
        final = np.clip(final, 0, [w, h] * 2)
        whole = (final[:, 2:] > final[:, :2]).all(1)
        arrays.update({
            f"image.{i}": p, f"raw_det.{i}.boxes": boxes,
            f"raw_det.{i}.scores": scores, f"raw_det.{i}.classes": classes,
            f"det.{i}.boxes": final[whole], f"det.{i}.scores": scores[whole],
            f"det.{i}.classes": classes[whole],
            f"det.{i}.out_size": np.array([h, w])})
        print(f"{name}: {len(boxes)} boxes, {whole.sum()} in the picture")
    save(folder / f"{name}.safetensors", arrays, {"kind": "forward"})
    write_config(folder, config, detector)
    return arrays


def make_model(rng, folder):
    make_forward(folder / "models/own_r18_3dmf", "forward_single", CONFIG,
                 [picture(rng, 64, 96)], [(90, 130)], True)


def make_batch(folder):
    """Three images; one network that finds nothing, one with NMS."""
    rng = np.random.default_rng(8)
    pictures = [picture(rng, 64, 64), picture(rng, 40, 60),
                picture(rng, 33, 50)]
    outs = [(64, 64), (80, 120), (20, 31)]
    make_forward(folder / "models/own_r18_two", "forward_batch3",
                 dict(CONFIG, num_classes=2, seed=3), pictures, outs)
    make_forward(folder / "models/own_r18_none", "forward_none",
                 dict(CONFIG, num_classes=1, score_thresh=0.95), pictures[1:2],
                 outs[1:2])
    make_forward(folder / "models/own_r50_fcos", "forward_nms", FCOS,
                 pictures[:1], outs[:1])


def write_png(path, rgb):
    rows = b"".join(b"\0" + row.tobytes() for row in rgb)
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", rgb.shape[1], rgb.shape[0], 8,
                                    2, 0, 0, 0)),
              (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data
        + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks))


def make_pictures(folder):
    """Picture files at network size, so that nothing is resized."""
    rng = np.random.default_rng(9)
    entries = {}
    for model, config, sizes in (
            ("own_r18_two", dict(CONFIG, num_classes=2, seed=3),
             ((64, 96), (96, 64), (64, 64))),
            ("own_r18_none", dict(CONFIG, num_classes=1, score_thresh=0.95),
             ((64, 64),))):
        entries[model] = []
        for h, w in sizes:
            bgr = picture(rng, h, w)
            image = f"{model[4:]}_{h}x{w}"
            write_png(folder / f"e2e/images/{image}.png", bgr[:, :, ::-1])
            detector = Detector(config)
            boxes, scores, classes = decode(config, *detector.heads(
                detector.pyramid(detector.features(batch_of(config, [bgr])))))
            boxes = np.clip(boxes, 0, [w, h] * 2)
            whole = (boxes[:, 2:] > boxes[:, :2]).all(1)
            entries[model].append({
                "image": image, "short_edge": min(h, w), "max_size": 128,
                "network_size": [h, w], "n": int(whole.sum()),
                "scores": np.round(scores[whole], 7).tolist(),
                "classes": classes[whole].tolist(),
                "boxes_xyxy": np.round(boxes[whole], 4).tolist()})
    (folder / "e2e/detections.json").write_text(json.dumps(entries) + "\n")


def make_listings(folder):
    """What networks are made of, by name and shape."""
    for model, name in (("own_r18_two", "r18_3dmf"),
                        ("own_r50_fcos", "r50_p6_from_c5")):
        config = json.loads((folder / f"models/{model}/config.json")
                            .read_text())
        path = folder / f"state_dicts/{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = ",\n".join(json.dumps({k: t[k] for k in ("name", "shape")})
                          for t in config["synth"]["tensors"])
        path.write_text('{"tensors": [\n' + rows + "]}\n")


STRIDES = (8, 16, 32, 64, 128)
RANGES = ((-1, 64), (64, 128), (128, 256), (256, 512), (512, np.inf))


def made_up(rng, height, width, n_classes, shared=False):
    """Predictions for a picture of that size."""
    maps = []
    for stride in STRIDES:
        h, w = -(-height // stride), -(-width // stride)
        z = 3 * rounded(rng, 1, n_classes, h, w) - 1
        d = 3 * stride * (1.2 + rounded(rng, 1, 4, h, w))
        f = 2 * rounded(rng, 1, 1, h, w)
        if shared:  # the same everywhere: equal qualities
            z, d, f = 0 * z - 1, 0 * d + 2 * stride, 0 * f + 0.5
        maps.append([a.astype(np.float32).astype(float) for a in (z, d, f)])
    return Heads(*zip(*maps))


class Heads:
    """Predictions for one picture, flattened: P3 .. P7, row-major."""

    def __init__(self, logits, deltas, filters):
        def flat(maps):
            return np.concatenate([m[0].reshape(m.shape[1], -1).T
                                   for m in maps])

        self.arrays = {}
        for l, z in enumerate(logits):
            self.arrays.update({f"logits.p{l + 3}": z,
                                f"deltas.p{l + 3}": deltas[l]})
            if filters:
                self.arrays[f"filter.p{l + 3}"] = filters[l]
        self.n_classes = logits[0].shape[1]
        self.logits, self.deltas = flat(logits), flat(deltas)
        self.filter = flat(filters)[:, 0] if filters else None
        self.level = np.concatenate([
            np.full(z.shape[2] * z.shape[3], l) for l, z in enumerate(logits)])
        self.stride = np.array(STRIDES)[self.level]
        self.centres = np.concatenate([
            (np.stack(np.mgrid[:z.shape[2], :z.shape[3]][::-1], 2)
             .reshape(-1, 2) + 0.5) * STRIDES[l]
            for l, z in enumerate(logits)])

    def quality(self, boxes, classes, alpha, with_filter):
        """Eq. 4 without its prior, (objects, locations)."""
        x, y = self.centres.T
        left, top, right, bottom = self.deltas.T
        x1, y1, x2, y2 = x - left, y - top, x + right, y + bottom
        rows = []
        for (a1, b1, a2, b2), c in zip(boxes, classes):
            w = np.maximum(np.minimum(a2, x2) - np.maximum(a1, x1), 0)
            h = np.maximum(np.minimum(b2, y2) - np.maximum(b1, y1), 0)
            union = (a2 - a1) * (b2 - b1) + (x2 - x1) * (y2 - y1) - w * h
            iou = np.where(w * h > 0, w * h / union, 0)
            p = sigmoid(self.logits[:, c])
            if with_filter:
                p = p * sigmoid(self.filter)
            rows.append(p ** (1 - alpha) * iou ** alpha)
        return np.array(rows)

    def targets(self, boxes):
        """(objects, locations, 4): left, top, right, bottom."""
        low = self.centres[None] - boxes[:, None, :2]
        return np.concatenate([low, boxes[:, None, 2:] - self.centres[None]], 2)

    def allowed(self, boxes, radius):
        """The spatial prior: a region around the centre, or the whole box."""
        low, high = boxes[:, None, :2], boxes[:, None, 2:]
        if radius > 0:
            centre = (low + high) / 2
            reach = radius * self.stride[None, :, None]
            low, high = (np.maximum(low, centre - reach),
                         np.minimum(high, centre + reach))
        at = self.centres[None]
        return ((at > low) & (at < high)).all(2)


def best_matching(quality):
    """One column for each row, largest sum: Bellman-Ford on the residual
    graph, an augmenting path for each row."""
    n_rows, n_cols = quality.shape
    owner = np.full(n_cols, -1)
    for start in range(n_rows):
        gain = quality[start].copy()
        via = np.full(n_cols, start)
        changed = True
        while changed:
            changed = False
            for j in np.flatnonzero(owner >= 0):
                i = owner[j]
                other = gain[j] - quality[i, j] + quality[i]
                better = other > gain + 1e-12
                if better.any():
                    gain[better], via[better] = other[better], i
                    changed = True
        free = np.where(owner < 0, gain, -np.inf)
        j = int(free.argmax())
        while True:
            i = via[j]
            previous = np.flatnonzero(owner == i)
            owner[j] = i
            if i == start:
                break
            j = int(previous[previous != j][0])
    return owner


def assign_aux(heads, boxes, classes, alpha, topk):
    """Candidates by level, mean plus deviation, inside the box."""
    owner = np.full(len(heads.level), -1)
    won = np.full(len(heads.level), -np.inf)
    quality = heads.quality(boxes, classes, alpha, False)
    inside = heads.allowed(boxes, 0)
    for i, q in enumerate(quality):
        candidates = np.concatenate([
            at[np.argsort(-q[at], kind="stable")[:topk]]
            for at in (np.flatnonzero(heads.level == l) for l in range(5))])
        threshold = q[candidates].mean() + q[candidates].std(ddof=1)
        assert np.abs(q[candidates] - threshold).min() > 1e-5
        for j in candidates:
            if q[j] >= threshold and inside[i, j] and q[j] > won[j]:
                owner[j], won[j] = i, q[j]
    return owner


def assign_fcos(heads, boxes, radius):
    longest = heads.targets(boxes).max(2)
    low, high = np.array(RANGES)[heads.level].T
    wanted = (heads.allowed(boxes, radius) & (longest >= low)
              & (longest <= high))
    area = ((boxes[:, 2:] - boxes[:, :2]).prod(1))[:, None]
    area = np.where(wanted, area, np.inf)
    return np.where(wanted.any(0), area.argmin(0), -1)


def make_matching(rng, folder):
    """Matrices without equal sums, and IoU of boxes that may be empty."""
    arrays, summary = {}, []
    for i, (rows, cols, maximize) in enumerate([
            (1, 1, True), (3, 3, False), (5, 40, True), (8, 9, False)]):
        cost = rounded(rng, rows, cols)
        owner = best_matching(cost if maximize else -cost)
        found = np.array([np.flatnonzero(owner == r)[0] for r in range(rows)])
        at = np.arange(rows)
        arrays.update({f"m{i:02d}.cost": cost, f"m{i:02d}.row": at,
                       f"m{i:02d}.col": found})
        summary.append({"id": i, "maximize": maximize,
                        "total_f64": float(cost[at, found].sum())})
    save(folder / "ops/hungarian.safetensors", arrays)
    (folder / "ops/hungarian.json").write_text(
        json.dumps(summary, indent=1) + "\n")

    corners = 20 * rounded(rng, 12, 2)
    a = np.concatenate([corners, corners + 12 * (1 + rounded(rng, 12, 2))], 1)
    a[3, 2] = a[3, 0]  # no width
    a = a.astype(np.float32).astype(float)
    b = a[::2]
    save(folder / "ops/pairwise_iou.safetensors",
         {"a": a, "b": b, "iou": iou_of(a, b)})


def make_assign(rng, folder):
    """Sets of predictions and objects, and what each rule makes of them."""
    scenes = {
        "crowd": (made_up(rng, 128, 160, 1), 14, 1),
        "two_classes": (made_up(rng, 128, 160, 2), 6, 2),
        "ties": (made_up(rng, 128, 128, 2, True), 0, 2),
        "empty_region": (made_up(rng, 128, 128, 2), 3, 2),
        "none": (made_up(rng, 64, 64, 2), 0, 2),
    }
    rules = {"poto_center1.5": (False, 1.5), "poto_inside": (False, 0),
             "poto_3dmf_aux": (True, 1.5), "ch_poto_3dmf_aux": (True, 0)}
    summary = {}
    for name, (heads, n, n_classes) in scenes.items():
        corner = 48 + 40 * rounded(rng, n, 2)
        size = 26 + 20 * rounded(rng, n, 2)
        boxes = np.concatenate([corner, corner + size], 1)
        if name == "ties":  # two objects the same, one between locations
            boxes = np.array([[20, 20, 60, 60.0]] * 2 + [[64, 32, 96, 64.0]])
        elif name == "empty_region":  # too small to hold any location
            boxes = np.concatenate([boxes, [[41, 49, 43, 51.0]]])
        boxes = boxes.astype(np.float32).astype(float).reshape(-1, 4)
        classes = np.arange(len(boxes)) % n_classes
        arrays = dict(heads.arrays, gt_boxes=boxes, gt_classes=classes)
        found = summary[name] = {}

        def add(variant, owner):
            at = np.flatnonzero(owner >= 0)
            labels = np.full(len(owner), n_classes)
            labels[at] = classes[owner[at]]
            arrays[f"{variant}.classes"] = labels
            arrays[f"{variant}.fg_index"] = at
            arrays[f"{variant}.fg_targets"] = heads.targets(boxes)[
                owner[at], at]
            found[variant] = {"num_fg": len(at)}

        if not len(boxes):
            for variant in (*rules, "aux", "fcos_wo_ctr"):
                found[variant] = {"reference_raises": "no objects"}
        for variant, (with_filter, radius) in rules.items():
            if not len(boxes):
                continue
            q = np.where(heads.allowed(boxes, radius),
                         heads.quality(boxes, classes, 0.8, with_filter), -1)
            owner = best_matching(q)
            at = np.flatnonzero(owner >= 0)
            add(variant, owner)
            arrays[f"{variant}.matrix"] = q
            # Where equal sums are possible only the sum is anybody's to ask.
            found[variant].update(lsa_total=float(q[owner[at], at].sum()),
                                  ties=name in ("ties", "empty_region"))
        if len(boxes):
            add("fcos_wo_ctr", assign_fcos(heads, boxes, 1.5))
        if len(boxes) and name != "ties":
            add("aux", assign_aux(heads, boxes, classes, 0.8, 9))
        save(folder / f"ops/assign_{name}.safetensors", arrays)
    (folder / "ops/assign.json").write_text(
        json.dumps({"sets": summary}, indent=1) + "\n")


def focal(p, log_p, log_not, positive):
    """(1 - p_t)^2, weighed 0.25 against 0.75."""
    return np.where(positive, -0.25 * (1 - p) ** 2 * log_p,
                    -0.75 * p ** 2 * log_not)


def focal_logit(x, positive):
    return focal(sigmoid(x), -np.logaddexp(0, -x), -np.logaddexp(0, x),
                 positive)


def focal_product(cls, filters, positive):
    p = sigmoid(cls) * sigmoid(filters)
    return focal(p, np.log(p), np.log1p(-p), positive)


def giou_loss(prediction, target):
    """Of (n, 4) distances left, top, right, bottom."""
    def area(d):
        return (np.maximum(d[:, 0] + d[:, 2], 0)
                * np.maximum(d[:, 1] + d[:, 3], 0))

    small, large = np.minimum(prediction, target), np.maximum(prediction,
                                                              target)
    inter = area(small)
    union = area(prediction) + area(target) - inter
    around = ((large[:, 0] + large[:, 2]) * (large[:, 1] + large[:, 3]))
    eps = 2.0 ** -23
    return (1 - inter / np.maximum(union, eps)
            + (around - union) / np.maximum(around, eps))


def make_losses(rng, folder):
    n, k = 60, 3
    classes = rng.integers(-1, k + 1, n)
    counted = (classes >= 0)[:, None]
    positive = classes[:, None] == np.arange(k)
    arrays = {"classes": classes}
    # Beyond 12 single precision has few digits of 1 - p left.
    for name, spread in (("normal", 4), ("extreme", 12)):
        x = spread * rounded(rng, n, k)
        filters = spread * rounded(rng, n, 1)
        x, filters = (a.astype(np.float32).astype(float) for a in (x, filters))
        for kind, function, inputs in (
                ("logit", lambda: focal_logit(x, positive), {"x": x}),
                ("prob", lambda: focal_product(x, filters, positive),
                 {"cls": x, "flt": filters})):
            each = function()
            arrays[f"{kind}.{name}.per_element"] = each
            arrays[f"{kind}.{name}.sum"] = np.array([(each * counted).sum()])
            for key, value in inputs.items():
                arrays[f"{kind}.{name}.{key}"] = value.copy()
                arrays[f"{kind}.{name}.g{key}"] = gradient(
                    lambda: (function() * counted).sum(), value)
    save(folder / "ops/focal_loss.safetensors", arrays)

    # No two sides alike: there the gradient is a matter of convention.
    target = 30 * (1.2 + rounded(rng, 40, 4))
    prediction = 30 * (1.1 + rounded(rng, 40, 4))
    target[:6, 0] *= -0.5  # the location is left of its object
    prediction[3:6, 2] *= 0.01
    target, prediction = (np.float32(a).astype(float)
                          for a in (target, prediction))
    save(folder / "ops/iou_loss.safetensors", {
        "pred": prediction.copy(), "target": target,
        "giou.loss": giou_loss(prediction, target),
        "giou.gpred": gradient(lambda: giou_loss(prediction, target).sum(),
                               prediction)})


def assign(config, heads, boxes, classes):
    """Winners of the one-to-one (or FCOS) and of the auxiliary rule."""
    none = np.full(len(heads.level), -1)
    if not len(boxes):
        return none, none
    poto = config.get("poto")
    if not poto:
        return assign_fcos(heads, boxes,
                           config["fcos_center_sampling_radius"]), none
    q = np.where(heads.allowed(boxes, poto["CENTER_SAMPLING_RADIUS"]),
                 heads.quality(boxes, classes, poto["ALPHA"],
                               heads.filter is not None), -1)
    # Another optimum must be worse than rounding is.
    owner, rng = best_matching(q), np.random.default_rng(0)
    for _ in range(5):
        shaken = q * (1 + 1e-5 * rng.uniform(-1, 1, q.shape))
        assert (best_matching(shaken) == owner).all()
    aux = none
    if "AUX_TOPK" in poto:
        aux = assign_aux(heads, boxes, classes, poto["ALPHA"],
                         poto["AUX_TOPK"])
    return owner, aux


def slope(function, x, step=1e-5):
    """Of a function that goes element by element."""
    return (function(x + step) - function(x - step)) / (2 * step)


def image_losses(config, heads, boxes, classes, owner, aux, n, n_aux):
    """Losses of one image and their gradients: logits, distances, filters."""
    k = heads.n_classes
    owns, aux_owns = (np.where(o >= 0, classes[o] if len(classes) else k, k)
                      [:, None] == np.arange(k) for o in (owner, aux))
    z, d, f = heads.logits, heads.deltas, heads.filter
    df = None
    if f is None:
        cls = focal_logit(z, owns)
        dz = slope(lambda x: focal_logit(x, owns), z) / n
    else:
        f = f[:, None]
        cls = focal_product(z, f, owns)
        dz = slope(lambda x: focal_product(x, f, owns), z) / n
        df = slope(lambda x: focal_product(z, x, owns).sum(1, keepdims=True),
                   f) / n
    losses = {"loss_cls": cls.sum() / n}
    if "AUX_TOPK" in config.get("poto", {}):
        losses["loss_cls_aux"] = focal_logit(z, aux_owns).sum() / n_aux
        dz = dz + slope(lambda x: focal_logit(x, aux_owns), z) / n_aux
    at = np.flatnonzero(owner >= 0)
    dd = np.zeros_like(d)
    weight = (config.get("reg_weight") or 1) / n
    losses["loss_box_reg"] = 0.0
    if len(at):
        target = heads.targets(boxes)[owner[at], at]
        losses["loss_box_reg"] = weight * giou_loss(d[at], target).sum()
        for side in range(4):
            unit = np.eye(4)[side]
            dd[at, side] = weight * slope(
                lambda x: giou_loss(d[at] + np.outer(x, unit), target),
                np.zeros(len(at)))
    return losses, (dz, dd, df)


def batch_step(detector, pictures, objects):
    """Losses and assignment of a batch, gradients in the detector's values."""
    config = detector.config
    x = batch_of(config, pictures)
    maps = detector.heads(detector.pyramid(detector.features(tape.Value(x))))
    heads = [Heads(*([m.data[i:i + 1] for m in kind] for kind in maps))
             for i in range(len(pictures))]
    found = [assign(config, a, *o) for a, o in zip(heads, objects)]
    n = sum((owner >= 0).sum() for owner, _ in found)
    n_aux = sum((aux >= 0).sum() for _, aux in found)
    losses, seeds = {}, [[np.zeros(m.shape) for m in kind] for kind in maps]
    for i, (a, o, (owner, aux)) in enumerate(zip(heads, objects, found)):
        parts, slopes = image_losses(config, a, *o, owner, aux, max(n, 1),
                                     max(n_aux, 1))
        for name, value in parts.items():
            losses[name] = losses.get(name, 0) + float(value)
        for kind, d in zip(seeds, slopes):
            first = 0
            for m in kind:
                size = m.shape[2] * m.shape[3]
                m[i] = d[first:first + size].T.reshape(m.shape[1:])
                first += size
    losses["total"] = sum(losses.values())
    for value in detector.values.values():
        if isinstance(value, tape.Value):
            value.grad = None
    tape.backward([(m, d) for kind, ds in zip(maps, seeds)
                   for m, d in zip(kind, ds)])
    return heads, found, losses


def is_norm(name):
    """Of a tower or of the 3DMF module: without weight decay."""
    parts = name.split(".")
    return "norm" in parts or (parts[1].endswith("subnet")
                               and int(parts[2]) % 3 == 1)


def make_train(folder, name, config, pictures, objects, kept):
    """A step, its gradients and two updates of SGD.  @kept: the parameters
    whose numbers are stored; of the others the manifest has the norms."""
    detector = Detector(config, tape)
    heads, found, losses = batch_step(detector, pictures, objects)
    k, trained = config["num_classes"], {
        n: v for n, v in detector.values.items() if isinstance(v, tape.Value)}
    arrays, index, targets = {}, [], []
    for i, (p, (boxes, classes)) in enumerate(zip(pictures, objects)):
        arrays.update({f"image.{i}": p, f"gt_boxes.{i}": boxes,
                       f"gt_classes.{i}": classes})
        for j in np.flatnonzero(found[i][0] >= 0):
            index.append((i, j))
            targets.append(heads[i].targets(boxes)[found[i][0][j], j])
    names = ("assign.classes", "aux.classes")
    for which, key in enumerate(names[:1 + ("loss_cls_aux" in losses)]):
        arrays[key] = np.stack([np.where(
            f[which] >= 0, o[1][f[which]] if len(o[1]) else k, k)
            for f, o in zip(found, objects)])
    arrays["assign.fg_index"] = np.array(index).reshape(-1, 2)
    arrays["assign.fg_targets"] = np.array(targets).reshape(-1, 4)
    hyper = {"lr": 0.002, "momentum": 0.9, "weight_decay": 1e-4,
             "weight_decay_norm": 0.0}
    start = {n: v.data.copy() for n, v in trained.items()}
    momentum = {n: 0 for n in trained}
    run = {"losses": losses, "num_fg": len(index), "num_fg_aux": int(
        sum((a >= 0).sum() for _, a in found)), "grad_norms": {
            n: [float(np.linalg.norm(v.grad)), float(np.abs(v.grad).max()),
                float(v.grad.sum())] for n, v in trained.items()},
           "sgd_hyper": hyper, "sgd_loss_trajectory": [losses]}
    arrays.update({f"grad.{n}": trained[n].grad for n in kept})
    for step in (1, 2):
        for n, v in trained.items():
            decay = 0 if is_norm(n) else hyper["weight_decay"]
            momentum[n] = (hyper["momentum"] * momentum[n] + v.grad
                           + decay * v.data)
            v.data = v.data - hyper["lr"] * momentum[n]
        arrays.update({f"sgd{step}.{n}": trained[n].data.copy() for n in kept})
        run[f"sgd{step}_update_norms"] = {
            n: float(np.linalg.norm(v.data - start[n]))
            for n, v in trained.items()}
        run["sgd_loss_trajectory"].append(
            batch_step(detector, pictures, objects)[2])
    save(folder / f"{name}.safetensors", arrays, {"kind": "train"})
    (folder / "manifest.json").write_text(
        json.dumps({name: run, f"{name}_noise": {"grad_rel_l2_max": 1e-4}},
                   indent=0) + "\n")
    print(f"{name}: {len(index)} foregrounds, losses {losses}")
    return detector


def picture(rng, h, w):
    blocks = rng.integers(0, 256, (-(-h // 8), -(-w // 8), 3))
    return blocks.repeat(8, 0).repeat(8, 1)[:h, :w].astype(np.uint8)


def objects_of(boxes, classes):
    return (np.array(boxes, float).reshape(-1, 4),
            np.array(classes, np.int64))


KEPT = ["backbone.bottom_up.res3.0.shortcut.weight",
        "backbone.fpn_lateral3.bias", "backbone.fpn_output5.bias",
        "backbone.top_block.p7.bias",
        "head.cls_score.weight", "head.cls_score.bias", "head.bbox_pred.bias",
        "head.bbox_subnet.1.weight", "head.cls_subnet.1.bias",
        "head.scales.0.scale", "head.scales.4.scale"]


def make_poto_train(folder):
    """Three images, padded to one size, of which one has no object."""
    rng = np.random.default_rng(5)
    config = dict(CONFIG, experiment="own/poto.res18.3dmf.aux", reg_weight=2.0,
                  poto={"ALPHA": 0.8, "CENTER_SAMPLING_RADIUS": 1.5,
                        "AUX_TOPK": 9})
    detector = make_train(
        folder / "models/own_r18_aux", "train_b3", config,
        [picture(rng, 64, 96), picture(rng, 50, 70), picture(rng, 60, 90)],
        [objects_of([[5, 8, 40, 50], [30, 20, 90, 60], [60, 3, 80, 30]],
                    [0, 2, 1]), objects_of([], []),
         objects_of([[10.5, 4.25, 60, 44], [40, 30, 88, 58]], [1, 1])],
        KEPT + ["head.filter.weight", "head.max3d.norm.weight"])
    write_config(folder / "models/own_r18_aux", config, detector)


def make_fcos_train(folder):
    """One image, no filter and no auxiliary loss."""
    rng = np.random.default_rng(6)
    config = FCOS
    detector = make_train(
        folder / "models/own_r50_fcos", "train_b1", config,
        [picture(rng, 64, 64)],
        [objects_of([[5, 8, 40, 50], [30, 20, 62, 60]], [0, 4])], KEPT)
    write_config(folder / "models/own_r50_fcos", config, detector)


def write_config(folder, config, detector):
    rows = [json.dumps(t) for t in detector.tensors]
    text = json.dumps(dict(config, synth={"seed": config["seed"],
                                          "tensors": ["HERE"]}), indent=1)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(
        text.replace('"HERE"', ",\n".join(rows)) + "\n")


def make_eval(folder):
    """COCO's figures, by pycocotools, of a made-up set: a crowd, all sizes,
    equal scores, two detections of one object, an empty picture."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rng = np.random.default_rng(11)
    images = [{"id": 7 * i + 3, "width": 400, "height": 300,
               "file_name": f"{i}.jpg"} for i in range(8)]
    annotations, detections = [], []
    for image in images[:-1]:
        for _ in range(rng.integers(1, 6)):
            side = rng.choice([20, 60, 140]) * rng.uniform(0.8, 1.2, 2)
            corner = rng.uniform(0, [400, 300] - side)
            box = [round(float(v), 2) for v in (*corner, *side)]
            category = int(rng.choice([2, 9, 40]))
            annotations.append({
                "id": len(annotations) + 1, "image_id": image["id"],
                "category_id": category, "bbox": box,
                "area": round(box[2] * box[3], 2),
                "iscrowd": int(len(annotations) % 6 == 5)})
            for _ in range(rng.integers(0, 3)):
                moved = np.array(box) + rng.normal(0, 0.08, 4) * np.array(
                    [box[2], box[3]] * 2)
                detections.append({
                    "image_id": image["id"], "category_id": category,
                    "bbox": [round(float(v), 2) for v in moved],
                    "score": round(float(rng.uniform()), 1)})
    for image in images:
        detections.append({
            "image_id": image["id"], "category_id": 9, "score": 0.45,
            "bbox": [round(float(v), 2) for v in rng.uniform(10, 90, 4)]})
    path = folder / "eval"
    path.mkdir(parents=True, exist_ok=True)
    gt, dt = path / "coco_mixed_gt.json", path / "coco_mixed_dt.json"
    gt.write_text(json.dumps({
        "images": images, "annotations": annotations,
        "categories": [{"id": i, "name": f"c{i}"} for i in (2, 9, 40)]}) + "\n")
    dt.write_text(json.dumps(detections) + "\n")
    truth = COCO(str(gt))
    figures = COCOeval(truth, truth.loadRes(str(dt)), "bbox")
    figures.evaluate()
    figures.accumulate()
    figures.summarize()
    precision, recall = (figures.eval[k] for k in ("precision", "recall"))
    names = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100",
             "ARs", "ARm", "ARl")
    (path / "coco_mixed_result.json").write_text(json.dumps({
        "stats": dict(zip(names, map(float, figures.stats))),
        "per_category_AP": {
            str(c): float(precision[:, :, k, 0, 2].mean())
            for k, c in enumerate(figures.params.catIds)},
        "recall_iou_x_cat_area_all_maxdet100": recall[:, :, 0, 2].tolist(),
        "precision_cat0_area_all_maxdet100_iou0.5_0.75":
            precision[[0, 5], :, 0, 0, 2].tolist()}) + "\n")


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                          else pathlib.Path(__file__).parent)
    parts = {
        "ops": make_ops,
        "model": lambda f: make_model(np.random.default_rng(1), f),
        "assign": lambda f: make_assign(np.random.default_rng(2), f),
        "matching": lambda f: make_matching(np.random.default_rng(4), f),
        "losses": lambda f: make_losses(np.random.default_rng(3), f),
        "poto": make_poto_train, "fcos": make_fcos_train,
        "batch": make_batch, "pictures": make_pictures,
        "listings": make_listings, "eval": make_eval,
    }
    for part in sys.argv[2:] or parts:
        parts[part](folder)


def make_ops(folder):
    rng = np.random.default_rng(1)
    save(folder / "ops/conv_bn_pool.safetensors", make_conv(rng))
    save(folder / "ops/groupnorm.safetensors", make_norm(rng))
    save(folder / "ops/bilinear.safetensors", make_bilinear(rng))
    save(folder / "ops/max3d_gn_a.safetensors", make_max3d(rng, True))
    save(folder / "ops/max3d_nogn_a.safetensors", make_max3d(rng, False))


if __name__ == "__main__":
    main()
