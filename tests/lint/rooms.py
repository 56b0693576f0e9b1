#!/usr/bin/env python3
"""Who may include whom.

rooms.py SOURCES [BUILD]   Prints "RULE<tab>finding" lines, none if all hold.

A module is x.c with x.h (or x.cu, x.cuh); a room is the folder that it lies
in; the modules at the top of core/, gst-plugin/ and training/ are doors.  A
module needs another if it includes it (beside the includer, else below the
folders of its top, as the compiler looks it up) or, with BUILD, if its object
takes a function or a variable of it: a header that several files share hides
no circle.
"""
import os
import re
import subprocess
import sys

# The folders in which a quoted include of each top is looked up.
PATHS = {
    "core": ["core"],
    "gst-plugin": ["gst-plugin", "core"],
    "pipelines": ["pipelines/live"],
    "training": ["training", "core"],
}

# What of the core the plugin sees.
FACE = {"core/detector", "core/image", "core/boxes", "core/error",
        "core/spin", "core/tracker"}

# Which rooms each room may include besides itself.  The tops of the trees are
# rooms too: "training" is the commands.
ROOMS = {
    "core": set(),
    "core/reference": {"core"},
    "core/onednn": {"core", "core/onednn/kernels"},
    "core/onednn/kernels": set(),
    "core/cuda": {"core"},
    "gst-plugin": {"gst-plugin/detect", "gst-plugin/overlay",
                   "gst-plugin/publish", "gst-plugin/snapshot",
                   "gst-plugin/track", "gst-plugin/zones"},
    # Modules that the plugin opens by name.
    "gst-plugin/brokers": {"gst-plugin/publish"},
    "gst-plugin/detect": {"core", "gst-plugin"},
    # What GStreamer opens, and what opens the elements.
    "gst-plugin/entry": {"core", "gst-plugin"},
    "gst-plugin/overlay": {"gst-plugin"},
    "gst-plugin/publish": {"gst-plugin"},
    "gst-plugin/snapshot": {"gst-plugin"},
    "gst-plugin/track": {"core", "gst-plugin"},
    "gst-plugin/zones": {"gst-plugin"},
    # A program of GStreamer's elements, which knows ours by their names alone.
    "pipelines/live": set(),
    "training": {"core", "training/bench", "training/convert",
                 "training/data", "training/drawing", "training/eval",
                 "training/export", "training/import", "training/ranks",
                 "training/report", "training/train"},
    "training/assign": {"core", "training/data"},
    "training/bench": {"core", "training", "training/train"},
    "training/convert": {"core", "training/data"},
    "training/data": {"core"},
    "training/drawing": {"core", "training/data", "training/eval"},
    "training/eval": {"core", "training", "training/data", "training/ranks"},
    "training/export": {"core", "training/data"},
    "training/import": {"core", "training", "training/data"},
    "training/report": {"core", "training", "training/data", "training/eval"},
    # A module that the tool opens by name.
    "training/mpi": {"core", "training/ranks"},
    "training/nccl": {"core", "training/ranks"},
    "training/ranks": {"core"},
    "training/train": {"core", "training", "training/assign", "training/data",
                       "training/ranks"},
}

# The modules at the top of a tree that its rooms may include: what the doors
# share.  Of the core all may be.
SHARED = {
    "gst-plugin": {"gst-plugin/elements", "gst-plugin/field",
                   "gst-plugin/finding", "gst-plugin/list",
                   "gst-plugin/meta", "gst-plugin/object", "gst-plugin/redact",
                   "gst-plugin/samples", "gst-plugin/scene",
                   "gst-plugin/timing", "gst-plugin/view"},
    "training": {"training/backbone", "training/device_options",
                 "training/machine", "training/metrics",
                 "training/progress", "training/terminal"},
}

# What the backends' rows may know of the core: the table that they fill and
# what stands below it.
BELOW_BACKEND = {"core/" + name for name in (
    "backend", "bilinear", "boxes", "error", "half", "image", "learner",
    "objective", "pixels", "scaler", "side", "sigmoid", "spin", "tensor",
    "tune")}

# core/backend.c holds the table of the backends, which include its header; they
# take no function of it that would lead back.
TABLES = {("core/backend", "core/reference/reference"),
          ("core/backend", "core/onednn/onednn")}

SOURCE = re.compile(r"\.(c|h|cu|cuh)$")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.M)


def source_files(top):
    for folder, folders, names in os.walk(top):
        folders.sort()
        for name in sorted(names):
            if SOURCE.search(name):
                yield os.path.join(folder, name)


def module_of(path):
    return os.path.splitext(path)[0]


def room_of(module):
    return os.path.dirname(module)


def resolve(path, include):
    """The file that the compiler takes for an include, None if not ours."""
    top = path.split("/")[0]
    for folder in [os.path.dirname(path)] + PATHS[top]:
        found = os.path.normpath(os.path.join(folder, include))
        if os.path.isfile(found):
            return found
    return None


def read_edges(tops):
    """(includer, included) files, and findings about the includes' form."""
    edges, findings = [], []
    for top in tops:
        for path in source_files(top):
            with open(path, encoding="utf-8") as file:
                text = file.read()
            for include in INCLUDE.findall(text):
                target = resolve(path, include)
                if include.startswith("../"):
                    findings.append(("form", '%s: "%s" names a folder by ..'
                                     % (path, include)))
                if target is not None and target != path:
                    edges.append((path, target))
    return edges, findings


def read_objects(build, tops):
    """{object: source} of what was built below the given tops."""
    objects = {}
    for top in tops:
        sources = list(source_files(top))
        for folder, _, names in os.walk(os.path.join(build, top)):
            if not folder.endswith(".p"):
                continue
            base = os.path.relpath(os.path.dirname(folder), build) + "/"
            flat = {path[len(base):].replace("/", "_") + ".o": path
                    for path in sources if path.startswith(base)}
            objects.update((os.path.join(folder, name), flat[name])
                           for name in names if name in flat)
    return objects


def read_links(build, tops):
    """(user, used) files, by the symbols of the objects."""
    objects = read_objects(build, tops)
    if len(objects) < len(tops):
        sys.exit("no objects of the sources below " + build)
    out = subprocess.run(["nm", "-A", "-g"] + sorted(objects), check=True,
                         capture_output=True, text=True).stdout
    defined, wanted = {}, []
    for line in out.splitlines():
        place, symbol = line.rsplit(" ", 1)
        path, kind = place.rsplit(":", 1)
        if kind.split()[-1] in "Uw":
            wanted.append((objects[path], symbol))
        else:
            defined.setdefault(symbol, set()).add(objects[path])
    return [(user, used) for user, symbol in wanted
            for used in defined.get(symbol, ()) if used != user]


def broken_law(path, target):
    """Why the include of target by path is not allowed, or None."""
    user, used = module_of(path), module_of(target)
    room, other = room_of(user), room_of(used)
    if user == used:
        return None
    if room not in ROOMS:
        return "%s has no row in tests/lint/rooms.py" % room
    if other != room and other not in ROOMS[room]:
        return "%s includes %s" % (room, other)
    top, other_top = room.split("/")[0], other.split("/")[0]
    if top == "gst-plugin" and other_top == "core" and used not in FACE:
        return "the plugin sees %s alone" % ", ".join(sorted(FACE))
    if room != top and other == top and top in SHARED:
        if used not in SHARED[top]:
            return "%s is a door" % used
    if top == "core" and room != "core" and other == "core":
        if used not in BELOW_BACKEND:
            return "a backend includes %s" % used
    return None


def circles(edges):
    """The sets of modules that need each other, by Tarjan's algorithm."""
    needs = {}
    for path, target in edges:
        user, used = module_of(path), module_of(target)
        needs.setdefault(user, set())
        needs.setdefault(used, set())
        if user != used and (user, used) not in TABLES:
            needs[user].add(used)
    index, low, stack, found = {}, {}, [], []

    def visit(module):
        index[module] = low[module] = len(index)
        stack.append(module)
        for used in sorted(needs[module]):
            if used not in index:
                visit(used)
                low[module] = min(low[module], low[used])
            elif used in stack:
                low[module] = min(low[module], index[used])
        if low[module] == index[module]:
            members = []
            while not members or members[-1] != module:
                members.append(stack.pop())
            if len(members) > 1:
                found.append(sorted(members))

    for module in sorted(needs):
        if module not in index:
            visit(module)
    return found


def main(sources, build=None):
    build = build and os.path.abspath(build)
    os.chdir(sources)
    tops = [top for top in PATHS if os.path.isdir(top)]
    edges, findings = read_edges(tops)
    for path, target in edges:
        why = broken_law(path, target)
        if why:
            findings.append(("rooms", '%s: includes "%s": %s'
                             % (path, target, why)))
    if build:
        edges += read_links(build, tops)
    findings += [("circle", " ".join(members)) for members in circles(edges)]
    for rule, finding in sorted(set(findings)):
        print("%s\t%s" % (rule, finding))


if __name__ == "__main__":
    main(*sys.argv[1:])
