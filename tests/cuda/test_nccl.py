#!/usr/bin/env python3
"""`defcn train` by two ranks on emulated GPUs, whose gradients a libnccl of our
own sums: the losses of one process, who sums where NCCL cannot, and one
sentence when it fails.  Prints TAP.

Usage: test_nccl.py DEFCN MPI NCCL CUDA FAKE LACKING
MPI, NCCL and CUDA are the modules; FAKE and LACKING folders of a libnccl.so.2,
of which the latter has not all functions."""
import os
import shutil
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "e2e"))
sys.dont_write_bytecode = True
import mpi_rig  # noqa: E402
import tap  # noqa: E402

DEFCN, MPI, NCCL, CUDA, FAKE, LACKING = (
    os.path.abspath(path) for path in sys.argv[1:7])
HOST = os.uname().nodename
# A few updates tell: the emulation is slow.
UPDATES = 5
SMALL = ["--device", "cuda", "--set", "batch=2", "--set", "short_edges=64",
         "--set", "iterations=%d" % UPDATES, "--set", "checkpoint_interval=1",
         "--set", "eval_interval=0"]


def ready(folder):
    reason = mpi_rig.why_not(DEFCN, MPI)
    if reason:
        raise tap.Skipped(reason)
    if os.path.exists(folder + "/a.json"):
        return
    mpi_rig.make_data(folder)
    os.mkdir(folder + "/modules")
    for path in (MPI, NCCL, CUDA):
        os.symlink(path, "%s/modules/%s" % (folder, os.path.basename(path)))
    os.mkdir(folder + "/broken")
    with open(folder + "/broken/libnccl.so.2", "w") as file:
        file.write("no library")


def start(n, folder, name, *more, nccl=FAKE, before=(), **variables):
    environment = mpi_rig.environment(
        DEFCN_MODULES=folder + "/modules", LD_LIBRARY_PATH=nccl,
        TMPDIR=folder, FAKE_NCCL_LOG="%s/%s.calls" % (folder, name),
        **variables)
    return mpi_rig.start(n, [*before, *mpi_rig.arguments(
        DEFCN, folder, name, *SMALL, *more)], env=environment)


def train(*how, **more):
    status, out, err = start(*how, **more).wait()
    assert status == 0, (out, err)
    return err


def calls(folder, name, rank):
    path = "%s/%s.calls" % (folder, name)
    if not os.path.exists(path):
        return []
    with open(path) as file:
        lines = file.read().split("\n")
    return [line[2:] for line in lines if line.startswith("%d " % rank)]


def said_once(err, words):
    own = [line for line in err.split("\n") if "defcn train: " in line]
    assert len(own) == 1 and words in own[0], (words, err)


def resumes(folder, name, last):
    """The checkpoint is whole, of iteration @last at least; on the CPU."""
    err = train(0, folder, name, "--resume", "--stop-after", "1",
                "--device", "reference")
    at = int(err.split("stopped at iteration ")[1].split(";")[0])
    assert at >= last, (at, last)


def test_a_losses(folder):
    """NCCL on two GPUs gives the losses of one process"""
    ready(folder)
    train(0, folder, "one")
    err = train(2, folder, "nccl")
    assert err.count("gradients are summed on the GPUs by NCCL 2.28.9") == 1
    worst = mpi_rig.assert_equal(folder, "one", "nccl", last=UPDATES)
    print("# the losses are off by %.1e at most" % worst)
    line = mpi_rig.lines(folder, "nccl", "machine")[0]
    assert line["machine"]["reduce"] == "nccl", line
    sums = []
    for rank in (0, 1):
        found = calls(folder, "nccl", rank)
        begun = [call for call in found if call.startswith("sum ")]
        assert len(begun) % UPDATES == 0 and len(begun) >= 2 * UPDATES, found
        assert found[-2:] == ["finalize", "destroy"], found
        # the second update's first sum is not the last thing of the first
        assert begun[0].split()[2:] == begun[len(begun) // UPDATES].split()[2:]
        sums.append([call.split()[2:] for call in begun])
    assert sums[0] == sums[1]
    floats = sum(int(call[3]) for call in sums[0]) // UPDATES
    line = mpi_rig.lines(folder, "nccl")[-1]
    assert abs(line["summed_mib"] - floats * 4 * UPDATES / 2**20) < 1e-6, line
    assert 0 <= line["waited_for_ranks"] <= 1.01, line


def test_b_mpi(folder):
    """without NCCL MPI gives the same, and a line says why it does"""
    ready(folder)
    for number, (nccl, more, words) in enumerate((
            (FAKE, ["--reduce=mpi"], "pinned memory of the host\n"),
            (LACKING, ["--stop-after", "1"],
             ": rank 0 (%s) has no NCCL: %s/libnccl.so.2 has no "
             "ncclCommFinalize, wanted NCCL 2.14 or a later 2\n"
             % (HOST, LACKING)),
            (folder + "/broken", ["--stop-after", "1"],
             ": rank 0 (%s) has no NCCL: %s/broken/libnccl.so.2: "
             % (HOST, folder)))):
        name = "mpi%d" % number
        err = train(2, folder, name, *more, nccl=nccl)
        start_of_line = "gradients are summed by MPI, through pinned memory"
        assert err.count(start_of_line) == 1 and words in err, (words, err)
        line = mpi_rig.lines(folder, name, "machine")[0]
        assert line["machine"]["reduce"] == "mpi", line
        assert not calls(folder, name, 1)
    mpi_rig.assert_equal(folder, "one", "mpi0", last=UPDATES)


def test_c_one_gpu(folder):
    """two ranks of one GPU are told of by name before NCCL refuses them"""
    ready(folder)
    words = ("rank 0 (%s) and rank 1 (%s) have one GPU, 0000:03:00.0, and "
             "NCCL wants one for each" % (HOST, HOST))
    err = train(2, folder, "shared", "--stop-after", "1",
                CUDA_VISIBLE_DEVICES="3")
    assert "gradients are summed by MPI, " in err and words in err, err
    status, out, err = start(2, folder, "refused", "--reduce", "nccl",
                             CUDA_VISIBLE_DEVICES="3").wait_for_end()
    assert status != 0
    said_once(err, words)
    assert not calls(folder, "refused", 0)


def test_d_usage(folder):
    """--reduce knows its words; of a process that is alone it asks nothing"""
    ready(folder)
    status, out, err = start(0, folder, "none", "--reduce", "gloo").wait()
    assert status == 2 and "wanted auto, mpi or nccl" in err, err
    err = train(0, folder, "alone", "--reduce", "nccl", "--stop-after", "1")
    assert "gradients are summed" not in err, err
    status, out, err = start(2, folder, "none", "--device", "cpu",
                             "--reduce", "nccl").wait_for_end()
    assert status != 0
    said_once(err, "--reduce=nccl is for GPUs")


def test_e_error(folder):
    """an error of NCCL ends all, told once by the rank that had it"""
    ready(folder)
    each = len([call for call in calls(folder, "nccl", 0)
                if call.startswith("sum ")]) // UPDATES
    for rank in (0, 1):
        name = "error%d" % rank
        status, out, err = start(
            2, folder, name, FAKE_NCCL_FAIL="async:%d:%d"
            % (rank, 2 * each + 1)).wait_for_end()
        assert status != 0
        said_once(err, "rank %d (%s): NCCL: internal error: " % (rank, HOST))
        assert "saved the checkpoint of iteration 2" in err, err
        assert calls(folder, name, rank)[-1] == "abort"
        resumes(folder, name, 2)


def test_f_killed(folder):
    """a rank that dies in a sum ends all, which names it"""
    ready(folder)
    status, out, err = start(2, folder, "killed",
                             FAKE_NCCL_FAIL="die:1:3").wait_for_end()
    assert status != 0
    assert "process rank 1" in err and "signal 9" in err, err


def test_g_hanging(folder):
    """a rank that hangs in a sum is found, named and ended"""
    ready(folder)
    run = start(2, folder, "hanging", "--set", "iterations=1000",
                "--rank-timeout", "4")
    mpi_rig.wait_for_iteration(run, folder, "hanging", 2)
    os.kill(run.pids()[1], signal.SIGSTOP)
    status, out, err = run.wait_for_end()
    assert status != 0
    said_once(err, "rank 1 (%s) does not answer any more, for 4 s" % HOST)
    assert "saved the checkpoint of iteration" in err, err
    assert calls(folder, "hanging", 0)[-1] == "abort"
    resumes(folder, "hanging", 2)


def test_h_hanging_abort(folder):
    """where NCCL does not even end, all ranks do, with the sentence"""
    ready(folder)
    status, out, err = start(2, folder, "stuck", FAKE_NCCL_FAIL="async:1:3",
                             FAKE_NCCL_ABORT="1").wait_for_end()
    assert status != 0
    said_once(err, "rank 1 (%s): NCCL: internal error: " % HOST)


def test_i_other_library(folder):
    """ranks with other versions of NCCL are named with both"""
    ready(folder)
    run = start(2, folder, "versions", "--reduce=nccl", before=[
        "sh", "-c", "export FAKE_NCCL_VERSION=$((22800 + "
        "OMPI_COMM_WORLD_RANK)); exec \"$0\" \"$@\""])
    status, out, err = run.wait_for_end()
    assert status != 0
    said_once(err, "rank 1 (%s) has NCCL 2.28.1, rank 0 (%s) has NCCL 2.28.0"
              % (HOST, HOST))


def test_j_no_module(folder):
    """without the module MPI sums, and the line says so"""
    ready(folder)
    os.mkdir(folder + "/few")
    for path in (MPI, CUDA):
        os.symlink(path, "%s/few/%s" % (folder, os.path.basename(path)))
    shutil.move(folder + "/modules", folder + "/all")
    os.rename(folder + "/few", folder + "/modules")
    err = train(2, folder, "few", "--stop-after", "1")
    assert "has no NCCL: the module for NCCL does not load, or was not" in err


if __name__ == "__main__":
    import tempfile
    with tempfile.TemporaryDirectory() as work:
        sys.exit(tap.run(globals(), work))
