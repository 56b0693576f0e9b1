#!/usr/bin/env python3
"""How long OpenMP's threads spin for their next loop, as libgomp tells when it
is loaded: in the tool and in a process that loads the plugin.  Prints TAP.
Usage: test_spin.py DEFCN BUILD"""
import os
import subprocess
import sys

DEFCN, BUILD = sys.argv[1:3]
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import tap  # noqa: E402

# As core/spin.h has it.
OURS = "2000"
PASSIVE = "0"
LAUNCH = ["gst-launch-1.0", "-q",
          "--gst-plugin-load=" + BUILD + "/gst-plugin/libgstdefcn.so",
          "videotestsrc", "num-buffers=1",
          "!", "video/x-raw,width=64,height=64",
          "!", "defcndetect", "device=reference",
          "model=" + HERE + "/../../pipelines/models/person.safetensors",
          "!", "fakesink"]


def spins(command, folder, **more):
    """What libgomp says when it is loaded for the last time: the tool has begun
    again, and GStreamer's scanner has run before the pipeline."""
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    environment.update(more, OMP_DISPLAY_ENV="verbose",
                       GST_REGISTRY=folder + "/registry")
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 0, done.stderr
    found = [line.split("'")[1] for line in done.stderr.splitlines()
             if "GOMP_SPINCOUNT" in line]
    if not found:
        raise tap.Skipped("no libgomp that tells its settings")
    return found[-1]


def test_tool(folder):
    """the tool's threads spin shortly"""
    assert spins([DEFCN, "--version"], folder) == OURS


def test_plugin(folder):
    """those of a pipeline spin shortly"""
    assert spins(LAUNCH, folder) == OURS


def test_decided(folder):
    """who has decided is obeyed"""
    for command in [DEFCN, "--version"], LAUNCH:
        assert spins(command, folder, OMP_WAIT_POLICY="passive") == PASSIVE
        assert spins(command, folder, GOMP_SPINCOUNT="7") == "7"


def test_other(folder):
    """an OpenMP that was there before the plugin stays as it was"""
    library = subprocess.run(["ldd", DEFCN], stdout=subprocess.PIPE,
                             universal_newlines=True).stdout
    if "libgomp.so.1" not in library:
        raise tap.Skipped("no libgomp")
    assert spins(LAUNCH, folder, LD_PRELOAD="libgomp.so.1") != OURS


sys.exit(tap.run(globals()))
