//! The table of all settings.
#![expect(clippy::wildcard_enum_match_arm, reason = "a kind takes the values that it knows")]

use super::decode::Blocks;
use super::kind::{DAY, Kind, Value};
use super::schema::{Count, Key, Live, Shape};
use super::{Settings, transcode};
use crate::cli::{LogFormat, LogLevel};
use millstream_core::config::{HlsStorage, PublishPolicy, TimeJitter, Vhost};
use millstream_core::name::DEFAULT_VHOST;
use std::sync::Arc;

/// A setting with one value: `Kind`, and how its field becomes a value and is made from one.
macro_rules! one {
    ($name:literal, $live:ident, $kind:expr, $get:expr, $set:expr, $doc:literal) => {
        Key {
            name: $name,
            doc: $doc,
            live: Live::$live,
            shape: Shape::Setting { kind: $kind, count: Count::One, get: $get, set: $set },
        }
    };
}

macro_rules! number {
    ($name:literal, $live:ident, $min:expr, $max:expr, $($field:ident).+, $doc:literal) => {
        one!(
            $name,
            $live,
            Kind::Number($min, $max),
            |target| vec![Value::Number(u64::try_from(target.$($field).+).unwrap_or(u64::MAX))],
            |target, values| if let [Value::Number(number)] = values[..] {
                target.$($field).+ = number.try_into().unwrap_or_default();
            },
            $doc
        )
    };
}

macro_rules! size {
    ($name:literal, $live:ident, $min:expr, $max:expr, $($field:ident).+, $doc:literal) => {
        one!(
            $name,
            $live,
            Kind::Size($min, $max),
            |target| vec![Value::Size(u64::try_from(target.$($field).+).unwrap_or(u64::MAX))],
            |target, values| if let [Value::Size(bytes)] = values[..] {
                target.$($field).+ = bytes.try_into().unwrap_or_default();
            },
            $doc
        )
    };
}

macro_rules! time {
    ($name:literal, $live:ident, $kind:expr, $($field:ident).+, $doc:literal) => {
        one!(
            $name,
            $live,
            $kind,
            |target| vec![Value::Duration(target.$($field).+)],
            |target, values| if let [Value::Duration(time)] = values[..] {
                target.$($field).+ = time;
            },
            $doc
        )
    };
}

macro_rules! switch {
    ($name:literal, $live:ident, $($field:ident).+, $doc:literal) => {
        one!(
            $name,
            $live,
            Kind::Switch,
            |target| vec![Value::Switch(target.$($field).+)],
            |target, values| if let [Value::Switch(on)] = values[..] {
                target.$($field).+ = on;
            },
            $doc
        )
    };
}

macro_rules! many {
    ($name:literal, $live:ident, $kind:ident, $variant:ident, $($field:ident).+, $doc:literal) => {
        Key {
            name: $name,
            doc: $doc,
            live: Live::$live,
            shape: Shape::Setting {
                kind: Kind::$kind,
                count: Count::Many,
                get: |target| target.$($field).+.iter().cloned().map(Value::$variant).collect(),
                set: |target, values| {
                    let values = values.into_iter().filter_map(|value| match value {
                        Value::$variant(value) => Some(value),
                        _ => None,
                    });
                    target.$($field).+ = values.collect();
                },
            },
        }
    };
}

/// A setting whose value is one of some words.
macro_rules! words {
    ($name:literal, $live:ident, $field:ident, [$($word:literal = $value:path),+], $doc:literal) => {
        one!(
            $name,
            $live,
            Kind::Word(&[$($word),+]),
            |target| vec![Value::Word(match target.$field { $($value => $word),+ })],
            |target, values| if let [Value::Word(word)] = values[..] {
                $(if word == $word { target.$field = $value; })+
            },
            $doc
        )
    };
}

macro_rules! block {
    ($name:literal, $short:expr, $keys:expr, $doc:literal) => {
        Key {
            name: $name,
            doc: $doc,
            live: Live::Now,
            shape: Shape::Block { keys: $keys, short: $short },
        }
    };
}

pub(super) use {block, one, switch};

/// A time after which somebody is closed: in less nobody could do what is waited for.
const TIMEOUT: Kind = Kind::Duration(100, DAY);
/// A time between two reports, of which there may be none.
const REPORTS: Kind = Kind::Interval;

/// What may stand at the top of a file.
pub(super) static SETTINGS: &[Key<Settings>] = &[
    many!(
        "listen",
        Now,
        Address,
        Address,
        listen,
        "Addresses for RTMP; a port alone means all addresses of the machine."
    ),
    block!("http", Some("listen"), HTTP, "HTTP: HLS, HTTP-FLV, the console and the API."),
    one!(
        "workers",
        Restart,
        Kind::Number(1, 1_024),
        |target| target.workers.map(|workers| Value::Number(workers.into())).into_iter().collect(),
        |target, values| if let [Value::Number(number)] = values[..] {
            target.workers = number.try_into().ok();
        } else {
            target.workers = None;
        },
        "Threads that serve, one core each; all cores when it is absent."
    ),
    number!(
        "chunk-size",
        Connection,
        128,
        0xFF_FFFF,
        config.chunk_size,
        "Bytes of one outgoing RTMP chunk."
    ),
    number!(
        "max-connections",
        Now,
        1,
        1_000_000,
        config.limits.connections_max,
        "Connections that a worker has at the same time; further ones are refused."
    ),
    block!("log", Some("level"), LOG, "What is written to the log, and how."),
    block!(
        "pithy-print",
        Some("every"),
        PITHY_PRINT,
        "Times between two progress reports; a value behind the name sets all, and 0 ends them."
    ),
    one!(
        "pid",
        Now,
        Kind::Text,
        |target| target.pid_file.iter().cloned().map(Value::Text).collect(),
        |target, values| if let [Value::Text(path)] = &values[..] {
            target.pid_file = Some(path.clone());
        },
        "A file for the id of the process: `millstream reload` finds the server by it."
    ),
    block!("limits", None, LIMITS, "Bounds on what peers can make the server hold or do."),
    Key {
        name: "vhost",
        doc: "What holds for the streams of a host name. `__defaultVhost__` takes all names that \
            have no block; where blocks are given but not that one, other names are refused.",
        live: Live::Now,
        shape: Shape::Named(&Blocks {
            keys: VHOST,
            title: "NAME",
            name: vhost_name,
            may_be_nameless: false,
            usual: Vhost::default,
            all: |settings: &Settings| {
                let vhosts = settings.config.vhosts.iter();
                vhosts.map(|(name, vhost)| (name.to_string(), Vhost::clone(vhost))).collect()
            },
            add: |settings, name, vhost| {
                settings.config.vhosts.insert(name.into(), Arc::new(vhost));
                Ok(())
            },
            replace: |settings, index, vhost| {
                if let Some(slot) = settings.config.vhosts.values_mut().nth(index) {
                    *slot = Arc::new(vhost);
                }
            },
        }),
    },
];

static HTTP: &[Key<Settings>] = &[
    HTTP_LISTEN,
    block!(
        "api",
        Some("enabled"),
        HTTP_API,
        "The API and the metrics, which the console needs: they tell names and addresses."
    ),
];

static HTTP_API: &[Key<Settings>] = &[
    switch!("enabled", Now, config.api.enabled, "There are an API and metrics."),
    many!(
        "allow",
        Now,
        Network,
        Network,
        config.api.allow,
        "Who may ask: `private` is this machine and networks that the Internet does not reach. Of what \
            a proxy passes on, both the proxy and the last entry of X-Forwarded-For count."
    ),
    many!(
        "host",
        Now,
        Domain,
        Text,
        config.api.hosts,
        "Names under which it may be asked, besides addresses, names of the local network and vhosts: \
            pages of strangers could lead their own name here."
    ),
];

const HTTP_LISTEN: Key<Settings> = Key {
    name: "listen",
    doc: "Addresses for HTTP. When it is absent, port 8080 at the first address for RTMP, if no other \
        program has it.",
    live: Live::Now,
    shape: Shape::Setting {
        kind: Kind::AddressOrOff,
        count: Count::Many,
        get: |settings| match settings.http_enabled {
            true => settings.http_listen.iter().copied().map(Value::Address).collect(),
            false => vec![Value::Word("off")],
        },
        set: |settings, values| {
            let addresses = values.iter().filter_map(|value| match value {
                Value::Address(listen) => Some(*listen),
                _ => None,
            });
            settings.http_listen = addresses.collect();
            settings.http_enabled = !values.contains(&Value::Word("off"));
        },
    },
};

static LOG: &[Key<Settings>] = &[
    one!(
        "file",
        Now,
        Kind::Text,
        |target| target.log_file.iter().cloned().map(Value::Text).collect(),
        |target, values| if let [Value::Text(path)] = &values[..] {
            target.log_file = Some(path.clone());
        },
        "Where the log is appended; the standard error when it is absent. A reload opens it anew, \
         so a file can be moved away before."
    ),
    words!(
        "level",
        Now,
        log_level,
        [
            "warn" = LogLevel::Warn,
            "info" = LogLevel::Info,
            "debug" = LogLevel::Debug,
            "trace" = LogLevel::Trace
        ],
        "The least important lines that are written."
    ),
    words!(
        "format",
        Now,
        log_format,
        ["human" = LogFormat::Human, "json" = LogFormat::Json],
        "Lines of words, or one JSON object a line."
    ),
];

static PITHY_PRINT: &[Key<Settings>] = &[
    one!(
        "every",
        Now,
        REPORTS,
        |_| Vec::new(),
        |target, values| if let [Value::Duration(time)] = values[..] {
            target.config.pithy_print = millstream_core::config::PithyPrint::every(time);
        },
        "Sets all of the others."
    ),
    time!("publish", Now, REPORTS, config.pithy_print.publish, "Of a publisher and its stream."),
    time!("play", Now, REPORTS, config.pithy_print.play, "Of a player."),
    time!("forward", Now, REPORTS, config.pithy_print.forward, "Of a destination of forwarding."),
    time!("transcode", Now, REPORTS, config.pithy_print.transcode, "Of a transcoder."),
    time!("hls", Now, REPORTS, config.pithy_print.hls, "Of the segments of a stream."),
];

static LIMITS: &[Key<Settings>] = &[
    number!(
        "children",
        Now,
        1,
        10_000,
        config.limits.children_max,
        "Processes of renditions that a worker runs at the same time."
    ),
    number!(
        "connections-per-ip",
        Now,
        1,
        1_000_000,
        config.limits.connections_per_ip_max,
        "Connections from one IPv4 address or /64 of IPv6; loopback is exempt."
    ),
    number!(
        "connects-per-second-per-ip",
        Now,
        1,
        1_000_000,
        config.limits.connects_per_second_per_ip_max,
        "Connects from one address in a second, after a burst."
    ),
    number!(
        "connect-burst-per-ip",
        Now,
        1,
        1_000_000,
        config.limits.connect_burst_per_ip_max,
        "Connects from one address at once, before their rate counts."
    ),
    number!(
        "streams",
        Now,
        1,
        10_000_000,
        config.limits.sources_max,
        "Streams with a publisher or waiting players."
    ),
    time!(
        "handshake-timeout",
        Connection,
        TIMEOUT,
        config.limits.handshake_timeout,
        "Time to complete the handshake."
    ),
    time!(
        "connect-timeout",
        Connection,
        TIMEOUT,
        config.limits.connect_timeout,
        "Time to complete `connect` after the handshake."
    ),
    time!(
        "role-timeout",
        Connection,
        TIMEOUT,
        config.limits.role_timeout,
        "Time to publish or play after `connect`."
    ),
    time!(
        "role-again-timeout",
        Now,
        TIMEOUT,
        config.limits.role_again_timeout,
        "Time to publish or play again after a connection has stopped to do either."
    ),
    time!(
        "publisher-idle-timeout",
        Connection,
        TIMEOUT,
        config.limits.publisher_idle_timeout,
        "Time without media after which a publisher is removed."
    ),
    time!(
        "player-idle-timeout",
        Now,
        TIMEOUT,
        config.limits.player_idle_timeout,
        "Time without progress after which a player that has data waiting is closed."
    ),
    time!(
        "play-wait",
        Now,
        Kind::Duration(0, DAY),
        config.limits.play_wait,
        "How long a player of a stream that was never published waits for it."
    ),
    size!(
        "gop",
        Now,
        1 << 10,
        1 << 30,
        config.limits.gop_bytes_max,
        "Bytes of the GOP cache of one stream."
    ),
    number!(
        "gop-frames",
        Now,
        1,
        1_000_000,
        config.limits.gop_frames_max,
        "Frames in the GOP cache of one stream."
    ),
    time!(
        "gop-span",
        Now,
        Kind::Duration(100, 3_600),
        config.limits.gop_span_max,
        "Media time in the GOP cache of one stream."
    ),
    size!(
        "message",
        Connection,
        1 << 10,
        0xFF_FFFF,
        config.limits.message_len_max,
        "Bytes of one message of a publisher."
    ),
    size!(
        "message-early",
        Connection,
        1 << 10,
        0xFF_FFFF,
        config.limits.message_len_max_early,
        "Bytes of one message of a peer that may not publish yet."
    ),
    size!(
        "incomplete",
        Connection,
        1 << 10,
        0xFF_FFFF,
        config.limits.incomplete_bytes_max,
        "Bytes of incomplete messages on one connection, above the longest message."
    ),
    size!(
        "metadata",
        Now,
        1 << 10,
        0xFF_FFFF,
        config.limits.metadata_len_max,
        "Bytes of metadata, and of each sequence header, kept for players that join later."
    ),
    size!(
        "replies",
        Now,
        1 << 10,
        0xFF_FFFF,
        config.limits.reply_bytes_max,
        "Unsent bytes of replies on one connection, media not counted."
    ),
    number!(
        "message-streams",
        Connection,
        1,
        255,
        config.limits.message_streams_max,
        "Message streams on one connection."
    ),
    number!(
        "chunk-streams",
        Connection,
        8,
        65_535,
        config.limits.chunk_streams_max,
        "Chunk streams with state on one connection."
    ),
    number!(
        "chunk-size-min",
        Connection,
        1,
        65_536,
        config.limits.chunk_size_min,
        "Smallest chunk size that a peer may announce."
    ),
    number!(
        "unknown-messages",
        Connection,
        1,
        1_000_000,
        config.limits.unknown_messages_max,
        "Messages and commands of unknown kind before a connection is closed."
    ),
    number!(
        "tracks",
        Now,
        1,
        255,
        config.limits.tracks_max,
        "Sequence headers kept for each of audio and video."
    ),
    number!("amf-depth", Connection, 4, 64, config.limits.amf_depth_max, "Nesting of AMF values."),
    number!(
        "amf-nodes",
        Connection,
        64,
        1_000_000,
        config.limits.amf_nodes_max,
        "Values in one AMF message."
    ),
    number!("app-name", Now, 1, 1_024, config.limits.app_len_max, "Bytes of the name of an app."),
    number!(
        "stream-name",
        Now,
        1,
        4_096,
        config.limits.stream_len_max,
        "Bytes of the name of a stream."
    ),
    number!("tc-url", Now, 64, 65_536, config.limits.tc_url_len_max, "Bytes of a tcUrl."),
];

static VHOST: &[Key<Vhost>] = &[
    switch!("enabled", Now, enabled, "Clients are served; off, all are refused and closed."),
    one!(
        "chunk-size",
        Connection,
        Kind::Number(128, 0xFF_FFFF),
        |vhost| vhost.chunk_size.map(|size| Value::Number(size.into())).into_iter().collect(),
        |vhost, values| if let [Value::Number(number)] = values[..] {
            vhost.chunk_size = number.try_into().ok();
        },
        "Bytes of one outgoing RTMP chunk; the server's when it is absent."
    ),
    switch!(
        "gop-cache",
        Now,
        gop_cache,
        "Players start at the newest keyframe, not at the next one."
    ),
    words!(
        "time-jitter",
        Publish,
        time_jitter,
        ["full" = TimeJitter::Full, "zero" = TimeJitter::Zero, "off" = TimeJitter::Off],
        "How timestamps are mended: close jumps and start at zero, only start at zero, or leave them."
    ),
    time!(
        "queue-length",
        Now,
        Kind::Duration(100, 3_600),
        queue_length.time_max,
        "Media time that a player may lag behind before it skips to the newest keyframe."
    ),
    size!(
        "queue-bytes",
        Now,
        1 << 10,
        1 << 32,
        queue_length.bytes_max,
        "Bytes that a player may lag behind before it skips to the newest keyframe."
    ),
    one!(
        "send-delay",
        Now,
        Kind::SendDelay,
        |vhost| vec![Value::SendDelay(vhost.send_delay)],
        |vhost, values| if let [Value::SendDelay(delay)] = values[..] {
            vhost.send_delay = delay;
        },
        "How long media are merged before they are sent to players."
    ),
    words!(
        "publish",
        Now,
        publish_policy,
        ["busy" = PublishPolicy::Busy, "takeover" = PublishPolicy::Takeover],
        "What a second publisher of a stream gets: it is refused, or takes the stream over."
    ),
    time!(
        "grace",
        Now,
        Kind::Duration(0, DAY),
        grace,
        "How long players stay attached when their publisher has gone."
    ),
    block!(
        "refer",
        Some("all"),
        REFER,
        "Domains whose pages clients may come from; a value behind the name is for all."
    ),
    block!("hls", Some("enabled"), HLS, "HTTP Live Streaming."),
    switch!("http-flv", Now, http_flv, "Streams can be played as FLV by HTTP."),
    switch!("http-ts", Now, http_ts, "Streams can be played as one endless MPEG-TS by HTTP."),
    many!(
        "forward",
        Now,
        Destination,
        Destination,
        forwards,
        "Servers that each published stream is pushed to."
    ),
    Key {
        name: "transcode",
        doc: "What ffmpeg makes of the streams of a scope: all, of an app, or one stream.",
        live: Live::Now,
        shape: Shape::Named(&transcode::TRANSCODES),
    },
];

static REFER: &[Key<Vhost>] = &[
    many!("all", Connection, Domain, Text, refer.all, "Everybody, at connect."),
    many!("publish", Publish, Domain, Text, refer.publish, "Publishers, besides `all`."),
    many!("play", Connection, Domain, Text, refer.play, "Players, besides `all`."),
];

static HLS: &[Key<Vhost>] = &[
    switch!("enabled", Now, hls.enabled, "Segments and playlists are made."),
    time!(
        "fragment",
        Now,
        Kind::Duration(100, 600),
        hls.fragment,
        "The time after which a segment ends at the next keyframe."
    ),
    time!("window", Now, Kind::Duration(100, DAY), hls.window, "The time that a playlist covers."),
    // It comes before the storage, so that memory is memory, whatever the path is.
    one!(
        "path",
        Now,
        Kind::Text,
        |vhost| match &vhost.hls.storage {
            HlsStorage::Disk { path } => vec![Value::Text(path.clone())],
            HlsStorage::Memory => Vec::new(),
        },
        |vhost, values| if let [Value::Text(path)] = &values[..] {
            vhost.hls.storage = HlsStorage::Disk { path: path.clone() };
        },
        "The directory of segments on disk."
    ),
    one!(
        "storage",
        Now,
        Kind::Word(&["memory", "disk"]),
        |vhost| vec![Value::Word(match vhost.hls.storage {
            HlsStorage::Memory => "memory",
            HlsStorage::Disk { .. } => "disk",
        })],
        |vhost, values| match (&values[..], &vhost.hls.storage) {
            ([Value::Word("memory")], _) => vhost.hls.storage = HlsStorage::Memory,
            ([Value::Word(_)], HlsStorage::Memory) => {
                vhost.hls.storage = HlsStorage::Disk { path: "".into() };
            }
            _ => {}
        },
        "Where segments are kept: in memory alone, or on disk too."
    ),
];

/// A host name in the one way it is written.
fn vhost_name(text: &str) -> Result<String, &'static str> {
    if text.eq_ignore_ascii_case(DEFAULT_VHOST) {
        return Ok(DEFAULT_VHOST.into());
    }
    let text = text.strip_suffix('.').unwrap_or(text);
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    if text.is_empty() || text.len() > 128 || !text.bytes().all(is_legal) {
        return Err("a host has letters, digits, - and dots");
    }
    Ok(text.to_ascii_lowercase())
}
