#!/usr/bin/env python3
"""The benchmark of whole pipelines (bench/beside.py): that it compares the same
work or nothing, and says what is missing.  Prints TAP.

usage: test_beside.py SOURCES BUILD
"""
import json
import os
import pathlib
import subprocess
import sys

import tap

SOURCES, BUILD = (pathlib.Path(path).resolve() for path in sys.argv[1:])
BENCH = SOURCES / "tests/bench"
sys.dont_write_bytecode = True
sys.path.insert(0, str(BENCH))
import beside  # noqa: E402

PEERS = "onnxinference,onnxinference-default"
FRAMES = 3
PROGRAM = BUILD / "tests/e2e/onnx-bench"
ENVIRONMENT = {**os.environ, "DEFCN_COMMIT": "tested"}
ENVIRONMENT.pop("GST_PLUGIN_PATH", None)


def people(folder):
    """A video of the street, drawn boxes and all: one picture many times."""
    video = pathlib.Path(folder, "street.avi")
    subprocess.run(
        ["gst-launch-1.0", "-q", "filesrc",
         f"location={SOURCES}/pipelines/demo.jpg", "!", "jpegdec", "!",
         "imagefreeze", f"num-buffers={beside.WARM + FRAMES + 5}", "!",
         "video/x-raw,framerate=10/1", "!", "jpegenc", "!", "avimux", "!",
         "filesink", f"location={video}"], check=True)
    return video


def loop(folder, threshold, after=""):
    """A python that has all that is asked for, and whose opencv_loop.py finds
    what ours finds above @threshold."""
    path = pathlib.Path(folder, "python")
    path.write_text(f"""#!/bin/sh
[ "$1" != -c ] || exit 0
{"" if after else "exec"} gst-launch-1.0 -q filesrc location="$2" ! decodebin \\
  ! defcndetect model={beside.pipelines.MODEL} threshold={threshold} \\
  ! defcnpublish add-empty-results=true ! fakesink {after}
""")
    path.chmod(0o755)
    return path


def unbuilt(folder):
    """A build with the tool and no plugin."""
    build = pathlib.Path(folder, "build")
    (build / "training").mkdir(parents=True)
    (build / "training/defcn").symlink_to(BUILD / "training/defcn")
    return build


def run(folder, *more):
    return subprocess.run(
        [sys.executable, BENCH / "beside.py", "--build", BUILD, "--rounds",
         "1", "--tries", "1", "--frames", str(FRAMES), *more], env=ENVIRONMENT,
        cwd=folder, capture_output=True, text=True)


def measured(folder, *more):
    saved = pathlib.Path(folder, "beside.json")
    done = run(folder, "--video", people(folder), "--save", saved, *more)
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(saved.read_text())


def test_boxes(_):
    """boxes are the same where each has one of its own on the other side"""
    a, b = (0.0, 0.0, 1.0, 1.0), (0.0, 0.0, 0.5, 0.5)
    near = (0.0, 0.0, 1.0, 0.8)
    for share, ours, theirs in [
            (1, [(0.9, a)], [(0.8, near)]),
            (1, [(0.9, a), (0.4, b)], [(0.9, a)]),  # b is not sure
            (0, [(0.9, a)], [(0.9, b)]),
            (2 / 3, [(0.9, a), (0.9, b)], [(0.9, a)]),
            (2 / 3, [(0.9, a)], [(0.9, a), (0.9, b)]),
            (2 / 3, [(0.9, a), (0.9, a)], [(0.9, a)]),
            (1, [], [])]:
        found = beside.both([ours], [theirs], 0.5)
        assert abs(found - share) < 1e-9, (ours, theirs, found)


def test_measures(folder):
    """what finds the same is measured, in figures of every round"""
    said, saved = measured(folder, "--skip", PEERS, "--threads", "1",
                           "--python", loop(folder, "$6"))
    rows = {row["case"]: row for row in saved["results"]}
    assert list(rows) == ["defcn", "opencv-loop"], list(rows)
    for row in rows.values():
        assert row["same"] == 1 and row["boxes"] >= 1, row
        for key in ("fps", "cpu_ms", "peak_mb", "start_s"):
            assert row[key]["median"] > 0 and len(row["rounds"]) == 1, row
        assert "texts" not in row["rounds"][0], row
    ours, theirs = (rows[name]["rounds"][0] for name in rows)
    ratio = saved["ratios"]["opencv-loop"]
    assert abs(ratio["fps"]["median"] - ours["fps"] / theirs["fps"]) < 1e-9
    assert abs(ratio["cpu_ms"]["median"]
               - theirs["cpu_ms"] / ours["cpu_ms"]) < 1e-9
    assert saved["commit"] == "tested" and saved["threads"] == 1
    assert "| opencv-loop | " in said, said
    assert "| opencv-loop | " in pathlib.Path(folder, "beside.md").read_text()


def test_onnxinference(folder):
    """GStreamer's onnxinference finds the same boxes"""
    if not PROGRAM.exists():
        raise tap.Skipped("GStreamer 1.26 was not there to build for")
    _, saved = measured(folder, "--skip", "onnxinference-default,opencv-loop")
    ours, theirs = saved["results"]
    assert theirs["case"] == "onnxinference", theirs["case"]
    assert theirs["same"] == 1 and theirs["boxes"] >= 1, theirs
    assert abs(theirs["boxes"] - ours["boxes"]) <= 1, (ours, theirs)


def test_onnx_program(folder):
    """the tensors' program refuses a wrong word, and a model of other tensors,
    by name"""
    if not PROGRAM.exists():
        raise tap.Skipped("GStreamer 1.26 was not there to build for")
    for status, text, words in [
            (2, "usage:", []),
            (2, "\"tensors\"", ["0.3", "person", "fakesrc", "!", "fakesink"]),
            (2, "nosuch", ["0.3", "person", "nosuch"]),
            (1, "--decode", ["0.3", "person", "videotestsrc", "num-buffers=2",
                             "!", "identity", "name=tensors", "!",
                             "fakesink"])]:
        done = subprocess.run([PROGRAM, *words], capture_output=True,
                              text=True)
        assert done.returncode == status, (words, done)
        assert text in done.stderr, (words, done.stderr)


def test_other_work(folder):
    """what finds other boxes, or not all frames, is not compared"""
    video = people(folder)
    for threshold, after, text in [
            ("0.99", "", "not the same work"),
            ("$6", "| head -n 12", "12 records of 13 frames")]:
        done = run(folder, "--video", video, "--skip", PEERS, "--python",
                   loop(folder, threshold, after))
        assert done.returncode == 1 and text in done.stderr, done
        assert "opencv-loop" in done.stderr and not done.stdout, done


def test_nothing_found(folder):
    """a video without people is no comparison"""
    video = pathlib.Path(folder, "black.avi")
    subprocess.run(
        ["gst-launch-1.0", "-q", "videotestsrc", "pattern=black",
         f"num-buffers={beside.WARM + FRAMES + 5}", "!", "jpegenc", "!",
         "avimux", "!", "filesink", f"location={video}"], check=True)
    done = run(folder, "--video", video, "--skip", PEERS, "--python",
               loop(folder, "$6"))
    assert done.returncode == 1 and "nothing was found" in done.stderr, done


def test_missing(folder):
    """a contender that is not there is named, with what it lacks"""
    video = people(folder)
    for python in ("false", "/nosuch/python"):
        done = run(folder, "--video", video, "--python", python,
                   "--skip", PEERS)
        assert done.returncode == 1, done
        assert f"opencv-loop: {python} has no cv2" in done.stderr, done.stderr
        assert "python3-onnxruntime, or --skip opencv-loop" in done.stderr
    done = run(folder, "--video", video, "--build", folder)
    assert done.returncode == 1, done
    assert done.stderr == f"no program {folder}/training/defcn\n", done.stderr
    done = run(folder, "--video", video, "--skip", PEERS + ",opencv-loop",
               "--build", unbuilt(folder))
    assert done.returncode == 1, done
    assert done.stderr.startswith("defcn: no plugin in "), done.stderr
    assert "--skip" not in done.stderr, done.stderr
    if len(os.sched_getaffinity(0)) > 1 or not PROGRAM.exists():
        done = run(folder, "--video", video, "--threads", "1", "--skip",
                   "opencv-loop")
        assert done.returncode == 1, done
        for name in PEERS.split(","):
            assert f"or --skip {name}\n" in done.stderr, done.stderr


def test_arguments(folder):
    """wrong words are refused by name"""
    for words, text in [
            (["--skip", "defcn"], "beside it"),
            (["--skip", "nosuch"], "no nosuch; there are defcn,"),
            (["--threads", "0"], "--threads 0"),
            (["--threads", "4096"], "--threads 4096"),
            (["--frames", "0"], "--frames 0"),
            (["--video", "nosuch.avi"], "nosuch.avi: not there")]:
        done = run(folder, *words)
        assert done.returncode != 0 and text in done.stderr, (words, done)


if __name__ == "__main__":
    sys.exit(tap.run(globals()))
