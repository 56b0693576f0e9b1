// Shows what /stream sends (its parts are described in stream.h).  Whatever
// comes from outside, names too, becomes text and never markup.
"use strict";

const HEAD = 9;
const MOST = 64 << 20; // bytes of a part
const tiles = new Map(); // id -> Tile
const main = document.getElementById("cameras");
const summary = document.getElementById("summary");

class Tile {
  constructor() {
    const copy = document.getElementById("camera").content.cloneNode(true);
    this.article = copy.querySelector("article");
    this.canvas = copy.querySelector("canvas");
    this.find = (what) => this.article.querySelector(what);
    this.values = new Map();
    this.waiting = null; // the newest picture that is not decoded
    this.busy = false;
    const picture = this.find(".picture");
    picture.addEventListener("click", () => this.enlarge());
    picture.addEventListener("keydown", (event) => {
      if (event.key === "Enter")
        this.enlarge();
    });
    main.append(copy);
  }

  enlarge() {
    this.article.toggleAttribute("data-large");
  }

  value(name, text) {
    let place = this.values.get(name);
    if (!place) {
      const row = document.createElement("div");
      const title = document.createElement("dt");
      place = document.createElement("dd");
      title.textContent = name;
      row.append(title, place);
      this.find("dl").append(row);
      this.values.set(name, place);
    }
    place.textContent = text;
  }

  tell(camera) {
    this.article.className = camera.state;
    this.find(".name").textContent = camera.name;
    this.find(".uri").textContent = camera.uri;
    this.find(".uri").title = camera.uri;
    this.value("frames/s", camera.fps.toFixed(1));
    this.value("frames", camera.frames.toLocaleString("en"));
    this.value("last frame", camera.last_frame_age === null ? "never"
      : camera.last_frame_age.toFixed(1) + " s ago");
    this.value("inferences", camera.inferences.toLocaleString("en"));
    this.value("inference time", camera.inference_ms.toFixed(0) + " ms");
    this.value("objects", camera.objects.toLocaleString("en"));
    if (camera.tracks !== undefined)
      this.value("tracks", camera.tracks.toLocaleString("en"));
    this.value("records", camera.records.toLocaleString("en"));
    this.value("losses", camera.losses.toLocaleString("en"));
    this.value("state", camera.state);
    this.find(".veil").textContent = camera.state === "running" ? ""
      : camera.last_problem ? camera.last_problem + "\n" + camera.state
      : camera.state;
    this.record(camera.record);
  }

  record(record) {
    const place = this.find("details");
    place.hidden = !record;
    if (record && place.open)
      this.find("pre").textContent = JSON.stringify(record, null, 1);
    const found = record ? record.objects.length : 0;
    this.find("summary").textContent = record
      ? "last record: " + found + (found === 1 ? " object" : " objects") : "";
  }

  // Pictures that come while one is decoded replace each other.
  async show(jpeg) {
    this.waiting = jpeg;
    if (this.busy)
      return;
    this.busy = true;
    while (this.waiting) {
      const blob = new Blob([this.waiting], { type: "image/jpeg" });
      this.waiting = null;
      try {
        const picture = await createImageBitmap(blob);
        this.canvas.width = picture.width;
        this.canvas.height = picture.height;
        this.canvas.getContext("2d").drawImage(picture, 0, 0);
        picture.close();
      } catch (error) {
        console.warn("a picture that is none", error);
      }
    }
    this.busy = false;
  }
}

function tell(state) {
  const there = new Set();
  let running = 0;
  for (const camera of state.cameras) {
    there.add(camera.id);
    running += camera.state === "running";
    if (!tiles.has(camera.id))
      tiles.set(camera.id, new Tile());
    tiles.get(camera.id).tell(camera);
  }
  for (const [id, tile] of tiles)
    if (!there.has(id)) {
      tile.article.remove();
      tiles.delete(id);
    }
  document.getElementById("logout").hidden = !state.login;
  summary.textContent = running + " of " + state.cameras.length
    + " cameras run";
}

function take(type, id, content) {
  if (type === "S")
    tell(JSON.parse(new TextDecoder().decode(content)));
  else if (type === "J" && tiles.has(id))
    tiles.get(id).show(content);
}

// Bytes that come in pieces, as parts.
class Parts {
  constructor() {
    this.pieces = [];
    this.length = 0;
  }

  add(piece) {
    this.pieces.push(piece);
    this.length += piece.length;
  }

  // The first n bytes, which stay or go.
  first(n, go) {
    if (this.pieces[0].length < n) {
      const all = new Uint8Array(this.length);
      let at = 0;
      for (const piece of this.pieces) {
        all.set(piece, at);
        at += piece.length;
      }
      this.pieces = [all];
    }
    const bytes = this.pieces[0].subarray(0, n);
    if (go) {
      this.pieces[0] = this.pieces[0].subarray(n);
      this.length -= n;
      if (!this.pieces[0].length)
        this.pieces.shift();
    }
    return bytes;
  }

  // null: it is not there yet.
  next() {
    if (this.length < HEAD)
      return null;
    const head = this.first(HEAD, false);
    const view = new DataView(head.buffer, head.byteOffset, HEAD);
    const length = view.getUint32(0);
    if (length > MOST)
      throw new Error("a part of " + length + " bytes");
    if (this.length < HEAD + length)
      return null;
    const part = this.first(HEAD + length, true);
    return { type: String.fromCharCode(view.getUint8(4)),
      id: view.getUint32(5), content: part.slice(HEAD) };
  }
}

async function read(stop) {
  const response = await fetch("/stream", { signal: stop });
  if (response.status === 401) {
    location.assign("/login");
    return;
  }
  if (!response.ok)
    throw new Error(response.status === 503
      ? "too many browsers look, or it has just started"
      : "status " + response.status);
  const reader = response.body.getReader();
  const parts = new Parts();
  for (;;) {
    const { done, value } = await reader.read();
    if (done)
      throw new Error("the connection has ended");
    parts.add(value);
    for (let part; (part = parts.next());)
      take(part.type, part.id, part.content);
  }
}

// Comes back by itself, and rests while nobody sees the page.
async function run() {
  for (let wait = 1;; wait = Math.min(wait * 2, 15)) {
    if (document.hidden)
      await new Promise((seen) => document.addEventListener(
        "visibilitychange", seen, { once: true }));
    const stop = new AbortController();
    const hide = () => document.hidden && stop.abort();
    const begun = Date.now();
    document.addEventListener("visibilitychange", hide);
    try {
      await read(stop.signal);
      return;
    } catch (error) {
      if (!document.hidden)
        summary.textContent = "not connected: " + error.message;
    }
    document.removeEventListener("visibilitychange", hide);
    if (Date.now() - begun > 10000)
      wait = 1;
    await new Promise((go) => setTimeout(go, 1000 * wait));
  }
}

run();
