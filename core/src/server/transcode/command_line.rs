//! The command line of ffmpeg for one engine and one stream.
//!
//! The order is that of SRS: input, filters, video, audio, output. Names of peers stand only inside
//! of URLs and paths that the configuration begins, so none becomes an option.

use crate::config::transcode::{Audio, AudioEncoder, Engine, FfmpegOption, Video, VideoEncoder};
use crate::name::StreamName;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

/// What the programs that the server starts call themselves: so it knows its own renditions, by
/// whatever name of the machine they come, and asks the programs for no page.
pub(in crate::server) const ENGINE_VERSION: &str = "FMLE/3.0 (compatible; millstream-engine)";

/// The media that ffmpeg looks at before it begins. Where what metadata announce does not come, it
/// would else look for longer than it may be silent, and never begin.
const ANALYZE_TIME_MICROS: &str = "5000000";

/// The arguments of the program, its name first. `server` is an address of this server for RTMP.
pub(in crate::server) fn command_line(
    ffmpeg: &Arc<str>,
    engine: &Engine,
    name: &StreamName,
    server: SocketAddr,
) -> Arc<[Arc<str>]> {
    let mut line = Line { words: Vec::new() };
    line.words.push(ffmpeg.clone());
    // Its input is no terminal; progress on standard output shows that it lives.
    line.add(&["-nostdin", "-hide_banner", "-nostats", "-loglevel", "warning"]);
    line.add(&["-progress", "pipe:1"]);
    line.option("-f", engine.input_format.as_deref());
    line.add(&["-analyzeduration", ANALYZE_TIME_MICROS]);
    line.add(&["-rtmp_flashver", ENGINE_VERSION]);
    line.add(&["-protocol_whitelist", "rtmp,tcp", "-i", &input(name, server)]);
    line.options(&engine.video_filter);
    line.video(&engine.video);
    line.audio(&engine.audio);
    line.option("-f", engine.output_format.as_deref());
    let output = expand(&engine.output.0, name, &engine.name, server);
    if output.starts_with("rtmp://") {
        line.add(&["-rtmp_flashver", ENGINE_VERSION]);
    }
    line.add(&["-y", &output]);
    line.words.into()
}

/// The address at which a program on this machine reaches a listener.
pub(in crate::server) fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        // A socket for both families takes IPv4 too, where there is no IPv6 at all.
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) if ip.is_unspecified() => {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        }
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, listener.port())
}

/// The vhost is always named, or one that is called as the address is would be asked.
fn input(name: &StreamName, server: SocketAddr) -> String {
    format!("rtmp://{server}/{}?vhost={}/{}", name.app(), name.vhost(), name.stream())
}

/// Puts the names of a stream into the template of an output.
fn expand(template: &str, name: &StreamName, engine: &str, server: SocketAddr) -> String {
    let port = server.port().to_string();
    let variables = [
        ("[vhost]", name.vhost()),
        ("[app]", name.app()),
        ("[stream]", name.stream()),
        ("[engine]", engine),
        ("[port]", &port),
    ];
    let mut out = String::new();
    let mut rest = template;
    // Once from left to right: a name that looks like a variable is none.
    while let Some(at) = rest.find('[') {
        let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        let known = variables.iter().find_map(|(variable, value)| {
            after.strip_prefix(variable).map(|behind| (*value, behind))
        });
        let (value, behind) = known.unwrap_or_else(|| ("[", after.get(1..).unwrap_or("")));
        out.push_str(value);
        rest = behind;
    }
    out.push_str(rest);
    out
}

struct Line {
    words: Vec<Arc<str>>,
}

impl Line {
    fn add(&mut self, words: &[&str]) {
        self.words.extend(words.iter().map(|word| Arc::from(*word)));
    }

    fn option(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.add(&[name, value]);
        }
    }

    fn options(&mut self, options: &[FfmpegOption]) {
        for FfmpegOption { name, value } in options {
            self.add(&[&format!("-{name}"), value]);
        }
    }

    fn video(&mut self, video: &Video) {
        match video {
            Video::Copy => self.add(&["-vcodec", "copy"]),
            Video::Off => self.add(&["-vn"]),
            Video::Encode(encoder) => self.video_encoder(encoder),
        }
    }

    fn video_encoder(&mut self, encoder: &VideoEncoder) {
        let VideoEncoder { bitrate, codec, fps, params, preset, profile, size, threads } = encoder;
        self.add(&["-vcodec", codec]);
        self.option("-b:v", bitrate.map(|rate| rate.to_string()).as_deref());
        self.option("-r", fps.map(|fps| fps.to_string()).as_deref());
        if let Some((width, height)) = size {
            self.add(&["-s", &format!("{width}x{height}")]);
            self.add(&["-aspect", &format!("{width}:{height}")]);
        }
        self.option("-threads", threads.map(|threads| threads.to_string()).as_deref());
        self.option("-profile:v", profile.as_deref());
        self.option("-preset", preset.as_deref());
        self.options(params);
    }

    fn audio(&mut self, audio: &Audio) {
        match audio {
            Audio::Copy => self.add(&["-acodec", "copy"]),
            Audio::Off => self.add(&["-an"]),
            Audio::Encode(encoder) => self.audio_encoder(encoder),
        }
    }

    fn audio_encoder(&mut self, encoder: &AudioEncoder) {
        let AudioEncoder { bitrate, channels, codec, params, sample_rate } = encoder;
        self.add(&["-acodec", codec]);
        self.option("-b:a", bitrate.map(|rate| rate.to_string()).as_deref());
        self.option("-ar", sample_rate.map(|rate| rate.to_string()).as_deref());
        self.option("-ac", channels.map(|channels| channels.to_string()).as_deref());
        self.options(params);
    }
}

#[cfg(test)]
mod tests;
