#!/usr/bin/env python3
"""That rooms.py finds what it is there for.  TAP."""
import contextlib
import io
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.dont_write_bytecode = True
import rooms  # noqa: E402

# What a tree of these files {path: includes} is found to break.
CASES = {
    "nothing": ({"core/net.c": ["net.h"], "core/net.h": ["backend.h"],
                 "core/backend.h": [], "training/train.c": ["train/step.h"],
                 "training/train/step.h": ["data/loader.h", "net.h"],
                 "training/data/loader.h": []}, ""),
    "two files in a circle": ({"core/a.c": ["b.h"], "core/b.h": [],
                               "core/b.c": ["a.h"], "core/a.h": []},
                              "circle\tcore/a core/b"),
    "three files in a circle": ({"core/a.c": ["b.h"], "core/b.h": ["c.h"],
                                 "core/c.h": [], "core/c.c": ["a.h"],
                                 "core/a.h": []},
                                "circle\tcore/a core/b core/c"),
    "the plugin sees more of the core": (
        {"gst-plugin/meta.c": ["net.h"], "core/net.h": []},
        "rooms\tgst-plugin/meta.c"),
    "a room includes another's": (
        {"training/data/coco.c": ["train/step.h"], "training/train/step.h": []},
        "rooms\ttraining/data/coco.c"),
    "a room includes a door": (
        {"training/bench/dump.c": ["bench.h"], "training/bench.h": []},
        "rooms\ttraining/bench/dump.c"),
    "a backend knows the net": (
        {"core/onednn/conv.c": ["net.h"], "core/net.h": []},
        "rooms\tcore/onednn/conv.c"),
    "a room without a row": ({"core/new/x.c": ["net.h"], "core/net.h": []},
                             "rooms\tcore/new/x.c"),
    "a folder by ..": ({"core/onednn/x.c": ["../net.h"], "core/net.h": []},
                       "form\tcore/onednn/x.c"),
}


def found(files):
    with tempfile.TemporaryDirectory() as tree:
        for path, includes in files.items():
            file = pathlib.Path(tree, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text("".join('#include "%s"\n' % i for i in includes))
        here, out = os.getcwd(), io.StringIO()
        try:
            with contextlib.redirect_stdout(out):
                rooms.main(tree)
        finally:
            os.chdir(here)
        return out.getvalue()


failed = 0
for number, (name, (files, wanted)) in enumerate(CASES.items(), 1):
    said = found(files)
    good = wanted in said if wanted else said == ""
    failed += not good
    print("%sok %d - %s" % ("" if good else "not ", number, name))
    if not good:
        print("# " + said.replace("\n", "\n# "))
print("1..%d" % len(CASES))
sys.exit(failed > 0)
