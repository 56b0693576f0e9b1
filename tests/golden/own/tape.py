"""Reverse-mode differentiation of what a detector is made of, in numpy's double
precision: a value knows the values that it is made of and, for each, how its
own gradient goes there.  Arrays are NCHW."""
import itertools

import numpy as np

EPS = 1e-5
serial = itertools.count()


class Value:
    def __init__(self, data, sources=()):
        self.data, self.sources = data, sources
        self.grad, self.at = None, next(serial)

    shape = property(lambda self: self.data.shape)

    def __add__(self, other):
        return Value(self.data + data_of(other), [
            (self, lambda d: fold(d, self.shape))] + (
                [(other, lambda d: fold(d, other.shape))]
                if isinstance(other, Value) else []))

    def __mul__(self, other):
        a, b = self.data, data_of(other)
        return Value(a * b, [
            (self, lambda d: fold(d * b, a.shape))] + (
                [(other, lambda d: fold(d * a, b.shape))]
                if isinstance(other, Value) else []))


def data_of(x):
    return x.data if isinstance(x, Value) else np.asarray(x)


def fold(d, shape):
    """The gradient of what was broadcast from @shape."""
    d = d.sum(tuple(range(d.ndim - len(shape))))
    return d.sum(tuple(i for i, n in enumerate(shape) if n == 1),
                 keepdims=True).reshape(shape)


def backward(seeds):
    """@seeds: pairs of a value and its gradient.  Adds to .grad of all."""
    waiting = {}
    for value, d in seeds:
        value.grad = d if value.grad is None else value.grad + d
        waiting[value.at] = value
    while waiting:
        value = waiting.pop(max(waiting))
        for source, rule in value.sources:
            d = rule(value.grad)
            source.grad = d if source.grad is None else source.grad + d
            waiting[source.at] = source


def pad(x, size, value=0.0):
    return np.pad(x, ((0, 0), (0, 0), (size, size), (size, size)),
                  constant_values=value)


def taps(size, stride, shape):
    """Where in a padded map each tap of a window lies, for all windows."""
    for y, x in itertools.product(range(size), repeat=2):
        yield (y, x), (slice(None), slice(None),
                       slice(y, y + stride * (shape[2] - 1) + 1, stride),
                       slice(x, x + stride * (shape[3] - 1) + 1, stride))


def cut(d, size):
    return d[:, :, size:d.shape[2] - size, size:d.shape[3] - size]


def conv(x, w, b, stride=1, groups=1):
    """Padding (size - 1) / 2."""
    size, c_out = w.shape[2], w.shape[0]
    padded = pad(x.data, size // 2)
    shape = (x.shape[0], c_out, (x.shape[2] - 1) // stride + 1,
             (x.shape[3] - 1) // stride + 1)
    c, o = w.shape[1], c_out // groups
    weights = data_of(w)
    parts = [(g, slice(g * c, g * c + c), slice(g * o, g * o + o))
             for g in range(groups)]
    y = np.zeros(shape)
    for (i, j), at in taps(size, stride, shape):
        for _, ins, outs in parts:
            y[:, outs] += np.einsum("nchw,oc->nohw", padded[at][:, ins],
                                    weights[outs, :, i, j], optimize=True)

    def to_x(d):
        dx = np.zeros_like(padded)
        for (i, j), at in taps(size, stride, shape):
            for _, ins, outs in parts:
                dx[at][:, ins] += np.einsum(
                    "nohw,oc->nchw", d[:, outs], weights[outs, :, i, j],
                    optimize=True)
        return cut(dx, size // 2)

    def to_w(d):
        dw = np.zeros_like(weights)
        for (i, j), at in taps(size, stride, shape):
            for _, ins, outs in parts:
                dw[outs, :, i, j] = np.einsum(
                    "nohw,nchw->oc", d[:, outs], padded[at][:, ins],
                    optimize=True)
        return dw

    sources = [(x, to_x)] + ([(w, to_w)] if isinstance(w, Value) else [])
    y = Value(y, sources)
    return y if b is None else y + channels(b)


def channels(v):
    """A vector over the channels, ready for a map."""
    if isinstance(v, Value):
        return Value(v.data[:, None, None], [(v, lambda d: d[:, 0, 0])])
    return v[:, None, None]


def window_max(x, size, stride):
    padded = pad(x.data, size // 2, -np.inf)
    shape = x.shape[:2] + ((x.shape[2] - 1) // stride + 1,
                           (x.shape[3] - 1) // stride + 1)
    stack = np.stack([padded[at] for _, at in taps(size, stride, shape)])
    best = stack.argmax(0)

    def to_x(d):
        dx = np.zeros_like(padded)
        for k, (_, at) in enumerate(taps(size, stride, shape)):
            dx[at] += d * (best == k)
        return cut(dx, size // 2)

    return Value(stack.max(0), [(x, to_x)])


def max_pool(x):
    return window_max(x, 3, 2)


def relu(x):
    return Value(np.maximum(x.data, 0), [(x, lambda d: d * (x.data > 0))])


def largest(xs):
    stack = np.stack([x.data for x in xs])
    best = stack.argmax(0)
    return Value(stack.max(0), [(x, lambda d, k=k: d * (best == k))
                                for k, x in enumerate(xs)])


def double(x):
    n, c, h, w = x.shape
    return Value(x.data.repeat(2, 2).repeat(2, 3), [
        (x, lambda d: d.reshape(n, c, h, 2, w, 2).sum((3, 5)))])


def linear(x, rows, columns):
    """Every map from both sides: a resize."""
    return Value(
        np.einsum("yi,ncij,xj->ncyx", rows, x.data, columns, optimize=True),
        [(x, lambda d: np.einsum("yi,ncyx,xj->ncij", rows, d, columns,
                                 optimize=True))])


def group_norm(x, w, b, groups=32):
    n = x.shape[0]
    split = x.data.reshape(n, groups, -1)
    std = np.sqrt(split.var(2, keepdims=True) + EPS)
    normal = (split - split.mean(2, keepdims=True)) / std

    def to_x(d):
        d = d.reshape(split.shape)
        return ((d - d.mean(2, keepdims=True)
                 - normal * (d * normal).mean(2, keepdims=True))
                / std).reshape(x.shape)

    return (Value(normal.reshape(x.shape), [(x, to_x)]) * channels(w)
            + channels(b))
