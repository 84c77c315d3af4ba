// Figures as people read them.

const number = (value, digits) => value.toLocaleString("en", {
  minimumFractionDigits: digits, maximumFractionDigits: digits,
});

function scaled(value, units, step) {
  let index = 0;
  while (value >= step && index < units.length - 1) {
    value /= step;
    index += 1;
  }
  const digits = index === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${number(value, digits)} ${units[index]}`;
}

export const bits = (value) => scaled(value, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"], 1000);
export const bytes = (value) => scaled(value, ["B", "KB", "MB", "GB", "TB"], 1000);
export const count = (value, one, many) => `${number(value, 0)} ${value === 1 ? one : many}`;

/** Two units at most: "3 min 12 s". */
export function duration(millis) {
  const seconds = Math.floor(millis / 1000);
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = Math.max(0, units.findIndex(([, size]) => seconds >= size));
  if (seconds < 1) return "0 s";
  const parts = [];
  let rest = seconds;
  for (const [unit, size] of units.slice(first, first + 2)) {
    const amount = Math.floor(rest / size);
    rest -= amount * size;
    if (amount > 0) parts.push(`${amount} ${unit}`);
  }
  return parts.join(" ");
}

export const seconds = (millis) => `${number(millis / 1000, millis < 10000 ? 2 : 1)} s`;
export const rate = (value) => `${Number(value.toFixed(2))} fps`;
export const clock = (date) => date.toLocaleTimeString([], { hour12: false });

/** Codec, size and rate in a line. */
export function brief(stream) {
  const { video, audio } = stream;
  const parts = [];
  if (video) {
    parts.push(video.codec);
    if (video.width) parts.push(`${video.width}×${video.height}`);
    if (video.frames_per_second) parts.push(`${Math.round(video.frames_per_second)} fps`);
  }
  if (audio) parts.push(audio.codec);
  return parts.join(" · ") || (stream.live ? "no media yet" : "waiting for a publisher");
}
