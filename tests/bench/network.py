"""Reads what `defcn bench --dump` wrote and turns it into an ONNX model
(needs onnx) or a PyTorch function (needs torch)."""
import json
import struct

import numpy as np

OPSET = 17
CLAMP = 4.135166556742356  # log (1000 / 16), core/anchors.h


def read(path):
    """Steps and arrays of a safetensors file in float32."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    steps = json.loads(header.pop("__metadata__")["defcn.steps"])
    arrays = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        assert entry["dtype"] == "F32", name
        arrays[name] = np.frombuffer(
            data[begin:end], np.float32).reshape(entry["shape"])
    return steps, arrays


def head_numbers(arrays):
    """The outputs of the network, in order."""
    return sorted(int(name[1:]) for name in arrays
                  if name[0] == "y" and name != "y0")


class Builder:
    """Collects ONNX nodes.  Tensor N of the dump is called tN, in NCHW."""

    def __init__(self, steps, arrays):
        self.steps, self.arrays = steps, arrays
        self.nodes, self.constants = [], []

    def constant(self, name, array):
        from onnx import numpy_helper
        self.constants.append(numpy_helper.from_array(
            np.ascontiguousarray(array), name))
        return name

    def add(self, op, inputs, output=None, **attributes):
        from onnx import helper
        output = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def shape(self, number):
        return (self.arrays["y0"].shape if number == 0
                else tuple(self.steps[number - 1]["shape"]))

    def rectify(self, step, value, output):
        """Gives the last value of a step its name."""
        if step["relu"]:
            return self.add("Relu", [value], output)
        self.nodes[-1].output[0] = output
        return output

    def conv(self, n, step, inputs):
        names = [inputs[0], self.constant(
            f"w{n}", self.arrays[f"w{n}"].transpose(0, 3, 1, 2))]
        if f"b{n}" in self.arrays:
            names.append(self.constant(f"b{n}", self.arrays[f"b{n}"].ravel()))
        value = self.add(
            "Conv", names, group=step["groups"], pads=[step["pad"]] * 4,
            kernel_shape=[step["size"]] * 2, strides=[step["stride"]] * 2)
        if len(inputs) > 1:
            value = self.add("Add", [value, inputs[1]])
        self.rectify(step, value, f"t{n}")

    def max_pool(self, n, step, inputs):
        self.add("MaxPool", inputs, f"t{n}", kernel_shape=[3, 3],
                 pads=[1] * 4, strides=[2, 2])

    def relu(self, n, step, inputs):
        self.add("Relu", inputs, f"t{n}")

    def group_norm(self, n, step, inputs):
        """As PyTorch exports it: instance norm over the groups."""
        batch, h, w, c = step["shape"]
        groups = step["groups"]
        split = self.constant(f"s{n}", np.array([batch, groups, -1], np.int64))
        joined = self.constant(f"j{n}", np.array([batch, c, h, w], np.int64))
        one = self.constant(f"one{n}", np.ones(groups, np.float32))
        zero = self.constant(f"zero{n}", np.zeros(groups, np.float32))
        value = self.add("Reshape", [inputs[0], split])
        value = self.add("InstanceNormalization", [value, one, zero],
                         epsilon=1e-5)
        value = self.add("Reshape", [value, joined])
        for op, name in (("Mul", "w"), ("Add", "b")):
            scale = self.constant(
                f"{name}{n}", self.arrays[f"{name}{n}"].reshape(c, 1, 1))
            value = self.add(op, [value, scale])
        self.rectify(step, value, f"t{n}")

    def resize(self, value, to, **how):
        """To the height and width of the shape @to, which is NHWC."""
        name = f"size{len(self.nodes)}"
        sizes = self.constant(
            name, np.array([to[0], to[3], to[1], to[2]], np.int64))
        return self.add("Resize", [value, "", "", sizes], **how)

    def upsample_add(self, n, step, inputs):
        value = self.resize(
            inputs[1], step["shape"], mode="nearest",
            coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        self.add("Add", [inputs[0], value], f"t{n}")

    def tube_max(self, n, step, inputs):
        levels = []
        for i, value in enumerate(inputs[1:]):
            if i != step["self"]:
                value = self.resize(
                    value, step["shape"], mode="linear",
                    coordinate_transformation_mode="half_pixel")
            levels.append(value)
        value = self.add("Max", levels) if len(levels) > 1 else levels[0]
        phi = step["phi"]
        value = self.add("MaxPool", [value], kernel_shape=[phi] * 2,
                         pads=[phi // 2] * 4, strides=[1, 1])
        value = self.add("Add", [inputs[0], value])
        self.rectify(step, value, f"t{n}")

    def box(self, n, step, inputs):
        scale = self.constant(f"w{n}", self.arrays[f"w{n}"].reshape(1))
        value = self.add("Mul", [inputs[0], scale])
        if step["exponential"]:
            self.nodes[-1].output[0] = self.add("Exp", [value], f"t{n}")
            return
        value = self.add("Relu", [value])
        factor = self.constant(
            f"f{n}", np.array([step["factor"]], np.float32))
        self.add("Mul", [value, factor], f"t{n}")

    def anchors(self, n, step, inputs):
        """x, y, w, h of every anchor; four channels each."""
        anchors = np.array(step["anchors"], np.float32)
        clamp = self.constant(f"c{n}", np.array(CLAMP, np.float32))
        parts = [f"part{n}.{i}" for i in range(4 * len(anchors))]
        self.add("Split", inputs, axis=1)
        self.nodes[-1].output[:] = parts
        sides = []
        for k, box in enumerate(anchors):
            centres, halves = [], []
            for i in (0, 1):
                at, size, half = (
                    self.constant(f"a{n}.{k}.{i}.{j}", np.array(v, np.float32))
                    for j, v in enumerate((box[i], box[i + 2],
                                           box[i + 2] / 2)))
                centres.append(self.add("Add", [self.add(
                    "Mul", [parts[4 * k + i], size]), at]))
                halves.append(self.add("Mul", [self.add("Exp", [self.add(
                    "Min", [parts[4 * k + i + 2], clamp])]), half]))
            sides += [self.add(op, pair) for op in ("Sub", "Add")
                      for pair in zip(halves, centres)]
        self.add("Concat", sides, f"t{n}", axis=1)


def to_onnx(steps, arrays):
    """The model; its outputs are tN for every yN of @arrays but y0."""
    from onnx import TensorProto, helper
    builder = Builder(steps, arrays)
    for n, step in enumerate(steps, 1):
        getattr(builder, step["kind"])(
            n, step, [f"t{i}" for i in step["inputs"]])

    def info(number):
        n, h, w, c = builder.shape(number)
        return helper.make_tensor_value_info(
            f"t{number}", TensorProto.FLOAT, [n, c, h, w])

    heads = head_numbers(arrays)
    graph = helper.make_graph(
        builder.nodes, "defcn", [info(0)], [info(i) for i in heads],
        builder.constants)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)


def to_torch(steps, arrays, device, dtype):
    """A function of the input (NCHW) that gives the list of the heads."""
    import torch
    from torch.nn import functional as F

    def tensor(name):
        if name not in arrays:
            return None
        array = arrays[name]
        if name[0] == "w" and array.shape[:3] != (1, 1, 1):
            array = array.transpose(0, 3, 1, 2)
            return torch.tensor(array).to(device, dtype).contiguous(
                memory_format=torch.channels_last)
        return torch.tensor(array.ravel()).to(device, dtype)

    parameters = {name: tensor(name) for name in arrays if name[0] in "wb"}
    heads = head_numbers(arrays)

    def run(x):
        t = {0: x}
        for n, s in enumerate(steps, 1):
            a = [t[i] for i in s["inputs"]]
            w, b = parameters.get(f"w{n}"), parameters.get(f"b{n}")
            kind, relu = s["kind"], s["relu"]
            if kind == "conv":
                if w.dim() == 1:  # one 1x1 weight
                    w = w.view(-1, 1, 1, 1)
                y = F.conv2d(a[0], w, b, s["stride"], s["pad"], 1, s["groups"])
                y = y + a[1] if len(a) > 1 else y
            elif kind == "max_pool":
                y = F.max_pool2d(a[0], 3, 2, 1)
            elif kind == "relu":
                y, relu = a[0], True
            elif kind == "group_norm":
                y = F.group_norm(a[0], s["groups"], w, b)
            elif kind == "upsample_add":
                y = a[0] + F.interpolate(a[1], scale_factor=2, mode="nearest")
            elif kind == "tube_max":
                size = s["shape"][1:3]
                tube = a[1 + s["self"]]
                for i, level in enumerate(a[1:]):
                    if i != s["self"]:
                        tube = torch.maximum(tube, F.interpolate(
                            level, size=size, mode="bilinear",
                            align_corners=False))
                phi = s["phi"]
                y = a[0] + F.max_pool2d(tube, phi, 1, phi // 2)
            elif kind == "anchors":
                d = a[0].unflatten(1, (-1, 4))
                box = torch.tensor(s["anchors"]).to(d)[..., None, None]
                centre = box[:, :2] + box[:, 2:] * d[:, :, :2]
                half = box[:, 2:] * d[:, :, 2:].clamp(max=CLAMP).exp() / 2
                y = torch.cat([half - centre, half + centre], 2).flatten(1, 2)
            else:
                y = a[0] * w
                y = (torch.exp(y) if s["exponential"]
                     else torch.relu(y) * s["factor"])
            t[n] = torch.relu(y) if relu else y
        return [t[i] for i in heads]

    run.parameters = parameters
    return run
