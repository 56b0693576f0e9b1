#!/usr/bin/env python3
"""`defcn eval --tracks` on made-up sequences (tracks/make.py): TrackEval's and
py-motmetrics' figures, as tracks/figures.json keeps them, and anew where
DEFCN_TRACKEVAL names a Python that has both; real sequences of
../shared/data/mot-gt likewise.  Prints TAP.  Usage: test_tracks.py DEFCN"""
import json
import os
import subprocess
import sys
import tempfile

DEFCN = sys.argv[1]
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE + "/tracks")
sys.dont_write_bytecode = True
import make  # noqa: E402

SHARED = os.path.join(
    os.environ.get("DEFCN_DATA", HERE + "/../../../shared/data"), "mot-gt")
LIVE = """
import json, sys
sys.path.insert(0, %r)
sys.dont_write_bytecode = True
import make
truth, result, benchmark, both = sys.argv[1:]
out = {"trackeval": make.trackeval_figures(truth, result, benchmark)}
if both == "both":
    out["motmetrics"] = make.motmetrics_figures(truth, result)
print(json.dumps(out))
""" % (HERE + "/tracks")


class Skipped(Exception):
    pass


def run(*arguments):
    return subprocess.run([DEFCN, "eval"] + list(arguments),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True)


def measure(truth, result, *more):
    done = run("--tracks", result, "--annotations", truth, "--json", "-",
               *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def compare(ours, references):
    for name, figures in references.items():
        own = dict(ours, **ours["lasting"]) if name == "motmetrics" else ours
        for key, value in figures.items():
            assert abs(own[key] - value) < 1e-6, "%s: %s is %r, wanted %r" % (
                name, key, own[key], value)


def live(truth, result, benchmark, both):
    python = os.environ.get("DEFCN_TRACKEVAL")
    if not python:
        raise Skipped("DEFCN_TRACKEVAL names no Python with trackeval")
    done = subprocess.run([python, "-c", LIVE, truth, result, benchmark,
                           "both" if both else ""], stdout=subprocess.PIPE,
                          check=True)
    return json.loads(done.stdout)


def both_know(name):
    return make.CASES[name] == "MOT15" and not name.startswith("no-")


def test_kept(work):
    """The figures that are kept, of every made-up sequence."""
    with open(HERE + "/tracks/figures.json") as file:
        kept = json.load(file)
    assert set(kept) == set(make.CASES)
    for name in make.CASES:
        compare(measure(*make.write(work, name)), kept[name])
        assert ("motmetrics" in kept[name]) == both_know(name)


def test_live(work):
    """The same, measured anew by the references."""
    for name in make.CASES:
        truth, result = make.write(work, name)
        compare(measure(truth, result),
                live(truth, result, make.CASES[name], both_know(name)))


def test_seeds(work):
    """Other sequences than those that are kept."""
    for seed in range(6):
        name = "plain-%d" % (100 + seed)
        truth, result = make.write(work, name)
        compare(measure(truth, result), live(truth, result, "MOT15", True))


def test_real(work):
    """TUD-Campus and its tracker, by both references."""
    folder = SHARED + "/TUD-Campus/"
    if not os.path.exists(folder):
        raise Skipped("no ../shared/data/mot-gt")
    ours = measure(folder + "gt.txt", folder + "test.txt")
    assert ours["lasting"]["switches"] == 7
    compare(ours, live(folder + "gt.txt", folder + "test.txt", "MOT15", True))


def test_order(work):
    """Lines in any order, blanks for commas, CR LF, a byte order mark."""
    truth, result = make.write(work, "plain-1")
    wanted = measure(truth, result)
    for path in (truth, result):
        with open(path) as file:
            lines = sorted(file.read().splitlines(), reverse=True)
        with open(path, "w", newline="") as file:
            file.write("\ufeff" + "\r\n".join(
                line.replace(",", "  ") for line in lines) + "\r\n\r\n")
    ours = measure(truth, result)
    for key in ("hota", "mota", "idf1", "switches", "fragments"):
        assert abs(ours[key] - wanted[key]) < 1e-12, key


def test_raw(work):
    """--raw leaves nothing out."""
    truth, result = make.write(work, "classes-1")
    own, raw = measure(truth, result), measure(truth, result, "--raw")
    with open(truth) as file:
        assert raw["annotated_boxes"] == len(file.readlines())
    assert raw["ignored_annotations"] == raw["removed_results"] == 0
    assert own["ignored_annotations"] > 0 and own["removed_results"] > 0
    assert (own["annotated_boxes"] + own["ignored_annotations"]
            == raw["annotated_boxes"])
    assert own["result_boxes"] + own["removed_results"] == raw["result_boxes"]


def test_table(work):
    """What is printed, and written with --json FILE beside it."""
    truth, result = make.write(work, "swapped")
    done = run("--tracks", result, "--annotations", truth, "--json",
               work + "/out.json")
    assert done.returncode == 0
    with open(work + "/out.json") as file:
        figures = json.load(file)
    words = done.stdout.split()
    for name in ("HOTA", "MOTA", "MOTP", "IDF1", "DetA", "AssA"):
        shown = float(words[words.index(name) + 1])
        assert abs(shown - 100 * figures[name.lower()]) < 0.0051, name
    assert "switches %d " % figures["switches"] in done.stdout
    assert figures["switches"] > 0 and figures["results"] == result


WRONG = (
    ("1,1,0,0,10\n", "a.txt:1: too few numbers"),
    ("1,1,0,0,10,20\n\n1,x,0,0,10,20\n", 'a.txt:3: "x" is no number'),
    ("1,1,0,0,nan,20\n", 'a.txt:1: "nan" is no number'),
    ("0,1,0,0,10,20\n", "a.txt:1: the frame is not in"),
    ("1,1e300,0,0,10,20\n", "a.txt:1: the id is beyond"),
    ("1,7,0,0,10,20\n2,7,0,0,9,9\n2,7,0,0,10,20\n",
     "a.txt:3: frame 2 has the id 7 twice (line 2)"),
    ("1,-1,0,0,10,20\n1,-1,5,0,10,20\n", "these are detections, not tracks"),
    ('{"images": []}\n', "a.txt:1: "),
    ("1,1,0,0,10,20,1,3\n", "a.txt:1: only pedestrians are evaluated"),
)


def test_wrong_files(work):
    """Errors name file and line, whichever of the two it is."""
    good, bad = make.write(work, "classes-2")[0], work + "/a.txt"
    for content, message in WRONG:
        with open(bad, "w") as file:
            file.write(content)
        for tracks, truth in ((bad, good), (good, bad)):
            if "pedestrians" in message and tracks != bad:
                continue
            done = run("--tracks", tracks, "--annotations", truth)
            assert done.returncode == 1 and message in done.stderr, done.stderr
    with open(bad, "w") as file:
        file.write("1,1,0,0,10,20,1,1\n1,2,0,0,10,20,1,99\n")
    done = run("--tracks", bad, "--annotations", bad)
    assert "a.txt:2: the class is not in 1 .. 13" in done.stderr, done.stderr
    for path in (work, work + "/none.txt"):
        done = run("--tracks", path, "--annotations", good)
        assert done.returncode == 1 and path in done.stderr


def test_usage(work):
    """Options that say nothing of tracks are refused with them."""
    truth, result = make.write(work, "perfect")
    for more in (["--model", "m"], ["--images", work], ["--results", result],
                 ["--limit", "3"], ["--calibrate"], ["--classes"]):
        done = run("--tracks", result, "--annotations", truth, *more)
        assert done.returncode == 2 and "--tracks goes" in done.stderr
    assert run("--tracks", result).returncode == 2
    assert run("--raw", "--annotations", truth, "--images", work, "--model",
               "m").returncode == 2


def main():
    tests = [call for name, call in sorted(globals().items())
             if name.startswith("test_")]
    print("1..%d" % len(tests))
    failed = False
    for number, call in enumerate(tests, 1):
        with tempfile.TemporaryDirectory() as work:
            try:
                call(work)
                print("ok %d - %s" % (number, call.__doc__))
            except Skipped as reason:
                print("ok %d - %s # SKIP %s" % (number, call.__doc__, reason))
            except Exception as error:
                failed = True
                print("not ok %d - %s" % (number, call.__doc__))
                print("# %r" % error)
    return failed


sys.exit(main())
