"""How long a COCO annotation file of full size takes to read, and how much
memory of its own the reader needs: `defcn info` on a made-up file, beside
Python's json module on the same.

usage: annotations.py [--tool DEFCN] [--keep FILE]
"""
import argparse
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

from process import memory
from result import TREE

HERE = pathlib.Path(__file__).resolve().parent


def measure(command):
    """CPU seconds and the peak of private memory in MiB, sampled: not of the
    mapped file, which the kernel may drop."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, *memory(process.pid, "RssAnon"))
        time.sleep(0.005)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        sys.exit(f"{command[0]} failed")
    cpu = (after.ru_utime + after.ru_stime
           - before.ru_utime - before.ru_stime)
    return cpu, peak


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--tool", default=str(TREE / "build/training/defcn"))
    parser.add_argument("--keep", help="write the file here, or use it again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or os.path.join(folder, "instances.json")
        if not os.path.exists(path):
            subprocess.run([sys.executable, HERE / "gen_coco.py", path],
                           check=True)
        print(f"{os.path.getsize(path) / 1e6:.0f} MB")
        for name, command in (
                ("defcn info", [options.tool, "info", path]),
                ("python json", [sys.executable, "-c",
                                 f"import json; json.load(open({path!r}))"])):
            cpu, memory = measure(command)
            print(f"{name:12} {cpu:6.2f} CPU s {memory:8.1f} MiB private",
                  flush=True)


main()
