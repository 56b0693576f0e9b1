#!/usr/bin/env python3
"""`defcn train` by several processes: the losses of one, one sentence when it
fails.  Prints TAP.

Usage: test_mpi.py DEFCN [MODULE]
DEFCN_TEST_RANKS are how many ranks are compared with one process (2)."""
import os
import shutil
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import mpi_rig  # noqa: E402
import tap  # noqa: E402
from mpi_rig import arguments, environment, lines, start  # noqa: E402

DEFCN = os.path.abspath(sys.argv[1])
MODULE = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else None
RANKS = int(os.environ.get("DEFCN_TEST_RANKS", "2"))


def ready(folder):
    reason = mpi_rig.why_not(DEFCN, MODULE)
    if reason:
        raise tap.Skipped(reason)
    if not os.path.exists(folder + "/a.json"):
        mpi_rig.make_data(folder)


def validated(folder):
    return ["--val-annotations", folder + "/a.json", "--val-images", folder]


def train(n, folder, name, *more, status=0, **how):
    found, out, err = start(n, arguments(DEFCN, folder, name, *more),
                            **how).wait()
    assert found == status, (found, out, err)
    return out, err


def in_folders(prefix, command):
    """Two ranks, each at work in the folder that ends with its number."""
    return start(2, ["sh", "-c",
                     'cd "$0$OMPI_COMM_WORLD_RANK" && exec "$@"', prefix,
                     *command])


def under_way(folder, name, iteration, *more):
    """Two ranks without an end that have come to @iteration."""
    run = start(2, arguments(DEFCN, folder, name, "--set", "iterations=100000",
                             *more))
    mpi_rig.wait_for_iteration(run, folder, name, iteration)
    return run


def said_once(err, words):
    """Our one sentence; mpirun has words of its own."""
    own = [line for line in err.split("\n") if "defcn train: " in line]
    assert len(own) == 1 and words in own[0], (words, err)


def resumes(folder, name, last):
    """The checkpoint is whole, of iteration @last at least."""
    out, err = train(0, folder, name, "--resume", "--stop-after", "1")
    at = int(err.split("stopped at iteration ")[1].split(";")[0])
    assert at >= last, (at, last)
    return at


def test_a_losses(folder):
    """ranks have the losses of one process for 20 iterations"""
    ready(folder)
    alone = train(0, folder, "one", *validated(folder))[1]
    assert "processes" not in alone, alone
    out, err = train(RANKS, folder, "many", *validated(folder))
    worst = mpi_rig.assert_equal(folder, "one", "many")
    print("# the losses are off by %.1e at most" % worst)
    losses = [line["loss"] for line in lines(folder, "many")]
    assert abs(losses[-1] - losses[0]) > 100 * worst, losses # they move
    first = [line["loss"] for line in lines(folder, "one")][0]
    assert abs(first - losses[0]) < 1e-9, (first, losses[0])
    assert out.count("images to train on") <= 1, out
    assert err.count("done: ") == 1, err
    assert err.count("%d processes share each batch: %d images each"
                     % (RANKS, 4 // RANKS)) == 1, err
    for line in lines(folder, "many"):
        assert line["ranks"] == RANKS
        assert 0 <= line["waited_for_ranks"] <= 1.01, line
        assert line["summed_mib"] > 0
        assert line["foreground"] == 4, line


def test_b_figures(folder):
    """an evaluation by ranks has the figures of one process"""
    ready(folder)
    one, many = (lines(folder, name, "ap50") for name in ("one", "many"))
    assert [line["iteration"] for line in many] == [10, 20]
    for x, y in zip(one, many):
        for key in ("ap", "ap50", "ar100"):
            assert abs(x[key] - y[key]) < 0.05, (x, y)
    assert sorted(os.listdir(folder + "/one")) == sorted(
        os.listdir(folder + "/many"))


def test_c_resume(folder):
    """another number of ranks goes on at the same batch"""
    ready(folder)
    train(RANKS, folder, "parts", "--stop-after", "8")
    train(0, folder, "parts", "--resume", "--stop-after", "14")
    train(RANKS, folder, "parts", "--resume")
    mpi_rig.assert_equal(folder, "one", "parts")


def test_d_init(folder):
    """weights to start from are rank 0's, wherever the others have none"""
    ready(folder)
    train(0, folder, "from-one", "--init", folder + "/one/model.safetensors",
          "--stop-after", "3")
    os.mkdir(folder + "/init0")
    os.mkdir(folder + "/init1")
    shutil.copy(folder + "/one/model.safetensors", folder + "/init0/m.st")
    found, out, err = in_folders(folder + "/init", arguments(
        DEFCN, folder, "from-many", "--init", "/proc/self/cwd/m.st",
        "--stop-after", "3")).wait()
    assert found == 0, err
    mpi_rig.assert_equal(folder, "from-one", "from-many", last=3)


def test_e_signal(folder):
    """a signal to one rank stops all at one iteration, which is saved"""
    ready(folder)
    for number, (rank, sent) in enumerate(
            ((1, signal.SIGTERM), (0, signal.SIGINT))):
        name = "stopped%d" % number
        run = under_way(folder, name, 2)
        os.kill(run.pids()[rank], sent)
        status, out, err = run.wait_for_end()
        assert status in (128 + sent, 1), (status, err)
        assert err.count("stopped at iteration") == 1, err
        last = lines(folder, name)[-1]["iteration"]
        assert "stopped at iteration %d;" % last in err, (last, err)
        assert resumes(folder, name, last) == last


def test_f_mpirun_signal(folder):
    """what mpirun is sent reaches all, and is saved"""
    ready(folder)
    run = under_way(folder, "asked", 2)
    run.process.send_signal(signal.SIGUSR1)
    status, out, err = run.wait_for_end()
    assert status != 0 and err.count("stopped at iteration") == 1, err
    resumes(folder, "asked", lines(folder, "asked")[-1]["iteration"])


def test_g_killed(folder):
    """a rank that is killed ends all, which names it; the checkpoint stays"""
    ready(folder)
    for rank in (0, 1):
        name = "killed%d" % rank
        run = under_way(folder, name, 6)
        os.kill(run.pids()[rank], signal.SIGKILL)
        status, out, err = run.wait_for_end()
        assert status != 0
        assert "process rank %d" % rank in err and "signal 9" in err, err
        resumes(folder, name, 5)


def test_h_hanging(folder):
    """a rank that hangs is found, named and ended"""
    ready(folder)
    for rank in (0, 1):
        name = "hanging%d" % rank
        run = under_way(folder, name, 6, "--rank-timeout", "3")
        os.kill(run.pids()[rank], signal.SIGSTOP)
        status, out, err = run.wait_for_end()
        assert status != 0
        said_once(err, "rank %d (%s) does not answer any more, for 3 s"
                  % (rank, os.uname().nodename))
        resumes(folder, name, 5)
        if rank == 1: # rank 0 saves what it has
            assert "saved the checkpoint of iteration" in err, err


def test_i_other_data(folder):
    """a rank with other annotations is named before the first update"""
    ready(folder)
    for name in ("data0", "data1"):
        os.mkdir("%s/%s" % (folder, name))
        with open(folder + "/a.json") as file:
            text = file.read()
        if name == "data1":
            assert text.count('"bbox": [8, 10, 40, 36]') == 1
            text = text.replace('"bbox": [8, 10, 40, 36]',
                                '"bbox": [8, 10, 40, 35]')
        with open("%s/%s/a.json" % (folder, name), "w") as file:
            file.write(text)
    command = [DEFCN, "train", folder + "/recipe.ini", "--annotations",
               "/proc/self/cwd/a.json", "--images", folder, "-o",
               folder + "/other-data"]
    status, out, err = in_folders(folder + "/data", command).wait_for_end()
    assert status != 0
    said_once(err, "rank 1 (%s): the annotations have other images or objects"
              % os.uname().nodename)
    assert not lines(folder, "other-data")


def test_j_other_version(folder):
    """a rank of another version is named with both"""
    ready(folder)
    os.mkdir(folder + "/old")
    version = os.popen("%s --version" % DEFCN).read().split()[1]
    other = version[:-1] + ("8" if version[-1] != "8" else "7")
    for path in (DEFCN, MODULE):
        with open(path, "rb") as file:
            text = file.read()
        at = "%s/old/%s" % (folder, os.path.basename(path))
        with open(at, "wb") as file:
            file.write(text.replace(version.encode() + b"\0",
                                    other.encode() + b"\0"))
        os.chmod(at, 0o755)
    command = arguments(DEFCN, folder, "other-version")
    status, out, err = start(2, [
        "sh", "-c", '[ "$OMPI_COMM_WORLD_RANK" = 0 ] && exec "$@"; shift; '
        'DEFCN_MODULES=$0 exec "$0/defcn" "$@"', folder + "/old",
        *command]).wait_for_end()
    assert status != 0
    host = os.uname().nodename
    said_once(err, "rank 1 (%s) is defcn %s, rank 0 (%s) is %s"
              % (host, other, host, version))


def test_k_full_disk(folder):
    """a full disk at rank 0 ends all with the file's name"""
    ready(folder)
    train(2, folder, "full", "--stop-after", "2")
    with open(folder + "/full/checkpoint.safetensors", "rb") as file:
        kept = file.read()
    run = under_way(folder, "full", 3, "--resume", "--set",
                    "checkpoint_interval=7")
    os.system("prlimit --pid %d --fsize=1048576" % run.pids()[0])
    status, out, err = run.wait_for_end()
    assert status == 1, (status, err)
    said_once(err, "rank 0 (%s): %s/full/checkpoint.safetensors: cannot be "
              "written" % (os.uname().nodename, folder))
    with open(folder + "/full/checkpoint.safetensors", "rb") as file:
        assert file.read() == kept


def test_l_refused(folder):
    """what cannot be is refused once, by all"""
    ready(folder)
    for words, more in (
            ("batch=3 has no equal parts for 2 ranks", ["--set", "batch=3"]),
            ('no recipe key "lrr"', ["--set", "lrr=1"]),
            ("is of an earlier run", ["-o", folder + "/one"])):
        run = start(2, arguments(DEFCN, folder, "none", *more))
        status, out, err = run.wait_for_end()
        assert status != 0
        said_once(err, "rank 0 (%s): " % os.uname().nodename)
        said_once(err, words)
    train(0, folder, "none", "--rank-timeout", "1", status=2)


def test_m_no_module(folder):
    """processes without the module say so, and do not run side by side"""
    ready(folder)
    run = start(2, arguments(DEFCN, folder, "bare"),
                env=environment(DEFCN_MODULES="/nowhere"))
    status, out, err = run.wait_for_end()
    assert status == 1 and not os.path.exists(folder + "/bare"), err
    assert "one of 2 processes, but the module for MPI" in err, err
    alone = start(1, arguments(DEFCN, folder, "alone", "--stop-after", "1"),
                  env=environment(DEFCN_MODULES="/nowhere"))
    assert alone.wait()[0] == 0 # opens none


if __name__ == "__main__":
    import tempfile
    with tempfile.TemporaryDirectory() as work:
        sys.exit(tap.run(globals(), work))
