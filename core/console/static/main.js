// The frame of the console: what the server answers goes to the list, the detail and the curves.

import { Poll, get } from "./api.js";
import { History } from "./charts.js";
import { Detail } from "./detail.js";
import { make, say } from "./dom.js";
import { bits, brief, clock, count, duration } from "./format.js";
import { Guide } from "./guide.js";

/** Streams that are asked for until someone wants all of them. */
const LIST_COUNT = 100;
/** With so many streams there is something to be searched. */
const FILTER_FROM = 8;

const byId = (id) => document.getElementById(id);
const main = byId("main");
const history = new History();
const rows = new Map();
let wantsAll = false;
let latest = null;
let shown = null;
let lastAnswer = null;
let countdown = null;

/** What the address asks for: a stream's id, the guide, or whatever there is. */
function route() {
  const hash = location.hash.replace(/^#\/?/, "");
  if (hash === "publish") return { guide: true };
  const id = hash.startsWith("stream/") ? decode(hash.slice("stream/".length)) : null;
  return { id };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const link = (id) => `#/stream/${id.split("/").map(encodeURIComponent).join("/")}`;

async function ask() {
  const asked = route().id;
  const pages = wantsAll ? "" : `?count=${LIST_COUNT}`;
  const [summary, list] = await Promise.all([get("summary"), get(`streams${pages}`)]);
  // A stream behind the end of the list is asked for by itself.
  if (asked && !list.streams.some((stream) => stream.id === asked) && list.total > list.streams.length) {
    const path = asked.split("/").map(encodeURIComponent).join("/");
    const stream = await get(`streams/${path}`).catch((error) => {
      if (error.status !== 404) throw error;
      return null;
    });
    if (stream) list.streams.push(stream);
  }
  latest = { summary, list };
  lastAnswer = new Date();
  history.add(list);
  render();
}

function render() {
  answered();
  if (!latest) return;
  const { summary, list } = latest;
  const rates = list.streams.reduce((sum, stream) => ({
    received: sum.received + stream.received_bits_per_second,
    sent: sum.sent + stream.sent_bits_per_second,
  }), { received: 0, sent: 0 });
  say(byId("sums"), [
    count(summary.publishers, "live stream", "live streams"),
    count(summary.players + summary.hls_viewers, "player", "players"),
    `in ${bits(rates.received)}`,
    `out ${bits(rates.sent)}`,
    `up ${duration(summary.uptime_ms)}`,
    `version ${summary.version}`,
  ].join(" · "));
  renderList(list);
  renderMain(summary, list);
}

function renderList(list) {
  const words = byId("filter").value.trim().toLowerCase();
  const fits = (stream) => `${stream.app}/${stream.name}`.toLowerCase().includes(words);
  const streams = list.streams.filter(fits);
  const selected = shown?.id;
  const alive = new Set();
  const parent = byId("streams");
  streams.forEach((stream, index) => {
    alive.add(stream.id);
    const row = rows.get(stream.id) ?? makeRow(stream);
    rows.set(stream.id, row);
    row.update(stream, stream.id === selected);
    if (parent.children[index] !== row.item) parent.insertBefore(row.item, parent.children[index] ?? null);
  });
  for (const [id, row] of rows) {
    if (!alive.has(id)) {
      row.item.remove();
      rows.delete(id);
    }
  }
  say(byId("count"), list.total ? String(list.total) : "");
  byId("filter-label").hidden = list.total < FILTER_FROM;
  const nothing = byId("nothing");
  nothing.hidden = streams.length > 0;
  say(nothing, list.total ? "No stream has that in its name." : "Nobody publishes yet.");
  const more = byId("more");
  more.hidden = list.total <= list.streams.length;
  say(more, `Show all ${list.total}`);
}

function makeRow(stream) {
  const dot = make("span", { className: "dot" });
  const live = make("span", { className: "unseen" });
  const name = make("span", { className: "row-name" }, make("span", { className: "app", textContent: `${stream.app}/` }), stream.name);
  const media = make("span", { className: "row-media" });
  const figures = make("span", { className: "row-figures" });
  const anchor = make("a", { href: link(stream.id), className: "row" }, dot, name, live, media, figures);
  const item = make("li", {}, anchor);
  const update = (stream, isSelected) => {
    dot.classList.toggle("on", stream.live);
    say(live, stream.live ? "live" : "not live");
    say(media, brief(stream));
    const out = stream.live ? `${bits(stream.received_bits_per_second)} · ` : "";
    say(figures, out + count(stream.players + stream.hls_viewers, "player", "players"));
    if (isSelected) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  };
  return { item, update };
}

/** The stream that is asked for; else the first one that is live; else how to publish one. */
function renderMain(summary, list) {
  const { id, guide } = route();
  const stream = guide ? null
    : id ? list.streams.find((stream) => stream.id === id)
    : list.streams.find((stream) => stream.live) ?? list.streams[0];
  // What is being looked at stays, though the server has forgotten it, until another is chosen.
  const key = guide ? "guide" : stream?.id ?? (shown?.stream && (!id || shown.id === id) ? shown.id : id ? `gone ${id}` : "guide");
  if (shown?.key !== key) show(key, id, stream, summary);
  shown.view.update({ stream, summary, list });
  if (shown.stream) {
    for (const [other, row] of rows) {
      if (other === shown.id) row.item.firstChild.setAttribute("aria-current", "page");
    }
  }
}

function show(key, id, stream, summary) {
  shown?.view.close();
  if (stream) {
    shown = { key, id: stream.id, stream: true, view: new Detail(stream, summary, history) };
    document.title = `${stream.app}/${stream.name} · millstream`;
  } else if (key === "guide") {
    shown = { key, view: new Guide(summary) };
    document.title = "Publish · millstream";
  } else {
    const words = `Nobody publishes or plays ${id}. It shows here as soon as somebody does.`;
    const element = make("div", { className: "hint card" }, make("h2", { textContent: "No such stream" }), make("p", { textContent: words }));
    shown = { key, view: { element, update() {}, close() {} } };
    document.title = "millstream";
  }
  main.replaceChildren(shown.view.element);
}

/** The server answers again. */
function answered() {
  clearInterval(countdown);
  countdown = null;
  document.body.classList.remove("stale");
  byId("gone").hidden = true;
  state("Connected", "good");
}

/** The server does not answer: what is shown is old, and it is said how old. */
function failed(error, wait) {
  const gone = byId("gone");
  const until = Date.now() + wait;
  const since = lastAnswer ? `What you see is from ${clock(lastAnswer)}.` : "";
  const why = error.status ? `The server says: ${error.message}` : "The server does not answer.";
  const text = make("span", { textContent: `${why} ${since}` });
  const left = make("span", { className: "countdown" });
  left.setAttribute("aria-hidden", "true");
  const again = make("button", { type: "button", className: "quiet", textContent: "Try now" });
  again.addEventListener("click", () => poll.now());
  const tell = () => say(left, `Next try in ${Math.max(0, Math.ceil((until - Date.now()) / 1000))} s.`);
  tell();
  clearInterval(countdown);
  countdown = setInterval(tell, 250);
  const hadFocus = gone.contains(document.activeElement);
  gone.replaceChildren(text, left, again);
  if (hadFocus) again.focus();
  gone.hidden = false;
  document.body.classList.toggle("stale", latest !== null);
  state("Not connected", "bad");
}

function state(text, kind) {
  const element = byId("state");
  say(element, text);
  element.dataset.kind = kind;
}

const poll = new Poll(ask, failed);
addEventListener("hashchange", () => {
  render();
  poll.now();
  if (document.activeElement?.closest(".list") && matchMedia("(max-width: 860px)").matches) {
    main.scrollIntoView({ block: "start" });
  }
});
addEventListener("themechange", () => shown?.view.repaint?.());
byId("filter").addEventListener("input", () => {
  wantsAll = true;
  render();
});
byId("more").addEventListener("click", () => {
  wantsAll = true;
  poll.now();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
  main.scrollIntoView();
});
poll.now();
