#!/usr/bin/env python3
"""Presets as they are but for their size and rate: ResNet-18, 32 channels,
pictures of 128 pixels.  Each trains 20 updates in two pieces and is evaluated.

usage: test_presets.py DEFCN PRESET...      (all: every preset that there is,
                                            and one with every schedule)
"""
import json
import math
import os
import subprocess
import sys
import tempfile

DEFCN = os.path.abspath(sys.argv[1])
HERE = os.path.dirname(os.path.abspath(__file__))
SCHEDULES = ("1x", "2x", "3x", "6x", "9x", "2x_ss")
UPDATES = 20
SMALL = ["backbone=resnet18", "fpn_channels=32", "short_edges=96",
         "long_edge=128", "short_edge=96", "test_long_edge=128", "batch=2",
         "workers=1", "threads=1", "warmup=5", "iterations=%d" % UPDATES,
         "log_interval=1", "eval_interval=0",
         "lr=0.002"]  # RetinaNet has no norms, the backbone random weights


def run(*arguments):
    """What the command says; an error with all of it where it fails."""
    done = subprocess.run([DEFCN, *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding="utf-8",
                          env=dict(os.environ, OMP_WAIT_POLICY="passive"))
    assert done.returncode == 0, "%s: %d\n%s" % (
        " ".join(arguments), done.returncode, done.stdout)
    return done.stdout


def all_presets():
    """The names that --help-recipe lists."""
    text = run("train", "--help-recipe")
    names = [line.split()[0] for line in
             text.split("\n\n")[0].split("\n")[1:]]
    assert len(names) > 30, text
    return names + ["coco.poto." + name for name in SCHEDULES]


def recipe_of(path):
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    return dict(line.split("=", 1) for line in lines if "=" in line)


def losses_of(folder):
    """The loss of each update, from the first."""
    with open(folder + "/metrics.jsonl", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    lines = [line for line in lines if "loss" in line]
    return [line["iteration"] for line in lines], [line["loss"]
                                                   for line in lines]


def check_figures(preset, figures, recipe):
    """All columns are there, and those figures that its data has."""
    crowd = preset.startswith("crowdhuman.")
    keys = ("ap50", "mmr", "recall", "ji") if crowd else (
        "ap", "ap50", "ar100", "duplicate_rate")
    own = "nms" if float(recipe["nms_iou"]) > 0 else "no_nms"
    assert figures["own"] == own, (figures["own"], own)
    names = {"no_nms", "local", "nms"} - {own}
    for column in [figures] + [figures[name] for name in names]:
        for key in keys:
            assert 0 <= column[key] <= 1, (key, column[key])
    assert figures["images"] == 6
    assert ("truth_recall" in figures) == crowd


def write_odgt(folder):
    """CrowdHuman's form of a.json."""
    with open(folder + "/a.json", encoding="utf-8") as file:
        data = json.load(file)
    with open(folder + "/a.odgt", "w", encoding="utf-8") as file:
        for image, box in zip(data["images"], data["annotations"]):
            assert image["id"] == box["image_id"]
            file.write(json.dumps({"ID": str(image["id"]), "gtboxes": [
                {"tag": "person", "fbox": box["bbox"]}]}) + "\n")


def try_preset(folder, preset):
    data = folder + ("/a.odgt" if preset.startswith("crowdhuman.")
                     else "/a.json")
    output = folder + "/run"
    sets = [word for key in SMALL for word in ("--set", key)]
    train = ("train", "--preset", preset, "--annotations", data, "--images",
             folder, "--val-annotations", data, "--val-images", folder, "-o",
             output, *sets)
    half = UPDATES // 2

    run(*train, "--stop-after", str(half))
    assert os.path.getsize(output + "/checkpoint.safetensors") > 0
    assert not os.path.exists(output + "/model.safetensors")
    assert losses_of(output)[0] == list(range(1, half + 1))
    run(*train, "--resume")
    iterations, losses = losses_of(output)
    assert iterations == list(range(1, UPDATES + 1)), iterations
    assert all(math.isfinite(loss) and loss > 0 for loss in losses), losses
    run("eval", "--model", output + "/model.safetensors", "--annotations",
        data, "--images", folder, "--json", output + "/figures.json")
    with open(output + "/figures.json", encoding="utf-8") as file:
        check_figures(preset, json.load(file),
                      recipe_of(output + "/recipe.ini"))
    subprocess.run(["rm", "-rf", output], check=True)


def main():
    names = sys.argv[2:]
    if names == ["all"]:
        names = all_presets()
    print("1..%d" % len(names))
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, HERE + "/make_blocks.py", folder],
                       check=True)
        write_odgt(folder)
        for number, preset in enumerate(names, 1):
            try:
                try_preset(folder, preset)
                print("ok %d - %s" % (number, preset))
            except AssertionError as problem:
                failed = 1
                subprocess.run(["rm", "-rf", folder + "/run"], check=True)
                print("not ok %d - %s" % (number, preset))
                print("# " + str(problem).replace("\n", "\n# "))
            sys.stdout.flush()
    return failed


sys.exit(main())
