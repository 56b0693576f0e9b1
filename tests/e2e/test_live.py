#!/usr/bin/env python3
"""defcn-live on cameras that loop, die, come back and say nothing: what it
tells, whom it tells, and that it ends.  Prints TAP.
Usage: test_live.py SOURCES BUILD [RTSP_SERVER]"""
import base64
import hashlib
import http.client
import json
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import live_rig  # noqa: E402
import street  # noqa: E402
from live_rig import wait  # noqa: E402

SOURCES, BUILD = sys.argv[1:3]
SERVER = sys.argv[3] if len(sys.argv) > 3 else None
PROGRAM = BUILD + "/pipelines/live/defcn-live"
XSS = "<img src=x onerror=alert(1)>"
QUOTES = 'back\\\\slash "and" quote'
SECRET = "sEcr3t-pa55"
TOKEN = "0123456789abcdef0123456789abcdef"
LOGIN = b"Authorization: Basic " + base64.b64encode(
    b"user:" + SECRET.encode())
tap = live_rig.Tap()


class LoginCamera(live_rig.Camera):
    """Lets in only who has the password."""

    def answer(self, client):
        request = client.recv(65536, socket.MSG_PEEK)
        if LOGIN not in request:
            client.sendall(b"HTTP/1.0 401 Unauthorized\r\nContent-Length: 0\r\n"
                           b'WWW-Authenticate: Basic realm="camera"\r\n\r\n')
            client.close()
            return
        super().answer(client)


def group(name, **keys):
    return "[camera %s]\n" % name + "".join(
        "%s = %s\n" % (key.replace("_", "-"), value)
        for key, value in keys.items())


def live_group(**keys):
    base = dict(port=0, timeout=4, retry_min=1, retry_max=2, threads=1,
                inference_interval=100, all_frames="true")
    base.update(keys)
    return "[live]\n" + "".join("%s = %s\n" % (key.replace("_", "-"), value)
                                for key, value in base.items())


# The file.

def check(work, text):
    path = work + "/check.ini"
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o600)
    done = subprocess.run([PROGRAM, "--check", path], capture_output=True,
                          universal_newlines=True,
                          env=dict(os.environ, GST_REGISTRY=work + "/registry"))
    return done.returncode, done.stdout + done.stderr


def cut_model(path):
    """One whose file ends too early."""
    with open(BUILD + "/pipelines/person.safetensors", "rb") as file:
        whole_file = file.read()
    with open(path, "wb") as file:
        file.write(whole_file[:len(whole_file) // 2])
    return path


def test_check(work):
    code, said = check(work, live_group() + group("a", uri="test://ball"))
    tap.ok("--check takes a good file",
           code == 0 and "1 camera\n" in said, said)
    for keys, wanted in (
            ({"treshold": 1}, "[camera a] treshold: no such key"),
            ({"threshold": 2}, "[camera a] threshold: 2 is not between"),
            ({"uri": "test://nothing"}, '[camera a] the element videotestsrc'),
            ({"uri": "rtsp://user:%s@host/a@b" % SECRET},
             "[camera a] uri: there is a"),
            ({"classes": "unicorn"},
             '[camera a] classes: the model has no class "unicorn"')):
        code, said = check(work, live_group() + group(
            "a", **{"uri": "test://ball", **keys}))
        tap.ok("--check tells of " + list(keys)[0] + "=" +
               str(list(keys.values())[0]).replace(SECRET, "..."),
               code == 1 and wanted in said and SECRET not in said, said)
    code, said = check(work, live_group(listen="0.0.0.0", token_file="/none")
                       + group("a", uri="test://ball"))
    tap.ok("--check tells of a missing token file",
           code == 1 and "token-file" in said, said)
    code, said = check(work, live_group(listen="0.0.0.0")
                       + group("a", uri="test://ball"))
    tap.ok("and of one that is needed",
           code == 1 and "a token is needed" in said, said)
    path = cut_model(work + "/cut.safetensors")
    for keys, wanted in (({"model": path}, "[live] %s: tensor" % path),
                         ({"device": "gpu"}, '[live] device "gpu" is unknown')):
        code, said = check(work, live_group(**keys)
                           + group("a", uri="test://ball"))
        tap.ok("and of a %s that does not work" % list(keys)[0],
               code == 1 and wanted in said, said)


# Cameras.

def start_rtsp(port="0"):
    if not SERVER:
        return None, None
    server = subprocess.Popen([SERVER, "300", port], stdout=subprocess.PIPE,
                              universal_newlines=True)
    return server, server.stdout.readline().strip()


class Fleet:
    """Eight cameras, of which one is a black hole."""

    def __init__(self, work):
        for name, pattern in (("a", "ball"), ("b", "smpte")):
            live_rig.make_video("%s/%s.avi" % (work, name), pattern)
        self.hole = live_rig.BlackHole().serve()
        self.web = LoginCamera(live_rig.make_picture()).serve()
        self.server, self.rtsp_port = start_rtsp()
        self.groups = {
            "a": dict(uri="file://%s/a.avi" % work),
            "b": dict(uri="file://%s/b.avi" % work),
            "web": dict(uri="http://user:%s@127.0.0.1:%d/%s=1?key=%s" % (
                SECRET, self.web.port, SECRET, SECRET)),
            "hole": dict(uri="rtsp://user:%s@127.0.0.1:%d/x" % (
                SECRET, self.hole.port)),
            XSS: dict(uri="test://ball"),
            QUOTES: dict(uri="test://circular", inference_interval=1,
                         skip_still=2),
            "snow": dict(uri="test://snow", page_quality=100),
            "rtsp": dict(uri="rtsp://127.0.0.1:%s/camera" % self.rtsp_port
                         if self.server else "test://smpte75"),
        }
        self.well = [name for name in self.groups if name != "hole"]

    def text(self, **keys):
        return live_group(**keys) + "".join(
            group(name, **of) for name, of in self.groups.items())

    def close(self):
        if self.server:
            self.server.kill()
            self.server.wait()


def running(live, names):
    cameras = live.health()[1]["cameras"]
    return all(cameras[name]["state"] == "running" for name in names)


def test_start(live, fleet):
    tap.ok("seven of eight cameras run",
           wait(lambda: running(live, fleet.well)), live.log())
    hole = wait(lambda: live.camera("hole")["losses"] >= 2
                and live.camera("hole"))
    tap.ok("the black hole is lost and tried again",
           hole and re.search("no frame for|Timeout", hole["last_problem"]),
           live.health())
    status, health = live.health()
    tap.ok("/healthz is 503 with one camera lost",
           status == 503 and health["status"] == "degraded"
           and health["running"] == 7, health)
    before = live.camera("a")
    tap.ok("a file begins anew when it ends, and is not lost",
           wait(lambda: live.camera("a")["frames"] > before["frames"] + 50)
           and live.camera("a")["losses"] == before["losses"], live.log())


def test_back(live, fleet):
    """A camera that goes costs the others nothing."""
    others = [name for name in fleet.well if name != "web"]
    losses = {name: live.camera(name)["losses"] for name in others}
    fleet.web.silent = True
    tap.ok("a camera that falls silent is lost",
           wait(lambda: live.camera("web")["losses"] > 0), live.log())
    fleet.web.silent = False
    tap.ok("and comes back", wait(lambda: running(live, ["web"])), live.log())
    fleet.web.on = False
    tap.ok("a camera that has gone is lost",
           wait(lambda: live.camera("web")["state"] != "running"), live.log())
    before = {name: live.camera(name)["frames"] for name in others}
    tap.ok("the others go on meanwhile", wait(lambda: all(
        live.camera(name)["frames"] > before[name] + 5 for name in others)),
        live.health())
    fleet.web.on = True
    tap.ok("it comes back", wait(lambda: running(live, ["web"])), live.log())
    tap.ok("no other was restarted", losses == {
        name: live.camera(name)["losses"] for name in others}, live.log())


def test_rtsp(live, fleet):
    if not fleet.server:
        tap.skip("an RTSP server that dies and returns", "no RTSP server")
        return
    fleet.server.kill()
    fleet.server.wait()
    gone = wait(lambda: not running(live, ["rtsp"]))
    fleet.server, port = start_rtsp(fleet.rtsp_port)
    tap.ok("an RTSP server that dies and returns",
           gone and port == fleet.rtsp_port
           and wait(lambda: running(live, ["rtsp"])), live.log())


def test_metrics(live, fleet):
    status, headers, body = live.ask("/metrics")
    text = body.decode()
    samples = live.metrics()
    tap.ok("/metrics is Prometheus's text", status == 200
           and headers["Content-Type"].startswith("text/plain; version=0.0.4")
           and samples["defcn_live_camera_frames_total{camera=\"a\"}"] > 0,
           text)
    names = {re.split(r"[{ ]", line)[0] for line in text.splitlines()
             if not line.startswith("#")}
    helped = {line.split()[2] for line in text.splitlines()
              if line.startswith("# HELP")}
    typed = {line.split()[2] for line in text.splitlines()
             if line.startswith("# TYPE")}
    tap.ok("every metric has its HELP and TYPE", names == helped == typed,
           names ^ helped ^ typed)
    escaped = QUOTES.replace("\\", "\\\\").replace('"', '\\"')
    still = ('defcn_live_camera_skipped_frames_total{camera="%s",'
             'reason="still"}' % escaped)
    tap.ok("frames that stand still are skipped, where that is said",
           wait(lambda: live.metrics()[still] > 20)
           and samples[still.replace(escaped, "a")] == 0, samples)
    tap.ok("the model says what it takes", wait(
        lambda: 10e6 < live.metrics()["defcn_live_model_bytes"] < 500e6),
        samples)
    tap.ok("labels are escaped",
           'defcn_live_camera_up{camera="%s"} 1' % escaped in text, text)
    tap.ok("only the black hole is down", [
        name for name in fleet.groups if samples.get(
            'defcn_live_camera_up{camera="%s"}' % name.replace(
                "\\", "\\\\").replace('"', '\\"')) == 0] == ["hole"], text)


def test_pages(live):
    for name in (XSS, QUOTES):
        status, headers, body = live.ask("/snapshot/%s.jpg"
                                         % urllib.parse.quote(name))
        tap.ok("a snapshot of " + name, status == 200
               and headers["Content-Type"] == "image/jpeg"
               and body[:2] == b"\xff\xd8" and body[-2:] == b"\xff\xd9", status)
    found = {path: live.ask(path)[0] for path in (
        "/snapshot/nobody.jpg", "/snapshot/hole.jpg", "/..%2f", "/%ff", "/x")}
    tap.ok("what there is not is 404, what is not there now 503",
           list(found.values()) == [404, 503, 404, 404, 404], found)
    answers = [live.ask(path) for path in ("/", "/live.js", "/live.css",
                                           "/healthz", "/metrics", "/x")]
    tap.ok("every answer has the policy", all(
        "default-src 'none'" in (headers["Content-Security-Policy"] or "")
        and headers["X-Content-Type-Options"] == "nosniff"
        for _, headers, _ in answers))
    page = answers[0][2].decode()
    tap.ok("the page has no script but its own",
           re.findall(r"<script[^>]*>", page)
           == ['<script src="/live.js" defer>']
           and not re.search(r"(https?:)?//", page.replace(
               "http://www.w3.org", "")), page)


def test_strangers(live):
    for name, right in (("127.0.0.1:%d" % live.port, True),
                        ("localhost:%d" % live.port, True),
                        ("page.example", True), ("[::1]:80", True),
                        ("evil.example", False), ("192.0.2.1", False),
                        ("127.0.0.1.evil.example", False), ("", False)):
        status = live.ask("/metrics", Host=name)[0]
        tap.ok("Host %r is %s" % (name, "taken" if right else "refused"),
               status == (200 if right else 403), status)
    origin = live.ask("/stream", Origin="http://evil.example")[0]
    tap.ok("another page's request is refused", origin == 403, origin)
    found = {
        "POST /": live.ask("/", "POST", "a=b")[0],
        "PUT /": live.ask("/", "PUT", "a=b")[0],
        "long form": live.ask("/login", "POST", "a" * 5000)[0],
        "GET with a body": live.ask("/healthz", "GET", "a" * 5000)[0],
    }
    tap.ok("requests are limited",
           list(found.values()) == [405, 405, 413, 413], found)


class Watcher:
    """A client of /stream."""

    def __init__(self, live, **headers):
        self.connection = http.client.HTTPConnection(
            "127.0.0.1", live.port, timeout=live_rig.PATIENCE)
        self.connection.request("GET", "/stream", headers=headers)
        self.response = self.connection.getresponse()
        self.socket = self.connection.sock
        self.parts = live_rig.parts(self.response)

    def skim(self):
        """Until it is closed."""
        try:
            for _ in self.parts:
                pass
        except (AttributeError, OSError, http.client.HTTPException):
            pass

    def close(self):
        self.response.close()
        self.connection.close()


def test_stream(live, fleet):
    watcher = Watcher(live)
    ids, counts, state = {}, {}, None
    until = time.monotonic() + live_rig.PATIENCE
    well = []
    for kind, camera, content in watcher.parts:
        if kind == "S":
            state = json.loads(content)
            ids = {c["name"]: c["id"] for c in state["cameras"]}
        elif content[:2] == b"\xff\xd8":
            counts[camera] = counts.get(camera, 0) + 1
        well = [name for name in ids if counts.get(ids[name], 0) >= 5]
        if len(well) == 7 or time.monotonic() > until:
            break
    tap.ok("one connection has the pictures of all cameras",
           sorted(well) == sorted(fleet.well), (ids, counts))
    tap.ok("and their state and last records", state and all(
        c["record"]["source"] == c["name"] for c in state["cameras"]
        if c["name"] in fleet.well), state)
    second, third = Watcher(live), Watcher(live)
    tap.ok("clients are limited in number",
           (second.response.status, third.response.status) == (200, 503))
    for client in (watcher, second, third):
        client.close()
    tap.ok("who leaves makes room",
           wait(lambda: live.metrics()["defcn_live_clients"] == 0))


def measure_slow(live):
    """A client that reads nothing beside one that does: whether it goes,
    megabytes that it cost, how many pictures of ten a second there were."""
    wait(lambda: live.camera("snow")["frames"] > 30)
    watcher = Watcher(live)
    threading.Thread(target=watcher.skim, daemon=True).start()
    time.sleep(2)
    before = live.metrics()
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", live.port))
    slow.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    gone = (wait(lambda: live.metrics()["defcn_live_clients"] == 2)
            and wait(lambda: live.metrics()["defcn_live_clients"] == 1))
    after = live.metrics()
    slow.close()
    watcher.close()
    grown, sent, skipped = (after[name] - before[name] for name in (
        "process_resident_memory_bytes", "defcn_live_client_pictures_total",
        "defcn_live_client_skipped_pictures_total"))
    return gone, grown / 1e6, sent, skipped


def test_slow(work):
    """Who is too slow costs no memory, and goes in the end."""
    live = live_rig.Live(
        BUILD, work, live_group(records="none", page_quality=100,
                                inference_interval=10000)
        + group("snow", uri="test://snow"))
    try:
        gone, grown, sent, skipped = measure_slow(live)
        tap.ok("a client that reads nothing is let go", gone)
        # Twenty seconds of these pictures are more than 50 MB.
        tap.ok("and has cost no memory", grown < 25, grown)
        tap.ok("nor another client its pictures", sent > 60, (sent, skipped))
    finally:
        live.stop()
        live.close()


def test_redact(work):
    """Noise takes much of a JPEG, and coarse blocks little: who is redacted is
    in no picture of the page, and where nobody is there it is as it is."""
    noise = dict(uri="test://snow")
    live = live_rig.Live(
        BUILD, work, live_group(records="none") + group("open", **noise)
        + group("nobody", redact="person", **noise)
        + group("unknown", redact="unicorn", **noise))

    def size(name):
        status, _, picture = live.ask("/snapshot/%s.jpg" % name)
        return len(picture) if status == 200 else 0

    try:
        whole = wait(lambda: size("open"))
        tap.ok("what no model tells of hides the whole picture",
               wait(lambda: 0 < size("unknown") < whole / 4), whole)
        tap.ok("a picture without a person is shown",
               wait(lambda: size("nobody") > whole / 2), whole)
        tap.ok("and the other one is not", size("unknown") < whole / 4)
    finally:
        live.stop()
        live.close()


def ends(connection):
    """Whether the other side has ended it."""
    try:
        return connection.recv(4096) == b""
    except socket.timeout:
        return False
    except OSError:
        return True


def test_silent_clients(live):
    """A request is not waited for, whether it stops or comes a byte at a
    time."""
    silent, drop = [socket.create_connection(("127.0.0.1", live.port))
                    for _ in range(2)]
    for one in (silent, drop):
        one.sendall(b"GET / HTTP/1.1\r\n")
        one.settimeout(0.1)

    def dropped():
        try:
            drop.sendall(b"a")
        except OSError:
            return True
        return ends(drop)
    tap.ok("a request that comes a byte at a time is given up", wait(dropped))
    tap.ok("and one that does not come in", wait(lambda: ends(silent)))


def first_state(live):
    watcher = Watcher(live)
    content = next(watcher.parts)[2].decode()
    watcher.close()
    return content


def ids(live):
    """{name: id}, which another camera of the same name does not get."""
    return {camera["name"]: camera["id"]
            for camera in json.loads(first_state(live))["cameras"]}


def test_reload(live, fleet):
    before = ids(live)
    live.write("[live]\nnothing = 1\n")
    live.process.send_signal(signal.SIGHUP)
    tap.ok("a bad file is not taken, and all goes on",
           wait(lambda: "is not taken" in live.log())
           and "[live] nothing: no such key" in live.log()
           and running(live, fleet.well), live.log())
    del fleet.groups["b"]
    fleet.groups["new"] = dict(uri="test://pinwheel")
    fleet.groups["snow"]["page_quality"] = 50
    fleet.well = [name for name in fleet.groups if name != "hole"]
    live.write(fleet.text(max_clients=2, hosts="page.example"))
    live.process.send_signal(signal.SIGHUP)
    tap.ok("a new camera comes, one goes",
           wait(lambda: "new" in live.health()[1]["cameras"])
           and "b" not in live.health()[1]["cameras"]
           and wait(lambda: running(live, fleet.well)), live.log())
    after = ids(live)
    kept = {name for name in before if before[name] == after.get(name)}
    tap.ok("one that changed is another one now, the others are not touched",
           kept == set(before) - {"b", "snow"} and "snow" in after,
           (before, after))


def test_secrets(live, page):
    with open("/proc/%d/cmdline" % live.process.pid, "rb") as file:
        command = file.read().decode()
    with open(live.out, encoding="utf-8") as file:
        records = file.read()
    places = {"log": live.log(), "health": str(live.health()),
              "metrics": live.ask("/metrics")[2].decode(), "stream": page,
              "records": records, "ps": command}
    tap.ok("the camera was shown the password",
           "web" in places["log"] and live.camera("web")["frames"] > 0)
    tap.ok("and nobody else",
           not [name for name, text in places.items() if SECRET in text],
           [name for name, text in places.items() if SECRET in text])


def test_end(live, fleet):
    status, seconds = live.stop()
    tap.ok("SIGTERM ends it in seconds, black hole or not",
           status == 0 and seconds < 8, (status, seconds, live.log()))
    last = {}
    ordered = True
    for record in live.records():
        ordered &= record["seq"] == last.get(
            record["source"], record["seq"] - 1) + 1 or record["seq"] == 0
        last[record["source"]] = record["seq"]
    tap.ok("records of all cameras are whole and in order",
           ordered and set(fleet.well) <= set(last), sorted(last))


def test_fleet(work):
    fleet = Fleet(work)
    live = live_rig.Live(BUILD, work, fleet.text(
        max_clients=2, hosts="page.example"))
    try:
        test_start(live, fleet)
        test_back(live, fleet)
        test_rtsp(live, fleet)
        test_metrics(live, fleet)
        test_pages(live)
        test_strangers(live)
        test_stream(live, fleet)
        test_silent_clients(live)
        page = first_state(live)
        test_reload(live, fleet)
        test_secrets(live, page)
        test_end(live, fleet)
    finally:
        live.close()
        fleet.close()


# The token.

def write_token(work, mode):
    path = work + "/token"
    with open(path, "w") as file:
        file.write(TOKEN + "\n")
    os.chmod(path, mode)
    return path


def refused(work, text, **environment):
    path = work + "/refused.ini"
    with open(path, "w") as file:
        file.write(text + group("a", uri="test://ball"))
    done = subprocess.run([PROGRAM, path], capture_output=True, timeout=60,
                          universal_newlines=True,
                          env=dict(os.environ, GST_REGISTRY=work + "/registry",
                                   **environment))
    return done.returncode == 1 and done.stderr


def test_refusals(work):
    said = refused(work, live_group(listen="0.0.0.0"))
    tap.ok("no page for others without a token",
           said and "a token is needed" in said, said)
    said = refused(work, live_group(token_file=write_token(work, 0o644)))
    tap.ok("no token that others can read", said and "chmod 600" in said, said)
    said = refused(work, live_group(), DEFCN_LIVE_TOKEN="short")
    tap.ok("no short token", said and "at least 16" in said, said)


class Manager:
    """What systemd would hear."""

    def __init__(self, work):
        self.path = work + "/notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.heard = []

    def has(self, text):
        while True:
            try:
                self.heard.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return text in "\n".join(self.heard)


def test_login(live):
    found = {path: live.ask(path)[0] for path in (
        "/", "/metrics", "/healthz", "/stream", "/live.js", "/snapshot/a.jpg")}
    tap.ok("nothing without the token",
           list(found.values()) == [303, 401, 401, 401, 401, 401], found)
    found = [live.ask("/metrics", Authorization="Bearer " + word)[0]
             for word in (TOKEN, TOKEN[:-1], TOKEN + "0")]
    tap.ok("a program has it in a header", found == [200, 401, 401], found)
    status, headers, _ = live.ask("/login", "POST", "token=" + TOKEN[:-1])
    tap.ok("a wrong one gives no cookie",
           status == 303 and headers["Location"] == "/login?wrong"
           and not headers["Set-Cookie"], headers)
    status, headers, _ = live.ask("/login", "POST", "token=" + TOKEN)
    cookie = headers["Set-Cookie"] or ""
    tap.ok("a browser gets a cookie for it", status == 303
           and headers["Location"] == "/" and "HttpOnly" in cookie
           and "SameSite=Strict" in cookie and TOKEN not in cookie, headers)
    word = cookie.split(";")[0]
    tap.ok("which opens the page",
           live.ask("/", Cookie="x=y; " + word)[0] == 200
           and live.ask("/metrics", Cookie=word)[0] == 200)
    live.ask("/logout", "POST", "", Cookie=word)
    tap.ok("until one logs out", live.ask("/metrics", Cookie=word)[0] == 401)
    tries = [live.ask("/login", "POST", "token=guess%d" % i)[0]
             for i in range(12)]
    tap.ok("guessing is slow", tries[0] == 303 and tries[-1] == 429, tries)
    tap.ok("nor by the header", live.ask(
        "/metrics", Authorization="Bearer " + TOKEN)[0] == 401)


def test_readme(work, live):
    """How the README asks with a token: it is no argument, which everybody on
    the machine could read."""
    real = shutil.which("curl")
    if not real:
        tap.skip("the README's way to ask", "no curl")
        return
    os.makedirs(work + "/bin")
    with open(work + "/bin/curl", "w") as file:
        file.write('#!/bin/sh\nprintf "%%s\\n" "$@" > "%s/words"\n'
                   'exec %s "$@"\n' % (work, real))
    os.chmod(work + "/bin/curl", 0o755)
    with open(SOURCES + "/README.md", encoding="utf-8") as file:
        line = re.search(r"^    .*live\.token \\\n.*curl.*HOST:8080/metrics$",
                         file.read(), re.M).group()
    done = subprocess.run(
        ["sh", "-c", line.replace("HOST:8080", "127.0.0.1:%d" % live.port)
         .replace("live.token", "token")], cwd=work, capture_output=True,
        universal_newlines=True,
        env=dict(os.environ, PATH=work + "/bin:" + os.environ["PATH"]))
    with open(work + "/words") as file:
        words = file.read()
    tap.ok("the README's way to ask is answered, and shows no token",
           "defcn_live_camera_up" in done.stdout and "metrics" in words
           and TOKEN not in words, (line, done, words))


def test_another_token(work, live):
    """SIGHUP takes what is in the token's file by then, and who looks with the
    old one no longer does."""
    bearer = "Bearer " + TOKEN[::-1]
    watcher = Watcher(live, Authorization="Bearer " + TOKEN)
    with open(work + "/token", "w") as file:
        file.write("short\n")
    live.process.send_signal(signal.SIGHUP)
    tap.ok("a token that is none is not taken",
           wait(lambda: "is not taken" in live.log())
           and "at least 16" in live.log()
           and live.ask("/metrics", Authorization=bearer)[0] == 401
           and live.ask("/metrics", Authorization="Bearer " + TOKEN)[0] == 200,
           live.log())
    with open(work + "/token", "w") as file:
        file.write(TOKEN[::-1] + "\n")
    live.process.send_signal(signal.SIGHUP)
    tap.ok("another one is", wait(lambda: "is read again" in live.log())
           and live.ask("/metrics", Authorization=bearer)[0] == 200
           and live.ask("/metrics", Authorization="Bearer " + TOKEN)[0] == 401,
           live.log())
    threading.Thread(target=watcher.skim, daemon=True).start()
    tap.ok("and ends who looks with the old one", wait(lambda: live.metrics(
        Authorization=bearer)["defcn_live_clients"] == 0))
    watcher.close()
    write_token(work, 0o600)
    live.process.send_signal(signal.SIGHUP)
    wait(lambda: live.log().count("is read again") == 2)


def test_token(work):
    manager = Manager(work)
    live = live_rig.Live(
        BUILD, work, live_group(listen="0.0.0.0", records="none",
                                token_file=write_token(work, 0o600))
        + group("a", uri="test://ball"),
        NOTIFY_SOCKET=manager.path, WATCHDOG_USEC="1000000")
    try:
        tap.ok("the service manager hears that it is ready",
               wait(lambda: manager.has("READY=1")), manager.heard)
        test_readme(work, live)
        test_another_token(work, live)
        test_login(live)
        tap.ok("and that it lives", wait(lambda: manager.has("WATCHDOG=1"))
               and wait(lambda: manager.has("STATUS=1 of 1 cameras")),
               manager.heard)
        status, seconds = live.stop(signal.SIGINT)
        tap.ok("SIGINT ends it", status == 0 and seconds < 8
               and manager.has("STOPPING=1"), (status, seconds))
        tap.ok("the token is in no log", TOKEN not in live.log(), live.log())
    finally:
        live.close()


def threads_called(live, name):
    """How many threads of the program are called @name."""
    folder = "/proc/%d/task/" % live.process.pid
    found = 0
    for task in os.listdir(folder):
        try:
            with open(folder + task + "/comm") as file:
                found += file.read().strip() == name
        except OSError: # it has gone
            pass
    return found


def test_variable(work):
    """The token of the environment; and as many workers as the file says."""
    live = live_rig.Live(BUILD, work, live_group(records="none", workers=3)
                         + group("a", uri="test://ball"),
                         DEFCN_LIVE_TOKEN=TOKEN)
    try:
        tap.ok("workers look side by side",
               wait(lambda: threads_called(live, "defcn") == 3), live.log())
        tap.ok("a token of the environment", [
            live.ask("/metrics")[0],
            live.ask("/metrics", Authorization="Bearer " + TOKEN)[0]]
            == [401, 200])
    finally:
        live.stop()
        live.close()


def start_proxy(work, port):
    """nginx with the file of the example, of which nothing but places, ports
    and the certificate is another; (process, port)."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        own = free.getsockname()[1]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "2", "-subj", "/CN=cameras.example.org", "-addext",
         "subjectAltName=DNS:cameras.example.org", "-keyout",
         work + "/key.pem", "-out", work + "/cert.pem"], check=True,
        stderr=subprocess.DEVNULL)
    with open(SOURCES + "/pipelines/live/nginx.conf") as file:
        server = file.read()
    for old, new in (("listen 443 ssl", "listen 127.0.0.1:%d ssl" % own),
                     ("/etc/ssl/certs/cameras.pem", work + "/cert.pem"),
                     ("/etc/ssl/private/cameras.key", work + "/key.pem"),
                     ("127.0.0.1:8080", "127.0.0.1:%d" % port)):
        assert server.count(old) == 1, old
        server = server.replace(old, new)
    with open(work + "/nginx.conf", "w") as file:
        file.write("daemon off; pid %s/nginx.pid; error_log %s/nginx.log;\n"
                   "events {}\nhttp {\naccess_log off;\n" % (work, work)
                   + "".join("%s_temp_path %s/%s;\n" % (kind, work, kind)
                             for kind in ("client_body", "proxy", "fastcgi",
                                          "uwsgi", "scgi"))
                   + server + "}\n")
    return subprocess.Popen(["nginx", "-e", work + "/nginx.log", "-c",
                             work + "/nginx.conf"]), own


class Secure:
    """Who asks over TLS, and knows the certificate."""

    def __init__(self, work, port):
        self.port = port
        self.context = ssl.create_default_context(cafile=work + "/cert.pem")

    def connect(self, path, method="GET", body=None, **headers):
        raw = socket.create_connection(("127.0.0.1", self.port),
                                       live_rig.PATIENCE)
        connection = http.client.HTTPConnection("cameras.example.org")
        connection.sock = self.context.wrap_socket(
            raw, server_hostname="cameras.example.org")
        connection.request(method, path, body, headers)
        return connection, connection.getresponse()

    def ask(self, *words, **headers):
        connection, response = self.connect(*words, **headers)
        answer = response.status, response.headers, response.read()
        connection.close()
        return answer


def test_proxy(work):
    """The page over TLS, by the example of a proxy."""
    if not shutil.which("nginx") or not shutil.which("openssl"):
        tap.skip("the page over TLS", "no nginx, or no openssl")
        return
    live = live_rig.Live(
        BUILD, work, live_group(records="none", hosts="cameras.example.org",
                                token_file=write_token(work, 0o600))
        + group("a", uri="test://ball"))
    proxy, port = start_proxy(work, live.port)
    secure = Secure(work, port)
    try:
        def there():
            try:
                return secure.ask("/")
            except OSError:
                return None
        found = wait(there)
        tap.ok("over TLS one is asked for the token", found
               and found[0] == 303 and found[1]["Location"] == "/login", found)
        status, headers, _ = secure.ask(
            "/login", "POST", "token=" + TOKEN,
            Origin="https://cameras.example.org")
        cookie = headers["Set-Cookie"] or ""
        tap.ok("and has a cookie that goes over TLS alone", status == 303
               and "HttpOnly" in cookie and "secure" in cookie.lower(), headers)
        word = cookie.split(";")[0]
        tap.ok("another page's request is refused there too", secure.ask(
            "/metrics", Cookie=word, Origin="https://evil.example")[0] == 403)
        connection, response = secure.connect("/stream", Cookie=word)
        kinds = {next(live_rig.parts(response))[0] for _ in range(4)}
        tap.ok("pictures come while the response goes on",
               response.status == 200 and kinds == {"J", "S"}, kinds)
        connection.close()
        tap.ok("who leaves the proxy makes room",
               wait(lambda: secure.ask("/metrics", Authorization="Bearer "
                                       + TOKEN)[2].count(
                                           b"defcn_live_clients 0\n") == 1))
    finally:
        proxy.terminate()
        proxy.wait()
        live.stop()
        live.close()


def test_stuck(work):
    """A camera whose state change never returns, a FIFO that nobody writes:
    neither the others nor the end wait for it, and it is not tried for ever."""
    os.mkfifo(work + "/fifo")
    live = live_rig.Live(
        BUILD, work, live_group(timeout=1) + group("a", uri="test://ball")
        + group("fifo", uri="file://%s/fifo" % work))
    try:
        tap.ok("a camera that hangs is tried three times, not for ever",
               wait(lambda: live.camera("fifo")["state"] == "stuck")
               and live.metrics()['defcn_live_camera_ending_pipelines{'
                                  'camera="fifo"}'] == 3, live.log())
        frames = live.camera("a")["frames"]
        tap.ok("the other one goes on",
               wait(lambda: live.camera("a")["frames"] > frames + 5),
               live.log())

        def tried_again():
            try: # whoever opens it to read goes on
                os.close(os.open(work + "/fifo", os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                pass
            return live.camera("fifo")["losses"] > 3
        tap.ok("when it hangs no more, it is tried again", wait(tried_again),
               live.log())
        tap.ok("and hangs again", wait(
            lambda: live.camera("fifo")["state"] == "stuck"), live.log())
        status, seconds = live.stop()
        tap.ok("the end does not wait for it", status == 0 and seconds < 12
               and 'camera "fifo" does not stop' in live.log()
               and live.records(), (status, seconds, live.log()))
    finally:
        live.close()


def copy_model(path, note):
    """The bundled model, whose file says @note: another hash."""
    with open(BUILD + "/pipelines/person.safetensors", "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        rest = file.read()
    header["__metadata__"]["note"] = note
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".new", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + rest)
    os.replace(path + ".new", path)
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def test_bad_model(live, text, good, hashes, seen):
    """What does not work costs no camera a frame."""
    wait(lambda: running(live, "abc"))
    before, starts = ids(live), live.log().count("is there")
    descriptors = live.metrics()["process_open_fds"]
    bad = cut_model(os.path.dirname(good) + "/cut.safetensors")
    for n, (keys, wanted) in enumerate((
            (dict(path=bad), "[live] %s: tensor" % bad),
            (dict(path=good, device="gpu"), '[live] device "gpu" is unknown'),
            (dict(path=good, classes="unicorn"), 'no class "unicorn"'))):
        live.write(text(**keys))
        live.process.send_signal(signal.SIGHUP)
        tap.ok("what does not work is not taken, by its %s" % list(keys)[-1],
               wait(lambda: live.log().count("is not taken") > n)
               and wanted in live.log(), live.log())
    tap.ok("and all goes on as it was", ids(live) == before and seen(hashes[0])
           and live.log().count("is there") == starts
           and all(live.camera(name)["losses"] == 0 for name in "abc"),
           live.log())
    tap.ok("and nothing stays open of it", wait(
        lambda: live.metrics()["process_open_fds"] <= descriptors),
        (descriptors, live.metrics()))
    live.write(text(good, threads=2))
    live.process.send_signal(signal.SIGHUP)
    time.sleep(0.02) # it is opened by now
    live.write(text(good, hosts="page.example"))
    live.process.send_signal(signal.SIGHUP)
    tap.ok("who comes while one is tried is heard too", wait(
        lambda: "[live] hosts: what has changed" in live.log()), live.log())


def test_model(work):
    """SIGHUP brings another model, or other settings of it, to all cameras,
    whoever of them hangs and still has the old one."""
    names = ["a", "b", "c"]
    os.makedirs(work + "/model")
    os.mkfifo(work + "/model/fifo")
    paths = [work + "/model/one.safetensors", work + "/model/two.safetensors"]
    hashes = [copy_model(paths[0], "one"), copy_model(paths[1], "two")]

    def text(path, **keys):
        return (live_group(model=path, timeout=10, **keys)
                + group("hangs", uri="file://%s/model/fifo" % work)
                + "".join(group(name, uri="test://ball") for name in names))

    def seen(wanted):
        last = {record["source"]: record["detectors"][0]["model_hash"]
                for record in live.records()}
        return all(last.get(name) == wanted for name in names)

    live = live_rig.Live(BUILD, work, text(paths[0]))
    try:
        tap.ok("cameras see with the model of the file",
               wait(lambda: seen(hashes[0])), live.log())
        test_bad_model(live, text, paths[0], hashes, seen)
        live.write(text(paths[1], max_clients=3))
        live.process.send_signal(signal.SIGHUP)
        tap.ok("and with another one; what takes a restart is told",
               wait(lambda: seen(hashes[1]))
               and "max-clients: what has changed" in live.log(),
               live.log())
        hashes[1] = copy_model(paths[1], "three")
        live.process.send_signal(signal.SIGHUP)
        tap.ok("and with what has taken the place of its file",
               wait(lambda: seen(hashes[1])), live.log())
        wait(lambda: running(live, names))
        live.write(text(paths[1], batch_size=2, batch_timeout=5))
        starts = sum(live.log().count('camera "%s"' % name) for name in names)
        live.process.send_signal(signal.SIGHUP)
        tap.ok("and with other settings of it", wait(
            lambda: sum(live.log().count('camera "%s"' % name)
                        for name in names) == starts + 3), live.log())
        tap.ok("none of them is lost meanwhile, nor told of a conflict",
               all(live.camera(name)["losses"] == 0 for name in names)
               and "model-instance-id" not in live.log(), live.log())
    finally:
        live.stop()
        live.close()


def test_reason(work):
    """Why a camera cannot be started is told, whoever comes to tell it."""
    names = ["c%d" % i for i in range(8)]
    # A thing to do for the main thread, and a model that is there already.
    live = live_rig.Live(BUILD, work, live_group(retry_max=1) + "".join(
        group("good " + name, uri="test://ball")
        + group(name, uri="test://ball", classes="unicorn")
        for name in names))
    try:
        wait(lambda: all(live.camera(name)["losses"] > 4 for name in names))
        lost = [line for line in live.log().splitlines() if "is lost" in line]
        tap.ok("the reason of every failure is told", len(lost) >= 40 and all(
            'no class "unicorn"' in line for line in lost), live.log())
    finally:
        live.stop()
        live.close()


def test_sizes(work):
    """A camera that changes its size and shape at every turn is looked at in
    each of them and never lost."""
    sizes = [(160, 120), (320, 240), (240, 320), (1024, 64), (160, 120)]
    camera = live_rig.Camera(live_rig.make_picture()).serve()
    live = live_rig.Live(
        BUILD, work, live_group(inference_interval=1, track="true")
        + group("a", uri="http://127.0.0.1:%d/" % camera.port))
    try:
        def looked(width, height):
            return any(record["inferred"] or record["fresh"]
                       for record in live.records()[before:]
                       if record["resolution"] == {"width": width,
                                                   "height": height})
        wait(lambda: running(live, ["a"]))
        losses = live.camera("a")["losses"]
        found = []
        for width, height in sizes:
            before = len(live.records())
            camera.picture = live_rig.make_picture(width, height)
            found.append(wait(lambda: looked(width, height)))
        tap.ok("a camera may change its size", all(found)
               and live.camera("a")["losses"] == losses, (found, live.log()))
        tap.ok("and is shown in the last one", wait(
            lambda: live.ask("/snapshot/a.jpg")[0] == 200))
    finally:
        live.stop()
        live.close()


def whole(line):
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def test_killed(work):
    """Who is killed leaves at most one line that is none, and whoever comes
    next, at the same port too, goes on in the same file."""
    path = work + "/killed.jsonl"
    text = (live_group(records=path, inference_interval=1000)
            + "".join(group("c%d" % i, uri="test://ball") for i in range(30)))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, limits[1]))
    live = live_rig.Live(BUILD, work, text)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    def lines():
        with open(path) as file:
            return file.read().splitlines()
    try:
        tap.ok("thirty cameras run, with more descriptors than a process "
               "begins with", wait(
                   lambda: live.health()[1]["running"] == 30)
               and live.metrics()["process_open_fds"] > 128
               and "Too many open files" not in live.log(), live.log())
        said = refused(work, live_group(port=live.port, records="none"))
        tap.ok("another one at its port is told so", said and
               "port %d" % live.port in said and "in use" in said, said)
        wait(lambda: len(lines()) > 300)
        live.process.kill()
        live.process.wait()
        with open(path, "a") as file:
            file.write('{"objects":[')
        before = len(lines())
        again = live_rig.Live(BUILD, work, text.replace(
            "port = 0", "port = %d" % live.port))
        tap.ok("after a kill another one goes on, at its port", wait(
            lambda: len(lines()) > before + 100)
            and again.port == live.port, again.log())
        status, _ = again.stop()
        again.close()
        broken = [line for line in lines() if not whole(line)]
        tap.ok("and no record is lost to the line that was cut off",
               status == 0 and broken == ['{"objects":['], broken)
    finally:
        live.close()


def test_track(work):
    """Objects have ids where that is said: they begin at the camera's
    threshold, and are known by lower scores from then on."""
    if not street.copy(SOURCES, work + "/street.avi"):
        tap.skip("people have ids", "no vtest.avi")
        return
    uri = "file://%s/street.avi" % work
    live = live_rig.Live(
        BUILD, work, live_group(inference_interval=1, threshold=0.5)
        + group("ids", uri=uri, track="true", inference_interval=2)
        + group("none", uri=uri))

    def objects(name):
        return [(o.get("object_id"), o["detection"].get("confidence", 1))
                for record in live.records() if record["source"] == name
                for o in record["objects"]]

    def followed():
        found = objects("ids")
        seen = [of for of, _ in found if of]
        return (any(seen.count(of) >= 20 for of in set(seen))
                and any(of and score < 0.5 for of, score in found))
    try:
        tap.ok("people have ids, also by low scores", wait(followed),
               live.log())
        tap.ok("and nobody begins by one", all(
            of or score >= 0.5 for of, score in objects("ids")),
            objects("ids"))
        wait(lambda: objects("none"))
        tap.ok("nor has anybody one elsewhere", objects("none") and all(
            of is None and score >= 0.5 for of, score in objects("none")))
        count = 'defcn_live_camera_tracks_total{camera="%s"}'
        tap.ok("ids are counted", wait(
            lambda: live.metrics()[count % "ids"] >= len(
                {of for of, _ in objects("ids") if of}) - 1 > 0)
            and live.metrics()[count % "none"] == 0, live.metrics())
        tap.ok("the page says how many", [
            "tracks" in camera for camera in json.loads(
                first_state(live))["cameras"]] == [True, False])
    finally:
        live.stop()
        live.close()


def test_full(work):
    """A place that takes no records stops no camera."""
    if not os.path.exists("/dev/full"):
        tap.skip("records that cannot be written", "no /dev/full")
        return
    live = live_rig.Live(BUILD, work, live_group(records="/dev/full")
                         + group("a", uri="test://ball"))
    try:
        tap.ok("records that cannot be written are counted, and told of once",
               wait(lambda: live.metrics().get(
                   "defcn_live_records_dropped_total", 0) > 20)
               and live.log().count("No space left") == 1
               and live.camera("a")["state"] == "running", live.log())
    finally:
        live.stop()
        live.close()


def main():
    with live_rig.folder() as work:
        test_check(work)
        test_fleet(work)
        test_slow(work)
        test_redact(work)
        test_refusals(work)
        test_token(work)
        test_variable(work)
        test_proxy(work)
        test_full(work)
        test_model(work)
        test_reason(work)
        test_track(work)
        test_sizes(work)
        test_killed(work)
        test_stuck(work)
    return tap.end()


sys.exit(main())
