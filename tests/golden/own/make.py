"""Writes the small goldens beside it, in the form of the golden set: single rows
with gradients, the 3DMF module, a whole ResNet-18 detector, label assignment
and the losses.

Everything is written down once more in numpy's double precision, apart from the
C code; gradients are central differences, good to 1e-8.

usage: make.py [FOLDER]        (needs numpy)
"""
import json
import pathlib
import struct
import sys

import numpy as np

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


def max3d(xs, weights, tau, phi):
    """Eq. 5 and 6: the module's outputs on all levels."""
    filtered = [conv(x, weights["conv.weight"], weights["conv.bias"])
                for x in xs]
    outputs = []
    for level, x in enumerate(xs):
        near = filtered[max(level - tau // 2, 0):level + tau // 2 + 1]
        tube = np.max([bilinear(f, *x.shape[2:]) for f in near], 0)
        y = x + windows(pad(tube, phi // 2, -np.inf), phi, 1).max((4, 5))
        if "norm.weight" in weights:
            y = group_norm(y, weights["norm.weight"], weights["norm.bias"])
        outputs.append(np.maximum(y, 0))
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
    """ResNet-18, FPN and the head, as in sections 2 to 4 of the paper."""

    def __init__(self, config):
        self.config, self.seed = config, config["seed"]
        self.tensors, self.values = [], {}

    def get(self, name, shape, lo, hi):
        if name not in self.values:
            self.tensors.append(
                {"name": name, "shape": list(shape), "lo": lo, "hi": hi})
            self.values[name] = synthetic(name, shape, lo, hi, self.seed)
        return self.values[name]

    def conv(self, x, name, out, size, stride=1, bias=(-0.2, 0.2), gain=2.0):
        limit = gain * (3 / (x.shape[1] * size * size)) ** 0.5
        w = self.get(name + ".weight", (out, x.shape[1], size, size), -limit,
                     limit)
        b = self.get(name + ".bias", (out,), *bias) if bias else None
        return conv(x, w, b, stride)

    def conv_norm(self, x, name, out, size, stride=1, spread=1.0):
        y = self.conv(x, name, out, size, stride, None, 1.0)
        n = name + ".norm."
        scale = (self.get(n + "weight", (out,), 0.7, 1.3) / np.sqrt(self.get(
            n + "running_var", (out,), 0.5 * spread ** 2, 1.5 * spread ** 2)
            + EPS))
        shift = (self.get(n + "bias", (out,), -0.3, 0.3)
                 - scale * self.get(n + "running_mean", (out,), -0.3 * spread,
                                    0.3 * spread))
        return y * scale[:, None, None] + shift[:, None, None]

    def features(self, x):
        backbone = self.config["backbone"]
        x = np.maximum(self.conv_norm(
            x, "backbone.bottom_up.stem.conv1", backbone["STEM_OUT_CHANNELS"],
            7, 2, 70.0), 0)
        x = max_pool(x)
        kept = []
        for stage in range(2, 6):
            out = backbone["RES2_OUT_CHANNELS"] << (stage - 2)
            for block in range(2):
                name = f"backbone.bottom_up.res{stage}.{block}"
                stride = 2 if stage > 2 and block == 0 else 1
                skip = x
                if x.shape[1] != out:
                    skip = self.conv_norm(x, name + ".shortcut", out, 1, stride)
                y = np.maximum(
                    self.conv_norm(x, name + ".conv1", out, 3, stride), 0)
                x = np.maximum(
                    self.conv_norm(y, name + ".conv2", out, 3) + skip, 0)
            kept.append(x)
        return kept[1:]

    def pyramid(self, features):
        c = self.config["fpn_channels"]
        levels, top = [None] * 3, None
        for i in (2, 1, 0):
            t = self.conv(features[i], f"backbone.fpn_lateral{i + 3}", c, 1)
            if top is not None:
                t = t + top.repeat(2, 2).repeat(2, 3)
            top = t
            levels[i] = self.conv(t, f"backbone.fpn_output{i + 3}", c, 3)
        levels.append(self.conv(levels[2], "backbone.top_block.p6", c, 3, 2))
        levels.append(self.conv(np.maximum(levels[3], 0),
                                "backbone.top_block.p7", c, 3, 2))
        return levels

    def tower(self, x, name):
        for i in range(self.config["num_convs"]):
            x = self.conv(x, f"head.{name}.{3 * i}", x.shape[1], 3)
            w, b = (self.get(f"head.{name}.{3 * i + 1}.{p}", (x.shape[1],),
                             *limits) for p, limits in
                    (("weight", (0.6, 1.4)), ("bias", (-0.2, 0.2))))
            x = np.maximum(group_norm(x, w, b), 0)
        return x

    def heads(self, levels):
        logits, deltas, towers = [], [], []
        for l, x in enumerate(levels):
            logits.append(self.conv(self.tower(x, "cls_subnet"),
                                    "head.cls_score",
                                    self.config["num_classes"], 3,
                                    bias=(-2.0, -1.0)))
            towers.append(self.tower(x, "bbox_subnet"))
            box = self.conv(towers[-1], "head.bbox_pred", 4, 3, bias=(1.6, 2.4))
            scale = self.get(f"head.scales.{l}.scale", (1,), 0.75, 1.3)
            deltas.append(np.maximum(scale * box, 0) * (8 << l))
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
                                  rule["kernel_size"])]
        return logits, deltas, filters


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def decode(config, logits, deltas, filters):
    """Section 3.2's inference: boxes, scores, classes, best first."""
    found = []
    for l, (z, d, f) in enumerate(zip(logits, deltas, filters)):
        stride = 8 << l
        score = sigmoid(z[0]) * sigmoid(f[0])
        ranked = sorted(np.ndindex(score.shape), key=lambda i: -score[i])
        for k, y, x in ranked[:config["topk_candidates"]]:
            if score[k, y, x] > config["score_thresh"]:
                cx, cy = x * stride + stride / 2, y * stride + stride / 2
                left, top, right, bottom = d[0, :, y, x]
                found.append((score[k, y, x], k, cx - left, cy - top,
                              cx + right, cy + bottom))
    found.sort(key=lambda b: -b[0])
    found = np.array(found[:config["detections_per_image"]])
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


def make_model(rng, folder):
    h, w, out_h, out_w = 64, 96, 90, 130
    picture = rng.integers(0, 256, (8, 12, 3)).repeat(8, 0).repeat(8, 1)
    picture = picture.astype(np.uint8)
    detector = Detector(CONFIG)
    x = (picture - np.array(CONFIG["pixel_mean_bgr"], np.float32).astype(float))
    features = detector.features(x.transpose(2, 0, 1)[None])
    levels = detector.pyramid(features)
    logits, deltas, filters = detector.heads(levels)
    boxes, scores, classes = decode(CONFIG, logits, deltas, filters)
    final = boxes * np.array([out_w / w, out_h / h] * 2)
    final = np.clip(final, 0, [out_w, out_h] * 2)
    arrays = {"image.0": picture,
              "raw_det.0.boxes": boxes, "raw_det.0.scores": scores,
              "raw_det.0.classes": classes, "det.0.boxes": final,
              "det.0.scores": scores, "det.0.classes": classes,
              "det.0.out_size": np.array([out_h, out_w])}
    for i, f in enumerate(features):
        arrays[f"backbone.res{i + 3}"] = f
    for l in range(5):
        arrays.update({f"fpn.p{l + 3}": levels[l], f"logits.p{l + 3}": logits[l],
                       f"deltas.p{l + 3}": deltas[l],
                       f"filter.p{l + 3}": filters[l]})
    save(folder / "forward_single.safetensors", arrays, {"kind": "forward"})
    config = dict(CONFIG, synth={"seed": CONFIG["seed"],
                                 "tensors": detector.tensors})
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    print(f"{len(scores)} boxes, scores {scores[0]:.3f} .. {scores[-1]:.3f}")


STRIDES = (8, 16, 32, 64, 128)
RANGES = ((-1, 64), (64, 128), (128, 256), (256, 512), (512, np.inf))


class Heads:
    """Made-up predictions for one picture, flattened: P3 .. P7, row-major."""

    def __init__(self, rng, height, width, n_classes, shared=False):
        self.arrays, self.sizes = {}, []
        centres, logits, deltas, filters, levels = [], [], [], [], []
        for l, stride in enumerate(STRIDES):
            h, w = -(-height // stride), -(-width // stride)
            z = 3 * rounded(rng, 1, n_classes, h, w) - 1
            d = 3 * stride * (1.2 + rounded(rng, 1, 4, h, w))
            f = 2 * rounded(rng, 1, 1, h, w)
            if shared:  # the same everywhere: equal qualities
                z, d, f = 0 * z - 1, 0 * d + 2 * stride, 0 * f + 0.5
            z, d, f = (a.astype(np.float32).astype(float) for a in (z, d, f))
            self.arrays.update({f"logits.p{l + 3}": z, f"deltas.p{l + 3}": d,
                                f"filter.p{l + 3}": f})
            y, x = np.mgrid[:h, :w]
            centres.append((np.stack([x, y], 2).reshape(-1, 2) + 0.5) * stride)
            logits.append(z[0].reshape(n_classes, -1).T)
            deltas.append(d[0].reshape(4, -1).T)
            filters.append(f[0].reshape(-1))
            levels.append(np.full(h * w, l))
        self.n_classes = n_classes
        self.centres, self.level = np.concatenate(centres), np.concatenate(levels)
        self.logits, self.deltas = np.concatenate(logits), np.concatenate(deltas)
        self.filter = np.concatenate(filters)
        self.stride = np.array(STRIDES)[self.level]

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
    sides = np.maximum(np.minimum(a[:, None, 2:], b[:, 2:])
                       - np.maximum(a[:, None, :2], b[:, :2]), 0)
    inter = sides.prod(2)
    union = ((a[:, 2:] - a[:, :2]).prod(1)[:, None]
             + (b[:, 2:] - b[:, :2]).prod(1) - inter)
    iou = np.divide(inter, union, out=np.zeros_like(inter), where=inter > 0)
    save(folder / "ops/pairwise_iou.safetensors", {"a": a, "b": b, "iou": iou})


def make_assign(rng, folder):
    """Sets of predictions and objects, and what each rule makes of them."""
    scenes = {
        "crowd": (Heads(rng, 128, 160, 1), 14, 1),
        "two_classes": (Heads(rng, 128, 160, 2), 6, 2),
        "ties": (Heads(rng, 128, 128, 2, True), 0, 2),
        "empty_region": (Heads(rng, 128, 128, 2), 3, 2),
        "none": (Heads(rng, 64, 64, 2), 0, 2),
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


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1
                          else pathlib.Path(__file__).parent)
    rng = np.random.default_rng(1)
    save(folder / "ops/conv_bn_pool.safetensors", make_conv(rng))
    save(folder / "ops/groupnorm.safetensors", make_norm(rng))
    save(folder / "ops/bilinear.safetensors", make_bilinear(rng))
    save(folder / "ops/max3d_gn_a.safetensors", make_max3d(rng, True))
    save(folder / "ops/max3d_nogn_a.safetensors", make_max3d(rng, False))
    (folder / "models/own_r18_3dmf").mkdir(parents=True, exist_ok=True)
    make_model(rng, folder / "models/own_r18_3dmf")
    make_assign(np.random.default_rng(2), folder)
    make_matching(np.random.default_rng(4), folder)
    make_losses(np.random.default_rng(3), folder)


main()
