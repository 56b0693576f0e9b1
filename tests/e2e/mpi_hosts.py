#!/usr/bin/env python3
"""Training on three hosts, each a network of its own: a host file, a launcher
in the place of ssh, the losses of one process, and a cable that is pulled.
Prints TAP.

Usage: mpi_hosts.py DEFCN MODULE
Needs root, iproute2 and util-linux; nothing outside is touched."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import mpi_rig  # noqa: E402
import tap  # noqa: E402
from mpi_rig import arguments  # noqa: E402

DEFCN, MODULE = (os.path.abspath(path) for path in sys.argv[1:3])
INSIDE = "DEFCN_TEST_HOSTS"
HOSTS = ("alpha", "beta", "gamma")
SIX = ["--set", "batch=6", "--set", "eval_interval=0"]


def why_not():
    reason = mpi_rig.why_not(DEFCN, MODULE)
    for tool in ("ip", "unshare", "nsenter"):
        if not reason and not shutil.which(tool):
            reason = "no " + tool
    if not reason and os.geteuid() != 0:
        reason = "not root"
    return reason


def enter():
    """Goes on in a network and with mounts of its own; returns why not."""
    reason = why_not()
    if reason:
        return reason
    way = ["unshare", "--net", "--mount", "--propagation", "private"]
    tried = subprocess.run(
        [*way, "sh", "-c", "mount -t tmpfs none /run && "
         "ip link add near type veth peer name far"],
        capture_output=True, universal_newlines=True)
    if tried.returncode:
        return "no network of its own: " + tried.stderr.strip()
    os.environ[INSIDE] = "1"
    os.execvp(way[0], [*way, sys.executable, *sys.argv])
    return None


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def make_hosts(folder):
    """A bridge, and a network with a name at each of its cables."""
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    ip("link", "add", "bridge", "type", "bridge")
    ip("link", "set", "bridge", "up")
    with open(folder + "/hosts", "w") as file:
        file.write("127.0.0.1 localhost\n")
        for number, host in enumerate(HOSTS, 1):
            file.write("198.18.0.%d %s\n" % (number, host))
    subprocess.run(["mount", "--bind", folder + "/hosts", "/etc/hosts"],
                   check=True)
    for number, host in enumerate(HOSTS, 1):
        ip("netns", "add", host)
        ip("link", "add", "to-" + host, "type", "veth", "peer", "name", "eth0",
           "netns", host)
        ip("link", "set", "to-" + host, "master", "bridge", "up")
        ip("-n", host, "address", "add", "198.18.0.%d/24" % number, "dev",
           "eth0")
        ip("-n", host, "link", "set", "eth0", "up")
        ip("-n", host, "link", "set", "lo", "up")
        os.mkdir("%s/tmp-%s" % (folder, host))
    # As ssh is called: HOST COMMAND...
    with open(folder + "/agent", "w") as file:
        file.write("""#!/bin/sh
host=$1
shift
exec ip netns exec "$host" unshare --uts sh -c \
  "hostname $host; export TMPDIR=%s/tmp-$host; $*"
""" % folder)
    os.chmod(folder + "/agent", 0o755)
    with open(folder + "/hostfile", "w") as file:
        file.write("".join("%s slots=1\n" % host for host in HOSTS))


def command_on_hosts(folder, *command):
    return [folder + "/agent", HOSTS[0], "exec", "mpirun", "--hostfile",
            folder + "/hostfile", "-n", str(len(HOSTS)), "--mca",
            "plm_rsh_agent", folder + "/agent", *command]


def test_a_losses(folder):
    """three hosts have the losses of one process"""
    mpi_rig.make_data(folder)
    make_hosts(folder)
    for run in (mpi_rig.start(0, arguments(DEFCN, folder, "one", *SIX)),
                mpi_rig.Run(command_on_hosts(
                    folder, *arguments(DEFCN, folder, "three", *SIX)))):
        status, out, err = run.wait()
        assert status == 0, err
    mpi_rig.assert_equal(folder, "one", "three")


def test_b_cable(folder):
    """a host that is cut off is named, and all end"""
    run = mpi_rig.Run(command_on_hosts(
        folder, *arguments(DEFCN, folder, "cut", *SIX, "--set",
                           "iterations=100000")))
    mpi_rig.wait_for_iteration(run, folder, "cut", 6)
    pids = run.pids()
    assert len(pids) == 3, pids
    ip("link", "set", "to-gamma", "down")
    begun = time.monotonic()
    while run.pids():
        assert time.monotonic() - begun < mpi_rig.LIMIT, (
            run.pids(), run.process.poll())
        time.sleep(0.2)
    ended = time.monotonic() - begun
    # mpirun has ended too, or waits for the daemon that it does not reach; that
    # one knows of nothing.
    run.kill()
    status, out, err = run.wait()
    assert status != 0
    assert "defcn train: rank 2 (gamma) does not answer any more" in err, err
    print("# after %.1f s" % ended)
    status, out, err = mpi_rig.start(0, arguments(
        DEFCN, folder, "cut", *SIX, "--resume", "--stop-after", "1")).wait()
    assert status == 0, err


if __name__ == "__main__":
    if INSIDE not in os.environ:
        missing = enter()
        print("1..1\nok 1 - hosts # SKIP " + missing)
        sys.exit(0)
    with tempfile.TemporaryDirectory() as work:
        sys.exit(tap.run(globals(), work))
