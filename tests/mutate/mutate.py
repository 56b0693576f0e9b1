#!/usr/bin/env python3
"""Puts small faults into the sources, one at a time, and tells which of them
the tests see.

usage: mutate.py [OPTION...] [LIST...]       (default: every .mutants here)

A list has one block per fault, a blank line between two:

    # why, if it is not obvious
    file: core/boxes.c
    find: if (score > rule->threshold)
    replace: if (score >= rule->threshold)
    tests: boxes, own forward reference

`find` is text within one line that is in the file exactly once, `replace` what
stands there instead (nothing: it is taken out).  `tests` are names of meson or
patterns (`own * reference`), `SUITE/NAME` where two suites share one; without
it those that tests/README.md names for the file, else the suites unit, ops and
the own goldens.

Works in copies of the tree below --build, never in the tree itself.  What has
been found is kept there: an interrupted run goes on where it was, a changed
tree starts anew.  A test that crashes or takes too long has seen the fault.
The last line is

    N mutants: N seen, N not seen (NAMES), N stale; share X.XX

Exit status 1 when a pattern does not match exactly once, a fault does not
compile or names no test, a test fails without any, or the share is below
--least.
"""
import argparse
import collections
import concurrent.futures
import fnmatch
import glob
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parent.parent
KEYS = ("file", "find", "replace", "tests")
LEAST_SECONDS = 20  # what any test may take
TIMES = 8           # or so many times what it took without a fault


class Bad(Exception):
    """Something that the user has to mend."""


class Mutant:
    def __init__(self, source, line, fields):
        self.list, self.line = source, line
        self.file = fields["file"]
        self.find = fields["find"]
        self.replace = fields["replace"]
        self.tests = [t.strip() for t in fields.get("tests", "").split(",")
                      if t.strip()]
        self.name = self.where = "%s:%d" % (source, line)
        self.stale = None

    def locate(self, tree):
        """Names it after the line it is in, or says why it is stale."""
        path = tree / self.file
        if not path.is_file():
            self.stale = "no such file"
            return
        text = path.read_text()
        n = text.count(self.find)
        if n != 1:
            self.stale = "%d matches of: %s" % (n, self.find)
            return
        self.name = "%s:%d" % (
            self.file, text[:text.index(self.find)].count("\n") + 1)

    def apply(self, text):
        return text.replace(self.find, self.replace, 1)

    def key(self):
        return "\0".join([self.file, self.find, self.replace,
                          ",".join(self.tests)])


def parse(text, source="-"):
    """The mutants of a list's text."""
    mutants, fields, start = [], {}, 0

    def end():
        if not fields:
            return
        for key in KEYS[:3]:
            if key not in fields:
                raise Bad("%s:%d: no %s" % (source, start, key))
        if not fields["find"] or fields["find"] == fields["replace"]:
            raise Bad("%s:%d: nothing changes" % (source, start))
        mutants.append(Mutant(source, start, dict(fields)))
        fields.clear()

    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("#"):
            continue
        if not line.strip():
            end()
            continue
        key, colon, value = line.partition(":")
        if not colon or key not in KEYS:
            raise Bad("%s:%d: not one of %s" % (source, number,
                                                ", ".join(KEYS)))
        if key in fields:
            raise Bad("%s:%d: a second %s" % (source, number, key))
        if not fields:
            start = number
        fields[key] = value.strip()
    end()
    return mutants


def read_lists(paths, tree):
    mutants = []
    for path in paths:
        path = pathlib.Path(path)
        mutants += parse(path.read_text(), path.name)
    seen = collections.Counter()
    for m in mutants:
        m.locate(tree)
        seen[m.name] += 1
        if seen[m.name] > 1:
            m.name += "#%d" % seen[m.name]
    return mutants


def table_tests(text, file, names):
    """Tests that a table of tests/README.md names for a source file.

    Rows `| path or pattern | tests |`: of what stands in backquotes, or between
    commas, that counts which is the name of a test.
    """
    found = []
    for line in text.split("\n"):
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if not line.lstrip().startswith("|") or len(cells) < 2:
            continue
        paths = re.split(r"[\s,`]+", cells[0])
        if not any(p and pathlib.PurePath(file).match(p) for p in paths):
            continue
        for token in re.split(r"[`,]", ",".join(cells[1:])):
            token = token.strip()
            if token in names and token not in found:
                found.append(token)
    return found


def tree_files(tree):
    """Files of the project, as they stand in the tree now."""
    try:
        out = subprocess.run(
            ["git", "-C", str(tree), "ls-files", "-z", "--cached", "--others",
             "--exclude-standard"], capture_output=True, check=True).stdout
        files = [f for f in out.decode().split("\0") if f]
    except (OSError, subprocess.CalledProcessError):
        files = [str(p.relative_to(tree)) for p in tree.rglob("*")
                 if p.is_file() and not p.relative_to(tree).parts[0].startswith(
                     (".git", "build"))]
    return sorted(f for f in files if (tree / f).is_file())


def digest(tree, files):
    """Of what is built and run; the lists and this script are not."""
    total = hashlib.sha256()
    for f in files:
        if not f.startswith("tests/mutate/"):
            total.update(f.encode() + b"\0" + (tree / f).read_bytes())
    return total.hexdigest()


def copy_tree(tree, files, to):
    """Makes @to the same as the tree, touching only what differs."""
    for f in files:
        source, target = tree / f, to / f
        data = source.read_bytes()
        if target.is_file() and target.read_bytes() == data:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        shutil.copymode(source, target)
    kept = set(files)
    for path in to.rglob("*"):
        below = path.relative_to(to)
        if path.is_file() and not below.parts[0].startswith("build") and \
                str(below) not in kept:
            path.unlink()


def run(command, timeout=None, **more):
    """(status or None after @timeout, output), children ended with it."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT,
                               stdin=subprocess.DEVNULL,
                               start_new_session=True, **more)
    try:
        out = process.communicate(timeout=timeout)[0]
        return process.returncode, out.decode(errors="replace")
    except subprocess.TimeoutExpired:
        return None, ""
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def wants_cuda(mutant):
    return mutant.file.startswith(
        ("core/cuda/", "tests/cuda/", "gst-plugin/detect/cudaframe.c")) or \
        any("cuda " in t for t in mutant.tests)


class Build:
    """A build folder of a copy, with or without the CUDA module."""

    def __init__(self, copy, cuda, jobs):
        self.folder = copy / ("build-cuda" if cuda else "build")
        self.copy, self.jobs = copy, jobs
        if not (self.folder / "build.ninja").exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            self.check("meson", "setup", str(self.folder), str(copy),
                       "-Doptimization=1", "-Ddebug=false",
                       "-Dcuda=" + ("enabled" if cuda else "disabled"))
        else:
            self.check("ninja", "-C", str(self.folder), "build.ninja")
        targets = self.introspect("--targets")
        self.target_file = {t["id"]: os.path.relpath(f, self.folder)
                            for t in targets for f in t["filename"][:1]}
        self.tests = {}
        for test in self.introspect("--tests"):
            suites = [s.partition(":")[2] or s for s in test["suite"]]
            if "gpu" in suites or "lint" in suites:
                continue
            for suite in suites:
                self.tests[suite + "/" + test["name"]] = test

    def check(self, *command):
        status, out = run(command)
        if status != 0:
            raise Bad("%s failed:\n%s" % (" ".join(command), out[-4000:]))
        return out

    def introspect(self, what):
        return json.loads(subprocess.run(
            ["meson", "introspect", str(self.folder), what],
            capture_output=True, check=True).stdout)

    def find(self, name):
        """Keys of the tests that a name or a pattern stands for."""
        if name in self.tests:
            return [name]
        return [key for key in self.tests
                if fnmatch.fnmatchcase(key, name)
                or fnmatch.fnmatchcase(key.partition("/")[2], name)]

    def names(self):
        return set(self.tests) | {k.partition("/")[2] for k in self.tests}

    def default_tests(self):
        return [key for key in self.tests
                if key.startswith(("unit/", "ops/", "golden/own"))
                or re.match(r"golden/cuda emulated own", key)]

    def build(self, keys):
        """None, or the compiler's output."""
        files = {self.target_file[d] for k in keys
                 for d in self.tests[k]["depends"] if d in self.target_file}
        status, out = run(["ninja", "-C", str(self.folder), "-j",
                           str(self.jobs)] + sorted(files))
        return None if status == 0 else out

    def fails(self, key, timeout):
        """Whether a test does, and why."""
        test = self.tests[key]
        environment = {k: v for k, v in os.environ.items()
                       if not k.startswith("DEFCN_")}
        # Only what is in the tree counts.
        environment["DEFCN_GOLDEN"] = "/nonexistent"
        environment["MALLOC_PERTURB_"] = "165"
        environment.update(test["env"])
        status, out = run(test["cmd"], timeout,
                          cwd=test["workdir"] or str(self.folder),
                          env=environment)
        if status is None:
            return "timeout"
        if status != 0:
            return "status %d" % status
        found = re.search(r"^\s*not ok .*", out, re.M)
        return found.group(0).strip() if found else None


class Runner:
    def __init__(self, options, mutants, files):
        self.options, self.mutants = options, mutants
        self.build = pathlib.Path(options.build).resolve()
        self.files = files
        self.lock = threading.Lock()
        self.busy = {}      # worker: file of its last mutant
        self.pending = []
        self.failing = {}   # tests that fail without a fault
        self.seconds = {}
        self.state_path = self.build / "state.json"
        self.done = {}
        self.stop = False
        readme = TREE / "tests" / "README.md"
        self.table = readme.read_text() if readme.is_file() else ""

    def load(self):
        tree = digest(TREE, self.files)
        self.state = {"tree": tree, "done": {}, "seconds": {}, "failing": {}}
        if self.state_path.is_file():
            state = json.loads(self.state_path.read_text())
            if state.get("tree") == tree:
                self.state = state
        self.done = self.state["done"]
        self.seconds = self.state["seconds"]
        self.failing = self.state["failing"]

    def save(self):
        partial = self.state_path.with_suffix(".part")
        partial.write_text(json.dumps(self.state, indent=1))
        partial.replace(self.state_path)

    def take(self, worker):
        """The next mutant, of the file that the worker has built last if
        another one is left there."""
        with self.lock:
            if self.stop or not self.pending:
                return None
            others = {f for w, f in self.busy.items() if w != worker}
            ranks = [(m.file != self.busy.get(worker), m.file in others, i)
                     for i, m in enumerate(self.pending)]
            mutant = self.pending.pop(min(ranks)[2])
            self.busy[worker] = mutant.file
            return mutant

    def select(self, build, mutant):
        names = mutant.tests or table_tests(self.table, mutant.file,
                                            build.names())
        keys = []
        for name in names:
            found = build.find(name)
            if not found:
                raise LookupError("no test \"%s\"" % name)
            keys += [k for k in found if k not in keys]
        return keys or build.default_tests()

    def time_tests(self, build, keys):
        """Runs those without a fault that have not been yet."""
        for key in keys:
            with self.lock:
                if key in self.seconds or key in self.failing:
                    continue
            start = time.monotonic()
            why = build.fails(key, 900) and build.fails(key, 900)
            with self.lock:
                if why:
                    self.failing[key] = why
                    print("FAILS WITHOUT A FAULT: %s (%s)" % (key, why),
                          flush=True)
                else:
                    self.seconds[key] = time.monotonic() - start

    def measure(self, build, mutant):
        """(result, what tells it)"""
        try:
            keys = self.select(build, mutant)
        except LookupError as error:
            return "broken", str(error)
        path = build.copy / mutant.file
        text = path.read_text()
        if any(k not in self.seconds and k not in self.failing for k in keys):
            out = build.build(keys)
            if out:
                raise Bad("does not build without a fault:\n" + out[-4000:])
            self.time_tests(build, keys)
        keys = [k for k in keys if k not in self.failing]
        if not keys:
            return "broken", "every test fails without it"
        keys.sort(key=lambda k: self.seconds[k])
        path.write_text(mutant.apply(text))
        try:
            out = build.build(keys)
            if out:
                return "broken", out[-2000:]
            for key in keys:
                timeout = max(LEAST_SECONDS, TIMES * self.seconds[key])
                # Twice: what fails by chance has seen nothing.
                why = build.fails(key, timeout) and build.fails(key, timeout)
                if why:
                    return "seen", "%s: %s" % (key, why)
        finally:
            path.write_text(text)
        return "not seen", ", ".join(keys)

    def work(self, worker):
        copy = self.build / str(worker)
        copy_tree(TREE, self.files, copy)
        builds = {}
        jobs = max(1, (os.cpu_count() or 1) // self.options.jobs)
        while True:
            mutant = self.take(worker)
            if not mutant:
                return
            cuda = wants_cuda(mutant)
            if cuda not in builds:
                builds[cuda] = Build(copy, cuda, jobs)
            start = time.monotonic()
            result, why = self.measure(builds[cuda], mutant)
            with self.lock:
                self.done[mutant.key()] = [result, why]
                self.save()
                n = sum(m.key() in self.done for m in self.mutants)
                print("%d/%d %s: %s (%s) %.0f s" % (
                    n, len(self.mutants), mutant.name, result,
                    why.strip().split("\n")[-1][:100],
                    time.monotonic() - start),
                    flush=True)

    def run(self):
        self.build.mkdir(parents=True, exist_ok=True)
        self.load()
        self.pending = sorted(
            (m for m in self.mutants
             if not m.stale and m.key() not in self.done),
            key=lambda m: (wants_cuda(m), m.file))
        if not self.pending:
            return
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            workers = [pool.submit(self.work, i)
                       for i in range(self.options.jobs)]
            try:
                for worker in concurrent.futures.as_completed(workers):
                    worker.result()
            except BaseException:
                self.stop = True
                raise

    def report(self):
        """Prints what was found; the exit status."""
        results = {m: "stale" if m.stale else
                   self.done.get(m.key(), ["not run"])[0] for m in self.mutants}
        of = collections.defaultdict(list)
        for m, result in results.items():
            of[result].append(m)
        for m in of["stale"]:
            print("STALE: %s %s: %s" % (m.where, m.file, m.stale))
        for m in of["broken"]:
            print("BROKEN: %s %s\n%s" % (
                m.where, m.name, self.done[m.key()][1]))
        for m in of["not seen"]:
            print("NOT SEEN: %s\n  - %s\n  + %s" % (m.name, m.find, m.replace))
        if self.options.report:
            with open(self.options.report, "w") as file:
                json.dump([{"name": m.name, "list": m.where, "find": m.find,
                            "replace": m.replace, "result": results[m],
                            "by": self.done.get(m.key(), ["", ""])[1]}
                           for m in self.mutants], file, indent=1)
        n = len(of["seen"]) + len(of["not seen"])
        share = len(of["seen"]) / n if n else 0
        names = ", ".join(m.name for m in of["not seen"])
        print("%d mutants: %d seen, %d not seen%s, %d stale; share %.2f" % (
            len(self.mutants), len(of["seen"]), len(of["not seen"]),
            " (%s)" % names if names else "", len(of["stale"]), share))
        return bool(of["stale"] or of["broken"] or self.failing
                    or share < self.options.least)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lists", nargs="*", metavar="LIST")
    parser.add_argument("--list", action="store_true",
                        help="name the mutants and leave it at that")
    parser.add_argument("--only", metavar="REGEX", default="",
                        help="those whose list, name or text matches")
    parser.add_argument("--jobs", type=int, default=1, metavar="N",
                        help="so many copies side by side")
    parser.add_argument("--build", default=str(TREE / "build-mutate"),
                        metavar="DIR")
    parser.add_argument("--report", metavar="FILE", help="results as JSON")
    parser.add_argument("--least", type=float, default=0, metavar="SHARE")
    options = parser.parse_args()
    lists = options.lists or sorted(glob.glob(str(HERE / "*.mutants")))
    try:
        only = re.compile(options.only)
        mutants = [m for m in read_lists(lists, TREE) if only.search(
            " ".join([m.where, m.name, m.file, m.find, m.replace]))]
        if options.list:
            for m in mutants:
                print("%s  %s -> %s%s" % (m.name, m.find, m.replace,
                      "  STALE: " + m.stale if m.stale else ""))
            return any(m.stale for m in mutants)
        runner = Runner(options, mutants, tree_files(TREE))
        runner.run()
        return runner.report()
    except Bad as bad:
        print("mutate: %s" % bad, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
