#!/usr/bin/env python3
"""Made-up MOT-challenge sequences, and what TrackEval and py-motmetrics say of
them.

    make.py FILE.json     writes the figures of all (needs trackeval 1.0 and
                          motmetrics 1.4 of PyPI): tests/e2e/tracks/figures.json
"""
import json
import os
import random
import sys
import tempfile

# Name -> TrackEval's benchmark: MOT15 has no classes.
CASES = {"plain-1": "MOT15", "plain-2": "MOT15", "plain-3": "MOT15",
         "crowd": "MOT15", "marks": "MOT15", "classes-1": "MOT17",
         "classes-2": "MOT17", "gaps": "MOT15", "empty-frames": "MOT15",
         "perfect": "MOT15", "swapped": "MOT15", "no-truth": "MOT15",
         "no-result": "MOT15", "no-match": "MOT15"}


def walk(rng, n, frames, still=False):
    """[(frame, id, x, y, w, h)] of @n people who come and go."""
    rows = []
    for i in range(n):
        first = rng.randrange(1, frames // 2)
        last = rng.randrange(first + 5, frames + 1)
        x, y = rng.uniform(0, 600), rng.uniform(0, 400)
        vx, vy = (0, 0) if still else (rng.uniform(-5, 5), rng.uniform(-3, 3))
        w, h = rng.uniform(20, 50), rng.uniform(50, 120)
        for frame in range(first, last + 1):
            rows.append((frame, i + 1, x, y, w, h))
            x, y = x + vx, y + vy
    return rows


def track(rng, rows, miss=0.15, noise=4.0, switch=0.03, false=0.1):
    """What a tracker makes of them."""
    out, ids, fresh, frames = [], {}, 100, max(r[0] for r in rows)
    for frame, i, x, y, w, h in sorted(rows):
        if i not in ids or rng.random() < switch:
            fresh += 1
            if rng.random() < 0.3 and ids:  # somebody else's
                other = rng.choice(sorted(ids))
                ids[i], ids[other] = ids[other], ids.get(i, fresh)
            else:
                ids[i] = fresh
        if rng.random() < miss:
            continue
        out.append((frame, ids[i]) + tuple(v + rng.gauss(0, noise)
                                           for v in (x, y, w, h)))
    for k in range(int(false * len(out))):
        out.append((rng.randrange(1, frames + 1), 1000 + k,
                    rng.uniform(0, 600), rng.uniform(0, 400), 40, 90))
    seen, unique = set(), []
    for row in out:
        if row[:2] not in seen and row[4] > 1 and row[5] > 1:
            seen.add(row[:2])
            unique.append(row)
    return unique


def text(rows, marks=None):
    lines = []
    for k, row in enumerate(rows):
        mark, kind = marks[k] if marks else (1, -1)
        lines.append("%d,%d,%.3f,%.3f,%.3f,%.3f,%g,%d,-1,-1\n"
                     % (row + (mark, kind)))
    return "".join(lines)


def sequence(name):
    """(annotations, result) as text."""
    rng = random.Random(name)
    truth = walk(rng, 40 if name == "crowd" else 10, 80)
    result, marks = track(rng, truth), None
    if name == "marks":
        marks = [(rng.random() > 0.2, -1) for _ in truth]
    if name.startswith("classes"):
        kinds = [1, 1, 1, 1, 2, 7, 8, 12, 3, 1]
        marks = [(int(rng.random() > 0.1), kinds[row[1] - 1])
                 for row in truth]
    if name == "gaps":
        truth = [row for row in truth if rng.random() > 0.2]
    if name == "empty-frames":
        truth = [row for row in truth if row[0] % 7 and row[0] % 11 > 2]
        result = [row for row in result if row[0] % 5 and row[0] % 13 > 3]
    if name == "perfect":
        result = truth
    if name == "swapped":
        result = [(r[0], r[1] if r[0] < 40 else 11 - r[1]) + r[2:]
                  for r in truth]
    if name == "no-match":
        result = [(r[0], r[1], r[2] + 2000) + r[3:] for r in truth]
    return (text([] if name == "no-truth" else truth,
                 None if name == "no-truth" else marks),
            text([] if name == "no-result" else result))


def trackeval_figures(truth, result, benchmark):
    """Of two files, by TrackEval with its own preprocessing."""
    import contextlib
    import io

    import numpy
    for old in ("float", "int", "bool"):
        if old not in numpy.__dict__:
            setattr(numpy, old, getattr(__builtins__, old, None)
                    or {"float": float, "int": int, "bool": bool}[old])
    import trackeval
    frames = 1
    for path in (truth, result):
        with open(path) as file:
            frames = max([frames] + [
                int(float(line.replace(",", " ").split()[0]))
                for line in file if line.strip()])
    with tempfile.TemporaryDirectory() as work, \
            contextlib.redirect_stdout(io.StringIO()):
        os.makedirs(work + "/gt/seq/gt")
        os.makedirs(work + "/t/ours/data")
        for path, copy in ((truth, "/gt/seq/gt/gt.txt"),
                           (result, "/t/ours/data/seq.txt")):
            with open(path) as file, open(work + copy, "w") as out:
                out.write(file.read())
        data = trackeval.datasets.MotChallenge2DBox({
            "GT_FOLDER": work + "/gt", "TRACKERS_FOLDER": work + "/t",
            "SKIP_SPLIT_FOL": True, "SEQ_INFO": {"seq": frames},
            "BENCHMARK": benchmark, "PRINT_CONFIG": False,
            "TRACKERS_TO_EVAL": ["ours"]})
        raw = data.get_raw_seq_data("ours", "seq")
        seq = data.get_preprocessed_seq_data(raw, "pedestrian")
        hota = trackeval.metrics.HOTA().eval_sequence(seq)
        clear = trackeval.metrics.CLEAR(
            {"PRINT_CONFIG": False}).eval_sequence(seq)
        identity = trackeval.metrics.Identity(
            {"PRINT_CONFIG": False}).eval_sequence(seq)
    figures = {key.lower(): float(numpy.mean(hota[key]))
               for key in ("HOTA", "DetA", "AssA", "DetRe", "DetPr", "AssRe",
                           "AssPr", "LocA")}
    figures.update({ours: float(clear[key]) for ours, key in (
        ("mota", "MOTA"), ("motp", "MOTP"), ("recall", "CLR_Re"),
        ("precision", "CLR_Pr"), ("true_positives", "CLR_TP"),
        ("false_positives", "CLR_FP"), ("misses", "CLR_FN"),
        ("switches", "IDSW"), ("fragments", "Frag"), ("mostly_tracked", "MT"),
        ("partly_tracked", "PT"), ("mostly_lost", "ML"))})
    figures.update({key.lower(): float(identity[key]) for key in (
        "IDF1", "IDP", "IDR", "IDTP", "IDFP", "IDFN")})
    figures.update(objects=seq["num_gt_ids"], tracks=seq["num_tracker_ids"],
                   annotated_boxes=seq["num_gt_dets"],
                   result_boxes=seq["num_tracker_dets"])
    return figures


def motmetrics_figures(truth, result):
    """Of two files without classes, by py-motmetrics."""
    import logging
    import warnings

    import motmetrics
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    gt = motmetrics.io.loadtxt(truth, fmt="mot15-2D", min_confidence=1)
    dt = motmetrics.io.loadtxt(result, fmt="mot15-2D")
    both = motmetrics.utils.compare_to_groundtruth(gt, dt, "iou", distth=0.5)
    names = {"mota": "mota", "idf1": "idf1", "idp": "idp", "idr": "idr",
             "recall": "recall", "precision": "precision",
             "num_switches": "switches", "num_fragmentations": "fragments",
             "num_false_positives": "false_positives", "num_misses": "misses",
             "num_unique_objects": "objects", "motp": "motp"}
    row = motmetrics.metrics.create().compute(both, metrics=list(names))
    figures = {names[key]: float(row[key].iloc[0]) for key in names}
    figures["motp"] = 1 - figures["motp"]  # a distance there
    return figures


def write(work, name):
    """(annotations, result) as files in @work."""
    paths = []
    for kind, content in zip(("gt", "result"), sequence(name)):
        paths.append("%s/%s-%s.txt" % (work, name, kind))
        with open(paths[-1], "w") as file:
            file.write(content)
    return paths


def main(path):
    figures = {}
    with tempfile.TemporaryDirectory() as work:
        for name, benchmark in CASES.items():
            truth, result = write(work, name)
            figures[name] = {"trackeval": trackeval_figures(truth, result,
                                                            benchmark)}
            if benchmark == "MOT15" and not name.startswith("no-"):
                figures[name]["motmetrics"] = motmetrics_figures(truth, result)
    with open(path, "w") as file:
        json.dump(figures, file, indent=1, sort_keys=True)
        file.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
