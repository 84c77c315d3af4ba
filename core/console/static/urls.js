// Where a stream is published to and played from, seen from this browser.

const DEFAULT_VHOST = "__defaultVhost__";
export const DEFAULT_RTMP_PORT = 1935;

const encoded = (path) => path.split("/").map(encodeURIComponent).join("/");

/** A host that a shell and a URL take: an IPv6 address comes with its brackets already. */
const host = () => location.hostname || "127.0.0.1";

export function rtmpServer(app, vhost, port) {
  const at = port === DEFAULT_RTMP_PORT ? host() : `${host()}:${port}`;
  const query = vhost && vhost !== DEFAULT_VHOST ? `?vhost=${encodeURIComponent(vhost)}` : "";
  return `rtmp://${at}/${encoded(app)}${query}`;
}

/** All URLs of a stream. */
export function urls({ app, name, vhost }, port) {
  const query = vhost && vhost !== DEFAULT_VHOST ? `?vhost=${encodeURIComponent(vhost)}` : "";
  const at = (ending) => new URL(`${encoded(app)}/${encoded(name)}${ending}${query}`, page()).href;
  const server = rtmpServer(app, null, port ?? DEFAULT_RTMP_PORT);
  return {
    flv: at(".flv"),
    hls: at(".m3u8"),
    ts: at(".ts"),
    rtmp: `${server}/${encoded(name)}${query}`,
  };
}

/** The page's own place: the console may lie behind a proxy, in a folder. */
export const page = () => new URL(".", document.baseURI);

/** A word that a POSIX shell takes as it is. */
export const quoted = (word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
