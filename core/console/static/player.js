// Plays a stream by what works here: HTTP-FLV by mpegts.js, HLS by hls.js, HLS by the browser itself.

import { make, say } from "./dom.js";
import { page } from "./urls.js";

/** A way that has not shown a picture after so long is given up for the next one. */
const START_MS = 12000;
/** A picture that stands for so long is begun anew. */
const STALL_MS = 8000;
const LOOK_MS = 1000;
/** A stream that is live though its media have ended is played again after so long. */
const AGAIN_MS = 3000;

const scripts = new Map();

/** Loads a script once; it is large, so only who plays pays for it. */
function load(path) {
  if (!scripts.has(path)) {
    scripts.set(path, new Promise((resolve, reject) => {
      const script = make("script", { src: new URL(path, page()).href });
      script.addEventListener("load", resolve);
      script.addEventListener("error", () => {
        scripts.delete(path);
        reject(new Error(`${path} could not be loaded`));
      });
      document.head.append(script);
    }));
  }
  return scripts.get(path);
}

/** Each way: its name, and `start`, which gives what ends it; `fail` is called if it breaks. */
const WAYS = {
  flv: {
    title: "HTTP-FLV",
    async start({ video, urls, stream, fail, end }) {
      await load("console/vendor/mpegts.js");
      if (!mpegts.isSupported()) throw new Error("this browser has no media source extensions");
      mpegts.LoggingControl.enableAll = false;
      const source = {
        type: "flv", isLive: true, url: urls.flv,
        // A track that never comes is not waited for.
        hasAudio: stream.audio !== null, hasVideo: stream.video !== null,
      };
      const player = mpegts.createPlayer(source, {
        enableWorker: false,
        enableStashBuffer: false,
        lazyLoad: false,
        autoCleanupSourceBuffer: true,
        liveBufferLatencyChasing: true,
        liveBufferLatencyMaxLatency: 3,
        liveBufferLatencyMinRemain: 0.8,
      });
      player.on(mpegts.Events.ERROR, (kind, detail) => fail(new Error(`${kind}: ${detail}`)));
      player.on(mpegts.Events.LOADING_COMPLETE, end);
      player.attachMediaElement(video);
      player.load();
      return () => player.destroy();
    },
  },
  hls: {
    title: "HLS",
    async start({ video, urls, fail, end }) {
      await load("console/vendor/hls.light.min.js");
      if (!Hls.isSupported()) throw new Error("this browser has no media source extensions");
      const player = new Hls({ enableWorker: false, liveDurationInfinity: true, backBufferLength: 10 });
      player.on(Hls.Events.ERROR, (_, { fatal, details }) => {
        if (fatal) fail(new Error(details));
      });
      video.addEventListener("ended", end, { once: true });
      player.loadSource(urls.hls);
      player.attachMedia(video);
      return () => {
        video.removeEventListener("ended", end);
        player.destroy();
      };
    },
  },
  native: {
    title: "HLS of the browser",
    async start({ video, urls, fail, end }) {
      const broken = () => fail(new Error(video.error?.message || "the browser cannot play it"));
      video.addEventListener("error", broken);
      video.addEventListener("ended", end);
      video.src = urls.hls;
      return () => {
        video.removeEventListener("error", broken);
        video.removeEventListener("ended", end);
        video.removeAttribute("src");
        video.load();
      };
    },
  },
};

/** The ways that are worth a try, the one with the least delay first. */
function ways(video) {
  const hasSources = "MediaSource" in window || "ManagedMediaSource" in window;
  const isNative = video.canPlayType("application/vnd.apple.mpegurl") !== "";
  const found = [];
  if ("MediaSource" in window) found.push("flv");
  if (hasSources) found.push("hls");
  if (isNative) found.push("native");
  return found;
}

export class Player {
  #again = null;
  #run = 0;
  #stop = null;
  #watch = null;

  constructor(urls) {
    this.urls = urls;
    this.stream = null;
    this.wanted = false;
    this.video = make("video", { controls: true, playsInline: true, muted: false });
    this.video.setAttribute("aria-label", "Player");
    this.begin = make("button", { type: "button", className: "play", textContent: "Play" });
    this.begin.addEventListener("click", () => this.play());
    this.words = make("p", { className: "player-words" });
    this.words.setAttribute("role", "status");
    this.stopButton = make("button", { type: "button", className: "quiet", textContent: "Stop", hidden: true });
    this.stopButton.addEventListener("click", () => this.stop("Stopped."));
    this.choice = make("select", { id: "way" }, make("option", { value: "auto", textContent: "whatever works" }));
    for (const way of ways(this.video)) {
      this.choice.append(make("option", { value: way, textContent: WAYS[way].title }));
    }
    this.choice.addEventListener("change", () => {
      if (this.wanted) this.play();
    });
    this.stage = make("div", { className: "stage" }, this.video, this.begin);
    this.element = make("section", { className: "player" }, this.stage,
      make("div", { className: "player-bar" },
        make("label", {}, "Play by ", this.choice), this.stopButton, this.words));
    this.video.hidden = true;
  }

  update(stream) {
    const wasLive = this.stream?.live;
    this.stream = stream ?? { ...this.stream, live: false };
    this.begin.disabled = !this.stream.live;
    say(this.begin, this.stream.live ? "Play" : "Not live now");
    const isBack = wasLive === false && this.stream.live;
    if (this.wanted && isBack && !this.#stop) this.play();
  }

  play() {
    this.wanted = true;
    const chosen = this.choice.value;
    const queue = chosen === "auto" ? ways(this.video) : [chosen];
    this.#try(queue, []);
  }

  stop(words) {
    this.wanted = false;
    this.#end();
    this.#rest(words);
  }

  close() {
    this.wanted = false;
    this.#end();
  }

  async #try(queue, failures) {
    this.#end();
    const run = this.#run;
    const isCurrent = () => run === this.#run;
    const [way, ...others] = queue;
    if (!way) {
      this.wanted = false;
      this.#rest(failures.length ? failures.join(" ") : "This browser plays neither HTTP-FLV nor HLS.");
      return;
    }
    const { title, start } = WAYS[way];
    this.#show(`Starting by ${title}.`);
    const fail = (error) => {
      if (!isCurrent()) return;
      this.#try(others, [...failures, `${title} failed: ${error.message}.`]);
    };
    const end = () => {
      if (!isCurrent()) return;
      this.#end();
      this.#rest("The stream has ended. It goes on here when it is published again.");
      // The connection alone may have ended.
      this.#again = setTimeout(() => {
        if (this.wanted && this.stream.live) this.play();
      }, AGAIN_MS);
    };
    try {
      const { video, urls, stream } = this;
      const stop = await start({ video, urls, stream, fail, end });
      if (!isCurrent()) {
        stop();
        return;
      }
      this.#stop = stop;
      this.#look(title, fail, () => this.#try(queue, failures));
      await video.play();
    } catch (error) {
      if (!isCurrent() || error.name === "AbortError") return;
      if (error.name === "NotAllowedError") this.#show("Press play in the picture: the browser wants to be asked.");
      else fail(error);
    }
  }

  /** Watches whether the picture moves. */
  #look(title, fail, again) {
    const { video } = this;
    let position = video.currentTime;
    let moved = performance.now();
    let hasStarted = false;
    this.#watch = setInterval(() => {
      const now = performance.now();
      if (document.hidden || video.paused) moved = now;
      if (video.currentTime !== position) {
        position = video.currentTime;
        moved = now;
        hasStarted = true;
        const { buffered } = video;
        const ahead = buffered.length ? Math.max(0, buffered.end(buffered.length - 1) - position) : 0;
        const size = video.videoWidth ? ` · ${video.videoWidth}×${video.videoHeight}` : "";
        this.#show(`Playing by ${title}${size} · ${ahead.toFixed(1)} s in the buffer`);
      } else if (!hasStarted && now - moved > START_MS) {
        fail(new Error("nothing to see after 12 s"));
      } else if (hasStarted && now - moved > STALL_MS) {
        again();
      }
    }, LOOK_MS);
  }

  #show(words) {
    const hadFocus = document.activeElement === this.begin;
    this.video.hidden = false;
    this.begin.hidden = true;
    this.stopButton.hidden = false;
    if (hadFocus) this.stopButton.focus();
    // Who listens is told of changes of state, not of each figure.
    this.words.setAttribute("aria-live", words.startsWith("Playing") ? "off" : "polite");
    say(this.words, words);
  }

  #rest(words) {
    const hadFocus = document.activeElement === this.stopButton || document.activeElement === this.video;
    this.video.hidden = true;
    this.begin.hidden = false;
    this.stopButton.hidden = true;
    if (hadFocus) this.begin.focus();
    this.words.setAttribute("aria-live", "polite");
    say(this.words, words);
  }

  #end() {
    this.#run += 1;
    clearInterval(this.#watch);
    clearTimeout(this.#again);
    const stop = this.#stop;
    this.#stop = null;
    try {
      stop?.();
    } catch {
      // It was broken already.
    }
  }
}
