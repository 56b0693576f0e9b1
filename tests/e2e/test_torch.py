#!/usr/bin/env python3
"""Checkpoints that a real PyTorch has written, imported.  Prints TAP; skips
where no Python with torch is found.

usage: test_torch.py DEFCN      (DEFCN_TORCH: a Python that has torch)
"""
import array
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

WRITE = r"""
import argparse, collections, sys
import torch
from torch import nn
folder = sys.argv[1]
torch.manual_seed(1)


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        if stride > 1 or cin != cout:
            self.downsample = nn.Sequential(
                nn.Conv2d(cin, cout, 1, stride, bias=False),
                nn.BatchNorm2d(cout))


class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        cin = 64
        for i, cout in enumerate((64, 128, 256, 512)):
            setattr(self, "layer%d" % (i + 1), nn.Sequential(
                Block(cin, cout, 2 if i else 1), Block(cout, cout, 1)))
            cin = cout
        self.fc = nn.Linear(512, 1000)


net = ResNet18()
for name, x in net.named_buffers():
    if name.endswith("var"):
        x.uniform_(0.5, 2)
state = net.state_dict()
adam = torch.optim.AdamW(net.parameters())
net.fc.weight.sum().backward()
adam.step()
state = net.state_dict()
torch.save(state, folder + "/plain.pth")
torch.save(state, folder + "/legacy.pth",
           _use_new_zipfile_serialization=False)
torch.save(state, folder + "/protocol5.pth", pickle_protocol=5)
torch.save({"epoch": 3, "args": argparse.Namespace(lr=.1),
            "best": torch.tensor(.5), "model_state_dict": state,
            "optimizer_state_dict": adam.state_dict()},
           folder + "/nested.pth")
torch.save({"state_dict": collections.OrderedDict(
    ("module." + k, v) for k, v in state.items())}, folder + "/parallel.pth")
torch.save({k: v.half() if v.is_floating_point() else v
            for k, v in state.items()}, folder + "/half.pth")
torch.save(net, folder + "/whole.pth")
state["layer4.1.conv2.weight"].numpy().astype("<f4").tofile(folder + "/wanted")
print(torch.__version__)
"""
# Names of the files and how near a weight has to come.
FILES = (("plain", 0), ("legacy", 0), ("protocol5", 0), ("nested", 0),
         ("parallel", 0), ("half", 1e-3))


def torch_python():
    for python in (os.environ.get("DEFCN_TORCH"), sys.executable):
        if python and subprocess.run(
                [python, "-c", "import torch, numpy"],
                stderr=subprocess.DEVNULL).returncode == 0:
            return python
    return None


def tensors(path, size):
    """Those of float32 with @size numbers, from a safetensors file."""
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    for name, of in json.loads(data[8:8 + length]).items():
        if name == "__metadata__" or of["dtype"] != "F32":
            continue
        begin, end = of["data_offsets"]
        if end - begin == 4 * size:
            yield array.array("f", data[8 + length + begin:8 + length + end])


def run(defcn, folder, name):
    """What the import gives, and the file that it writes."""
    out = folder / (name + ".safetensors")
    done = subprocess.run([defcn, "import", str(folder / (name + ".pth")), "-o",
                           str(out)], capture_output=True, text=True)
    if done.returncode:
        print("# " + done.stderr.strip().replace("\n", "\n# "))
    return done, out


def imported(defcn, folder, name, near):
    """Whether a weight of the checkpoint is in what was made of it."""
    done, out = run(defcn, folder, name)
    if done.returncode:
        return False
    wanted = array.array("f", (folder / "wanted").read_bytes())
    for found in tensors(out, len(wanted)):
        if max(abs(a - b) for a, b in zip(found, wanted)) <= near:
            return True
    print("# the weight is not there")
    return False


def refused(defcn, folder, name):
    done, out = run(defcn, folder, name)
    return (done.returncode == 1 and name + ".pth" in done.stderr
            and not out.exists())


def main():
    python = torch_python()
    if not python:
        print("1..0 # SKIP no Python with torch (DEFCN_TORCH names one)")
        return 0
    print("1..%d" % (len(FILES) + 1))
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        said = subprocess.run([python, "-c", WRITE, name], check=True,
                              capture_output=True, text=True).stdout
        print("# torch " + said.strip())
        for number, (file, near) in enumerate(FILES, 1):
            good = imported(sys.argv[1], folder, file, near)
            failed += not good
            print("%s %d - %s" % ("ok" if good else "not ok", number, file))
        # A pickled nn.Module is code of its own, which is never run.
        good = refused(sys.argv[1], folder, "whole")
        failed += not good
        print("%s %d - a whole module is refused" % (
            "ok" if good else "not ok", number + 1))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
