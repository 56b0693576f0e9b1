"""Training by several processes, as mpirun starts them, for tests."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid

RECIPE = """[recipe]
backbone=mobilenetv2
pixels=torchvision
freeze_at=0
fpn_channels=16
tower_depth=1
norm_groups=4
short_edges=64;80;96
short_edge=96
test_long_edge=128
batch=4
micro_batch=1
group=0
workers=1
optimizer=sgd
lr=0.0001
warmup=5
iterations=20
eval_interval=10
checkpoint_interval=5
log_interval=1
threads=1
ema=0.9
"""
# What all may take to end once one has failed, s.
LIMIT = 30
# A machine under load starts processes late, s.
PATIENCE = 120


def why_not(defcn, module):
    """Why there can be no ranks, or None."""
    if not shutil.which("mpirun"):
        return "no mpirun"
    if not module or not os.path.exists(module):
        return "built without MPI"
    return None


def environment(**more):
    env = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1",
               OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
               OMPI_MCA_rmaps_base_oversubscribe="1",
               OMPI_MCA_hwloc_base_binding_policy="none",
               OMP_WAIT_POLICY="passive")
    env.update(more)
    return env


def make_data(folder):
    subprocess.run([sys.executable, os.path.join(os.path.dirname(
        os.path.abspath(__file__)), "make_blocks.py"), folder], check=True)
    with open(folder + "/recipe.ini", "w") as file:
        file.write(RECIPE)


class Run:
    """A training that is under way."""

    def __init__(self, command, env=None, cwd=None):
        self.mark = uuid.uuid4().hex
        self.begun = time.monotonic()
        env = dict(env or environment(), DEFCN_TEST_RUN=self.mark)
        self.process = subprocess.Popen(
            command, env=env, cwd=cwd, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            universal_newlines=True)

    def processes(self):
        """{pid: environment} of all that it has started."""
        found = {}
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                with open("/proc/%s/environ" % name, "rb") as file:
                    words = file.read().split(b"\0")
            except OSError:
                continue
            words = dict(word.split(b"=", 1) for word in words if b"=" in word)
            if words.get(b"DEFCN_TEST_RUN") == self.mark.encode():
                found[int(name)] = words
        return found

    def pids(self):
        """{rank: pid} of those that live."""
        return {int(words[b"OMPI_COMM_WORLD_RANK"]): pid
                for pid, words in self.processes().items()
                if b"OMPI_COMM_WORLD_RANK" in words}

    def kill(self):
        """Ends whatever is left."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def wait(self, seconds=PATIENCE):
        """(status, out, err); kills it when it takes longer."""
        try:
            out, err = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            out, err = self.process.communicate()
            raise AssertionError("no end after %g s: %s" % (seconds, err))
        return self.process.returncode, out, err

    def wait_for_end(self):
        """The same, and that no rank is left."""
        begun = time.monotonic()
        result = self.wait(LIMIT)
        while self.pids():
            assert time.monotonic() - begun < LIMIT, self.pids()
            time.sleep(0.1)
        return result


def arguments(defcn, folder, name, *more):
    return [defcn, "train", folder + "/recipe.ini", "--annotations",
            folder + "/a.json", "--images", folder, "-o",
            "%s/%s" % (folder, name), *more]


def start(n, command, **more):
    """@command by @n ranks; by none of them where @n is 0."""
    if n:
        command = ["mpirun", "-n", str(n), *command]
    return Run(command, **more)


def lines(folder, name, key="loss"):
    """Of its metrics, those that have the key."""
    path = "%s/%s/metrics.jsonl" % (folder, name)
    if not os.path.exists(path):
        return []
    with open(path) as file:
        text = file.read()
    found = [json.loads(line) for line in text.split("\n")[:-1] if line]
    return [line for line in found if key in line]


def wait_for_iteration(run, folder, name, iteration):
    begun = time.monotonic()
    while not any(line["iteration"] >= iteration
                  for line in lines(folder, name)):
        assert run.process.poll() is None, run.process.communicate()
        assert time.monotonic() - begun < PATIENCE, "it does not begin"
        time.sleep(0.05)


def assert_equal(folder, one, other, first=1, last=20):
    """The losses of two runs, within what another order of sums makes."""
    a, b = ([line["loss"] for line in lines(folder, name)
             if first <= line["iteration"] <= last] for name in (one, other))
    assert len(a) == len(b) == last - first + 1, (len(a), len(b))
    worst = max(abs(x - y) / abs(x) for x, y in zip(a, b))
    assert worst < 2e-4, (worst, list(zip(a, b)))
    return worst
