"""Debian's chromium without a screen, told what to do by its DevTools protocol
over a WebSocket."""
import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import time


def find():
    return shutil.which("chromium")


class Socket:
    """As much of RFC 6455 as that takes."""

    def __init__(self, port, path):
        self.socket = socket.create_connection(("127.0.0.1", port), 120)
        self.socket.sendall((
            "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: %s\r\n\r\n" % (
                path, port,
                base64.b64encode(os.urandom(16)).decode())).encode())
        self.file = self.socket.makefile("rb")
        while self.file.readline() not in (b"\r\n", b""):
            pass

    def send(self, text):
        data = text.encode()
        length = (struct.pack("!B", 0x80 | len(data)) if len(data) < 126
                  else struct.pack("!BH", 0x80 | 126, len(data))
                  if len(data) < 65536
                  else struct.pack("!BQ", 0x80 | 127, len(data)))
        mask = os.urandom(4)
        self.socket.sendall(b"\x81" + length + mask + bytes(
            byte ^ mask[i % 4] for i, byte in enumerate(data)))

    def receive(self):
        text = b""
        while True:
            first, second = self.file.read(2)
            length = second & 127
            if length == 126:
                length, = struct.unpack("!H", self.file.read(2))
            elif length == 127:
                length, = struct.unpack("!Q", self.file.read(8))
            data = self.file.read(length)
            if first & 15 < 3:
                text += data
                if first & 128:
                    return text.decode()


class Page:
    """One page; `log` is what its console and its policy have said."""

    def __init__(self, work, width, height):
        folder = os.path.join(work, "chromium")
        self.process = subprocess.Popen(
            [find(), "--headless=new", "--no-sandbox", "--disable-gpu",
             "--no-first-run", "--remote-debugging-port=0",
             "--disable-dev-shm-usage", "--user-data-dir=" + folder,
             "--window-size=%d,%d" % (width, height), "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port, path = self.endpoint(os.path.join(folder, "DevToolsActivePort"))
        self.socket = Socket(port, path)
        self.last, self.log, self.dialogs = 0, [], []
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")
        self.session = self.call("Target.attachToTarget", flatten=True,
                                 targetId=target["targetId"])["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(domain + ".enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width,
                  height=height, deviceScaleFactor=1, mobile=False)

    def endpoint(self, path):
        until = time.monotonic() + 120
        while time.monotonic() < until:
            try:
                with open(path) as file:
                    lines = file.read().split("\n")
                return int(lines[0]), lines[1]
            except (OSError, IndexError, ValueError):
                time.sleep(0.2)
        raise RuntimeError("chromium does not start")

    def call(self, method, **parameters):
        self.last += 1
        message = {"id": self.last, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while True:
            answer = json.loads(self.socket.receive())
            if answer.get("id") == self.last:
                if "error" in answer:
                    raise RuntimeError(str(answer["error"]))
                return answer["result"]
            self.hear(answer)

    def hear(self, event):
        method = event.get("method")
        if method == "Page.javascriptDialogOpening":
            self.dialogs.append(event["params"]["message"])
        elif method in ("Runtime.exceptionThrown", "Log.entryAdded",
                        "Runtime.consoleAPICalled"):
            self.log.append(json.dumps(event["params"])[:500])

    def open(self, url):
        self.call("Page.navigate", url=url)

    def value(self, expression):
        """What JavaScript says; waits for promises."""
        result = self.call("Runtime.evaluate", expression=expression,
                           awaitPromise=True, returnByValue=True)
        return result["result"].get("value")

    def picture(self, path):
        data = self.call("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
            self.process.wait(20)
        except (OSError, RuntimeError, ValueError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
