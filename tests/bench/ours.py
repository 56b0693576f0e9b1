"""Measuring `defcn bench`, for whoever puts something beside it."""
import json
import subprocess
import sys

from result import TREE

PRESET = ["--preset", "coco.poto.3dmf.aux"]
CASES = {
    "person": ["--model", str(TREE / "pipelines/models/person.safetensors"),
               "--size", "576x320"],
    "r18": [*PRESET, "--set", "backbone=resnet18", "--set", "fpn_channels=128",
            "--size", "544x320"],
    "r50": [*PRESET, "--size", "864x512"],
}


class Ours:
    """`defcn bench`, a process for every measurement."""

    def __init__(self, tool, case, threads, precision="fp32"):
        self.command = [tool, "bench", *CASES[case], "--device", "cpu",
                        "--json", "--threads", str(threads)]
        self.precision = precision

    def bench(self, repetitions, *more):
        done = subprocess.run(
            [*self.command, "--repetitions", str(repetitions), *more],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        return json.loads(done.stdout)

    def measure(self, repetitions):
        """From NHWC floats to NHWC floats, the median of the repetitions."""
        report = self.bench(repetitions, "--precision", self.precision)
        return (report["network"]["ms"] + report["stages"]["upload"]["ms"]
                + report["stages"]["download"]["ms"])
