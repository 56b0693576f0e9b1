#!/usr/bin/env python3
"""tests/bench/ablation.py: its rows, its statistics on made-up results whose
interval is known, and an ablation of six pictures that is interrupted and goes
on; tests/bench/arms.py, which has the same runs.

usage: test_ablation.py DEFCN
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import xml.dom.minidom

DEFCN = os.path.abspath(sys.argv[1])
HERE = pathlib.Path(__file__).resolve().parent
BENCH = HERE.parent / "bench"
sys.path.insert(0, str(BENCH))

import ablation_tables  # noqa: E402
import bootstrap  # noqa: E402
import paper  # noqa: E402

UPDATES = 12
RECIPE = """[recipe]
backbone=resnet18
freeze_at=5
fpn_channels=32
short_edge=96
test_long_edge=128
short_edges=96
long_edge=128
nms_iou=0
duplicate_iou=0
batch=2
workers=1
threads=1
warmup=5
iterations=%d
log_interval=1
eval_interval=0
checkpoint_interval=1
lr=0.002
""" % UPDATES
PATIENCE = 240


def tool(*words):
    return subprocess.run([DEFCN, *words], check=True, capture_output=True,
                          text=True).stdout


def test_rows():
    """All rows of six tables, their presets the tool's, signs of the paper."""
    rows = paper.rows()
    counts = {table: sum(row.table == table for row in rows)
              for table in paper.BASES}
    assert counts == {"1": 7, "2": 7, "3": 8, "5": 5, "6": 9, "9": 6}, counts
    presets = tool("train", "--help-recipe").split("\n\n")[0].split()
    for row in rows:
        assert row.preset in presets, row
        assert any(other.key == row.base for other in rows), row
    signs = {(row.table, row.run, row.flags): paper.expected(
        row, ablation_tables.in_table(row, rows)) for row in rows}
    wanted = {("1", "fcos", ""): -1, ("1", "loss", ""): -1,
              ("1", "center", ""): -1, ("1", "poto.3dmf", ""): 1,
              ("1", "poto.3dmf.aux", ""): 1, ("3", "poto.alpha0", ""): 0,
              ("5", "fcos.ctr", "--max-filter 2,3"): 1, ("5", "poto", ""): 1,
              ("2", "fcos.ctr", "--nms-window 1 --nms-per-scale"): -1,
              ("6", "poto.3dmf.tau0_phi1", ""): -1,
              ("9", "poto.3dmf", ""): -1, ("9", "poto.3dmf.aux.atss", ""): -1}
    for key, sign in wanted.items():
        assert signs[key] == sign, (key, signs[key])


def made_up(ap, draws):
    """What defcn eval writes, as far as it is read."""
    column = {"ap": ap, "duplicate_rate": 0.1,
              "bootstrap": {"ap": {"draws": draws}}}
    return {**column, "own": "no_nms", "local": column, "nms": column}


def side(*models):
    return bootstrap.side({n + 1: m for n, m in enumerate(models)}, "no_nms")


def near(value, wanted):
    assert abs(value - wanted) < 1e-9, (value, wanted)


def test_intervals():
    """The middle 95 % of the draws; those without an object are left out."""
    wide = [k / 1000 for k in range(101)]
    told = bootstrap.figure(side(made_up(0.05, [*wide, -1])))
    near(told["value"], 0.05)
    near(told["low"], 0.0025)
    near(told["high"], 0.0975)


def test_differences():
    """What is better in every draw is better, however wide each is alone; what
    is not in 95 of 100 is undecided."""
    wide = [k / 1000 for k in range(101)]
    base = side(made_up(0.05, wide))
    told = bootstrap.difference(side(made_up(0.06, [v + 0.01 for v in wide])),
                                base)
    near(told["value"], 0.01)
    near(told["low"], 0.01)
    assert told["verdict"] == "higher", told
    told = bootstrap.difference(base, side(
        made_up(0.06, [v + 0.01 for v in wide])))
    near(told["high"], -0.01)
    assert told["verdict"] == "lower", told
    # The difference of draw k is k / 1000 - .004: below 0 in 4 of 101 draws.
    told = bootstrap.difference(
        side(made_up(0.1, [2 * v - 0.004 + 0.1 for v in wide])),
        side(made_up(0.1, [v + 0.1 for v in wide])))
    near(told["low"], 0.0025 - 0.004)
    assert told["verdict"] == "undecided", told
    told = bootstrap.difference(
        side(made_up(0.1, [2 * v - 0.002 + 0.1 for v in wide])),
        side(made_up(0.1, [v + 0.1 for v in wide])))
    near(told["low"], 0.0005)
    assert told["verdict"] == "higher", told
    assert bootstrap.difference(base, {}) is None


def test_seeds():
    """Two seeds that contradict each other decide nothing; a seed that only one
    of both has does not count."""
    flat = 1000 * [0.5]
    base = side(made_up(0.5, flat), made_up(0.5, flat))
    up, down = made_up(0.6, 1000 * [0.6]), made_up(0.42, 1000 * [0.42])
    told = bootstrap.difference(side(up, down), base)
    near(told["value"], 0.01)
    near(told["low"], -0.08)
    near(told["high"], 0.1)
    assert told["verdict"] == "undecided" and told["seeds"] == 2, told
    told = bootstrap.difference(side(up, down), side(made_up(0.5, flat)))
    near(told["value"], 0.1)
    assert told["verdict"] == "higher" and told["seeds"] == 1, told


def test_tables():
    """Verdicts beside the paper's sign, what is not run, and a plot."""
    rows = paper.rows()
    known = {row.key: {} for row in rows}
    wide = [0.3 + k / 1000 for k in range(101)]
    known["poto", ""] = {1: made_up(0.35, wide)}
    known["poto.3dmf", ""] = {1: made_up(0.33, [v - 0.02 for v in wide])}
    known["loss", ""] = {1: made_up(0.34, [v - 0.01 for v in wide])}
    known["anchor", ""] = {1: made_up(0.35, wide)}
    known["poto.alpha0", ""] = {1: made_up(0.34, [v - 0.01 for v in wide])}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "t.json")
        ablation_tables.save(path, rows, known, {
            "budget": "27 200 pictures a row", "start": "s", "data": "d",
            "machines": ["m"], "commits": ["c"], "dates": [], "draws": 101,
            "at_work": []})
        text = path.with_suffix(".md").read_text()
        told = json.loads(path.read_text())["results"]
        xml.dom.minidom.parse(str(path.with_suffix(".svg")))
    assert len(told) == len(rows)
    lines = text.split("\n")

    def line_of(name):
        return next(line for line in lines if line.startswith(f"| {name} |"))
    assert "27 200 pictures a row; start: s; data: d; m; defcn c" in text
    assert "| lower, against the paper |" in line_of("POTO + 3DMF"), text
    assert "| -2.0 (-2.0 .. -2.0) | one-to-one: POTO |" in line_of(
        "POTO + 3DMF"), text
    assert "| 33.0 (28.2 .. 37.8) |" in line_of("POTO + 3DMF"), text
    assert "| lower, as the paper |" in line_of(
        "one-to-one: foreground loss"), text
    assert "| undecided |" in line_of("one-to-one: anchor"), text
    assert "| lower, the paper's is not known |" in line_of("alpha 0"), text
    assert "| not run yet | - | - |" in line_of("one-to-one: center"), text
    assert "| - | not run yet |" not in line_of("inside box"), text
    assert "\n- table 1, POTO + 3DMF: -2.0" in text, text
    assert "foreground loss: " not in text, text


def command(folder, *more):
    return [sys.executable, str(BENCH / "ablation.py"), f"{folder}/data", "-o",
            f"{folder}/runs", "--recipe", f"{folder}/toy.ini", "--tool", DEFCN,
            "--rows", "poto,poto.3dmf", "--seeds", "1", "--draws", "100",
            "--save", f"{folder}/t.json", *more]


def run(words, status=0):
    done = subprocess.run(words, stdout=subprocess.PIPE, timeout=PATIENCE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == status, (done.returncode, done.stdout)
    return done.stdout


def updates(folder, name):
    found = []
    with open(f"{folder}/runs/{name}/metrics.jsonl", encoding="utf-8") as file:
        for line in map(json.loads, file):
            if "loss" in line:
                found.append(line["iteration"])
    return found


def prepare(folder):
    images = folder / "data/images"
    images.mkdir(parents=True)
    subprocess.run([sys.executable, HERE / "make_blocks.py", images],
                   check=True)
    for name in ("b_train.json", "b_val.json"):
        (folder / "data" / name).write_text((images / "a.json").read_text())
    (folder / "toy.ini").write_text(RECIPE)


def interrupt(folder):
    """As Ctrl-C, once POTO has trained an update."""
    checkpoint = folder / "runs/poto-1/checkpoint.safetensors"
    with subprocess.Popen(command(folder), stdout=subprocess.PIPE,
                          text=True) as process:
        begin = time.monotonic()
        while not checkpoint.exists():
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < begin + PATIENCE
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 130, (process.returncode, said)
    assert "the same command goes on" in said, said


def test_ablation(folder):
    """What was interrupted goes on, what is done is not done again, and a
    folder's runs are of one kind."""
    prepare(folder)
    said = run(command(folder, "--hours", "0"))
    assert "the time is up: the same command goes on" in said, said
    assert not (folder / "runs/start").exists()
    assert "0 of 42 rows are there" in (folder / "t.md").read_text()

    interrupt(folder)
    assert updates(folder, "start") == list(range(1, UPDATES + 1))
    assert not (folder / "runs/poto-1/model.safetensors").exists()
    text = (folder / "t.md").read_text()
    assert re.search(r"0 of 42 rows are there; at work: poto-1 \(\d+ updates\)",
                     text), text
    started = (folder / "runs/start/model.safetensors").stat().st_mtime_ns

    said = run(command(folder))
    assert re.search(r"1/2 poto seed 1: AP .*, local .*, NMS .* minutes", said)
    assert "2/2 poto.3dmf seed 1: " in said and "all is done" in said, said
    assert (folder / "runs/start/model.safetensors").stat().st_mtime_ns \
        == started
    for name in ("poto-1", "poto.3dmf-1"):
        assert updates(folder, name) == list(range(1, UPDATES + 1)), name
    log = (folder / "runs/log").read_text()
    commands = [line for line in log.split("\n") if line.startswith(DEFCN)]
    assert sum(line.endswith(" --resume") for line in commands) == 1, commands
    assert len(commands) == 6, commands  # four trainings, two evaluations
    # From the start's backbone and FPN, and without its head.
    anew = [line for line in log.split("\n") if "starts anew: head." in line]
    assert len(anew) >= 2 and "backbone." not in "".join(anew), log
    figures = json.loads((folder / "runs/poto-1/figures.json").read_text())
    assert len(figures["nms"]["bootstrap"]["ap"]["draws"]) == 100
    text = (folder / "t.md").read_text()
    assert f"{2 * UPDATES} pictures a row" in text and "oneDNN" in text, text
    assert "7 of 42 rows are there" in text, text

    run(command(folder))
    assert (folder / "runs/log").read_text() == log
    (folder / "toy.ini").write_text(RECIPE.replace("lr=0.002", "lr=0.003"))
    assert "has runs of another recipe" in run(command(folder), 1)


def test_errors(folder):
    """What is wrong is named before anything is trained."""
    words = [sys.executable, str(BENCH / "ablation.py"), str(folder), "-o",
             str(folder / "none")]
    assert "0 files are *_train.json" in run(words, 1)
    assert "no poot; there are anchor," in run([*words, "--rows", "poot"], 2)
    assert "9:99 is no HH:MM" in run([*words, "--until", "9:99"], 2)
    assert not (folder / "none").exists()


def test_failed(folder):
    """A run that fails is said with its log, and the others go on."""
    broken = folder / "broken"
    broken.write_text('#!/bin/sh\ncase "$*" in *coco.poto\\ *) exit 3;; esac\n'
                      f'exec "{DEFCN}" "$@"\n')
    broken.chmod(0o755)
    (folder / "toy.ini").write_text(
        RECIPE.replace(f"iterations={UPDATES}", "iterations=2"))
    words = command(folder, "--tool", str(broken), "-o", f"{folder}/other")
    said = run(words, 1)
    log = f"see {folder}/other/log"
    assert f"1/2 poto seed 1: {broken} train failed (3), {log}" in said, said
    assert "2/2 poto.3dmf seed 1: AP " in said, said
    assert "1 runs failed: the same command tries again" in said, said
    said = run(command(folder, "-o", f"{folder}/other"))
    assert "1/2 poto seed 1: AP " in said and "all is done" in said, said


def test_arms(folder):
    """Arms are trained once and measured."""
    words = [sys.executable, str(BENCH / "arms.py"), str(folder / "arms.ini"),
             "--arm", "base", "--arm", "slow=lr=0.001", "--seeds", "1",
             "--output", str(folder / "arms"), "--tool", DEFCN,
             "--val-annotations", str(folder / "data/b_val.json"),
             "--val-images", str(folder / "data/images"), "--",
             "--annotations", str(folder / "data/b_train.json"), "--images",
             str(folder / "data/images")]
    (folder / "arms.ini").write_text(
        RECIPE.replace(f"iterations={UPDATES}", "iterations=2"))
    said = run(words)
    assert "| base | - | 0." in said and "| slow | lr=0.001 | 0." in said, said
    again = run(words)
    assert " train " not in again and "| slow | lr=0.001 |" in again, again


def main():
    alone = [test_rows, test_intervals, test_differences, test_seeds,
             test_tables]
    shared = [test_ablation, test_errors, test_failed, test_arms]
    print(f"1..{len(alone) + len(shared)}")
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for number, test in enumerate([*alone, *shared], 1):
            try:
                test(*([pathlib.Path(folder)] if test in shared else []))
                print(f"ok {number} - {test.__doc__.split('.')[0]}"
                      .replace("\n   ", ""))
            except (AssertionError, subprocess.SubprocessError,
                    OSError) as problem:
                failed = 1
                print(f"not ok {number} - {test.__name__}")
                print("# " + repr(problem).replace("\\n", "\n# "))
            sys.stdout.flush()
    return failed


sys.exit(main())
