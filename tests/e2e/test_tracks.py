#!/usr/bin/env python3
"""`defcn track` on pictures; `defcn eval --tracks` on made-up sequences
(tracks/make.py): TrackEval's and py-motmetrics' figures, as
tracks/figures.json keeps them, and anew where DEFCN_TRACKEVAL names a Python
that has both; real sequences of ../shared/data/mot-gt likewise.  Prints TAP.
Usage: test_tracks.py DEFCN"""
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib

DEFCN = sys.argv[1]
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, HERE + "/tracks"]
sys.dont_write_bytecode = True
import make  # noqa: E402
import tap  # noqa: E402

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
PIPELINES = HERE + "/../../pipelines/"


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
        raise tap.Skipped("DEFCN_TRACKEVAL names no Python with trackeval")
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
        raise tap.Skipped("no ../shared/data/mot-gt")
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
    ("1,1,0,0,1e300,1e300\n", "a.txt:1: a coordinate is beyond"),
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
    with open(bad, "w") as file:
        for i in range(2001):
            file.write("7,%d,0,0,10,20\n" % i)
    done = run("--tracks", good, "--annotations", bad)
    assert done.returncode == 1, done
    assert "a.txt:2001: frame 7 has more than 2000 boxes" in done.stderr
    for path in (work, work + "/none.txt"):
        done = run("--tracks", path, "--annotations", good)
        assert done.returncode == 1 and path in done.stderr


def test_many_tracks(work):
    """More pairs of ids than there is memory for are refused."""
    paths = [work + "/%s.txt" % name for name in ("truth", "tracks")]
    for path in paths:
        with open(path, "w") as file:
            for i in range(1, 7073):
                file.write("%d,%d,0,0,10,20\n" % (i, i))
    done = run("--tracks", paths[1], "--annotations", paths[0])
    assert done.returncode == 1 and "tracks.txt: 7072 tracks" in done.stderr


def test_inputs_stay(work):
    """Nothing is written in the place of what is read."""
    truth, result = make.write(work, "perfect")
    pictures(work + "/v", ["1.jpg", "2.jpg"])
    with open(work + "/v/1.jpg", "rb") as file:
        before = file.read()
    for path in (truth, result):
        done = run("--tracks", result, "--annotations", truth, "--json", path)
        assert done.returncode == 1 and "is read too" in done.stderr
    measure(truth, result)
    for path, words in (("/v/1.jpg", "is read too"), ("/v", "is a folder"),
                        ("/none/x", "does not exist")):
        done = track(work + "/v", "-o", work + path)
        assert done.returncode == 1 and words in done.stderr, done.stderr
    with open(work + "/v/1.jpg", "rb") as file:
        assert file.read() == before


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


def grey_png(path):
    """A picture of nobody."""
    def chunk(name, data):
        body = name + data
        return (struct.pack(">I", len(data)) + body
                + struct.pack(">I", zlib.crc32(body)))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n"
                   + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0,
                                                0))
                   + chunk(b"IDAT", zlib.compress((b"\0" + b"\x80" * 64) * 64))
                   + chunk(b"IEND", b""))


def track(*arguments):
    return subprocess.run(
        [DEFCN, "track", "--threads", "1", "--model",
         PIPELINES + "models/person.safetensors"] + list(arguments),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        universal_newlines=True)


def pictures(folder, names, nobody=()):
    os.makedirs(folder)
    for name in names:
        if name in nobody:
            grey_png("%s/%s" % (folder, name))
        else:
            shutil.copy(PIPELINES + "demo.jpg", "%s/%s" % (folder, name))


def rows(text):
    return [[float(word) for word in line.split(",")]
            for line in text.splitlines()]


def test_track(work):
    """Pictures in natural order, one id each from the first one on."""
    pictures(work + "/v", ["a2.jpg", "a10.jpg", "a1.jpg", "a011.jpg",
                           "a8.jpg"], nobody=["a10.jpg"])
    done = track(work + "/v", "-o", work + "/v.txt", "--fps", "10")
    assert done.returncode == 0, done.stderr
    with open(work + "/v.txt") as file:
        found = rows(file.read())
    frames = {}
    for row in found:
        assert len(row) == 10 and 0.1 < row[6] <= 1 and row[7:] == [-1] * 3
        frames.setdefault(row[0], set()).add(row[1])
    assert sorted(frames) == [1, 2, 3, 5], sorted(frames)
    assert all(ids == frames[1] for ids in frames.values())
    assert frames[1] == set(range(1, len(frames[1]) + 1))
    assert len(frames[1]) >= 3
    # Measured against itself it is right.
    figures = measure(work + "/v.txt", work + "/v.txt", "--raw")
    assert figures["hota"] > 0.999999 and figures["mota"] == 1


def test_track_options(work):
    """Who is gone for too long is somebody else; few pictures confirm none."""
    names = ["%02d.jpg" % i for i in range(7)]
    pictures(work + "/v", names, nobody=names[3:6])
    ids = []
    for more in (["--fps", "10"], ["--fps", "1"],
                 ["--fps", "1", "--max-lost", "4"],
                 ["--fps", "10", "--confirm", "5"]):
        done = track(work + "/v", "--confirm", "1", *more)
        assert done.returncode == 0, done.stderr
        at = [{r[1] for r in rows(done.stdout) if r[0] == frame}
              for frame in (1, 7)]
        ids.append([len(at[0]), len(at[0] & at[1])])
    n = ids[0][0]
    assert n >= 3
    assert ids == [[n, n], [n, 0], [n, n], [0, 0]], ids
    first = track(work + "/v", "--threshold", "0.99")
    assert first.returncode == 0 and first.stdout == ""


def test_track_folders(work):
    """A file for each folder; img1 has its sequence's name."""
    for name in ("one", "two/img1"):
        pictures("%s/%s" % (work, name), ["1.jpg", "2.jpg", "3.jpg"])
    done = track(work + "/one", work + "/two/img1", "-o", work + "/out")
    assert done.returncode == 0, done.stderr
    texts = []
    for name in ("one", "two"):
        with open("%s/out/%s.txt" % (work, name)) as file:
            texts.append(file.read())
    assert texts[0] == texts[1] and rows(texts[0])
    done = track(work + "/one", work + "/two/../one", "-o", work + "/out")
    assert done.returncode == 1 and "one.txt" in done.stderr


def test_track_wrong(work):
    """What cannot be read is named and costs nothing else."""
    pictures(work + "/v", ["%d.jpg" % i for i in range(5)])
    with open(work + "/v/2.jpg", "w") as file:
        file.write("none")
    os.makedirs(work + "/empty")
    done = track(work + "/v")
    assert done.returncode == 1 and "v/2.jpg" in done.stderr
    assert {row[0] for row in rows(done.stdout)} == {1, 2, 4, 5}
    done = track(work + "/empty", work + "/v", "-o", work + "/out")
    assert done.returncode == 1 and "/empty" in done.stderr
    assert os.path.exists(work + "/out/v.txt")
    for arguments in ([], [work + "/v", work + "/empty"],
                      [work + "/v", "--fps", "0"], [work + "/v", "--fps",
                                                    "nan"],
                      [work + "/v", "--threshold", "2"],
                      [work + "/v", "--confirm", "0"],
                      [work + "/v", "--max-lost", "-1"]):
        assert track(*arguments).returncode == 2, arguments
    assert subprocess.run([DEFCN, "track", work + "/v"],
                          stderr=subprocess.DEVNULL).returncode == 2


sys.exit(tap.run(globals()))
