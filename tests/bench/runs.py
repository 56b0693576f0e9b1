"""Runs of `defcn train` and what `defcn eval` says of them, each done once:
what was interrupted goes on from its checkpoint, what is done is left alone."""
import json
import math
import signal
import subprocess
import sys
import time


class Stopped(Exception):
    """The time was up, or somebody asked for an end; all is kept."""


class Failed(Exception):
    """The tool has ended with an error."""


def stop_by_signals():
    """SIGTERM ends as Ctrl-C does, and both do where a shell ignored them."""
    def on_signal(number, _):
        raise KeyboardInterrupt(signal.Signals(number).name)
    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)


def call(command, log=None, until=math.inf):
    """Ends what runs as Ctrl-C would when the clock is at @until: a training
    saves its checkpoint.  What it says is appended to the file @log."""
    command = [str(word) for word in command]
    out = open(log, "a", encoding="utf-8") if log else sys.stderr
    print(" ".join(command), file=out, flush=True)
    left = None if until == math.inf else max(0, until - time.time())
    try:
        # A group of its own: a terminal's Ctrl-C is for us, who pass it on.
        with subprocess.Popen(command, stdout=out, stderr=out,
                              process_group=0) as process:
            try:
                status = process.wait(left)
            except (KeyboardInterrupt, subprocess.TimeoutExpired) as why:
                process.send_signal(signal.SIGINT)
                status = process.wait()
                if status not in (0, -signal.SIGINT, 128 + signal.SIGINT):
                    raise failure(command, status, log) from why
                raise Stopped("the time is up" if isinstance(
                    why, subprocess.TimeoutExpired) else "interrupted") from why
    finally:
        if log:
            out.close()
    if status:
        raise failure(command, status, log)


def failure(command, status, log):
    where = f", see {log}" if log else ""
    return Failed(f"{command[0]} {command[1]} failed ({status}){where}")


def train(tool, folder, arguments, log=None, until=math.inf):
    """The folder's model.safetensors, trained as far as it is not yet."""
    model = folder / "model.safetensors"
    if model.exists():
        return model
    command = [tool, "train", *arguments, "-o", folder]
    if (folder / "checkpoint.safetensors").exists():
        command.append("--resume")
    elif folder.exists():
        command.append("--force")  # given up before its first checkpoint
    call(command, log, until)
    if not model.exists():
        raise Failed(f"{folder} has no model: interrupted?")
    return model


def measure(tool, model, path, arguments, log=None, until=math.inf):
    """What `defcn eval --json` writes to @path."""
    if not path.exists():
        unfinished = path.with_suffix(".part")
        call([tool, "eval", "--model", model, *arguments, "--json",
              unfinished], log, until)
        unfinished.rename(path)
    return json.loads(path.read_text())


def column(figures, key):
    """Of the ways no_nms, local and nms; the model's own is not nested."""
    return figures if figures["own"] == key else figures[key]
