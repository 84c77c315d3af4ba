// How to publish a stream: what there is to see on a server that has none.

import { copyable, make, say } from "./dom.js";
import { DEFAULT_RTMP_PORT, quoted, rtmpServer, urls } from "./urls.js";

export class Guide {
  constructor(summary) {
    this.port = summary.rtmp_port ?? DEFAULT_RTMP_PORT;
    this.heading = make("h1");
    this.lead = make("p");
    this.app = make("input", { value: "live", id: "guide-app", autocomplete: "off", spellcheck: false });
    this.name = make("input", { value: "test", id: "guide-name", autocomplete: "off", spellcheck: false });
    this.server = copyable("Server", "");
    this.key = copyable("Stream key", "");
    this.file = copyable("A file, as it is", "");
    this.pattern = copyable("A test picture with a tone", "");
    this.watch = make("a", { className: "button" });
    const form = make("form", { className: "names" },
      make("label", {}, "App", this.app), make("label", {}, "Stream", this.name));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", () => this.fill());
    this.element = make("div", { className: "guide" }, this.heading, this.lead, form,
      make("section", { className: "card" }, make("h2", { textContent: "OBS Studio" }),
        make("p", { textContent: "Settings, Stream, Service: Custom. Output: H.264, a keyframe interval of 2 s." }),
        this.server.row, this.key.row),
      make("section", { className: "card" }, make("h2", { textContent: "ffmpeg" }),
        this.file.row, this.pattern.row),
      make("p", { className: "hint" }, "Then it is in the list by itself. ", this.watch));
    this.fill();
  }

  fill() {
    const app = this.app.value.trim() || "live";
    const name = this.name.value.trim() || "test";
    const { rtmp } = urls({ app, name }, this.port);
    this.server.set(rtmpServer(app, null, this.port));
    this.key.set(name);
    this.file.set(`ffmpeg -re -stream_loop -1 -i FILE.mp4 -c copy -f flv ${quoted(rtmp)}`);
    this.pattern.set("ffmpeg -re -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=frequency=440 "
      + "-c:v libx264 -preset veryfast -tune zerolatency -pix_fmt yuv420p -g 60 -b:v 2500k -c:a aac -f flv "
      + quoted(rtmp));
    this.watch.href = `#/stream/__defaultVhost__/${encodeURIComponent(app)}/${encodeURIComponent(name)}`;
    say(this.watch, `Watch ${app}/${name}`);
  }

  update({ list }) {
    say(this.heading, list.total ? "Publish a stream" : "Publish your first stream");
    say(this.lead, list.total
      ? "Any encoder that speaks RTMP will do. Choose a name that nobody uses yet."
      : "The server runs and waits. Any encoder that speaks RTMP will do: here are two.");
  }

  close() {}
}
