#!/usr/bin/env python3
"""defcn-live on cameras that are hosts of their own: a cable is pulled, packets
vanish, a host stops.  Who is silent is found within its time, tried again with
a wait that grows, and comes back; the others keep their frames.  Prints TAP.

Hosts, cables and addresses are those of network namespaces that this test makes
and that end with it; nothing outside is touched or reached.  Skipped where the
kernel gives none, or without iproute2 and util-linux.

Usage: test_live_network.py SOURCES BUILD [RTSP_SERVER [SECONDS]]
With SECONDS it begins anew until they are over, and says a line every time."""
import os
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import live_rig  # noqa: E402
from live_rig import wait  # noqa: E402

BUILD = sys.argv[2]
SERVER = sys.argv[3] if len(sys.argv) > 3 else None
SECONDS = int(sys.argv[4]) if len(sys.argv) > 4 else 0
INSIDE = "DEFCN_TEST_NETWORK"
TIMEOUT = 2 # s without a frame, as the file says
RETRY_MAX = 3
# What a look at the cameras and a busy machine take, s.
SLACK = 2.5
OUTAGE = 8
FPS = 10
NOBODY = "02:00:00:00:00:01"
tap = live_rig.Tap()


def enter():
    """Goes on as root of a network of its own; returns why it cannot."""
    if not SERVER:
        return "no RTSP server"
    for tool in ("ip", "unshare", "nsenter"):
        if not shutil.which(tool):
            return "no " + tool
    ways = [["unshare", "--net"], ["unshare", "--net", "--map-root-user"]]
    for way in ways[os.geteuid() != 0:]:
        tried = subprocess.run(
            [*way, "sh", "-c", "ip link add name near type veth peer name far"],
            capture_output=True, universal_newlines=True)
        if tried.returncode == 0:
            os.environ[INSIDE] = "1"
            os.execvp(way[0], [*way, sys.executable, *sys.argv])
    return "no network of its own: " + tried.stderr.strip()


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def mac_of(device, *inside):
    shown = subprocess.run([*inside, "ip", "link", "show", "dev", device],
                           check=True, stdout=subprocess.PIPE,
                           universal_newlines=True)
    return re.search(r"link/ether ([0-9a-f:]+)", shown.stdout).group(1)


class Host:
    """A camera: a network of its own at the other end of a cable."""

    def __init__(self, number):
        self.near = "198.18.%d.1" % number
        self.address = "198.18.%d.2" % number
        self.cable = "cable%d" % number
        # Waits for its network; the tree of it goes with this process.
        self.process = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", 'read -r go; exec "$@"', "-",
             SERVER, str(max(SECONDS, 60) + 600), "8554", self.address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            universal_newlines=True)
        self.inside = ["nsenter", "-t", str(self.process.pid), "-n"]
        wait(lambda: os.readlink("/proc/self/ns/net") != os.readlink(
            "/proc/%d/ns/net" % self.process.pid))
        ip("link", "add", "name", self.cable, "type", "veth", "peer", "name",
           "net", "netns", str(self.process.pid))
        ip("address", "add", self.near + "/30", "dev", self.cable)
        ip("link", "set", self.cable, "up")
        self.do("ip", "address", "add", self.address + "/30", "dev", "net")
        self.do("ip", "link", "set", "net", "up")
        self.macs = mac_of(self.cable), mac_of("net", *self.inside)
        self.know(*self.macs)
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        self.process.stdout.readline()

    def do(self, *command):
        subprocess.run([*self.inside, *command], check=True)

    def know(self, near, far):
        """Who the other one is: nobody asks, so that nobody is told that it has
        gone."""
        ip("neighbour", "replace", self.address, "lladdr", far, "dev",
           self.cable, "nud", "permanent")
        self.do("ip", "neighbour", "replace", self.near, "lladdr", near, "dev",
                "net", "nud", "permanent")

    def uri(self):
        return "rtsp://%s:8554/camera" % self.address

    def close(self):
        self.process.kill()
        self.process.wait()


class Cable(Host):
    """Its cable is pulled."""

    def cut(self):
        self.do("ip", "link", "set", "net", "down")

    def heal(self):
        self.do("ip", "link", "set", "net", "up")


class Drops(Host):
    """What is sent there, and from there, reaches nobody, and nobody says so.
    """

    def cut(self):
        self.know(NOBODY, NOBODY)

    def heal(self):
        self.know(*self.macs)


class Frozen(Host):
    """Its system takes connections, its program says nothing."""

    def cut(self):
        self.process.send_signal(signal.SIGSTOP)

    def heal(self):
        self.process.send_signal(signal.SIGCONT)


class Well(Host):
    """Nothing is done to it."""


def start(work):
    hosts = {"cable": Cable(1), "drops": Drops(2), "frozen": Frozen(3),
             "udp": Drops(4), "well": Well(5)}
    text = ("[live]\nport = 0\nthreads = 1\ninference-interval = 100\n"
            "all-frames = true\ntimeout = %d\nretry-min = 1\nretry-max = %d\n"
            "rtsp-protocol = tcp\n" % (TIMEOUT, RETRY_MAX))
    for name, host in hosts.items():
        text += "[camera %s]\nuri = %s\n" % (name, host.uri())
        if name == "udp":
            text += "rtsp-protocol = udp\n"
    return hosts, live_rig.Live(BUILD, work, text)


def metric(live, what, name):
    return live.metrics()['defcn_live_camera_%s{camera="%s"}' % (what, name)]


def running(live, names):
    cameras = live.health()[1]["cameras"]
    return all(cameras[name]["state"] == "running" for name in names)


def watch_outage(live, hurt):
    """Seconds until each of @hurt was lost, of OUTAGE."""
    losses = {name: metric(live, "losses_total", name) for name in hurt}
    begun = time.monotonic()
    found = {}
    while time.monotonic() - begun < OUTAGE:
        samples = live.metrics()
        for name in hurt:
            if name not in found and samples[
                    'defcn_live_camera_losses_total{camera="%s"}'
                    % name] > losses[name]:
                found[name] = time.monotonic() - begun
        time.sleep(0.1)
    return found


def waits_of(live, name):
    """Of a camera's attempts, s."""
    return [float(seconds) for seconds in re.findall(
        r'camera "%s" .*is lost: .*tried again in ([0-9.]+) s' % name,
        live.log())]


def cut_and_heal(live, hosts):
    """All that can be done to them at once; what was seen of it."""
    hurt = [name for name in hosts if name != "well"]
    lost_before = metric(live, "losses_total", "well")
    starts = {name: metric(live, "starts_total", name) for name in hurt}
    waits = {name: len(waits_of(live, name)) for name in hurt}
    frames, begun = metric(live, "frames_total", "well"), time.monotonic()
    for name in hurt:
        hosts[name].cut()
    found = watch_outage(live, hurt)
    seen = {"found": found, "up": {
        name: metric(live, "up", name) for name in hosts}}
    seen["starts"] = {name: metric(live, "starts_total", name) - starts[name]
                      for name in hurt}
    seen["fps"] = ((metric(live, "frames_total", "well") - frames)
                   / (time.monotonic() - begun))
    begun = time.monotonic()
    for name in hurt:
        hosts[name].heal()
    seen["back"] = wait(lambda: running(live, hosts))
    seen["after"] = time.monotonic() - begun
    seen["waits"] = {name: waits_of(live, name)[waits[name]:] for name in hurt}
    seen["others"] = metric(live, "losses_total", "well") - lost_before
    return seen


def grow(waits):
    """Whether each may be twice as long as the one before, half of it at
    least, up to the longest."""
    due = 1
    for seconds in waits:
        if not due / 2 - 0.06 <= seconds <= due + 0.06:
            return False
        due = min(due * 2, RETRY_MAX)
    return True


def test_outage(live, hosts):
    seen = cut_and_heal(live, hosts)
    hurt = [name for name in hosts if name != "well"]
    for name in hurt:
        tap.ok("%s: who is silent is found in %d s and a little" % (
            name, TIMEOUT), seen["found"].get(name, 99) < TIMEOUT + SLACK, seen)
    tap.ok("nobody is taken for silent before", all(
        seconds > TIMEOUT - 1 for seconds in seen["found"].values()), seen)
    tap.ok("they are told to be away, and the other one not", seen["up"] == {
        name: float(name == "well") for name in hosts}, seen)
    tap.ok("they are tried again meanwhile", all(
        1 <= starts <= OUTAGE for starts in seen["starts"].values()), seen)
    tap.ok("after waits that grow", all(
        len(seen["waits"][name]) >= 2 and grow(seen["waits"][name])
        for name in hurt), (seen, live.log()))
    tap.ok("the other one keeps its frames a second and is not lost",
           seen["fps"] > 0.8 * FPS and seen["others"] == 0, seen)
    # What was begun to no avail may have to fail first.
    tap.ok("all come back", seen["back"]
           and seen["after"] < RETRY_MAX + 4 * TIMEOUT + 2 * SLACK,
           (seen, live.log()))


def lose_packets(host, seconds):
    """A fifth of them, in bursts: no network may be without that."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        host.cut()
        time.sleep(0.1)
        host.heal()
        time.sleep(0.4)


def test_loss(live, hosts):
    """TCP sends again what was lost, and nobody takes the camera for gone."""
    losses = metric(live, "losses_total", "drops")
    frames, begun = metric(live, "frames_total", "drops"), time.monotonic()
    lose_packets(hosts["drops"], 4)
    wait(lambda: metric(live, "frames_total", "drops") > frames
         + 0.7 * FPS * (time.monotonic() - begun), 10)
    fps = ((metric(live, "frames_total", "drops") - frames)
           / (time.monotonic() - begun))
    tap.ok("a line that loses packets costs time and no camera",
           fps > 0.7 * FPS and metric(live, "losses_total", "drops") == losses,
           (fps, live.log()))


def test_netem(live, hosts):
    """The same by the kernel's own emulator, both ways."""
    host = hosts["drops"]
    rule = ["root", "netem", "loss", "5%", "delay", "20ms", "10ms"]
    tried = shutil.which("tc") and subprocess.run(
        ["tc", "qdisc", "add", "dev", host.cable, *rule],
        stderr=subprocess.PIPE, universal_newlines=True)
    if not tried or tried.returncode:
        tap.skip("a line with losses and jitter",
                 tried.stderr.strip() if tried else "no tc")
        return
    host.do("tc", "qdisc", "add", "dev", "net", *rule)
    losses = metric(live, "losses_total", "drops")
    frames = metric(live, "frames_total", "drops")
    tap.ok("a line with losses and jitter", wait(
        lambda: metric(live, "frames_total", "drops") > frames + 3 * FPS, 15)
        and metric(live, "losses_total", "drops") == losses, live.log())
    subprocess.run(["tc", "qdisc", "del", "dev", host.cable, "root"],
                   check=True)
    host.do("tc", "qdisc", "del", "dev", "net", "root")


def size_of(live):
    samples = live.metrics()
    return (samples["process_resident_memory_bytes"] / 1e6,
            samples["process_open_fds"], samples["process_threads"])


def loop(live, hosts):
    """Over and over; what it has after a while is what it may have."""
    begun, n, good, first = time.monotonic(), 0, True, None
    while time.monotonic() - begun < SECONDS:
        seen = cut_and_heal(live, hosts)
        lose_packets(hosts["drops"], 2)
        n += 1
        right = (len(seen["found"]) == 4 and seen["back"]
                 and max(seen["found"].values()) < TIMEOUT + SLACK
                 and seen["fps"] > 0.8 * FPS and seen["others"] == 0)
        good &= right
        size = size_of(live)
        if time.monotonic() - begun > SECONDS / 3 and not first:
            first = size
        print("# %5.0f s: round %d, found after %.1f s at most, back after "
              "%.1f s, the other one %.1f frames/s, %.1f MB, %d descriptors, "
              "%d threads%s" % (
                  time.monotonic() - begun, n,
                  max(seen["found"].values(), default=99), seen["after"],
                  seen["fps"], *size, "" if right else ": FAILED"), flush=True)
    size = wait(lambda: grown_by(size_of(live), first) and size_of(live), 30)
    tap.ok("%d rounds: found, back, and the other one has its frames" % n,
           good, live.log())
    tap.ok("and nothing has grown", size, (first, size_of(live)))


def grown_by(size, first):
    """Whether it is no more than is there for a moment."""
    return (first is None or size[0] <= first[0] + 8) and (
        first is None or (size[1] <= first[1] + 8 and size[2] <= first[2] + 8))


def main():
    if INSIDE not in os.environ:
        why = enter()
        tap.skip("cameras that are hosts of their own", why)
        return tap.end()
    ip("link", "set", "lo", "up")
    with live_rig.folder() as work:
        hosts, live = start(work)
        try:
            tap.ok("five cameras on hosts of their own run",
                   wait(lambda: running(live, hosts)), live.log())
            if SECONDS:
                loop(live, hosts)
            else:
                test_outage(live, hosts)
                test_loss(live, hosts)
                test_netem(live, hosts)
            status, seconds = live.stop()
            tap.ok("it ends", status == 0 and seconds < 8, (status, seconds))
        finally:
            live.close()
            for host in hosts.values():
                host.close()
    return tap.end()


sys.exit(main())
