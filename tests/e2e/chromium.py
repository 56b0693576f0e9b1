"""Debian's chromium without a screen, told what to do by its DevTools protocol
over two pipes."""
import base64
import json
import os
import select
import shutil
import subprocess


def find():
    return shutil.which("chromium")


class Page:
    """One page; `log` is what its console and its policy have said."""

    def __init__(self, work, width, height):
        folder = os.path.join(work, "chromium")
        commands, write = os.pipe()
        self.commands = os.fdopen(write, "wb", 0)
        self.answers, answers = os.pipe()
        self.heard = b""
        # It reads from 3 and writes to 4.
        self.process = subprocess.Popen(
            ["bash", "-c", 'exec "$@" 3<&%d 4>&%d' % (commands, answers), "-",
             find(), "--headless=new", "--no-sandbox", "--disable-gpu",
             "--no-first-run", "--remote-debugging-pipe",
             "--disable-dev-shm-usage", "--user-data-dir=" + folder,
             "--window-size=%d,%d" % (width, height), "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=(commands, answers))
        os.close(commands)
        os.close(answers)
        self.last, self.log, self.dialogs = 0, [], []
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")
        self.session = self.call("Target.attachToTarget", flatten=True,
                                 targetId=target["targetId"])["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(domain + ".enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width,
                  height=height, deviceScaleFactor=1, mobile=False)

    def receive(self):
        """One message; they end with a zero."""
        while b"\0" not in self.heard:
            ready, _, _ = select.select([self.answers], [], [], 120)
            data = os.read(self.answers, 1 << 16) if ready else b""
            if not data:
                raise RuntimeError("chromium has ended, or hangs")
            self.heard += data
        message, _, self.heard = self.heard.partition(b"\0")
        return json.loads(message)

    def call(self, method, **parameters):
        self.last += 1
        message = {"id": self.last, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.commands.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
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
