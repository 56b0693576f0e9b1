"""Intervals of AP over drawn images, and of the difference of two models draw
by draw, out of what `defcn eval --bootstrap` writes.

A model is one or several runs, seeds, by number: where there are several, a
draw takes as many of them as there are, with replacement, so that the interval
has what another seed would do in it; where there is one it has not."""
import math
import random
import statistics

import runs


def quantile(values, q):
    """Linear between neighbours, as numpy.quantile."""
    values = sorted(values)
    at = q * (len(values) - 1)
    low = math.floor(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (at - low) * (values[high] - values[low])


def interval(point, draws):
    return {"value": point, "low": quantile(draws, 0.025),
            "high": quantile(draws, 0.975)}


def drawn(sides, seeds):
    """Of every draw that all @sides have, the mean of the seeds drawn for it;
    @sides: by seed the figures and their draws."""
    rng = random.Random(1)
    for k in range(min(len(side[s][1]) for side in sides for s in seeds)):
        taken = [rng.choice(seeds) for _ in seeds]
        values = [[side[s][1][k] for s in taken] for side in sides]
        if all(v >= 0 for one in values for v in one):
            yield [statistics.mean(one) for one in values]


def side(figures, way, key="ap"):
    """By seed the figure and its draws, of by seed what defcn eval wrote."""
    columns = {s: runs.column(f, way) for s, f in figures.items()}
    return {s: (c[key], c["bootstrap"][key]["draws"])
            for s, c in columns.items()}


def figure(one):
    seeds = sorted(one)
    return interval(statistics.mean(one[s][0] for s in seeds),
                    [value for value, in drawn([one], seeds)])


def difference(one, other):
    """@one less @other, of the seeds that both have; None: there are none.  The
    verdict is "undecided" where the interval has 0 in it."""
    seeds = sorted(set(one) & set(other))
    if not seeds:
        return None
    found = interval(statistics.mean(one[s][0] - other[s][0] for s in seeds),
                     [a - b for a, b in drawn([one, other], seeds)])
    found["seeds"] = len(seeds)
    found["verdict"] = ("higher" if found["low"] > 0 else
                        "lower" if found["high"] < 0 else "undecided")
    return found
