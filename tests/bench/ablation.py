#!/usr/bin/env python3
"""The paper's tables 1, 2, 3, 5, 6 and 9 at our scale: every row trained from
one start, for as many pictures, and held against the row that it is about.

usage: ablation.py DATA --init mobilenetv2.safetensors -o runs/ablation
                   [--hours 2] --save tests/bench/results/ablation.json

DATA has NAME_train.json, NAME_val.json and the folder images.  The start is an
FCOS that is trained first, or a model that --start names: its backbone and FPN,
without its head.  What is done is kept: the same command goes on after Ctrl-C,
or where --hours or --until ended a sitting.  First seeds come before second
ones, the most telling rows first; then those that are not decided yet.  Rows
that need another evaluation alone share a training.
"""
import argparse
import datetime
import hashlib
import json
import math
import pathlib
import struct
import sys
import time

import ablation_tables
import bootstrap
import paper
import runs
from result import TREE, commit

# The most telling first; what is not here comes behind, as the paper has it.
ORDER = ["poto", "poto.3dmf", "poto.3dmf.aux", "fcos.ctr", "fcos", "loss",
         "center", "anchor", "poto.3dmf.aux.quality_topk",
         "poto.3dmf.aux.atss", "poto.inside", "poto.alpha0", "poto.alpha1",
         "poto.3dmf.tau0_phi1", "poto.3dmf.tau2_phi1", "poto.3dmf.tau0_phi3",
         "poto.global", "poto.alpha0.4", "poto.3dmf.tau4_phi3",
         "poto.3dmf.tau2_phi5", "poto.3dmf.aux.fcos",
         "poto.3dmf.aux.quality_fcos"]
START = "coco.fcos"  # trained whole, with its backbone
START_KEYS = ["freeze_at=2", "seed=1"]


def clock(text):
    """Seconds since 1970 at the next HH:MM."""
    try:
        wanted = datetime.datetime.strptime(text, "%H:%M").time()
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is no HH:MM") from error
    now = datetime.datetime.now()
    at = datetime.datetime.combine(now.date(), wanted)
    return (at + datetime.timedelta(days=at <= now)).timestamp()


def parse(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path, metavar="DATA")
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True,
                        metavar="FOLDER", help="a folder for the runs")
    parser.add_argument("--init", type=pathlib.Path, metavar="FILE",
                        help="weights that the start begins with")
    parser.add_argument("--start", type=pathlib.Path, metavar="MODEL",
                        help="a trained model to start from instead")
    parser.add_argument("--recipe", type=pathlib.Path, metavar="FILE.ini",
                        default=TREE / "tests/bench/ablation.ini",
                        help="what all rows have (tests/bench/ablation.ini)")
    parser.add_argument("--rows", metavar="RUN,..", default="",
                        help="train only these, presets without \"coco.\"")
    parser.add_argument("--seeds", type=int, default=2, metavar="N",
                        help="runs of every row, with seeds 1 .. N (2)")
    parser.add_argument("--draws", type=int, default=1000, metavar="N",
                        help="of the images, for the intervals (1000)")
    limit = parser.add_mutually_exclusive_group()
    limit.add_argument("--hours", type=float, metavar="H",
                       help="end this sitting after H hours; 0: only the "
                       "tables of what is there")
    limit.add_argument("--until", type=clock, metavar="HH:MM",
                       help="or by the clock")
    parser.add_argument("--tool", default=str(TREE / "build/training/defcn"),
                        metavar="DEFCN")
    parser.add_argument("--save", type=pathlib.Path, metavar="FILE.json",
                        help="also write the tables as FILE.md and a plot as "
                        "FILE.svg")
    given = parser.parse_args(arguments)
    given.until = (given.until or math.inf if given.hours is None
                   else time.time() + 3600 * given.hours)
    known = {row.run for row in paper.rows()}
    given.rows = [name for name in given.rows.split(",") if name]
    if unknown := set(given.rows) - known:
        parser.error(f"no {', '.join(sorted(unknown))}; there are "
                     f"{', '.join(sorted(known))}")
    if given.seeds < 1 or given.draws < 100:
        parser.error("--seeds is below 1, or --draws below 100")
    return given


def one(folder, pattern):
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        sys.exit(f"{folder}: {len(found)} files are {pattern}, and one is "
                 "wanted")
    return found[0]


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def without_head(model, path):
    """The start's file: all tensors of @model but those of its head."""
    data = model.read_bytes()
    length, = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8:8 + length]), data[8 + length:]
    kept, parts, at = {"__metadata__": header.pop("__metadata__", {})}, [], 0
    for name, tensor in header.items():
        if name.startswith("head."):
            continue
        begin, end = tensor["data_offsets"]
        parts.append(body[begin:end])
        kept[name] = {**tensor, "data_offsets": [at, at + end - begin]}
        at += end - begin
    if not parts:
        sys.exit(f"{model}: nothing but a head")
    text = json.dumps(kept).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))


def at_work(folder):
    """How far a training is that has not ended."""
    done = 0
    if (folder / "metrics.jsonl").exists():
        for text in (folder / "metrics.jsonl").read_text().split("\n")[:-1]:
            done = json.loads(text)["iteration"]
    return f"{folder.name} ({done} updates)"


class Ablation:
    def __init__(self, given):
        self.given = given
        self.train = one(given.data, "*_train.json")
        self.val = one(given.data, "*_val.json")
        self.images = given.data / "images"
        self.rows = paper.rows()
        self.log = given.output / "log"
        self.commit = commit()
        self.settings = {
            "recipe": given.recipe.read_text(),
            "data": f"{self.train.name} {digest(self.train)}, "
                    f"{self.val.name} {digest(self.val)}",
            "start": f"{given.start.name} {digest(given.start)}"
                     if given.start else
                     f"{START} {' '.join(START_KEYS)}" +
                     (f" from {given.init.name} {digest(given.init)}"
                      if given.init else ""),
            "draws": given.draws}

    def open(self):
        """The folder of the runs, which are all of one kind."""
        self.given.output.mkdir(parents=True, exist_ok=True)
        path = self.given.output / "settings.json"
        if path.exists():
            before = json.loads(path.read_text())
            for key, value in self.settings.items():
                if before.get(key) != value:
                    sys.exit(f"{self.given.output} has runs of another {key}; "
                             f"take another folder. It was:\n{before.get(key)}")
        path.write_text(json.dumps(self.settings, indent=1) + "\n")
        # Its own, which nobody changes while a sitting lasts.
        self.recipe = self.given.output / "recipe.ini"
        self.recipe.write_text(self.settings["recipe"])

    def arguments(self, preset, keys):
        words = ["--preset", preset, self.recipe,
                 "--annotations", self.train, "--images", self.images,
                 "--val-annotations", self.val, "--val-images", self.images]
        for key in keys:
            words += ["--set", key]
        return words

    def start(self):
        path = self.given.output / "start.safetensors"
        if path.exists():
            return path
        model = self.given.start
        if not model:
            words = self.arguments(START, START_KEYS)
            if self.given.init:
                words += ["--init", self.given.init]
            model = runs.train(self.given.tool, self.given.output / "start",
                               words, self.log, self.given.until)
        part = path.with_suffix(".part")
        without_head(model, part)
        part.rename(path)
        return path

    def folder(self, run, seed):
        return self.given.output / f"{run}-{seed}"

    def path(self, run, seed, flags):
        name = "figures" + "".join(
            c if c.isalnum() else "_" for c in flags.replace(" ", ""))
        return self.folder(run, seed) / f"{name}.json"

    def flags_of(self, run):
        return sorted({row.flags for row in self.rows if row.run == run})

    def run(self, run, seed):
        """One training and all evaluations that rows want of it."""
        given, begin = self.given, time.time()
        words = [*self.arguments("coco." + run, [f"seed={seed}"]),
                 "--init", self.start()]
        model = runs.train(given.tool, self.folder(run, seed), words, self.log,
                           given.until)
        about = self.folder(run, seed) / "about.json"
        if not about.exists():
            about.write_text(json.dumps(
                {"commit": self.commit,
                 "date": datetime.date.today().isoformat()}))
        for flags in self.flags_of(run):
            figures = runs.measure(
                given.tool, model, self.path(run, seed, flags),
                ["--annotations", self.val, "--images", self.images,
                 "--bootstrap", given.draws, *flags.split()],
                self.log, given.until)
            if not flags:
                plain = figures
        return time.time() - begin, plain

    def found(self):
        """What is measured so far: by run and flags, by seed."""
        known = {}
        for key in {row.key for row in self.rows}:
            known[key] = {
                seed: json.loads(self.path(key[0], seed, key[1]).read_text())
                for seed in range(1, self.given.seeds + 1)
                if self.path(key[0], seed, key[1]).exists()}
        return known

    def close(self):
        """The runs of comparisons that are not decided."""
        known, names = self.found(), set()
        for row in self.rows:
            sides = [bootstrap.side(known[key], row.way)
                     for key in (row.key, row.base)]
            told = bootstrap.difference(*sides)
            if row.key != row.base and (not told
                                        or told["verdict"] == "undecided"):
                names |= {row.run, row.base[0]}
        return names

    def order(self, seed):
        names = list(dict.fromkeys(
            [*ORDER, *(row.run for row in self.rows)]))
        if self.given.rows:
            names = [name for name in names if name in self.given.rows]
        if seed > 1:
            close = self.close()
            names.sort(key=lambda name: name not in close)  # is stable
        return names

    def about(self):
        """Of what is done: commits, dates, machines."""
        said = {"commits": set(), "dates": set(), "machines": set()}
        for path in sorted(self.given.output.glob("*-*/about.json")):
            about = json.loads(path.read_text())
            said["commits"].add(about["commit"])
            said["dates"].add(about["date"])
            with open(path.with_name("metrics.jsonl"),
                      encoding="utf-8") as file:
                for line in file:
                    if '"machine"' in line:
                        m = json.loads(line)["machine"]
                        said["machines"].add(
                            f"{m['cpu']}, {m['cores']} cores, {m['engine']}")
        recipes = sorted(self.given.output.glob("*-*/recipe.ini"))
        return {"at_work": [
                    at_work(path.parent) for path in recipes
                    if not path.with_name("model.safetensors").exists()],
                "budget": ablation_tables.budget(recipes[0].read_text())
                if recipes else "nothing is trained yet",
                **{key: sorted(value) for key, value in said.items()}}

    def save(self):
        if self.given.save:
            ablation_tables.save(self.given.save, self.rows, self.found(),
                                 {**self.settings, **self.about()})


def progress(text):
    print(f"{datetime.datetime.now():%H:%M:%S} {text}", flush=True)


def sit(ablation):
    """All runs in their order, until there is no more or no more time.  One
    that fails is said, and the others go on.  Returns: how many failed."""
    given, failed = ablation.given, 0
    for seed in range(1, given.seeds + 1):
        names = ablation.order(seed)
        for n, name in enumerate(names):
            if time.time() >= given.until:
                raise runs.Stopped("the time is up")
            try:
                seconds, figures = ablation.run(name, seed)
            except runs.Failed as why:
                failed += 1
                progress(f"{n + 1}/{len(names)} {name} seed {seed}: {why}")
                continue
            figures = [runs.column(figures, way)["ap"]
                       for way in ("no_nms", "local", "nms")]
            progress(f"{n + 1}/{len(names)} {name} seed {seed}: "
                     "AP {:.1f}, local {:.1f}, NMS {:.1f}".format(
                         *(100 * value for value in figures))
                     + f", {seconds / 60:.1f} minutes")
            ablation.save()
    return failed


def main():
    runs.stop_by_signals()
    ablation = Ablation(parse())
    ablation.open()
    progress(f"what the tool says is in {ablation.log}")
    try:
        if ablation.given.until > time.time():
            ablation.start()  # without it nothing goes
        failed = sit(ablation)
        ablation.save()
        if failed:
            sys.exit(f"{failed} runs failed: the same command tries again")
        progress("all is done")
    except (runs.Stopped, KeyboardInterrupt) as why:
        progress(f"{why or 'interrupted'}: the same command goes on")
        ablation.save()
        sys.exit(0 if "time" in str(why) else 130)
    except runs.Failed as why:
        sys.exit(f"the start: {why}")


if __name__ == "__main__":
    main()
