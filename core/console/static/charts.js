// Curves of the last minutes. They are kept by the page: the server remembers no figures.

import { make, say } from "./dom.js";
import { bits, count } from "./format.js";

/** Points of a curve: five minutes of one a second. */
const POINTS_MAX = 300;
/** The least width of a curve, in seconds. */
const SPAN_MIN = 60;

/** What the streams were like at each answer. */
export class History {
  #streams = new Map();

  add(list) {
    const at = list.time_unix_ms / 1000;
    const seen = new Set();
    for (const stream of list.streams) {
      seen.add(stream.id);
      const points = this.#streams.get(stream.id) ?? [];
      this.#streams.set(stream.id, points);
      if (points.length && points.at(-1).at >= at) continue;
      points.push({
        at,
        received: stream.received_bits_per_second,
        sent: stream.sent_bits_per_second,
        players: stream.players,
        viewers: stream.hls_viewers,
      });
      if (points.length > POINTS_MAX) points.shift();
    }
    for (const id of this.#streams.keys()) {
      if (!seen.has(id)) this.#streams.delete(id);
    }
  }

  of(id) {
    return this.#streams.get(id) ?? [];
  }
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The curves of one stream: bits in and out, and players. */
export class Charts {
  #charts = [];
  #points = [];

  constructor() {
    const rates = this.#figure("Bitrate", [
      { label: "in", value: (point) => point.received, colour: "--curve-1" },
      { label: "out", value: (point) => point.sent, colour: "--curve-2" },
    ], bits, 1000);
    const players = this.#figure("Players", [
      { label: "players", value: (point) => point.players, colour: "--curve-3" },
      { label: "by HLS", value: (point) => point.viewers, colour: "--curve-1" },
    ], String, 4);
    this.element = make("section", { className: "charts" }, rates, players);
    this.resized = new ResizeObserver(() => this.#resize());
    this.resized.observe(this.element);
  }

  #figure(title, series, words, least) {
    const plot = make("div", { className: "plot" });
    plot.setAttribute("role", "img");
    const caption = make("figcaption", {}, make("span", { className: "chart-title", textContent: title }));
    const legends = series.map(({ label, colour }) => {
      const value = make("b");
      const key = make("i", { className: "key" });
      key.dataset.curve = colour.slice(2);
      caption.append(make("span", { className: "legend" }, key, series.length > 1 ? `${label} ` : "", value));
      return value;
    });
    this.#charts.push({ plot, legends, series, words, title, least, chart: null });
    return make("figure", { className: "card" }, caption, plot);
  }

  update(points) {
    this.#points = points;
    for (const entry of this.#charts) {
      const { legends, series, words, title, plot } = entry;
      const last = points.at(-1);
      series.forEach(({ value }, index) => say(legends[index], last ? words(value(last)) : "–"));
      const now = last ? series.map(({ label, value }) => `${label} ${words(value(last))}`).join(", ") : "no figures yet";
      plot.setAttribute("aria-label", `${title} over the last minutes; now ${now}`);
      entry.chart ??= this.#draw(entry);
      entry.chart?.setData(this.#data(entry));
    }
  }

  #data({ series }) {
    return [this.#points.map((point) => point.at), ...series.map(({ value }) => this.#points.map(value))];
  }

  #draw(entry) {
    const width = entry.plot.clientWidth;
    if (typeof uPlot === "undefined" || width === 0) return null;
    const { series, words, least } = entry;
    const grid = { stroke: () => colour("--line"), width: 1 };
    const axis = { stroke: () => colour("--dim"), font: "11px system-ui, sans-serif", grid, ticks: { show: false } };
    const options = {
      width,
      height: 150,
      cursor: { show: false },
      legend: { show: false },
      scales: {
        // A curve that has just begun does not fill the whole width.
        x: { range: (_, low, high) => [Math.min(low, high - SPAN_MIN), high] },
        y: { range: (_, low, high) => [0, Math.max(least, high * 1.15)] },
      },
      axes: [
        { ...axis, space: 70, values: (_, ticks) => ticks.map((tick) => new Date(tick * 1000).toLocaleTimeString([], { hour12: false })) },
        {
          ...axis,
          size: 74,
          incrs: least === 4 ? [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 10000, 100000] : undefined,
          values: (_, ticks) => ticks.map((tick) => (least === 4 ? String(tick) : words(tick))),
        },
      ],
      series: [{}, ...series.map(({ label, colour: name }) => ({
        label,
        stroke: () => colour(name),
        fill: () => `color-mix(in srgb, ${colour(name)} 14%, transparent)`,
        width: 2,
        points: { show: false },
      }))],
    };
    return new uPlot(options, this.#data(entry), entry.plot);
  }

  #resize() {
    for (const entry of this.#charts) {
      const width = entry.plot.clientWidth;
      if (entry.chart && width > 0) entry.chart.setSize({ width, height: 150 });
      else entry.chart ??= this.#draw(entry);
    }
  }

  repaint() {
    for (const { chart } of this.#charts) chart?.redraw();
  }

  close() {
    this.resized.disconnect();
    for (const { chart } of this.#charts) chart?.destroy();
  }
}
