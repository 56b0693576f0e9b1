"""How long COCO's twelve figures take for results of the size of val2017 (5000
images, 36781 boxes, 500000 detections, all made up): `defcn eval --results`,
pycocotools and faster-coco-eval, each as a process of its own that reads both
files, alternating.  Fails unless the figures of all agree to 1e-6.

usage: eval_ratio.py [--tool DEFCN] [--rounds N] [--images N]
"""
import argparse
import json
import pathlib
import random
import resource
import subprocess
import sys
import tempfile

from result import TREE, line, rounds_of, shown, spread

HERE = pathlib.Path(__file__).resolve().parent
PER_IMAGE = 100
BOXES = 36781 / 5000  # of an image
NAMES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large",
         "ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large")
# Loads, measures and prints the twelve figures.
PEERS = {
    "pycocotools": """
import contextlib, io, json, sys
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
with contextlib.redirect_stdout(io.StringIO()):
    truths = COCO(sys.argv[1])
    e = COCOeval(truths, truths.loadRes(sys.argv[2]), "bbox")
    e.evaluate(); e.accumulate(); e.summarize()
print(json.dumps([float(v) for v in e.stats]))
""",
    "faster-coco-eval": """
import contextlib, io, json, sys
from faster_coco_eval import COCO, COCOeval_faster
with contextlib.redirect_stdout(io.StringIO()):
    truths = COCO(sys.argv[1])
    e = COCOeval_faster(truths, truths.loadRes(sys.argv[2]), "bbox")
    e.evaluate(); e.accumulate(); e.summarize()
print(json.dumps([float(v) for v in e.stats[:12]]))
""",
}


def detection(rng, image, boxes):
    """Half of them near a box of the image, mostly of its class."""
    if boxes and rng.random() < 0.5:
        near = rng.choice(boxes)
        x, y, w, h = near["bbox"]
        box = [x + rng.gauss(0, w / 7), y + rng.gauss(0, h / 7),
               max(1, w * rng.gauss(1, 1 / 7)), max(1, h * rng.gauss(1, 1 / 7))]
        label = near["category_id"]
    else:
        box = [rng.uniform(0, 500), rng.uniform(0, 300),
               rng.uniform(1, 140), rng.uniform(1, 180)]
        label = None
    if label is None or rng.random() < 0.2:
        label = rng.randint(1, 80)
    return {"image_id": image, "category_id": label,
            "bbox": [round(v, 3) for v in box], "score": round(rng.random(), 5)}


def make_results(truths, path):
    rng = random.Random(2)
    with open(truths) as file:
        data = json.load(file)
    of_image = {image["id"]: [] for image in data["images"]}
    for box in data["annotations"]:
        of_image[box["image_id"]].append(box)
    with open(path, "w") as file:
        json.dump([detection(rng, image, boxes)
                   for image, boxes in of_image.items()
                   for _ in range(PER_IMAGE)], file)


def run(command):
    """CPU seconds, and what it prints."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{command[0]}: {done.stderr}")
    return (after.ru_utime + after.ru_stime - before.ru_utime
            - before.ru_stime), done.stdout


def ours(tool, truths, results):
    cpu, text = run([tool, "eval", "--results", results, "--annotations",
                     truths, "--json", "-"])
    figures = json.loads(text)
    return cpu, [figures[name] for name in NAMES]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--tool", default=str(TREE / "build/training/defcn"))
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--images", type=int, default=5000, metavar="N")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        truths, results = f"{folder}/truths.json", f"{folder}/results.json"
        subprocess.run([sys.executable, HERE / "gen_coco.py", truths,
                        str(options.images),
                        str(round(options.images * BOXES))], check=True)
        make_results(truths, results)
        found = {}

        def side(name):
            def measure():
                if name == "defcn eval":
                    cpu, figures = ours(options.tool, truths, results)
                else:
                    cpu, text = run([sys.executable, "-c", PEERS[name],
                                     truths, results])
                    figures = json.loads(text)
                found[name] = figures
                return cpu
            return measure
        given = rounds_of({name: side(name) for name in
                           ("defcn eval", *PEERS)}, options.rounds,
                          random.Random(3))
    own = given["defcn eval"]
    print(line(["", "CPU s", "times defcn's"]))
    print(line(["---"] * 3))
    for name, seconds in given.items():
        print(line([name, shown(spread(seconds), 1), shown(spread(
            [b / a for a, b in zip(own, seconds)]), 1)]))
    worst = max(abs(a - b) for name in PEERS
                for a, b in zip(found["defcn eval"], found[name]))
    print(f"the twelve figures differ by {worst:.1e} at most")
    return worst > 1e-6


if __name__ == "__main__":
    sys.exit(main())
