#!/usr/bin/env python3
"""Kills a rank of a training at random, again and again: each time all end
within 30 s, the rank and the reason are told, and the run goes on from its
checkpoint.

Usage: mpi_kills.py DEFCN MODULE [COUNT [SEED [ARGUMENT...]]]
The arguments are for the training, on an emulated GPU say.  Exits with 77
where there can be no ranks."""
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import mpi_rig  # noqa: E402
from mpi_rig import arguments, lines, start  # noqa: E402

DEFCN, MODULE = (os.path.abspath(path) for path in sys.argv[1:3])
COUNT = int(sys.argv[3]) if len(sys.argv) > 3 else 50
SEED = int(sys.argv[4]) if len(sys.argv) > 4 else 1
MORE = sys.argv[5:]


def checkpoint(folder):
    """The iteration of the run's checkpoint, 0 without; it must be whole."""
    path = folder + "/run/checkpoint.safetensors"
    if not os.path.exists(path):
        return 0
    told = subprocess.run([DEFCN, "info", path], capture_output=True,
                          universal_newlines=True)
    assert told.returncode == 0, told.stderr
    with open(path, "rb") as file:
        head = file.read(1 << 16).decode("latin-1")
    return int(head.split('"defcn.iteration":"')[1].split('"')[0])


def last_iteration(folder):
    found = lines(folder, "run")
    return found[-1]["iteration"] if found else 0


def once(folder, chance, number):
    """Starts or goes on, kills, and looks at what is left."""
    before = checkpoint(folder)
    ranks = chance.choice((2, 2, 4))
    more = ["--resume"] if before else ["--force"]
    more += ["--set", "iterations=100000", "--set", "checkpoint_interval=2",
             "--set", "eval_interval=5", "--val-annotations",
             folder + "/a.json", "--val-images", folder, *MORE]
    at = last_iteration(folder)
    run = start(ranks, arguments(DEFCN, folder, "run", *more))
    begun = time.monotonic()
    while len(run.pids()) < ranks:
        assert run.process.poll() is None, run.process.communicate()
        assert time.monotonic() - begun < mpi_rig.PATIENCE
        time.sleep(0.02)
    # At any time of the start, or once it has begun anew.
    hangs = chance.random() < 0.2
    late = hangs or chance.random() < 0.8
    if late:
        mpi_rig.wait_for_iteration(run, folder, "run", before + 1)
        while last_iteration(folder) == at and at > before:
            time.sleep(0.05)
    time.sleep(chance.random() * (3 if late else 2))
    rank = chance.randrange(ranks)
    victim = run.pids().get(rank)
    assert victim, (number, run.process.communicate())
    os.kill(victim, signal.SIGSTOP if hangs else signal.SIGKILL)
    begun = time.monotonic()
    status, out, err = run.wait_for_end()
    took = time.monotonic() - begun
    assert status != 0
    if hangs:
        own = [line for line in err.split("\n") if "defcn train: " in line]
        assert len(own) == 1, err
        assert "rank %d (" % rank in own[0], (rank, err)
        assert "does not answer any more" in own[0], err
    else:
        assert "rank %d" % rank in err and "signal 9" in err, (rank, err)
    after = checkpoint(folder)
    assert after >= before, (before, after)
    print("%d: %d ranks, rank %d %s: ended after %.1f s, checkpoint %d -> %d"
          % (number, ranks, rank, "hung" if hangs else "was killed", took,
             before, after), flush=True)
    return took


def main():
    reason = mpi_rig.why_not(DEFCN, MODULE)
    if reason:
        print("skipped: " + reason)
        return 77
    chance = random.Random(SEED)
    with tempfile.TemporaryDirectory() as folder:
        mpi_rig.make_data(folder)
        took = [once(folder, chance, i + 1) for i in range(COUNT)]
        print("%d times, the longest %.1f s; at iteration %d"
              % (COUNT, max(took), checkpoint(folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
