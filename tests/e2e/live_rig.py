"""What the tests of defcn-live share: files and cameras to run it on, the
program itself, and how to ask it."""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

# A busy machine may take its time; a condition that comes true ends a wait.
PATIENCE = 90


class Tap:
    def __init__(self):
        self.number = 0
        self.failed = False

    def ok(self, description, right, found=""):
        self.number += 1
        print("%s %d - %s" % ("ok" if right else "not ok", self.number,
                              description), flush=True)
        if not right:
            self.failed = True
            for line in str(found).splitlines()[-40:]:
                print("# " + line, flush=True)
        return right

    def skip(self, description, why):
        self.number += 1
        print("ok %d - %s # SKIP %s" % (self.number, description, why),
              flush=True)

    def end(self):
        print("1..%d" % self.number)
        return 1 if self.failed else 0


def wait(condition, seconds=PATIENCE):
    """What the condition returns, once that is true; else its last."""
    until = time.monotonic() + seconds
    while True:
        found = condition()
        if found or time.monotonic() > until:
            return found
        time.sleep(0.1)


def make_video(path, pattern, frames=20):
    """A short one, of pictures that move."""
    subprocess.run(
        ["gst-launch-1.0", "-q", "videotestsrc", "num-buffers=%d" % frames,
         "pattern=" + pattern, "!",
         "video/x-raw,format=I420,width=320,height=240,framerate=10/1", "!",
         "jpegenc", "!", "avimux", "!", "filesink", "location=" + path],
        check=True)


def make_picture(width=160, height=120):
    """One JPEG picture."""
    return subprocess.run(
        ["gst-launch-1.0", "-q", "videotestsrc", "num-buffers=1", "!",
         "video/x-raw,format=I420,width=%d,height=%d" % (width, height), "!",
         "jpegenc", "!", "fdsink", "fd=1"], check=True,
        stdout=subprocess.PIPE).stdout


class Listener:
    """A port that stays the same while the server behind it comes and goes."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(16)
        self.port = self.socket.getsockname()[1]
        self.clients = []
        self.requests = []

    def serve(self):
        threading.Thread(target=self.run, daemon=True).start()
        return self

    def run(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self.clients.append(client)
            threading.Thread(target=self.answer, args=(client,),
                             daemon=True).start()


class BlackHole(Listener):
    """Takes every connection and says nothing."""

    def answer(self, client):
        pass


class Camera(Listener):
    """Motion JPEG over HTTP, which can be switched off, or fall silent."""

    def __init__(self, picture):
        super().__init__()
        self.picture = picture
        self.on = True
        self.silent = False

    def answer(self, client):
        try:
            self.requests.append(client.recv(65536))
            if not self.on:
                client.close()
                return
            client.sendall(
                b"HTTP/1.0 200 OK\r\nContent-Type: "
                b"multipart/x-mixed-replace; boundary=part\r\n\r\n")
            while self.on:
                if self.silent:
                    time.sleep(0.1)
                    continue
                client.sendall(b"--part\r\nContent-Type: image/jpeg\r\n"
                               b"Content-Length: %d\r\n\r\n"
                               % len(self.picture) + self.picture + b"\r\n")
                time.sleep(0.1)
            client.close()
        except OSError:
            pass


class Live:
    """The program with an ini file of @text."""

    def __init__(self, build, work, text, **environment):
        self.file = os.path.join(work, "live.ini")
        self.write(text)
        self.out = os.path.join(work, "records.jsonl")
        self.err = os.path.join(work, "log")
        env = dict(os.environ, GST_REGISTRY=work + "/registry.bin",
                   OMP_WAIT_POLICY="passive")
        env.pop("DEFCN_LIVE_TOKEN", None)
        env.update(environment)
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(
                [build + "/pipelines/live/defcn-live", self.file],
                stdout=out, stderr=err, env=env)
        self.port = wait(self.find_port)

    def write(self, text):
        with open(self.file, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.file, 0o600)

    def find_port(self):
        found = re.search(r"page: http://[^ ]*:(\d+)/", self.log())
        if not found and self.process.poll() is not None:
            raise RuntimeError("it has ended: " + self.log())
        return found and int(found.group(1))

    def log(self):
        with open(self.err, encoding="utf-8", errors="replace") as file:
            return file.read()

    def records(self):
        with open(self.out, encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.endswith("\n")]

    def ask(self, path, method="GET", body=None, **headers):
        """(status, headers, body)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port,
                                                timeout=PATIENCE)
        connection.request(method, path, body,
                           {name.replace("_", "-"): value
                            for name, value in headers.items()})
        response = connection.getresponse()
        answer = response.status, response.headers, response.read()
        connection.close()
        return answer

    def health(self, **headers):
        status, _, body = self.ask("/healthz", **headers)
        return status, json.loads(body)

    def camera(self, name):
        return self.health()[1]["cameras"][name]

    def metrics(self, **headers):
        """{"name{labels}": value}"""
        text = self.ask("/metrics", **headers)[2].decode()
        return {key: float(value) for key, value in
                (line.rsplit(" ", 1) for line in text.splitlines()
                 if not line.startswith("#"))}

    def stop(self, how=signal.SIGTERM):
        """(status, seconds that it took)"""
        begun = time.monotonic()
        self.process.send_signal(how)
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        return status, time.monotonic() - begun

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def parts(response):
    """(type, id, content) of what /stream sends."""
    while True:
        head = response.read(9)
        if len(head) < 9:
            return
        length = int.from_bytes(head[:4], "big")
        yield (chr(head[4]), int.from_bytes(head[5:], "big"),
               response.read(length))


def folder():
    """A temporary one, which goes even while somebody writes there."""
    return tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
