//! A configuration as one line of words.
//!
//! The pages of the console are those of the program that replays: the line has their number and a
//! hash of them, and a program with others does not replay it.

use super::words::{Reader, Words, choices, push, read_words, structs, write_words};
use super::{HASH_START, hash};
use millstream_core::config::transcode::{
    Audio, AudioEncoder, Engine, FfmpegOption, Fps, Output, Scope, Transcode, Video, VideoEncoder,
};
use millstream_core::config::{
    ApiAccess, Config, Forward, Hls, HlsStorage, Listener, Network, Page, PithyPrint,
    PublishPolicy, QueueLength, Refer, SendDelay, TimeJitter, Vhost,
};
use millstream_core::drive::Service;
use millstream_core::limits::Limits;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A configuration as words.
pub(super) fn write_config(config: &Config) -> String {
    let Config { api, chunk_size, limits, listeners, pages, pithy_print, vhosts } = config;
    let parts = Parts {
        api: api.clone(),
        chunk_size: *chunk_size,
        limits: limits.clone(),
        listeners: listeners.clone(),
        pages: pages.len(),
        pages_hash: hash_of(pages),
        pithy_print: *pithy_print,
        vhosts: vhosts.clone(),
    };
    write_words(&parts)
}

/// A configuration from its words; `None` when they are damaged, or when it has other pages.
pub(super) fn read_config(text: &str, pages: &Arc<[Page]>) -> Option<Config> {
    let parts: Parts = read_words(text)?;
    let pages = if parts.pages == 0 { Arc::default() } else { pages.clone() };
    if (parts.pages, parts.pages_hash) != (pages.len(), hash_of(&pages)) {
        return None;
    }
    let Parts { api, chunk_size, limits, listeners, pithy_print, vhosts, .. } = parts;
    Some(Config { api, chunk_size, limits, listeners, pages, pithy_print, vhosts })
}

/// What is served is in the tag of a page.
fn hash_of(pages: &[Page]) -> u32 {
    pages.iter().fold(HASH_START, |sum, page| {
        let sum = hash(hash(sum, page.path.as_bytes()), page.content_type.as_bytes());
        let sum = hash(hash(sum, page.etag.as_bytes()), &page.bytes.len().to_be_bytes());
        let fields = page.fields.iter().flat_map(|(name, value)| [name, value]);
        fields.fold(sum, |sum, field| hash(sum, field.as_bytes()))
    })
}

struct Parts {
    api: ApiAccess,
    chunk_size: u32,
    limits: Limits,
    listeners: Vec<Listener>,
    pages: usize,
    pages_hash: u32,
    pithy_print: PithyPrint,
    vhosts: BTreeMap<Arc<str>, Arc<Vhost>>,
}

structs! {
    Parts { api, chunk_size, limits, listeners, pages, pages_hash, pithy_print, vhosts }
    ApiAccess { enabled, allow, hosts }
    Listener { address, service }
    PithyPrint { forward, hls, play, publish, transcode }
    Vhost {
        chunk_size, enabled, forwards, gop_cache, grace, hls, http_flv, http_ts, publish_policy,
        queue_length, refer, send_delay, time_jitter, transcodes,
    }
    Forward { app, host, port, stream, vhost }
    Hls { enabled, fragment, storage, window }
    QueueLength { bytes_max, time_max }
    Refer { all, play, publish }
    Transcode { engines, ffmpeg, log_directory, scope }
    Scope { app, stream }
    Engine { audio, input_format, name, output, output_format, video, video_filter }
    FfmpegOption { name, value }
    VideoEncoder { bitrate, codec, fps, params, preset, profile, size, threads }
    AudioEncoder { bitrate, channels, codec, params, sample_rate }
    Limits {
        amf_depth_max, amf_nodes_max, app_len_max, chunk_streams_max, children_max, chunk_size_min,
        connect_timeout, connections_max, connections_per_ip_max, connect_burst_per_ip_max,
        connects_per_second_per_ip_max, forward_dials_max, forward_dial_timeout,
        forward_drain_timeout, forward_hops_max, forward_retry_max, forward_retry_min,
        forward_retry_loop, forward_stable_after, forwards_max, gop_bytes_max, gop_frames_max,
        gop_span_max, handshake_timeout, http_body_len_max, http_head_len_max, http_idle_timeout,
        http_play_wait, http_playlist_wait, http_request_timeout, http_target_len_max,
        incomplete_bytes_max, message_len_max_early, message_len_max, metadata_len_max,
        message_streams_max, play_wait, player_idle_timeout, publisher_idle_timeout,
        reply_bytes_max, role_again_timeout, role_timeout, sources_max, stream_len_max,
        tc_url_len_max, tracks_max, unknown_messages_max,
    }
}

choices! {
    Service {
        Service::Http => "http" = Service::Http,
        Service::Rtmp => "rtmp" = Service::Rtmp,
    }
    PublishPolicy {
        PublishPolicy::Busy => "busy" = PublishPolicy::Busy,
        PublishPolicy::Takeover => "takeover" = PublishPolicy::Takeover,
    }
    TimeJitter {
        TimeJitter::Full => "full" = TimeJitter::Full,
        TimeJitter::Off => "off" = TimeJitter::Off,
        TimeJitter::Zero => "zero" = TimeJitter::Zero,
    }
}

impl Words for Output {
    fn write(&self, line: &mut String) {
        self.0.write(line);
    }

    fn read(words: &mut Reader<'_>) -> Option<Self> {
        Words::read(words).map(Self)
    }
}

impl Words for Network {
    fn write(&self, line: &mut String) {
        push(&self.to_string(), line);
    }

    fn read(words: &mut Reader<'_>) -> Option<Self> {
        Self::parse(words.word()?)
    }
}

impl Words for Fps {
    fn write(&self, line: &mut String) {
        self.0.write(line);
    }

    fn read(words: &mut Reader<'_>) -> Option<Self> {
        Words::read(words).map(Self)
    }
}

impl Words for SendDelay {
    fn write(&self, line: &mut String) {
        let (word, delay) = match self {
            Self::Adaptive(delay) => ("adaptive", delay),
            Self::Fixed(delay) => ("fixed", delay),
        };
        push(word, line);
        delay.write(line);
    }

    fn read(words: &mut Reader<'_>) -> Option<Self> {
        match words.word()? {
            "adaptive" => Words::read(words).map(Self::Adaptive),
            "fixed" => Words::read(words).map(Self::Fixed),
            _ => None,
        }
    }
}

impl Words for HlsStorage {
    fn write(&self, line: &mut String) {
        match self {
            Self::Disk { path } => {
                push("disk", line);
                path.write(line);
            }
            Self::Memory => push("memory", line),
        }
    }

    fn read(words: &mut Reader<'_>) -> Option<Self> {
        match words.word()? {
            "disk" => Some(Self::Disk { path: Words::read(words)? }),
            "memory" => Some(Self::Memory),
            _ => None,
        }
    }
}

/// Media of a rendition: copied, encoded anew, or none.
macro_rules! renditions {
    ($($kind:ident),*) => {$(
        impl Words for $kind {
            fn write(&self, line: &mut String) {
                match self {
                    Self::Copy => push("copy", line),
                    Self::Off => push("off", line),
                    Self::Encode(encoder) => {
                        push("encode", line);
                        encoder.write(line);
                    }
                }
            }

            fn read(words: &mut Reader<'_>) -> Option<Self> {
                match words.word()? {
                    "copy" => Some(Self::Copy),
                    "off" => Some(Self::Off),
                    "encode" => Words::read(words).map(Self::Encode),
                    _ => None,
                }
            }
        }
    )*};
}

renditions!(Audio, Video);
