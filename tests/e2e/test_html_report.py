#!/usr/bin/env python3
"""`defcn report` on runs of six pictures, whose names and classes are markup:
the page as html.parser and, where it is, chromium see it.  Prints TAP.
DEFCN_REPORT_PICTURE names a file for a picture of the page, to be looked at;
DEFCN_TENSORBOARD a Python that has tensorboardX and tensorboard.
Usage: test_html_report.py DEFCN"""
import base64
import html.parser
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time

DEFCN = sys.argv[1]
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import chromium  # noqa: E402
import tap  # noqa: E402

os.environ["OMP_WAIT_POLICY"] = "passive"
XSS = '<img src=x onerror="alert(1)">\'&'
RECIPE = """[recipe]
backbone=mobilenetv2
pixels=torchvision
freeze_at=0
fpn_channels=16
tower_depth=1
norm_groups=4
short_edge=96
test_long_edge=128
batch=2
workers=1
canvas_width=128
canvas_height=96
scale_min=0.9
scale_max=1.1
optimizer=adamw
lr=0.002
clip_norm=10
warmup=5
iterations=60
eval_interval=20
checkpoint_interval=1000
log_interval=5
threads=2
ema=0.9
"""
# Elements that have no end, as HTML has it.
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(html.parser.HTMLParser):
    """The page as a tree of [tag, attributes, children and texts]."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.text = text
        self.root = ["", {}, []]
        self.stack = [self.root]
        self.feed(text)
        self.close()
        assert self.stack == [self.root], [tag for tag, _, _ in self.stack]

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), (tag, attrs)
        self.stack[-1][2].append([tag, dict(attrs), []])
        if tag not in VOID:
            self.stack.append(self.stack[-1][2][-1])

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.stack.pop()

    def handle_endtag(self, tag):
        assert self.stack[-1][0] == tag, (tag, self.getpos())
        self.stack.pop()

    def handle_data(self, data):
        self.stack[-1][2].append(data)


def walk(node, tag=None, kind=None, **wanted):
    """Those below that have the tag, the class and the attributes."""
    for child in node[2]:
        if isinstance(child, str):
            continue
        if ((tag is None or child[0] == tag)
                and (kind is None or child[1].get("class") == kind)
                and all(child[1].get(k) == v for k, v in wanted.items())):
            yield child
        yield from walk(child, tag, kind, **wanted)


def first(node, *args, **wanted):
    found = next(walk(node, *args, **wanted), None)
    assert found, (args, wanted)
    return found


def text(node):
    return "".join(child if isinstance(child, str) else text(child)
                   for child in node[2])


def table(node):
    """The cells of its rows, the head first."""
    return [[text(cell) for cell in row[2] if not isinstance(cell, str)]
            for row in walk(node, "tr")]


def defcn(*arguments, status=0):
    done = subprocess.run([DEFCN] + list(arguments), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == status, (arguments, done.returncode, done.stderr)
    return done


def report(work, *arguments, status=0):
    path = work + "/report.html"
    if os.path.exists(path):
        os.remove(path)
    done = defcn("report", *arguments, "-o", path, status=status)
    if not os.path.exists(path):
        return None, done.stderr
    with open(path, encoding="utf-8") as file:
        return Page(file.read()), done.stderr


def train(work, name, *more):
    defcn("train", work + "/recipe.ini", "-a", work + "/a.json", "-i", work,
          "--val-annotations", work + "/a.json", "--val-images", work,
          "-o", work + "/" + name, *more)


def prepare(work):
    """Two runs; the second has FCOS's assignment and NMS, and stops early."""
    subprocess.run([sys.executable, HERE + "/make_blocks.py", work], check=True)
    with open(work + "/a.json") as file:
        data = json.load(file)
    data["categories"][0]["name"] = XSS
    data["images"][0]["file_name"] = "<b>0.png"
    os.rename(work + "/0.png", work + "/<b>0.png")
    with open(work + "/a.json", "w") as file:
        json.dump(data, file)
    with open(work + "/recipe.ini", "w") as file:
        file.write(RECIPE)
    train(work, "one")
    train(work, XSS, "--set=assigner=fcos", "--set=aux_topk=0",
          "--set=filter=false", "--set=nms_iou=0.6", "--stop-after=40")


def data_of(work):
    return ["--annotations", work + "/a.json", "--images", work]


def metrics(work, name, key):
    with open("%s/%s/metrics.jsonl" % (work, name)) as file:
        return [line for line in map(json.loads, file) if key in line]


def check_closed(page):
    """Nothing of it is elsewhere, nothing runs, ids are there once."""
    ids = [node[1]["id"] for node in walk(page.root) if "id" in node[1]]
    assert len(set(ids)) == len(ids), ids
    for node in walk(page.root):
        assert node[0] not in ("script", "link", "iframe", "object", "base")
        for name, value in node[1].items():
            assert not name.startswith("on"), node[:2]
            if name in ("src", "href", "srcset", "action", "xlink:href"):
                assert (value.startswith("data:image/")
                        or value[1:] in ids and value[0] == "#"), value[:99]
            if name in ("aria-labelledby", "aria-describedby"):
                assert set(value.split()) <= set(ids), value
            assert "url(" not in value and "@import" not in value
        if node[0] == "img":
            assert node[1].get("alt"), node[1]
    assert "http://" not in page.text and "https://" not in page.text
    assert first(page.root, "html")[1]["lang"] == "en"
    levels = [int(node[0][1]) for node in walk(page.root)
              if re.fullmatch("h[1-6]", node[0])]
    assert levels[0] == 1 and levels.count(1) == 1, levels
    assert all(b <= a + 1 for a, b in zip(levels, levels[1:])), levels
    used = {name for node in walk(page.root)
            for name in [node[1].get("style")] if name}
    assert all(style.startswith("background:") for style in used), used


def points_of(series):
    """Where its line is drawn, or its markers begin."""
    line = next(walk(series, "path", "line"), None)
    if line:
        return [tuple(map(float, point.split()))
                for point in re.findall(r"[ML]([0-9.]+ [0-9.]+)",
                                        line[1]["d"])]
    return None


def fit(values):
    """Whether pairs lie on a line, as values and their places do."""
    (a, p), (b, q) = min(values), max(values)
    return all(abs((p + (q - p) * (v - a) / ((b - a) or 1)) - at) < 0.15
               for v, at in values)


def check_charts(page):
    """Every chart has a title, a text, and a table with the values of its
    lines; how many there are."""
    charts = list(walk(page.root, "figure", "chart"))
    for chart in charts:
        rows = table(first(chart, "table"))
        svg = next(walk(chart, "svg", role="img"), None)
        if not svg:
            assert "No values." in text(chart)
            continue
        assert text(first(svg, "title")) and text(first(svg, "desc"))
        heights, widths = [], []
        all_series = list(walk(svg, "g", "series"))
        assert len(all_series) == len(rows[0]) - 1, rows[0]
        names = [text(li).strip() for li in walk(chart, "li")]
        assert names == [name.strip() for name in rows[0][1:]], names
        for i, series in enumerate(all_series):
            values = [(row[0], float(row[i + 1])) for row in rows[1:]
                      if row[i + 1] not in ("", "not finite")]
            places = points_of(series)
            if places is None:
                said = [text(t).rsplit(": ", 1)[1]
                        for t in walk(series, "title")]
                assert len(said) == len(values)
                assert all(abs(float(s) - v) <= 1e-3 * abs(v) + 1e-6
                           for s, (_, v) in zip(said, values)), (said, values)
                continue
            assert len(places) == len(values), (rows[0][i + 1], len(places))
            heights += [(v, y) for (_, v), (_, y) in zip(values, places)]
            widths += [(float(x), at) for (x, _), (at, _)
                       in zip(values, places)]
        assert not heights or fit(heights) and fit(widths), text(svg)
    return len(charts)


def chart_rows(page, name):
    return table(first(first(page.root, "figure", id=name), "table"))


def test_a_curves(work):
    """Two runs in common charts, without data: the values of their metrics."""
    page, _ = report(work, work + "/one", work + "/" + XSS, "--title", XSS)
    check_closed(page)
    assert check_charts(page) >= 12
    assert text(first(page.root, "h1")) == XSS
    evaluations = metrics(work, "one", "ap50")
    assert [e["iteration"] for e in evaluations] == [20, 40, 60]
    rows = chart_rows(page, "curve-ap50")
    assert rows[0][1:4] == ["one, no NMS", "one, local filter", "one, NMS"]
    assert rows[0][4] == XSS + ", no NMS"
    for row, e in zip(rows[1:], evaluations):
        own = e["own"]
        ways = [e if own == way else e[way] for way in
                ("no_nms", "local", "nms")]
        assert int(row[0]) == e["iteration"]
        for cell, way in zip(row[1:4], ways):
            assert abs(float(cell) - way["ap50"]) < 1e-4, (row, ways)
    assert rows[3][4] == "", "the second run has not come so far"
    losses = metrics(work, "one", "loss")
    rows = chart_rows(page, "loss")
    assert len(rows) - 1 == len(losses) == 12
    for row, line in zip(rows[1:], losses):
        assert int(row[0]) == line["iteration"]
        assert abs(float(row[1]) - line["loss"]) < 1e-3 * line["loss"]
    rates = [float(row[1]) for row in chart_rows(page, "lr")[1:]]
    assert max(rates) <= 0.002 < 2 * max(rates)
    assert not list(walk(page.root, "figure", id="precision-recall"))


def test_b_recipes(work):
    """What the recipes differ in, and the machines that trained."""
    page, _ = report(work, work + "/one", work + "/" + XSS)
    section = first(page.root, "section", id="recipe")
    tables = list(walk(section, "table"))
    differing = {row[0]: row[1:] for row in table(tables[0])}
    assert differing["assigner"] == ["poto", "fcos"], differing
    assert "fpn_channels" not in differing
    whole = {row[0]: row[1:] for row in table(tables[1])}
    assert whole["fpn_channels"] == ["16", "16"]
    assert whole["annotations"][0] == work + "/a.json"
    machine = text(first(page.root, "section", id="machine"))
    assert "one, trained from iteration 0" in machine, machine
    assert "engine" in machine and "cpu" in machine and "This report" in machine


def test_c_figures(work):
    """With data: the figures of defcn eval, precision over recall whose mean is
    AP50, and a confusion that has the same precision and recall."""
    page, said = report(work, work + "/one", work + "/" + XSS, "--worst=2",
                        *data_of(work))
    check_closed(page)
    check_charts(page)
    assert "defcn report: one: " in said and "eval 6/6" in said, said
    model = work + "/one/best.safetensors"
    wanted = json.loads(defcn("eval", "-m", model, *data_of(work), "-j",
                              "-").stdout)
    fcos = json.loads(defcn(
        "eval", "-m", "%s/%s/best.safetensors" % (work, XSS), *data_of(work),
        "-j", "-").stdout)
    rows = chart_rows(page, "precision-recall")
    assert len(rows) == 102
    means = {name: sum(float(row[i]) for row in rows[1:]) / 101
             for i, name in enumerate(rows[0]) if i}
    assert fcos["ap50"] > fcos["no_nms"]["ap50"] + 0.01, "nothing is proved"
    for name, ap50 in [("one", wanted["ap50"]), (XSS, fcos["ap50"]),
                       (XSS + ", all boxes", fcos["no_nms"]["ap50"])]:
        assert abs(means[name] - ap50) < 1e-4, (name, means, ap50)
    section = first(page.root, "section", id="figures")
    head, *rows = table(first(section, "table"))
    own = [dict(zip(head, row)) for row in rows
           if "its own" in row[1] and row[0] == "one"][0]
    assert abs(float(own["AP50"]) - wanted["ap50"]) < 1e-4
    assert abs(float(own["twins"]) - wanted["duplicate_rate"]) < 1e-4
    head, *rows = table(first(section, "table", "matrix"))
    assert head[1:] == [XSS, "nothing"], head
    hits, missed, false = int(rows[0][1]), int(rows[0][2]), int(rows[1][1])
    assert hits + missed == 6 and hits > 0
    at = wanted["working"]
    assert abs(hits / 6 - at["recall"]) < 1e-9
    assert abs(hits / (hits + false) - at["precision"]) < 1e-9
    rows = chart_rows(page, "reliability")
    bins = [b for b in wanted["reliability"] if b["detections"]]
    assert len(rows) - 1 >= len(bins) > 0
    assert "0.05 to 0.10" in text(section)


def test_d_pictures(work):
    """The worst pictures with what is right, false and missed of every model,
    and the maps of every level."""
    page, _ = report(work, work + "/one", "--worst=6", *data_of(work))
    section = first(page.root, "section", id="pictures")
    for picture in walk(section, "section", "picture"):
        head, *rows = table(first(picture, "table"))
        figure = first(picture, "figure", "boxes")
        kinds = [row[1] for row in rows]
        assert {"twin", "false", "missed", "wrong class"} & set(kinds), kinds
        assert len(list(walk(figure, "g"))) == len(rows)
        titles = [text(first(g, "title")) for g in walk(figure, "g")]
        for row, title in zip(rows, titles):
            assert title.startswith("%s: %s" % (row[1], XSS)), (row, title)
        assert sum(kind == "right" for kind in kinds) <= 1
    first_map = first(page.root, "figure", "maps")
    assert len(list(walk(first_map, "img", "map"))) == 5
    for image in walk(first_map, "img"):
        data = image[1]["src"].split(",", 1)
        assert len(base64.b64decode(data[1], validate=True)) > 60
    few, _ = report(work, work + "/one", "--limit=2", "--worst=0",
                    *data_of(work))
    assert "2 pictures of a.json" in text(first(few.root, id="figures"))
    assert not list(walk(few.root, "section", id="pictures"))
    assert len(list(walk(few.root, "figure", "maps"))) == 1
    alone, _ = report(work, work + "/one/best.safetensors", "--picture",
                      work + "/<b>0.png", "-p", work + "/1.png")
    check_closed(alone)
    names = [text(first(figure, "h3"))
             for figure in walk(alone.root, "figure", "maps")]
    assert names == ["<b>0.png", "1.png"], names
    assert "A model file alone" in text(alone.root)


def damaged(work, name, change):
    """A copy of the first run without its models, whose metrics are changed."""
    folder = work + "/" + name
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    with open(work + "/one/metrics.jsonl") as file:
        lines = file.read()
    with open(folder + "/metrics.jsonl", "w") as file:
        file.write(change(lines))
    return folder


def test_e_half(work):
    """Runs that are half written, were killed or diverged are shown as far as
    they go, and said to be."""
    with open(work + "/one/metrics.jsonl") as file:
        lines = file.read().splitlines(True)
    cases = {
        "torn": (lambda t: t[:-300], "cannot be read"),
        "zeros": (lambda t: t + "\0" * 500, "cannot be read"),
        "again": (lambda t: t + "".join(lines[3:9]), "a resumed run does"),
        "diverged": (lambda t: re.sub(r'"loss":[^,]*', '"loss":null', t),
                     "not finite in 12 of 12"),
        "empty": (lambda t: "", "no line of updates yet"),
        "single": (lambda t: lines[1], "has no evaluation"),
    }
    for name, (change, wanted) in cases.items():
        page, _ = report(work, damaged(work, name, change))
        check_closed(page)
        check_charts(page)
        overview = text(first(page.root, "section", id="overview"))
        assert wanted in overview, (name, overview)
        assert "No model yet" in overview and "recipe is not known" in overview
    page, _ = report(work, *(work + "/" + name for name in cases))
    check_charts(page)
    folder = damaged(work, "lost", lambda t: t)
    os.remove(folder + "/metrics.jsonl")
    page, said = report(work, folder, status=1)
    assert page is None and folder + ": is no run" in said, said
    with open(folder + "/best.safetensors", "w") as file:
        file.write("nothing")
    page, _ = report(work, folder, *data_of(work))
    assert "The model cannot be read" in text(page.root)
    assert "No model could be measured" in text(page.root)
    page, _ = report(work, work + "/one", work + "/again", *data_of(work))
    rows = table(first(first(page.root, id="figures"), "table"))
    assert {row[0] for row in rows[1:]} == {"one"}, "others' data is no figure"
    shutil.copy(work + "/one/model.safetensors", folder)
    page, _ = report(work, folder)
    assert "The model cannot be read" in text(page.root)
    assert "model.safetensors" in text(first(page.root, id="overview"))
    assert "recipe is not known" not in text(page.root), "the model has it"


def test_f_errors(work):
    """What is wrong is named, before the work where that can be, and nothing
    that is read is written over."""
    one = work + "/one"
    for arguments, status, wanted in [
            ([], 2, "no RUN given"),
            ([one, "-a", work + "/a.json"], 2, "go together"),
            ([one, "--worst=101"], 2, "--worst is not in 0 .. 100"),
            ([one, "--name=a", "--name=b"], 2, "more --name than runs"),
            ([work + "/none"], 1, work + "/none: no such run"),
            ([work + "/a.json"], 1, work + "/a.json"),
            ([one, "-a", work + "/a.json", "-i", "/none"], 1,
             "/none: no such folder of images"),
            ([one, "-a", "/none.json", "-i", work], 1, "/none.json")]:
        page, said = report(work, *arguments, status=status)
        assert page is None and wanted in said, (arguments, said)
    for name in ("metrics.jsonl", "best.safetensors", "model.safetensors",
                 "curve.png", "recipe.ini"):
        path = one + "/" + name
        with open(path, "rb") as file:
            before = file.read()
        done = defcn("report", one, "-o", path, status=1)
        assert path in done.stderr, done.stderr
        with open(path, "rb") as file:
            assert file.read() == before
    page, said = report(work, one, "-p", work + "/none.png", "-p",
                        work + "/1.png", status=1)
    assert work + "/none.png" in said
    assert work + "/none.png" in text(first(page.root, "section", id="maps"))
    assert len(list(walk(page.root, "figure", "maps"))) == 1
    with open(work + "/other.json", "w") as file, \
            open(work + "/a.json") as whole:
        data = json.load(whole)
        data["categories"][0]["name"] = "other"
        json.dump(data, file)
    page, said = report(work, one, "-a", work + "/other.json", "-i", work,
                        status=1)
    assert "one is not measured" in said
    assert "one is not measured" in text(first(page.root, id="overview"))


def test_g_names(work):
    """Runs of one name are told apart; names of one's own; standard output."""
    os.makedirs(work + "/x", exist_ok=True)
    if not os.path.exists(work + "/x/one"):
        shutil.copytree(work + "/one", work + "/x/one")
    page, _ = report(work, work + "/one", work + "/x/one")
    head = chart_rows(page, "loss")[0]
    assert head[1:] == [work + "/one", work + "/x/one"], head
    done = defcn("report", work + "/one", work + "/x/one", "-n", "POTO", "-n",
                 "POTO <again>", "-o", "-")
    page = Page(done.stdout)
    assert chart_rows(page, "loss")[0][1:] == ["POTO", "POTO <again>"]


def test_h_stopped(work):
    """An interrupt ends an evaluation, and leaves no page."""
    with open(work + "/a.json") as file:
        data = json.load(file)
    data["images"] = [dict(data["images"][i % 6], id=i) for i in range(60000)]
    with open(work + "/long.json", "w") as file:
        json.dump(data, file)
    path = work + "/never.html"
    process = subprocess.Popen(
        [DEFCN, "report", work + "/one", "-a", work + "/long.json", "-i", work,
         "-o", path], stderr=subprocess.PIPE, universal_newlines=True)
    line = process.stderr.readline()
    while line and "defcn report: one" not in line:
        line = process.stderr.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, (process.returncode, said)
    assert "interrupted" in said and not os.path.exists(path), said


def test_h_many(work):
    """Thirty classes: the frequent ones have a row of the confusion, the others
    share one, and no object is lost; then the same model on CrowdHuman's
    annotations, whose figures are others."""
    with open(work + "/a.json") as file:
        data = json.load(file)
    names = ["person"] + ["class <%d>" % i for i in range(1, 30)]
    data["categories"] = [{"id": i, "name": name}
                          for i, name in enumerate(names)]
    data["annotations"] = [
        dict(a, id=10 * a["id"] + k, category_id=(5 * a["id"] + k) % 30)
        for a in data["annotations"] for k in range(5)]
    data["annotations"] += [dict(data["annotations"][0], id=99)]
    with open(work + "/many.json", "w") as file:
        json.dump(data, file)
    defcn("train", work + "/recipe.ini", "-a", work + "/many.json", "-i", work,
          "-o", work + "/many", "--set=iterations=2", "--set=log_interval=1",
          "--force")
    page, _ = report(work, work + "/many", "-a", work + "/many.json", "-i",
                     work)
    check_closed(page)
    check_charts(page)
    head, *rows = table(first(page.root, "table", "matrix"))
    assert len(head) == 1 + 27 and head[-2:] == ["all others", "nothing"], head
    assert [row[0] for row in rows] == head[1:] and head[1] == "person", head
    found = [sum(int(cell) for cell in row[1:] if cell != "–")
             for row in rows]
    assert sum(found[:-1]) == 31 and found[0] == 2 and found[25] == 5, found
    heads = [text(h) for h in walk(page.root, "h3")]
    assert "AP of every class" in heads, heads
    defcn("convert", work + "/many.json", work + "/crowd.odgt", "--classes",
          "person", "--force")
    page, _ = report(work, work + "/many", "-a", work + "/crowd.odgt", "-i",
                     work)
    check_closed(page)
    check_charts(page)
    section = first(page.root, "section", id="figures")
    head = table(first(section, "table"))[0]
    assert "mMR" in head and "AP" not in head and "twins" not in head, head
    assert not list(walk(page.root, "figure", id="sizes-ap"))


def wait_for(page, expression):
    for _ in range(300):
        if page.value(expression):
            return True
        time.sleep(0.1)
    return False


LOOK = """({
  wide: document.documentElement.scrollWidth - innerWidth,
  images: [...document.images].every((i) => i.complete && i.naturalWidth > 0),
  cut: [...document.querySelectorAll(".chart > svg")].filter((svg) => {
    const box = svg.getBoundingClientRect();
    return [...svg.querySelectorAll("text")].some((t) => {
      const own = t.getBoundingClientRect();
      return own.left < box.left - 1 || own.right > box.right + 1
        || own.bottom > box.bottom + 1;
    });
  }).map((svg) => svg.parentNode.id),
  lines: [...document.querySelectorAll(".chart .series")].every((g) =>
    g.getBoundingClientRect().width > 0),
  markup: document.querySelectorAll("b b, h3 b, td b img").length })"""


def test_i_browser(work):
    """In chromium, wide, on a phone and as PDF: nothing to complain of, nothing
    cut off, and no name becomes markup."""
    if not chromium.find():
        raise tap.Skipped("no chromium")
    report(work, work + "/one", work + "/" + XSS, *data_of(work))
    picture = os.environ.get("DEFCN_REPORT_PICTURE")
    with tempfile.TemporaryDirectory() as folder:
        for width in (1200, 400):
            page = chromium.Page(folder + "/%d" % width, width, 1500)
            try:
                page.open("file://%s/report.html" % work)
                assert wait_for(page, "document.readyState === 'complete' "
                                      "&& !!document.querySelector('main')")
                look = page.value(LOOK)
                assert look["wide"] <= 0 and look["images"], look
                assert look["lines"] and not look["cut"], look
                assert not look["markup"], look
                assert not page.log and not page.dialogs, (page.log,
                                                           page.dialogs)
                if picture:
                    page.picture("%s-%d.png" % (picture, width))
                data = base64.b64decode(page.call(
                    "Page.printToPDF", printBackground=True)["data"])
                assert data.startswith(b"%PDF") and len(data) > 20000
                assert data.count(b"/Type /Page\n") >= 3
                if picture:
                    with open("%s-%d.pdf" % (picture, width), "wb") as file:
                        file.write(data)
            finally:
                page.close()


FAKE = """
import json
class SummaryWriter:
    def __init__(self, folder):
        self.folder, self.rows = folder, []
    def add_scalar(self, name, value, step):
        self.rows.append([name, value, step])
    def close(self):
        with open(self.folder, "w") as file:
            json.dump(self.rows, file)
"""
READ = """
import json, sys
from tensorboard.backend.event_processing.event_accumulator import (
    EventAccumulator)
events = EventAccumulator(sys.argv[1], {"scalars": 0})
events.Reload()
print(json.dumps([[name, e.value, e.step]
                  for name in events.Tags()["scalars"]
                  for e in events.Scalars(name)]))
"""


def test_j_tensorboard(work):
    """What training/README.md has TensorBoard's users type gives all
    numbers of the metrics, with a writer that keeps what it is told; and with
    TensorBoard's own reader where DEFCN_TENSORBOARD is."""
    with open(HERE + "/../../training/README.md") as file:
        line = textwrap.dedent(re.search(
            r"^    python3 -c 'import json.*?tb/mine$", file.read(),
            re.M | re.S).group(0))
    assert "tensorboardX" in line and "runs/mine/metrics.jsonl" in line, line
    line = line.replace("runs/mine/metrics.jsonl", work
                        + "/one/metrics.jsonl").replace("tb/mine",
                                                        work + "/tb")
    wanted = {("loss", d["loss"], d["iteration"])
              for d in metrics(work, "one", "loss")}
    wanted |= {("ap50", d["ap50"], d["iteration"])
               for d in metrics(work, "one", "ap50")}
    os.makedirs(work + "/fake", exist_ok=True)
    with open(work + "/fake/tensorboardX.py", "w") as file:
        file.write(FAKE)
    subprocess.run(line, shell=True, check=True,
                   env=dict(os.environ, PYTHONPATH=work + "/fake",
                            PYTHONDONTWRITEBYTECODE="1"))
    with open(work + "/tb") as file:
        rows = {tuple(row) for row in json.load(file)}
    assert wanted <= rows and not any(name == "iteration"
                                      for name, _, _ in rows)
    python = os.environ.get("DEFCN_TENSORBOARD")
    if not python:
        return
    os.remove(work + "/tb")
    subprocess.run(line.replace("python3", python, 1), shell=True, check=True)
    done = subprocess.run([python, "-c", READ, work + "/tb"], check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found = {(name, step): value
             for name, value, step in json.loads(done.stdout)}
    for name, value, step in wanted:
        assert abs(found[name, step] - value) <= 1e-6 * abs(value), name


def main():
    with tempfile.TemporaryDirectory() as work:
        prepare(work)
        return tap.run(globals(), work)


sys.exit(main())
