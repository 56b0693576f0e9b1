"""A detector of one's own classes from few pictures: README's commands on
people and animals of coco128, the first a class that the bundled model has.

usage: own_data.py INSTANCES.json IMAGES OUTPUT [DEFCN]
(INSTANCES.json: COCO's annotations of coco128; OUTPUT: a folder)

Every fourth picture with an animal and every fourth of the others with people
is for validation.  Prints `defcn eval`'s table of the result and of the start.
"""
import json
import pathlib
import subprocess
import sys

from result import TREE

ANIMALS = ("bird cat dog horse sheep cow elephant bear zebra giraffe").split()
CLASSES = [{"id": 1, "name": "person"}, {"id": 2, "name": "animal"}]


def split(source, output):
    """Writes train.json and val.json."""
    names = {c["id"]: c["name"] for c in source["categories"]}
    objects = []
    for a in source["annotations"]:
        name = names[a["category_id"]]
        if name == "person" or name in ANIMALS:
            objects.append({**a, "category_id": 1 + (name in ANIMALS)})
    animals = sorted({a["image_id"] for a in objects if a["category_id"] > 1})
    people = sorted({a["image_id"] for a in objects} - set(animals))
    held = set(animals[2::4]) | set(people[2::4])
    for name, ids in (("train", {*animals, *people} - held), ("val", held)):
        mine = [a for a in objects if a["image_id"] in ids]
        (output / f"{name}.json").write_text(json.dumps({
            "images": [i for i in source["images"] if i["id"] in ids],
            "annotations": mine, "categories": CLASSES}))
        print(f"{name}: {len(ids)} pictures,",
              sum(a["category_id"] == 1 for a in mine), "people,",
              sum(a["category_id"] == 2 for a in mine), "animals")


def main():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    source, images, output = map(pathlib.Path, sys.argv[1:4])
    tool = sys.argv[4] if len(sys.argv) > 4 else TREE / "build/training/defcn"
    start = TREE / "pipelines/models/person.safetensors"
    output.mkdir(parents=True, exist_ok=True)
    split(json.loads(source.read_text()), output)
    val = ["--annotations", output / "val.json", "--images", images]
    subprocess.run(
        [tool, "train", TREE / "pipelines/models/person.ini", "--init", start,
         "--annotations", output / "train.json", "--images", images,
         "--val-annotations", output / "val.json", "--val-images", images,
         "-o", output / "mine", "--set", "iterations=600", "--set",
         "warmup=50", "--set", "lr=0.0002"], check=True)
    subprocess.run([tool, "eval", "--model", output / "mine/best.safetensors",
                    *val, "--classes=person,animal"], check=True)
    subprocess.run([tool, "eval", "--model", start, *val, "--classes=person"],
                   check=True)


if __name__ == "__main__":
    main()
