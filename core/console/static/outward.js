// Where a stream goes from here: to other servers, and through the processes that transcode it.

import { make, say } from "./dom.js";
import { bytes, duration, seconds } from "./format.js";

/** What does not work now is marked. */
const does = ({ state, retry_ms }) => (retry_ms == null ? state : `again in ${seconds(retry_ms)}`);
const fails = ({ retry_ms }) => retry_ms != null;

/** Each column: its head, and what it says of a forward; `warn` says whether that is marked. */
const FORWARD = [
  { head: "To", text: ({ destination }) => destination },
  { head: "Does", text: does, warn: fails },
  { head: "For", text: ({ age_ms }) => duration(age_ms) },
  { head: "Sent", text: ({ sent_bytes }) => bytes(sent_bytes) },
  { head: "Left out", text: ({ skipped_bytes }) => bytes(skipped_bytes), warn: ({ skipped_bytes }) => skipped_bytes > 0 },
  { head: "Last failure", text: ({ reason, words }) => [reason, words].filter(Boolean).join(": ") || "–", wide: true },
];

const RENDITION = [
  { head: "Engine", text: ({ engine }) => engine },
  { head: "Does", text: does, warn: fails },
  { head: "For", text: ({ running_ms }) => (running_ms == null ? "–" : duration(running_ms)) },
  { head: "Process", text: ({ process }) => (process == null ? "–" : String(process)) },
  { head: "Restarts", text: ({ restarts }) => String(restarts), warn: ({ restarts }) => restarts > 0 },
  { head: "Last end", text: ({ last_end }) => (last_end ? how(last_end) : "–") },
  { head: "Last words", text: ({ last_words }) => last_words || "–", wide: true },
];

function how({ code, signal, hung, error }) {
  if (error != null) return `did not begin: ${error}`;
  if (hung) return "hung";
  return code == null ? `signal ${signal}` : `exited with ${code}`;
}

export class Outward {
  constructor() {
    this.forwards = new Table("Forwarded to", FORWARD);
    this.renditions = new Table("Transcoded by", RENDITION);
    this.elements = [this.forwards.element, this.renditions.element];
  }

  update(stream) {
    this.forwards.update(stream?.forwards ?? []);
    this.renditions.update(stream?.renditions ?? []);
  }
}

/** A card with a table, shown while there is something in it. */
class Table {
  constructor(title, columns) {
    this.columns = columns;
    this.body = make("tbody");
    const heads = columns.map(({ head }) => make("th", { textContent: head, scope: "col" }));
    const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads)), this.body);
    const wide = make("div", { className: "wide", tabIndex: 0, role: "region" }, table);
    wide.setAttribute("aria-label", title);
    this.element = make("section", { className: "card outward", hidden: true }, make("h2", { textContent: title }), wide);
  }

  /** Cells stay, so that what someone has selected stays too. */
  update(list) {
    this.element.hidden = list.length === 0;
    while (this.body.rows.length > list.length) this.body.lastChild.remove();
    list.forEach((one, index) => {
      const row = this.body.rows[index] ?? this.body.appendChild(this.#row());
      this.columns.forEach(({ text, warn }, column) => {
        const cell = row.cells[column];
        say(cell, text(one));
        cell.classList.toggle("warning", warn?.(one) ?? false);
      });
    });
  }

  #row() {
    return make("tr", {}, ...this.columns.map(({ wide }) => make("td", { className: wide ? "words" : "" })));
  }
}
