// One stream: its picture, its figures, its curves, its URLs, its clients.

import { get } from "./api.js";
import { Charts } from "./charts.js";
import { copyable, make, say } from "./dom.js";
import { bits, bytes, count, duration, rate, seconds } from "./format.js";
import { Outward } from "./outward.js";
import { Player } from "./player.js";
import { DEFAULT_RTMP_PORT, quoted, rtmpServer, urls } from "./urls.js";

/** A group of pictures above this makes viewers wait. */
const GOP_LONG_MS = 4500;
/** Audio and video further apart than this are heard to be. */
const SKEW_LARGE_MS = 300;
const CLIENTS_MAX = 50;

/** Each figure: its name, and what it says of a stream; `warn` says what is wrong with it. */
const FIGURES = [
  { name: "Video", text: ({ video }) => (video ? codecs(video.description) : "none") },
  { name: "Audio", text: ({ audio }) => audio?.description ?? "none" },
  { name: "Resolution", text: ({ video }) => (video?.width ? `${video.width}×${video.height}` : "–") },
  {
    name: "Frame rate",
    text: ({ video }) => (video?.frames_per_second == null ? "–" : rate(video.frames_per_second)),
    warn: ({ live, video }) => (live && video?.frames_per_second === 0 ? "no pictures come" : ""),
  },
  {
    name: "Keyframe every",
    text: ({ video }) => (video?.gop_ms == null ? "–" : `${seconds(video.gop_ms)}, ${count(video.gop_frames, "picture", "pictures")}`),
    warn: ({ video }) => (video?.gop_ms > GOP_LONG_MS ? "long: viewers wait, HLS lags; set 2 s" : ""),
  },
  { name: "Bitrate in", text: (stream) => bits(stream.received_bits_per_second) },
  { name: "Bitrate out", text: (stream) => bits(stream.sent_bits_per_second) },
  { name: "Players", text: ({ players, hls_viewers }) => (hls_viewers ? `${players} + ${hls_viewers} by HLS` : String(players)) },
  { name: "Live for", text: ({ age_ms }) => (age_ms == null ? "–" : duration(age_ms)) },
  {
    name: "Video ahead of audio",
    text: ({ av_skew_ms }) => (av_skew_ms == null ? "–" : `${av_skew_ms} ms`),
    warn: ({ av_skew_ms }) => (Math.abs(av_skew_ms ?? 0) > SKEW_LARGE_MS ? "far apart: see the encoder's audio offset" : ""),
  },
  { name: "Kept for joining", text: ({ tape_bytes }) => bytes(tape_bytes) },
  {
    name: "Time jumps, skips",
    text: ({ jumps, skips }) => `${jumps}, ${skips}`,
    warn: ({ jumps, skips }) => (jumps > 0 ? "the encoder's clock jumped" : skips > 0 ? "some players were too slow" : ""),
  },
];

/** Codec and profile of a single track: its size and rate have figures of their own. */
function codecs(description) {
  return description.includes(",") ? description : description.replace(/ \d+x\d+.*$/, "");
}

export class Detail {
  constructor(stream, summary, history) {
    this.id = stream.id;
    this.history = history;
    const port = summary.rtmp_port ?? DEFAULT_RTMP_PORT;
    const at = urls(stream, port);
    this.badge = make("span", { className: "badge" });
    this.player = new Player(at);
    this.charts = new Charts();
    this.outward = new Outward();
    this.figures = FIGURES.map((figure) => {
      const value = make("dd");
      const warning = make("span", { className: "warning" });
      const row = make("div", {}, make("dt", { textContent: figure.name }), value, warning);
      return { ...figure, value, warning, row };
    });
    this.element = make("article", { className: "detail" },
      make("header", { className: "detail-head" },
        make("h1", {}, make("span", { className: "app", textContent: `${stream.app}/` }), stream.name), this.badge),
      this.player.element,
      make("dl", { className: "figures card" }, ...this.figures.map(({ row }) => row)),
      this.charts.element,
      ...this.outward.elements,
      watchSection(at),
      publishSection(stream, port, at),
      this.#clients());
  }

  update({ stream }) {
    this.player.update(stream);
    const live = stream?.live ?? false;
    this.badge.classList.toggle("on", live);
    say(this.badge, live ? "live" : stream ? "waiting for its publisher" : "ended");
    this.charts.update(this.history.of(this.id));
    this.outward.update(stream);
    if (!stream) return;
    for (const { text, warn, value, warning } of this.figures) {
      say(value, text(stream));
      say(warning, warn?.(stream) ?? "");
    }
    this.#askForClients();
  }

  repaint() {
    this.charts.repaint();
  }

  close() {
    this.player.close();
    this.charts.close();
  }

  #clients() {
    this.body = make("tbody");
    this.more = make("p", { className: "hint" });
    const heads = ["Client", "Does", "By", "From", "For", "Bitrate", "Waiting"];
    const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads.map((textContent) => make("th", { textContent, scope: "col" })))), this.body);
    const wide = make("div", { className: "wide", tabIndex: 0, role: "region" }, table);
    wide.setAttribute("aria-label", "Clients of this stream");
    this.open = make("details", { className: "card" }, make("summary", { textContent: "Publisher and players" }), wide, this.more);
    this.open.addEventListener("toggle", () => this.#askForClients());
    return this.open;
  }

  /** Clients may be many, so they are asked for while someone looks at them, and not all of them. */
  async #askForClients() {
    if (!this.open.open || this.asking) return;
    this.asking = true;
    try {
      const list = await get(`clients?count=${CLIENTS_MAX}&stream=${encodeURIComponent(this.id)}`);
      this.body.replaceChildren(...list.clients.map((client) => make("tr", {}, ...[
        client.id, client.role, client.protocol, client.address, duration(client.age_ms),
        bits(client.bits_per_second), bytes(client.lag_bytes),
      ].map((textContent) => make("td", { textContent })))));
      const rest = list.total - list.clients.length;
      say(this.more, rest > 0 ? `and ${count(rest, "other", "others")}` : "");
    } catch {
      // The next answer of the server brings another try.
    } finally {
      this.asking = false;
    }
  }
}

function watchSection(at) {
  return make("section", { className: "card" }, make("h2", { textContent: "Watch elsewhere" }),
    copyable("HLS", at.hls).row,
    copyable("HTTP-FLV", at.flv).row,
    copyable("RTMP", at.rtmp).row,
    copyable("ffplay", `ffplay -fflags nobuffer ${quoted(at.rtmp)}`).row,
    copyable("mpv", `mpv --profile=low-latency ${quoted(at.flv)}`).row,
    copyable("VLC", `vlc ${quoted(at.hls)}`).row);
}

function publishSection(stream, port, at) {
  return make("section", { className: "card" }, make("h2", { textContent: "Publish it" }),
    copyable("OBS: server", rtmpServer(stream.app, stream.vhost, port)).row,
    copyable("OBS: stream key", stream.name).row,
    copyable("ffmpeg", `ffmpeg -re -i FILE.mp4 -c copy -f flv ${quoted(at.rtmp)}`).row);
}
