"""Runs nodes of an ONNX graph in plain Python: those of decoding and of
preprocessing, on small arrays.  As the operators' specification has them, and
slow; an op, an attribute or a type that it has not is an error."""
import itertools
import math
import struct


class Array:
    """@values in C order."""

    def __init__(self, shape, values):
        self.shape, self.values = tuple(shape), list(values)
        assert math.prod(self.shape) == len(self.values), (shape, len(values))

    def strides(self):
        steps = [1]
        for side in self.shape[:0:-1]:
            steps.append(steps[-1] * side)
        return steps[::-1] if self.shape else []


def single(x):
    """To the nearest float32."""
    try:
        return struct.unpack("f", struct.pack("f", x))[0]
    except OverflowError:
        return math.copysign(math.inf, x)


def take(x, shape, place):
    """An array of @shape whose value at an index is x's at place (index), or
    what place() gives if that is no tuple."""
    steps = x.strides()
    values = []
    for index in itertools.product(*map(range, shape)):
        at = place(index)
        values.append(x.values[sum(i * s for i, s in zip(at, steps))]
                      if isinstance(at, tuple) else at)
    return Array(shape, values)


def spread(x, shape):
    """Broadcast to @shape."""
    if x.shape == tuple(shape):
        return x
    lacks = len(shape) - len(x.shape)
    return take(x, shape, lambda index: tuple(
        0 if side == 1 else i for i, side in zip(index[lacks:], x.shape)))


def common(arrays):
    rank = max(len(x.shape) for x in arrays)
    padded = [(1,) * (rank - len(x.shape)) + x.shape for x in arrays]
    shape = []
    for sides in zip(*padded):
        wide = {side for side in sides if side != 1}
        assert len(wide) <= 1, sides
        shape.append(wide.pop() if wide else 1)
    return shape


def each(function, rounds):
    """An op of one value of each input, all of one size."""
    def run(node, *inputs):
        shape = common(inputs)
        values = map(function, *(spread(x, shape).values for x in inputs))
        return Array(shape, (single(v) if rounds and isinstance(v, float) else v
                             for v in values))
    return run


def divide(a, b):
    if isinstance(a, int):
        return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    if b == 0:
        return math.nan if a == 0 or math.isnan(a) else math.inf * a
    return a / b


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def cast(node, x):
    to = {1: float, 6: int}[node.attributes["to"]]
    return Array(x.shape, map(to, x.values))


def shape_of(node, x):
    return Array([len(x.shape)], x.shape)


def reshape(node, x, shape):
    sides = [x.shape[i] if side == 0 else side
             for i, side in enumerate(shape.values)]
    if -1 in sides:
        rest = math.prod(side for side in sides if side != -1)
        sides[sides.index(-1)] = len(x.values) // rest
    return Array(sides, x.values)


def transpose(node, x):
    perm = node.attributes["perm"]
    back = [perm.index(i) for i in range(len(perm))]
    return take(x, [x.shape[i] for i in perm],
                lambda index: tuple(index[i] for i in back))


def unsqueeze(node, x, axes):
    shape = list(x.shape)
    for axis in sorted(axes.values):
        shape.insert(axis, 1)
    return Array(shape, x.values)


def squeeze(node, x, axes):
    assert all(x.shape[axis] == 1 for axis in axes.values)
    return Array([side for i, side in enumerate(x.shape)
                  if i not in axes.values], x.values)


def concat(node, *inputs):
    axis = node.attributes["axis"]
    shape = list(inputs[0].shape)
    shape[axis] = sum(x.shape[axis] for x in inputs)
    rows = math.prod(shape[:axis])
    sizes = [len(x.values) // rows for x in inputs]
    values = []
    for row in range(rows):
        for x, size in zip(inputs, sizes):
            values += x.values[row * size:row * size + size]
    return Array(shape, values)


def cut(x, axis, begin, end):
    shape = list(x.shape)
    shape[axis] = end - begin
    return take(x, shape, lambda index: index[:axis] + (
        index[axis] + begin,) + index[axis + 1:])


def slices(node, x, starts, ends, axes=None):
    for begin, end, axis in zip(starts.values, ends.values,
                                axes.values if axes else itertools.count()):
        x = cut(x, axis, *slice(begin, end).indices(x.shape[axis])[:2])
    return x


def split(node, x, sizes=None):
    axis, n = node.attributes["axis"], len(node.outputs)
    sizes = sizes.values if sizes else [x.shape[axis] // n] * n
    assert len(sizes) == n and sum(sizes) == x.shape[axis]
    ends = list(itertools.accumulate(sizes))
    return tuple(cut(x, axis, end - size, end)
                 for end, size in zip(ends, sizes))


def pad(node, x, pads, value):
    assert not node.attributes
    rank = len(x.shape)
    before, after = pads.values[:rank], pads.values[rank:]
    shape = [b + side + a for b, side, a in zip(before, x.shape, after)]

    def place(index):
        at = tuple(i - b for i, b in zip(index, before))
        return (at if all(0 <= i < side for i, side in zip(at, x.shape))
                else value.values[0])
    return take(x, shape, place)


def space_to_depth(node, x):
    n, c, h, w = x.shape
    side = node.attributes["blocksize"]
    return take(x, (n, c * side * side, h // side, w // side), lambda i: (
        i[0], i[1] % c, i[2] * side + i[1] // c // side,
        i[3] * side + i[1] // c % side))


def resize(node, x, roi, scales):
    assert node.attributes == {
        "mode": "nearest", "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "floor"}
    shape = [int(side * scale) for side, scale in zip(x.shape, scales.values)]
    return take(x, shape, lambda index: tuple(
        int(i / scale) for i, scale in zip(index, scales.values)))


def reduce_max(node, x):
    axis, = node.attributes["axes"]
    shape = x.shape[:axis] + (1,) + x.shape[axis + 1:]
    slabs = [cut(x, axis, i, i + 1).values for i in range(x.shape[axis])]
    return Array(shape, map(max, *slabs) if len(slabs) > 1 else slabs[0])


def top_k(node, x, k):
    n, size = x.shape
    k, = k.values
    assert node.attributes == {"axis": 1}
    values, places = [], []
    for row in range(n):
        of = x.values[row * size:row * size + size]
        best = sorted(range(size), key=lambda i: (-of[i], i))[:k]
        values += [of[i] for i in best]
        places += best
    return Array((n, k), values), Array((n, k), places)


def gather(node, x, at):
    axis = node.attributes.get("axis", 0)
    shape = x.shape[:axis] + at.shape + x.shape[axis + 1:]
    rank = len(at.shape)
    return take(x, shape, lambda i: i[:axis] + (
        at.values[i[axis] if rank else 0],) + i[axis + rank:])


def gather_elements(node, x, at):
    assert node.attributes == {"axis": 1}
    width = at.shape[1]
    return take(x, at.shape, lambda i: (i[0], at.values[i[0] * width + i[1]]))


def gather_nd(node, x, at):
    assert node.attributes == {"batch_dims": 1} and at.shape[2] == 1
    k = at.shape[1]
    return take(x, (x.shape[0], k) + x.shape[2:], lambda i: (
        i[0], at.values[i[0] * k + i[1]]) + i[2:])


def range_of(node, begin, end, step):
    values = range(begin.values[0], end.values[0], step.values[0])
    return Array([len(values)], values)


OPS = {
    "Add": each(lambda a, b: a + b, True),
    "Sub": each(lambda a, b: a - b, True),
    "Mul": each(lambda a, b: a * b, True),
    "Div": each(divide, True),
    "Mod": each(lambda a, b: a % b, False),
    "Neg": each(lambda a: -a, False),
    "Min": each(min, False),
    "Max": each(max, False),
    "Greater": each(lambda a, b: a > b, False),
    "GreaterOrEqual": each(lambda a, b: a >= b, False),
    "Less": each(lambda a, b: a < b, False),
    "Or": each(lambda a, b: a or b, False),
    "Where": each(lambda c, a, b: a if c else b, False),
    "Sigmoid": each(sigmoid, True),
    "Cast": cast, "Shape": shape_of, "Reshape": reshape,
    "Transpose": transpose, "Unsqueeze": unsqueeze, "Squeeze": squeeze,
    "Concat": concat, "Slice": slices, "Split": split, "Pad": pad,
    "SpaceToDepth": space_to_depth, "Resize": resize,
    "ReduceMax": reduce_max, "TopK": top_k, "Gather": gather,
    "GatherElements": gather_elements, "GatherND": gather_nd,
    "Range": range_of,
}


def run(nodes, values):
    """Adds to @values, which has the inputs and constants by name, what
    @nodes compute."""
    for node in nodes:
        inputs = [values[name] if name else None for name in node.inputs]
        outputs = OPS[node.op](node, *inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        assert len(outputs) >= len(node.outputs), node.name
        values.update(zip(node.outputs, outputs))
