#!/usr/bin/env python3
"""ONNX files of `defcn export`: what is in them, read by an own reader, and
what onnxruntime makes of them beside the core.  Prints TAP; what needs
onnxruntime is skipped where no Python with onnx and onnxruntime is found.

usage: test_export.py DEFCN CORE_PASS SOURCES
       (DEFCN_ONNX: a Python that has them; else runs/bench-venv's)
"""
import array
import itertools
import json
import math
import os
import pathlib
import re
import stat
import struct
import subprocess
import sys

import onnx_eval
import tap

DEFCN, CORE_PASS = map(os.path.abspath, sys.argv[1:3])
SOURCES = pathlib.Path(sys.argv[3]).resolve()
PERSON = SOURCES / "pipelines/models/person.safetensors"
SMALL = SOURCES / "pipelines/models/person-small.safetensors"
KINDS = subprocess.run([CORE_PASS, "kinds"], check=True, capture_output=True,
                       text=True).stdout.split()
KINDS.remove("ties")
KINDS.remove("resnet18-retinanet")  # --decode does not take them
KINDS.remove("resnet18-fcos")
LEVELS = (3, 4, 5, 6, 7)
FLOAT, UINT8, INT32, INT64 = 1, 2, 6, 7


def fields(data):
    """(number, value) of a protobuf message: ints, and bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value - (1 << 64) if value >> 63 else value

    while at < len(data):
        key = varint()
        wire = key & 7
        if wire == 0:
            yield key >> 3, varint()
            continue
        assert wire in (2, 5), "wire type %d" % wire
        size = varint() if wire == 2 else 4
        assert at + size <= len(data), "a field of %d bytes" % size
        yield key >> 3, bytes(data[at:at + size])
        at += size


def one(data, number, default=None):
    found = [value for n, value in fields(data) if n == number]
    assert len(found) <= 1, "field %d is there %d times" % (number, len(found))
    return found[0] if found else default


def all_of(data, number):
    return [value for n, value in fields(data) if n == number]


class Node:
    def __init__(self, data):
        self.inputs = [x.decode() for x in all_of(data, 1)]
        self.outputs = [x.decode() for x in all_of(data, 2)]
        self.name = one(data, 3).decode()
        self.op = one(data, 4).decode()
        self.attributes = dict(map(attribute, all_of(data, 5)))


def attribute(data):
    """Name and value of an AttributeProto."""
    name, kind = one(data, 1).decode(), one(data, 20)
    return name, {1: lambda: struct.unpack("<f", one(data, 2))[0],
                  2: lambda: one(data, 3),
                  3: lambda: one(data, 4).decode(),
                  7: lambda: all_of(data, 8)}[kind]()


class Tensor:
    def __init__(self, data):
        self.dims, self.type = all_of(data, 1), one(data, 2)
        raw = one(data, 9)
        self.values = array.array({FLOAT: "f", INT64: "q"}[self.type], raw)
        assert len(self.values) == math.prod(self.dims)


def value_info(data):
    """Name, type and dims, which are numbers or names."""
    tensor = one(one(data, 2), 1)
    dims = []
    for dim in all_of(one(tensor, 2), 1):
        name = one(dim, 2)
        dims.append(one(dim, 1) if name is None else name.decode())
    return one(data, 1).decode(), (one(tensor, 1), dims)


class Model:
    """An ONNX file."""

    def __init__(self, path):
        data = pathlib.Path(path).read_bytes()
        graph = one(data, 7)
        self.ir_version = one(data, 1)
        self.producer = one(data, 2).decode()
        self.opset = [(one(x, 1, b""), one(x, 2)) for x in all_of(data, 8)]
        self.metadata = {one(x, 1).decode(): one(x, 2).decode()
                         for x in all_of(data, 14)}
        self.nodes = [Node(x) for x in all_of(graph, 1)]
        self.constants = {one(x, 8).decode(): Tensor(x)
                          for x in all_of(graph, 5)}
        self.inputs = dict(map(value_info, all_of(graph, 11)))
        self.outputs = dict(map(value_info, all_of(graph, 12)))

    def of(self, op):
        return [node for node in self.nodes if node.op == op]


class Weights:
    """A safetensors file of float32 and float16."""

    def __init__(self, path):
        data = pathlib.Path(path).read_bytes()
        length = struct.unpack("<Q", data[:8])[0]
        self.header = json.loads(data[8:8 + length])
        self.spec = json.loads(
            self.header.get("__metadata__", {}).get("defcn.spec", "null"))
        self.data = data[8 + length:]

    def __contains__(self, name):
        return name in self.header

    def __getitem__(self, name):
        entry = self.header[name]
        begin, end = entry["data_offsets"]
        raw = self.data[begin:end]
        if entry["dtype"] == "F16":
            return struct.unpack("<%de" % (len(raw) // 2), raw)
        assert entry["dtype"] == "F32"
        return array.array("f", raw)

    def shape(self, name):
        return self.header[name]["shape"]


def export(model, path, *options, status=0):
    done = subprocess.run([DEFCN, "export", str(model), "--onnx", str(path),
                           *options], capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return done


def make(folder, kind):
    path = pathlib.Path(folder, kind + ".safetensors")
    if not path.exists():
        subprocess.run([CORE_PASS, "make", kind, path], check=True)
    return path


def models(folder):
    return [PERSON, SMALL] + [make(folder, kind) for kind in KINDS]


ENDS = 3000  # numbers of a tensor's beginning and end that are compared


def ends(values):
    return list(values[:ENDS]) + list(values[-ENDS:])


def folded(weights, layer):
    """Weight and bias of a convolution with its batch norm in them; of the
    weight the ends."""
    weight = weights[layer + ".weight"]
    rows = weights.shape(layer + ".weight")[0]
    size = len(weight) // rows
    places = ends(range(len(weight)))
    bias = (weights[layer + ".bias"] if layer + ".bias" in weights
            else [0.0] * rows)
    if layer + ".norm.weight" not in weights:
        return [weight[i] for i in places], bias
    gamma, beta, mean, var = (weights[layer + ".norm." + name] for name in (
        "weight", "bias", "running_mean", "running_var"))
    scale = [g / math.sqrt(v + 1e-5) for g, v in zip(gamma, var)]
    return ([weight[i] * scale[i // size] for i in places],
            [b + s * (x - m) for b, s, x, m in zip(beta, scale, bias, mean)])


def near(found, wanted, limit=1e-6):
    """Whether all are, measured by the largest."""
    top = max(map(abs, wanted)) or 1
    return len(found) == len(wanted) and all(
        abs(a - b) <= limit * top for a, b in zip(found, wanted))


def check_graph(model):
    """Every value is made once, before it is read; none is made for nothing;
    names of nodes are each there once."""
    known = set(model.inputs) | set(model.constants)
    read = set(model.outputs)
    names = set()
    for node in model.nodes:
        assert node.name not in names, node.name
        names.add(node.name)
        for name in node.inputs:
            assert name == "" or name in known, (node.name, name)
            read.add(name)
        for name in node.outputs:
            assert name not in known, name
            known.add(name)
    unread = {name for name in known - read
              if not re.search(r"TopK_\d+$", name)}
    assert not unread, unread
    assert set(model.outputs) <= known


def check_weights(model, weights):
    """Every parameter of the model file that inference reads is there, by its
    name, and nothing else but small constants."""
    wanted = {}
    for name in weights.header:
        layer, _, last = name.rpartition(".")
        if name == "__metadata__" or ".norm.running" in name:
            continue
        if last == "scale" or layer.endswith("max3d.norm") or (
                re.fullmatch(r"head\.\w+_subnet\.\d+", layer)
                and len(weights.shape(layer + ".weight")) == 1):
            wanted[name] = ends(weights[name])
        elif last == "weight" and len(weights.shape(name)) == 4:
            weight, bias = folded(weights, layer)
            wanted[name] = weight
            wanted[layer + ".bias"] = ends(bias)
            assert model.constants[name].dims == weights.shape(name), name
    for name, values in wanted.items():
        assert near(ends(model.constants[name].values), values), name
    others = set(model.constants) - set(wanted)
    assert all(name.startswith("constant.") for name in others), others


def convolutions(spec, weights):
    """How many the network has, layers of the head five times."""
    return sum(5 if name.startswith("head.") else 1 for name in weights.header
               if name.endswith(".weight") and len(weights.shape(name)) == 4)


def deforms(weights, name):
    """Whether that is the weight of a deformable convolution."""
    return name.replace(".weight", "_offset.weight") in weights.header


def check_nodes(model, weights):
    """The attributes that the core's ops have, and how many of each."""
    spec = weights.spec
    convs = model.of("Conv")
    assert len(convs) == convolutions(spec, weights)
    for node in convs:
        side = weights.shape(node.inputs[1])[2]
        assert node.attributes["kernel_shape"] == [side, side]
        if deforms(weights, node.inputs[1]):
            assert node.attributes["pads"] == [0] * 4
            assert node.attributes["strides"] == [3, 3]
        else:
            assert node.attributes["pads"] == [side // 2] * 4
        depthwise = node.inputs[1].endswith("depthwise.weight")
        grouped = (spec["groups"] if re.search(r"res\d\.\d+\.conv2\.",
                                               node.inputs[1])
                   and spec["depth"] >= 50 else 1)
        assert node.attributes["group"] == (
            weights.shape(node.inputs[1])[0] if depthwise else grouped)
    strided = [n for n in convs if n.attributes["strides"] == [2, 2]]
    assert len(strided) == (2 + 5 if spec["backbone"] == "mobilenetv2"
                            else 2 + 1 + 6)
    samples = model.of("GridSample")
    assert len(samples) == sum(deforms(weights, n.inputs[1]) for n in convs)
    assert bool(samples) == (spec.get("dcn_from", 0) > 0)
    for node in samples:
        assert node.attributes == {"align_corners": 0, "mode": "bilinear",
                                   "padding_mode": "zeros"}
    norms = model.of("InstanceNormalization")
    assert len(norms) == 5 * (2 * spec["tower_depth"]
                              + (spec["filter"] and spec["filter_norm"]))
    for node in norms:
        assert abs(node.attributes["epsilon"] - 1e-5) < 1e-9
        assert model.constants[node.inputs[1]].dims == [spec["norm_groups"]]
    tubes = [n for n in model.of("MaxPool") if "head" in n.name]
    assert len(tubes) == 5 * spec["filter"]
    for node in tubes:
        assert node.attributes["kernel_shape"] == [spec["phi"]] * 2
        assert node.attributes["pads"] == [spec["phi"] // 2] * 4
    stems = [n for n in model.of("MaxPool") if "head" not in n.name]
    assert len(stems) == (spec["backbone"] == "resnet")
    for node in stems:
        assert node.attributes == {"kernel_shape": [3, 3], "pads": [1] * 4,
                                   "strides": [2, 2]}
    linear = [n for n in model.of("Resize")
              if n.attributes["mode"] == "linear"]
    reach = spec["tau"] // 2
    assert len(linear) == spec["filter"] * sum(
        1 for a, b in itertools.product(range(5), range(5))
        if a != b and abs(a - b) <= reach)
    for node in model.of("Resize"):
        assert node.attributes["coordinate_transformation_mode"] == (
            "half_pixel" if node in linear else "asymmetric")
    anchors = spec.get("anchors", 0)
    assert len(model.of("Exp")) == (10 * anchors or
                                    5 * (not spec["norm_reg_targets"]))


def test_network(folder):
    """the network of every architecture is in the file, by name and number"""
    for path in models(folder):
        out = pathlib.Path(folder, "network.onnx")
        export(path, out)
        model, weights = Model(out), Weights(path)
        assert model.ir_version == 8 and model.opset == [(b"", 17)]
        assert model.producer == "defcn"
        check_graph(model)
        check_weights(model, weights)
        check_nodes(model, weights)


def level_sides(side):
    sides = [side // 8, side // 16, side // 32]
    for _ in range(2):
        sides.append((sides[-1] + 1) // 2)
    return sides


def test_shapes(folder):
    """inputs and outputs have the field's names; any size, or the one asked"""
    out = pathlib.Path(folder, "shapes.onnx")
    path = make(folder, "resnet18")
    export(path, out)
    model = Model(out)
    assert model.inputs == {
        "images": (FLOAT, ["batch", 3, "height", "width"])}
    assert list(model.outputs) == [
        "%s_p%d" % (name, level) for name in ("logits", "ltrb", "filter")
        for level in LEVELS]
    for level in LEVELS:
        for name, channels in (("logits", 2), ("ltrb", 4), ("filter", 1)):
            assert model.outputs["%s_p%d" % (name, level)] == (FLOAT, [
                "batch", channels, "height_p%d" % level, "width_p%d" % level])
    export(path, out, "--size", "352x160", "--batch", "3")
    model = Model(out)
    assert model.inputs == {"images": (FLOAT, [3, 3, 160, 352])}
    for level, h, w in zip(LEVELS, level_sides(160), level_sides(352)):
        assert model.outputs["ltrb_p%d" % level] == (FLOAT, [3, 4, h, w])
    export(path, out, "--decode", "--preprocess", "--size", "350x150")
    model = Model(out)
    assert model.inputs == {"images": (UINT8, ["batch", 150, 350, 3])}
    assert model.outputs == {"boxes": (FLOAT, ["batch", 100, 4]),
                             "scores": (FLOAT, ["batch", 100]),
                             "labels": (INT32, ["batch", 100])}
    export(make(folder, "resnet101-tau4"), out, "--decode", "-b", "2")
    model = Model(out)
    assert model.outputs["boxes"] == (FLOAT, [2, 35, 4])  # 5 levels of 7
    export(make(folder, "resnet34-baseline"), out)
    assert not any("filter" in name for name in Model(out).outputs)


def test_metadata(folder):
    """the metadata say how pictures are given and what classes there are"""
    out = pathlib.Path(folder, "metadata.onnx")
    for path in (PERSON, make(folder, "coco.poto.3dmf")):
        export(path, out)
        found, spec = Model(out).metadata, Weights(path).spec
        assert json.loads(found["names"]) == {
            str(i): name for i, name in enumerate(spec["labels"])}
        assert found["task"] == "detect"
        assert found["pixels"] == ("BGR" if spec["bgr"] else "RGB")
        for key, name in (("stride", "divisor"), ("short_edge",) * 2,
                          ("long_edge",) * 2, ("max_detections",) * 2,
                          ("topk",) * 2):
            assert int(found[key]) == spec[name], key
        for key in ("mean", "std"):
            assert near(json.loads(found[key]), spec[key]), key
        for key, name in (("threshold", "working_threshold"),
                          ("duplicate_iou",) * 2, ("nms_iou",) * 2):
            assert abs(float(found[key]) - spec[name]) < 1e-6, key
        assert found["normalized"] == "false"
        for name in Model(out).outputs:  # GStreamer's onnxinference looks so
            assert found[name] == "defcn-" + name
        assert json.loads(found["defcn.spec"]) == spec
        said = subprocess.run([DEFCN, "info", "--json", path], check=True,
                              capture_output=True, text=True).stdout
        assert found["model_sha256"] == json.loads(said)["sha256"]
    export(path, out, "--preprocess")
    found = Model(out).metadata
    assert found["pixels"] == "RGB" and found["normalized"] == "true"


def test_decode_nodes(folder):
    """boxes are put together as the core does it, with the model's numbers"""
    out = pathlib.Path(folder, "decode.onnx")
    for path in models(folder):
        spec = Weights(path).spec
        export(path, out, "--decode", "--preprocess")
        model = Model(out)
        check_graph(model)
        k = min(spec["topk"], spec["max_detections"])
        tops = [model.constants[node.inputs[1]].values.tolist()
                for node in model.of("TopK")]
        assert tops == [[k]] * 5 + [[min(5 * k, spec["max_detections"])]]
        masks = (len(model.of("GridSample"))
                 if spec.get("dcn_modulated") else 0)
        assert len(model.of("Sigmoid")) == 5 * (1 + spec["filter"]) + masks
        drops = 0 < spec["duplicate_iou"] < 1
        limits = {round(model.constants[node.inputs[1]].values[0], 6)
                  for node in model.of("Greater")
                  if node.inputs[1] in model.constants}
        assert limits == ({round(spec["duplicate_iou"], 6)} if drops
                          else set())
        assert len(model.of("SpaceToDepth")) == 4 * drops
        assert len(model.of("Neg")) == 1  # the padding
        turned = [node for node in model.of("Gather")
                  if node.attributes.get("axis") == 3]
        assert len(turned) == spec["bgr"]


def evaluate(model, scope, core):
    """What the nodes of @scope make of @core, a safetensors file with values of
    their inputs' names."""
    nodes = [node for node in model.nodes if node.name.startswith(scope + "/")]
    made = {name for node in nodes for name in node.outputs}
    values = {}
    for name in {name for node in nodes for name in node.inputs} - made:
        if name in model.constants:
            constant = model.constants[name]
            values[name] = onnx_eval.Array(constant.dims, constant.values)
        elif name == "images":
            values[name] = onnx_eval.Array(core.shape("pixels"),
                                           core["pixels"])
        elif name:
            values[name] = onnx_eval.Array(core.shape(name), core[name])
    onnx_eval.run(nodes, values)
    return values, nodes[-1].outputs[0]


def found_in(boxes, box, score, label):
    """Whether one of @boxes is the same, to rounding."""
    return any(label == b[2] and abs(score - b[1]) < 1e-5
               and near(b[0], box, 1e-4) for b in boxes)


def test_decode_values(folder):
    """boxes, scores and labels are the core's, computed by the specification"""
    out = pathlib.Path(folder, "values.onnx")
    for kind, n, w, h in (
            ("resnet18", 2, 96, 64), ("mobilenetv2", 1, 96, 160),
            ("resnext50", 1, 64, 96), ("resnet34-baseline", 1, 96, 64),
            ("resnet101-tau4", 1, 128, 64), ("ties", 1, 96, 64)):
        path = make(folder, kind)
        export(path, out, "--decode")
        core = Weights(core_pass(folder, path, n, w, h))
        values, _ = evaluate(Model(out), "decode", core)
        k, most = values["scores"].shape[1], core.shape("scores")[1]
        for i in range(n):
            sides = []
            for of, m in ((lambda x: values[x].values, k),
                          (lambda x: core[x], most)):
                scores, labels = (of(x)[i * m:(i + 1) * m]
                                  for x in ("scores", "labels"))
                sides.append([(list(of("boxes")[4 * (i * m + j):][:4]), s, c)
                              for j, (s, c) in enumerate(zip(scores, labels))
                              if s > 0])
            assert len(sides[0]) == min(k, len(sides[1])), sides
            assert len(sides[0]) > (0 if kind == "ties" else 9), sides
            if kind == "ties":  # of equal ones the first, whatever the level
                assert all(found_in([b], *a) for a, b in zip(*sides)), sides
            assert [b[1] for b in sides[0]] == sorted(
                (b[1] for b in sides[0]), reverse=True)
            last = sides[0][-1][1]
            for a, b in (sides, sides[::-1]):
                for box in a:
                    assert box[1] <= last + 1e-5 or found_in(b, *box), (
                        kind, box)


def test_preprocess_values(folder):
    """pictures of bytes become what the network takes, padded"""
    out = pathlib.Path(folder, "values.onnx")
    for kind, w, h in (("resnet18", 40, 33), ("resnext50", 32, 50),
                       ("resnet101-tau4", 64, 40)):
        path = make(folder, kind)
        export(path, out, "--preprocess")
        core = Weights(core_pass(folder, path, 2, w, h))
        values, last = evaluate(Model(out), "preprocess", core)
        assert list(values[last].shape) == core.shape("input"), kind
        assert near(values[last].values, core["input"]), kind


def test_same_bytes(folder):
    """the same export gives the same bytes"""
    a, b = (pathlib.Path(folder, name) for name in ("a.onnx", "b.onnx"))
    for path in (a, b):
        export(PERSON, path, "--decode")
    assert a.read_bytes() == b.read_bytes()


def test_checkpoint(folder):
    """what is not of the network, as a checkpoint has it, is left out"""
    path = make(folder, "resnet18")
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + length])
    end = len(data) - 8 - length
    for name in ("optimizer.x.momentum", "head.aux_score.weight"):
        header[name] = {"dtype": "F32", "shape": [4],
                        "data_offsets": [end, end + 16]}
        end += 16
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    checkpoint = pathlib.Path(folder, "checkpoint.safetensors")
    checkpoint.write_bytes(struct.pack("<Q", len(text)) + text
                           + data[8 + length:] + bytes(32))
    out, plain = (pathlib.Path(folder, n) for n in ("c.onnx", "p.onnx"))
    export(checkpoint, out)
    export(path, plain)
    model = Model(out)
    assert set(model.constants) == set(Model(plain).constants)
    check_weights(model, Weights(path))


def test_refused(folder):
    """bad input is named, and costs no file"""
    path = make(folder, "resnet18")
    folder = pathlib.Path(folder)
    before = path.read_bytes()
    cut, foreign, nan = (folder / name for name in (
        "cut.safetensors", "foreign.safetensors", "nan.safetensors"))
    cut.write_bytes(before[:-1000])
    text = json.dumps({"w": {"dtype": "F32", "shape": [1],
                             "data_offsets": [0, 4]}}).encode()
    foreign.write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
    length = struct.unpack("<Q", before[:8])[0]
    at = 8 + length + json.loads(before[8:8 + length])[
        "head.cls_score.bias"]["data_offsets"][0]
    nan.write_bytes(before[:at] + struct.pack("<f", math.nan)
                    + before[at + 4:])
    out = folder / "refused.onnx"
    out.write_bytes(b"mine")
    for model, file, options, status, words in (
            (cut, out, [], 1, ["cut.safetensors"]),
            (foreign, out, [], 1, ["foreign.safetensors", "defcn.spec"]),
            (nan, out, [], 1, ["nan.safetensors", "head.cls_score.bias"]),
            (folder / "none", out, [], 1, ["none"]),
            (path, folder / "no" / "x.onnx", [], 1,
             ["no/x.onnx", "folder does not exist"]),
            (path, folder, [], 1, ["is a folder"]),
            (path, path, [], 1, [str(path), "would be lost"]),
            (path, out, ["--size", "100x64"], 1,
             ["100x64", "multiples of 32", "128x64"]),
            (path, out, ["--size", "64x100"], 1, ["64x100", "64x128"]),
            (make(folder, "resnet101-tau4"), out, ["--size", "96x64"], 1,
             ["multiples of 64"]),
            (make(folder, "resnet18-retinanet"), out, ["--decode"], 1,
             ["resnet18-retinanet.safetensors: ",
              "several boxes a location", "leave it out"]),
            (make(folder, "resnet18-fcos"), out, ["--decode"], 1,
             ["resnet18-fcos.safetensors: ", "centerness", "leave it out"]),
            (path, out, ["--size", "64"], 2, ["--size", "64"]),
            (path, out, ["--size", "64x64x3"], 2, ["64x64x3"]),
            (path, out, ["--size", "0x64"], 2, ["0x64"]),
            (path, out, ["--batch", "0"], 2, ["--batch", "0"]),
            (path, out, ["--batch", "2x"], 2, ["2x"]),
            (path, out, ["extra"], 2, ["MODEL"])):
        done = export(model, file, *options, status=status)
        for word in words:
            assert word in done.stderr, (word, done.stderr)
        assert done.stderr.startswith("defcn export: "), done.stderr
        assert out.read_bytes() == b"mine"
        assert path.read_bytes() == before
    done = subprocess.run([DEFCN, "export", path], capture_output=True,
                          text=True)
    assert done.returncode == 2 and "--onnx" in done.stderr
    assert not list(folder.glob("*.onnx.*")), "a temporary file is left"


def test_written(folder):
    """a link is replaced, a file's mode kept, a full disk told"""
    path = make(folder, "resnet18")
    folder = pathlib.Path(folder)
    target, link = folder / "target", folder / "link.onnx"
    target.write_bytes(b"mine")
    link.symlink_to(target)
    export(path, link)
    assert target.read_bytes() == b"mine" and not link.is_symlink()
    check_graph(Model(link))
    link.chmod(0o600)
    export(path, link)
    assert stat.S_IMODE(link.stat().st_mode) == 0o600
    alias = folder / "alias.safetensors"
    alias.symlink_to(path)
    export(path, alias, status=0)  # the link goes, what it names stays
    assert not alias.is_symlink()
    Weights(path)
    done = export(path, "/dev/full", status=1)
    assert "/dev/full: cannot be written" in done.stderr, done.stderr
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 100; exec "$@"', "sh", DEFCN, "export",
         str(path), "--onnx", str(folder / "large.onnx")],
        capture_output=True, text=True)
    assert done.returncode == 1 and "large.onnx" in done.stderr
    assert not list(folder.glob("large*"))


def test_told(folder):
    """it says what it wrote, and which part of a rule is not in the graph"""
    out = pathlib.Path(folder, "told.onnx")
    said = export(PERSON, out, "--decode", "--preprocess").stdout
    assert "opset 17" in said and "uint8 [batch, height, width, 3]" in said
    assert "[batch, 100, 4]" in said
    said = export(PERSON, out, "--size", "576x320", "-b", "1").stdout
    assert "float [1, 3, 320, 576], RGB" in said and "filter_p3" in said
    assert "centerness" not in said
    fcos = export(make(folder, "resnet18-fcos"), out).stdout
    assert ", centerness_p3 .. p7" in fcos and "filter_p3" not in fcos
    baseline = make(folder, "resnet34-baseline")
    assert "NMS" in export(baseline, out, "--decode").stderr
    assert not export(baseline, out).stderr
    assert not export(PERSON, out, "--decode").stderr


# Run by a Python that has the engine: its name, then pairs of an ONNX file and
# what the core made.
COMPARE = r"""
import json, struct, sys
import numpy as np
import onnx


def read(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    return {name: np.frombuffer(data[slice(*entry["data_offsets"])],
                                np.float32).reshape(entry["shape"])
            for name, entry in header.items() if name != "__metadata__"}


def error(a, b):
    assert a.shape == b.shape, (a.shape, b.shape)
    return float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-6))


def boxes_error(found, core):
    '''Each of the core's has one of the same class, score and place, but for
    those that are as good as the last; and the other way round.'''
    worst = 0
    for i in range(len(core["scores"])):
        sides = [(np.asarray(s["boxes"][i], np.float64).reshape(-1, 4),
                  np.asarray(s["scores"][i]).ravel(),
                  np.asarray(s["labels"][i]).ravel()) for s in (found, core)]
        worst = max(worst, float(np.abs(
            sides[0][1] - sides[1][1][:len(sides[0][1])]).max()))
        assert (np.diff(sides[0][1]) <= 0).all(), "not best first"
        last = max(s[1][min(len(s[1]), len(sides[0][1])) - 1] for s in sides)
        for a, b in (sides, sides[::-1]):
            for box, score, label in zip(*a):
                if score <= last + 1e-4:
                    continue
                off = (np.abs(b[0] - box).max(1) / max(1, np.abs(box).max())
                       + np.abs(b[1] - score) + (b[2] != label))
                worst = max(worst, float(off.min()))
    return worst


def onnxruntime_session(path):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options,
                                           ["CPUExecutionProvider"])
    return lambda images, names: dict(
        zip(names, session.run(names, {"images": images})))


def openvino_session(path):
    import openvino
    engine = openvino.Core()
    network = engine.compile_model(engine.read_model(path), "CPU", {
        "INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"})

    def run(images, names):
        values = network([images])
        return {name: values[name] for name in names}

    return run


for path, out in zip(sys.argv[2::2], sys.argv[3::2]):
    onnx.checker.check_model(path, full_check=True)
    graph = onnx.load(path).graph
    kind = graph.input[0].type.tensor_type.elem_type
    core = read(out)
    found = globals()[sys.argv[1] + "_session"](path)(
        core["pixels"].astype(np.uint8) if kind == onnx.TensorProto.UINT8
        else core["input"], [output.name for output in graph.output])
    if "boxes" in found:
        n = int((core["scores"] > 0).sum() / len(core["pixels"]))
        print("%g %d boxes" % (boxes_error(found, core), n))
    else:
        assert set(found) == {n for n in core if "_p" in n}
        print("%g heads" % max(error(found[n], core[n]) for n in found))
"""


def onnx_python():
    """A Python that has onnx and onnxruntime, asked once."""
    if not hasattr(onnx_python, "found"):
        onnx_python.found = next(
            (p for p in (os.environ.get("DEFCN_ONNX"), sys.executable,
                         str(SOURCES / "runs/bench-venv/bin/python"))
             if p and os.path.exists(p) and subprocess.run(
                 [p, "-c", "import numpy, onnx, onnxruntime"],
                 stderr=subprocess.DEVNULL).returncode == 0), None)
    if not onnx_python.found:
        raise tap.Skipped("no Python with onnx and onnxruntime "
                          "(DEFCN_ONNX names one)")
    return onnx_python.found


def compare(pairs, engine):
    """Largest errors, and what was compared."""
    done = subprocess.run(
        [onnx_python(), "-c", COMPARE, engine,
         *(str(p) for p in itertools.chain(*pairs))],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(pairs), done.stdout
    return [(float(line.split()[0]), line) for line in lines]


def core_pass(folder, path, n, w, h):
    out = pathlib.Path(folder, "%s-%d-%dx%d.out" % (path.stem, n, w, h))
    if not out.exists():
        subprocess.run([CORE_PASS, "run", path, str(n), str(w), str(h), out],
                       check=True)
    return out


def check_runtime(folder, path, *options, sizes, engine="onnxruntime"):
    onnx = pathlib.Path(folder, path.stem + "-" + "".join(options) + ".onnx")
    export(path, onnx, *options)
    pairs = [(onnx, core_pass(folder, path, n, w, h)) for n, w, h in sizes]
    for (_, out), (error, line) in zip(pairs, compare(pairs, engine)):
        print("# %s %s: %s" % (out.stem, " ".join(options), line))
        assert error <= 1e-4, (out.stem, options, line)


def test_runtime_heads(folder):
    """onnxruntime's heads are the core's to 1e-4, of every architecture"""
    onnx_python()
    for path in models(folder) + [make(folder, "resnet18-retinanet")]:
        check_runtime(folder, path, sizes=[(1, 256, 192), (3, 320, 128)])


def test_runtime_boxes(folder):
    """its boxes, scores and labels are the core's to 1e-4, duplicates gone"""
    onnx_python()
    for path in models(folder):
        check_runtime(folder, path, "--decode",
                      sizes=[(1, 256, 192), (3, 320, 128), (1, 64, 64)])


def test_runtime_preprocess(folder):
    """pictures of bytes and of any size give what the core makes of them"""
    onnx_python()
    for path in (PERSON, make(folder, "coco.poto.3dmf"),
                 make(folder, "resnet101-tau4"), make(folder, "resnext50")):
        check_runtime(folder, path, "--preprocess",
                      sizes=[(1, 250, 190), (3, 310, 128)])
        check_runtime(folder, path, "--preprocess", "--decode",
                      sizes=[(1, 250, 190), (3, 310, 128)])


def test_runtime_fixed(folder):
    """a fixed size and number of images give the same"""
    onnx_python()
    for path in (SMALL, make(folder, "coco.poto.3dmf")):
        for more in ([], ["--decode"]):
            check_runtime(folder, path, "--size", "320x128", "--batch", "3",
                          *more, sizes=[(3, 320, 128)])
        check_runtime(folder, path, "--size", "310x128", "--decode",
                      "--preprocess", sizes=[(3, 310, 128)])


def test_runtime_openvino(folder):
    """OpenVINO gives the same"""
    python = onnx_python()
    if subprocess.run([python, "-c", "import openvino"],
                      stderr=subprocess.DEVNULL).returncode:
        raise tap.Skipped("%s has no openvino" % python)
    for options in ([], ["--decode", "--preprocess"]):
        check_runtime(folder, PERSON, *options, sizes=[(3, 320, 128)],
                      engine="openvino")


def test_onnxinference(folder):
    """GStreamer's onnxinference takes what is exported, boxes and heads"""
    if subprocess.run(["gst-inspect-1.0", "--exists",
                       "onnxinference"]).returncode:
        raise tap.Skipped("GStreamer has no onnxinference")
    onnx = pathlib.Path(folder, "inference.onnx")
    for options in (["--decode", "--preprocess"], ["--preprocess"]):
        export(SMALL, onnx, *options, "--size", "96x64", "--batch", "1")
        done = subprocess.run(
            ["gst-launch-1.0", "videotestsrc", "num-buffers=2", "!",
             "video/x-raw,format=RGB,width=96,height=64", "!",
             "onnxinference", "model-file=%s" % onnx, "!", "fakesink"],
            capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def readme(folder, python):
    """What README's commands and its snippet print, in @folder."""
    text = (SOURCES / "README.md").read_text(encoding="utf-8")
    section = text.split("## Use the model elsewhere\n")[1].split("\n## ")[0]
    blocks = re.findall(r"(?:^    .*\n)+", section, re.M)
    command, snippet = (re.sub("^    ", "", b, flags=re.M) for b in blocks)
    command = command.replace("build/training/defcn", DEFCN).replace(
        "pipelines/", "%s/pipelines/" % SOURCES)
    subprocess.run(["sh", "-e", "-c", command], check=True, cwd=folder,
                   stdout=subprocess.DEVNULL)
    done = subprocess.run([python, "-c", snippet], cwd=folder,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_runtime_readme(folder):
    """README's commands find the people that defcn finds"""
    python = onnx_python()
    if subprocess.run([python, "-c", "import PIL"],
                      stderr=subprocess.DEVNULL).returncode:
        raise tap.Skipped("%s has no pillow" % python)
    picture = pathlib.Path(folder, "street.jpg")
    picture.write_bytes((SOURCES / "pipelines/demo.jpg").read_bytes())
    numbers = [float(x) for x in re.findall(r"-?\d[\d.e+-]*",
                                            readme(folder, python))]
    found = list(zip(*[iter(numbers)] * 4))
    said = subprocess.run([DEFCN, "detect", "--json", "-", "--model", PERSON,
                           picture], check=True, capture_output=True,
                          text=True).stdout
    wanted = [d["box"] for d in json.loads(said)["detections"]]
    print("# %d boxes, defcn has %d" % (len(found), len(wanted)))
    same = sum(any(max(abs(a - b) for a, b in zip(box, other)) < 12
                   for other in found) for box in wanted)
    # pillow makes pictures smaller in another way
    assert len(wanted) > 3 and same >= 0.7 * len(wanted), (found, wanted)


if __name__ == "__main__":
    import tempfile
    with tempfile.TemporaryDirectory() as shared:
        sys.exit(tap.run(globals(), shared))
