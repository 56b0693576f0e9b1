#!/usr/bin/env python3
"""defcn-live's page in a browser, with eight streams and people in a street:
all of them move, nothing else stalls, and no name becomes markup.  Prints TAP.
Usage: test_live_page.py SOURCES BUILD [..]
DEFCN_LIVE_PICTURE names a file for a picture of the page, to be looked at."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import chromium  # noqa: E402
import live_rig  # noqa: E402
import street  # noqa: E402
from live_rig import wait  # noqa: E402

SOURCES, BUILD = sys.argv[1:3]
XSS = "<img src=x onerror=alert(1)>"
TOKEN = "0123456789abcdef0123456789abcdef"
tap = live_rig.Tap()

# How many pixels are not black, and how often it has changed since it was asked
# first, of every camera.
LOOK = """(() => {
  if (!window.small) {
    window.seen = new Map();
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 48;
    window.small = canvas.getContext("2d", { willReadFrequently: true });
  }
  return [...document.querySelectorAll("article")].map((article) => {
    window.small.clearRect(0, 0, 48, 48);
    window.small.drawImage(article.querySelector("canvas"), 0, 0, 48, 48);
    const data = window.small.getImageData(0, 0, 48, 48).data;
    let lit = 0, sum = 0;
    for (let i = 0; i < data.length; i += 4) {
      lit += data[i] + data[i + 1] + data[i + 2] > 0;
      sum = (sum * 31 + data[i + 1]) % 1000003;
    }
    const name = article.querySelector(".name").textContent;
    const old = window.seen.get(name) || { sum: -1, changes: -1 };
    const now = { sum, changes: old.changes + (old.sum !== sum) };
    window.seen.set(name, now);
    return { name, lit, changes: now.changes, state: article.className };
  });
})()"""


def cameras(work, people):
    """Seven that move, and one that is not there; with people if there are."""
    live_rig.make_video(work + "/a.avi", "ball")
    uris = {"street": "file://%s/%s.avi" % (work, "street" if people else "a"),
            "loop": "file://%s/a.avi" % work, XSS: "test://ball",
            "noise": "test://snow", "bars": "test://smpte",
            "lights": "test://ball", "circles": "test://circular",
            "a camera that has gone, and whose name is long":
            "rtsp://user:password@127.0.0.1:1/some/path"}
    text = ("[live]\nport = 0\nthreads = 1\nrecords = none\n"
            "inference-interval = 60\npage-fps = 4\nretry-max = 5\n")
    for name, uri in uris.items():
        text += "[camera %s]\nuri = %s\n" % (name, uri)
        if name == "street":
            text += "inference-interval = 1\n"
        elif name == "circles":
            text += "page-width = 320\n"
    return text


def test_streams(page, live):
    page.open("http://localhost:%d/" % live.port)
    moving = ["street", "loop", XSS, "noise", "bars", "lights"]

    def all_move():
        found = page.value(LOOK) or []
        changes = {f["name"]: f["changes"] for f in found if f["lit"] > 100}
        # The page hears of states once a second, after the pictures.
        states = [f["state"] for f in found]
        return (all(changes.get(name, 0) >= 3 for name in moving)
                and states.count("running") == 7 and found)
    found = wait(all_move)
    tap.ok("eight cameras, and the pictures of those that run move",
           found and len(found) == 8,
           (page.value(LOOK), page.log, live.log()))
    took = page.value("""Promise.race([
      Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map(() =>
        fetch("/snapshot/noise.jpg").then((answer) => answer.arrayBuffer())
          .then((picture) => picture.byteLength > 1000)))
        .then((all) => all.every((one) => one)),
      new Promise((end) => setTimeout(end, 60000, "stalled"))])""")
    tap.ok("requests beside them do not stall", took is True, took)
    tap.ok("a name is text", page.value(
        "document.querySelectorAll('article img').length") == 0
        and not page.dialogs and any(f["name"] == XSS for f in found or []),
        page.dialogs)
    tap.ok("the browser finds nothing to complain of", not page.log,
           "\n".join(page.log))


def test_people(page, live, people):
    if not people:
        tap.skip("people are found in the street", "no vtest.avi")
        return
    tap.ok("people are found in the street", wait(lambda: page.value(
        """[...document.querySelectorAll("article")].some((article) =>
             article.querySelector(".name").textContent === "street"
             && / [1-9][0-9]* object/.test(
               article.querySelector("summary").textContent))""")),
        live.log())


def test_again(page, live):
    """The page comes back by itself when the program was started anew."""
    page.value("window.before = window.seen.get('noise').changes")
    port = live.port
    live.stop()
    with open(live.file, encoding="utf-8") as file:
        text = file.read().replace("port = 0", "port = %d" % port)
    work = os.path.dirname(live.file)
    again = live_rig.Live(BUILD, work, text)
    tap.ok("the page comes back when the program does", wait(lambda: any(
        f["name"] == "noise" and f["state"] == "running"
        and f["changes"] > page.value("window.before") + 5
        for f in page.value(LOOK) or [])),
        (page.value("summary.textContent"), page.value(LOOK), page.log,
         again.metrics(), again.log()))
    return again


def test_login(work, page):
    live = live_rig.Live(
        BUILD, work, "[live]\nport = 0\nrecords = none\nthreads = 1\n"
        "[camera a]\nuri = test://snow\n", DEFCN_LIVE_TOKEN=TOKEN)
    page.log.clear()
    try:
        page.open("http://127.0.0.1:%d/" % live.port)
        form = "document.getElementById('token')"
        shown = wait(lambda: page.value("!!" + form))
        page.value("%s.value = 'wrong'; %s.form.requestSubmit()"
                   % (form, form))
        tap.ok("a wrong token is told of", shown and wait(
            lambda: page.value("!!document.querySelector('.problem')")))
        page.value("%s.value = '%s'; %s.form.requestSubmit()"
                   % (form, TOKEN, form))
        tap.ok("the right one shows the page", wait(lambda: any(
            f["lit"] > 100 for f in page.value(LOOK) or [])), page.log)
        tap.ok("and is in no address", TOKEN not in page.value("location.href")
               and TOKEN not in page.value("document.cookie"))
        page.value("document.querySelector('#logout').requestSubmit()")
        tap.ok("one logs out", wait(lambda: page.value("!!" + form)))
    finally:
        live.stop()
        live.close()


def run(work):
    people = street.copy(SOURCES, work + "/street.avi")
    live = live_rig.Live(BUILD, work, cameras(work, people))
    page = chromium.Page(work, 1440, 1020)
    try:
        test_streams(page, live)
        test_people(page, live, people)
        if os.environ.get("DEFCN_LIVE_PICTURE"):
            page.picture(os.environ["DEFCN_LIVE_PICTURE"])
        live = test_again(page, live)
        live.stop()
        test_login(work, page)
    finally:
        page.close()
        live.close()


def main():
    if not chromium.find():
        tap.skip("the page in a browser", "no chromium")
        return tap.end()
    with live_rig.folder() as work:
        run(work)
    return tap.end()


sys.exit(main())
