//! The part of the table that is about ffmpeg.

use super::decode::Blocks;
use super::kind::{Kind, Value, nearest};
use super::schema::{Count, Key, Live, Shape};
use super::table::{block, one, switch};
use millstream_core::config::Vhost;
use millstream_core::config::transcode::{
    Audio, AudioEncoder, Engine, FfmpegOption, Fps, Output, Scope, Transcode, Video, VideoEncoder,
};
use std::sync::Arc;

/// A transcode while it is read.
#[derive(Clone)]
pub(super) struct TranscodeDraft {
    enabled: bool,
    engines: Vec<Engine>,
    ffmpeg: Arc<str>,
    log_directory: Option<Arc<str>>,
}

/// An engine while it is read: what may be absent there.
#[derive(Clone)]
pub(super) struct EngineDraft {
    audio: AudioDraft,
    enabled: bool,
    input_format: Arc<str>,
    output: Option<Arc<str>>,
    output_format: Arc<str>,
    video: VideoDraft,
    video_filter: Vec<FfmpegOption>,
}

#[derive(Clone, Default)]
struct VideoDraft {
    bitrate: Option<u64>,
    codec: Option<Arc<str>>,
    fps: Option<Fps>,
    params: Vec<FfmpegOption>,
    preset: Option<Arc<str>>,
    profile: Option<Arc<str>>,
    size: Option<(u16, u16)>,
    threads: Option<u16>,
}

#[derive(Clone, Default)]
struct AudioDraft {
    bitrate: Option<u64>,
    channels: Option<u8>,
    codec: Option<Arc<str>>,
    params: Vec<FfmpegOption>,
    rate: Option<u32>,
}

macro_rules! optional {
    ($name:literal, $kind:expr, $variant:ident, $($field:ident).+, $doc:literal) => {
        one!(
            $name,
            Now,
            $kind,
            |target| target.$($field).+.iter().cloned().map(|it| Value::$variant(it.into())).collect(),
            |target, values| if let [Value::$variant(value)] = &values[..] {
                target.$($field).+ = value.clone().try_into().ok();
            },
            $doc
        )
    };
}

macro_rules! options {
    ($name:literal, $($field:ident).+, $doc:literal) => {
        Key {
            name: $name,
            doc: $doc,
            live: Live::Now,
            shape: Shape::Options {
                get: |target| &target.$($field).+,
                set: |target, options| target.$($field).+ = options,
            },
        }
    };
}

/// `transcode [SCOPE] { ... }`.
pub(super) static TRANSCODES: Blocks<Vhost, TranscodeDraft> = Blocks {
    keys: TRANSCODE,
    title: "[\"APP\" or \"APP/STREAM\"]",
    name: |text| match Scope::parse(text).to_string() == text {
        true => Ok(text.to_owned()),
        false => Err("write an app, or app/stream"),
    },
    may_be_nameless: true,
    usual: || TranscodeDraft {
        enabled: true,
        engines: Vec::new(),
        ffmpeg: "ffmpeg".into(),
        log_directory: None,
    },
    all: |vhost| {
        let transcodes = vhost.transcodes.iter().map(|transcode| {
            let draft = TranscodeDraft {
                enabled: true,
                engines: transcode.engines.clone(),
                ffmpeg: transcode.ffmpeg.clone(),
                log_directory: transcode.log_directory.clone(),
            };
            (transcode.scope.to_string(), draft)
        });
        transcodes.collect()
    },
    add: |vhost, name, draft| {
        if !draft.enabled {
            return Ok(());
        }
        if draft.engines.is_empty() {
            let help = "write engine \"NAME\" { output \"rtmp://...\" }".to_owned();
            return Err(("a transcode without engines makes nothing", help));
        }
        if let Some((one, other)) = same_output(&draft.engines) {
            let help = format!("write [engine] into the outputs of `{one}` and `{other}`");
            return Err(("two engines write to the same output", help));
        }
        let TranscodeDraft { enabled: _, engines, ffmpeg, log_directory } = draft;
        let scope = Scope::parse(name);
        let transcode = Transcode { engines, ffmpeg, log_directory, scope };
        if let Some((one, engine)) = same_output_elsewhere(&vhost.transcodes, &transcode) {
            let help = format!(
                "let `{engine}` write elsewhere than an engine of transcode \"{one}\", which is about \
                 some of the same streams"
            );
            return Err(("engines of two transcodes write to the same output", help));
        }
        vhost.transcodes.push(transcode);
        Ok(())
    },
    replace: |_, _, _| {},
};

static TRANSCODE: &[Key<TranscodeDraft>] = &[
    switch!("enabled", Now, enabled, "Off, it is as if the block was not there."),
    one!(
        "ffmpeg",
        Now,
        Kind::Text,
        |draft| vec![Value::Text(draft.ffmpeg.clone())],
        |draft, values| if let [Value::Text(path)] = &values[..] {
            draft.ffmpeg = path.clone();
        },
        "The program: a path, or a name in the search path."
    ),
    optional!(
        "log-directory",
        Kind::Text,
        Text,
        log_directory,
        "Where each process has a log file of its own, of 8 MiB and the one before; none when absent."
    ),
    Key {
        name: "engine",
        doc: "One process: one output.",
        live: Live::Now,
        shape: Shape::Named(&ENGINES),
    },
];

static ENGINES: Blocks<TranscodeDraft, EngineDraft> = Blocks {
    keys: ENGINE,
    title: "NAME",
    name: |text| {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_name = !text.is_empty() && !text.starts_with('-') && text.len() <= 64;
        match is_name && text.bytes().all(is_legal) {
            true => Ok(text.to_owned()),
            false => Err("a name has letters, digits, -, _ and dots"),
        }
    },
    may_be_nameless: false,
    usual: || EngineDraft {
        audio: AudioDraft::default(),
        enabled: true,
        input_format: "flv".into(),
        output: None,
        output_format: "flv".into(),
        video: VideoDraft::default(),
        video_filter: Vec::new(),
    },
    all: |draft| {
        draft.engines.iter().map(|engine| (engine.name.to_string(), engine.into())).collect()
    },
    add: |draft, name, engine| {
        if engine.enabled {
            draft.engines.push(engine.finish(name)?);
        }
        Ok(())
    },
    replace: |_, _, _| {},
};

static ENGINE: &[Key<EngineDraft>] = &[
    switch!("enabled", Now, enabled, "Off, it is as if the block was not there."),
    one!(
        "input-format",
        Now,
        Kind::Text,
        |draft| vec![Value::Text(draft.input_format.clone())],
        |draft, values| if let [Value::Text(format)] = &values[..] {
            draft.input_format = format.clone();
        },
        "The `-f` of the input; `off` leaves it out."
    ),
    options!("video-filter", video_filter, "Options of ffmpeg that follow the input."),
    block!("video", Some("codec"), VIDEO, "What becomes of video; passed on when it is absent."),
    block!("audio", Some("codec"), AUDIO, "What becomes of audio; passed on when it is absent."),
    one!(
        "output-format",
        Now,
        Kind::Text,
        |draft| vec![Value::Text(draft.output_format.clone())],
        |draft, values| if let [Value::Text(format)] = &values[..] {
            draft.output_format = format.clone();
        },
        "The `-f` of the output; `off` leaves it out."
    ),
    optional!(
        "output",
        Kind::Secret,
        Secret,
        output,
        "The URL of the output, with [vhost], [port], [app], [stream] and [engine] for names."
    ),
];

static VIDEO: &[Key<EngineDraft>] = &[
    optional!(
        "codec",
        Kind::Text,
        Text,
        video.codec,
        "The encoder, such as libx264; `copy` passes video on, `off` drops it."
    ),
    optional!("bitrate", Kind::Bitrate, Bitrate, video.bitrate, "Bits per second."),
    optional!("fps", Kind::Fps, Fps, video.fps, "Pictures per second."),
    one!(
        "size",
        Now,
        Kind::Picture,
        |draft| {
            let size = draft.video.size.iter();
            size.map(|(width, height)| Value::Picture(*width, *height)).collect()
        },
        |draft, values| if let [Value::Picture(width, height)] = values[..] {
            draft.video.size = Some((width, height));
        },
        "Width and height."
    ),
    optional!("threads", Kind::Number(0, 1_024), Number, video.threads, "Threads; 0 for any."),
    optional!("profile", Kind::Text, Text, video.profile, "The profile, such as main."),
    optional!("preset", Kind::Text, Text, video.preset, "Speed, such as veryfast."),
    options!("params", video.params, "Further options of ffmpeg for video."),
];

static AUDIO: &[Key<EngineDraft>] = &[
    optional!(
        "codec",
        Kind::Text,
        Text,
        audio.codec,
        "The encoder, such as aac; `copy` passes audio on, `off` drops it."
    ),
    optional!("bitrate", Kind::Bitrate, Bitrate, audio.bitrate, "Bits per second."),
    optional!("rate", Kind::Number(8_000, 192_000), Number, audio.rate, "Samples per second."),
    optional!("channels", Kind::Number(1, 2), Number, audio.channels, "1 or 2."),
    options!("params", audio.params, "Further options of ffmpeg for audio."),
];

impl EngineDraft {
    fn finish(self, name: &str) -> Result<Engine, (&'static str, String)> {
        let output = self.output.clone().ok_or_else(|| {
            let help =
                "write output \"rtmp://127.0.0.1:[port]/[app]?vhost=[vhost]/[stream]_[engine]\"";
            ("an engine needs an output", help.to_owned())
        })?;
        if output.starts_with('-') {
            let help = "an output begins with a scheme or a path".to_owned();
            return Err(("the output would be an option of ffmpeg", help));
        }
        if let Some(word) = unknown_placeholder(&output) {
            let near = nearest(word, PLACEHOLDERS.iter().copied());
            let help = match near {
                Some(near) => format!("did you mean [{near}], not [{word}]?"),
                None => format!("[{word}] is none of [{}]", PLACEHOLDERS.join("], [")),
            };
            return Err(("the output has an unknown name in brackets", help));
        }
        let format = |format: Arc<str>| Some(format).filter(|format| &**format != "off");
        let video = self.video.finish()?;
        let audio = self.audio.finish()?;
        if video == Video::Off && audio == Audio::Off {
            let help = "leave audio or video in it".to_owned();
            return Err(("an engine without audio and video makes nothing", help));
        }
        Ok(Engine {
            audio,
            input_format: format(self.input_format),
            name: name.into(),
            output: Output(output),
            output_format: format(self.output_format),
            video,
            video_filter: self.video_filter,
        })
    }
}

/// Names in brackets that stand for something in an output.
const PLACEHOLDERS: [&str; 5] = ["vhost", "port", "app", "stream", "engine"];

/// A word in brackets that would be passed on as it is. What is in the brackets of an address is no
/// word: it has colons.
fn unknown_placeholder(output: &str) -> Option<&str> {
    let inner = output.split('[').skip(1).filter_map(|rest| Some(rest.split_once(']')?.0));
    let is_word = |word: &&str| {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !word.is_empty() && word.bytes().all(is_legal)
    };
    inner.filter(is_word).find(|word| !PLACEHOLDERS.contains(word))
}

/// Two engines of which one would take what the other has: a stream has one publisher.
fn same_output(engines: &[Engine]) -> Option<(&str, &str)> {
    engines.iter().enumerate().find_map(|(index, engine)| {
        let written = output(engine);
        let mut earlier = engines.iter().take(index);
        let same = earlier.find(|other| output(other) == written && written != "/dev/null")?;
        Some((&*same.name, &*engine.name))
    })
}

/// The same, of an engine of an earlier transcode for some of the same streams. Two that say the very
/// same are one process.
fn same_output_elsewhere<'a>(
    earlier: &'a [Transcode],
    transcode: &'a Transcode,
) -> Option<(&'a Scope, &'a str)> {
    let overlapping = earlier.iter().filter(|one| one.scope.overlaps(&transcode.scope));
    overlapping.into_iter().find_map(|one| {
        let is_same_program =
            one.ffmpeg == transcode.ffmpeg && one.log_directory == transcode.log_directory;
        let fights = |engine: &&Engine| {
            let written = output(engine);
            let others = one.engines.iter().filter(|other| !is_same_program || other != engine);
            written != "/dev/null" && others.into_iter().any(|other| output(other) == written)
        };
        transcode.engines.iter().find(fights).map(|engine| (&one.scope, &*engine.name))
    })
}

fn output(engine: &Engine) -> String {
    engine.output.0.replace("[engine]", &engine.name)
}

/// What `codec` makes of the other options.
enum Way {
    Copy,
    Encode(Arc<str>),
    Off,
}

/// `off` is the word of SRS for a medium that is dropped.
fn way(
    codec: Option<Arc<str>>,
    has_options: bool,
    off: &str,
    what: (&'static str, &'static str),
) -> Result<Way, (&'static str, String)> {
    let is_off = |codec: &str| matches!(codec, "off" | "none") || codec == off;
    let is_encoded = codec.as_deref().is_some_and(|codec| codec != "copy" && !is_off(codec));
    let is_plain = is_encoded || !has_options;
    if !is_plain {
        return Err((what.0, what.1.to_owned()));
    }
    match codec {
        Some(codec) if codec.starts_with('-') => {
            Err(("the codec would be an option of ffmpeg", "write its name alone".to_owned()))
        }
        Some(codec) => Ok(match &*codec {
            "copy" => Way::Copy,
            word if is_off(word) => Way::Off,
            _ => Way::Encode(codec),
        }),
        None => Ok(Way::Copy),
    }
}

impl VideoDraft {
    fn finish(self) -> Result<Video, (&'static str, String)> {
        let Self { bitrate, codec, fps, params, preset, profile, size, threads } = self;
        let has_options = bitrate.is_some()
            || fps.is_some()
            || !params.is_empty()
            || preset.is_some()
            || profile.is_some()
            || size.is_some()
            || threads.is_some();
        let what = ("video that is not encoded has no options", "write codec=\"libx264\"");
        Ok(match way(codec, has_options, "vn", what)? {
            Way::Copy => Video::Copy,
            Way::Off => Video::Off,
            Way::Encode(codec) => Video::Encode(VideoEncoder {
                bitrate,
                codec,
                fps,
                params,
                preset,
                profile,
                size,
                threads,
            }),
        })
    }
}

impl AudioDraft {
    fn finish(self) -> Result<Audio, (&'static str, String)> {
        let Self { bitrate, channels, codec, params, rate } = self;
        let has_options =
            bitrate.is_some() || channels.is_some() || !params.is_empty() || rate.is_some();
        let what = ("audio that is not encoded has no options", "write codec=\"aac\"");
        Ok(match way(codec, has_options, "an", what)? {
            Way::Copy => Audio::Copy,
            Way::Off => Audio::Off,
            Way::Encode(codec) => {
                Audio::Encode(AudioEncoder { bitrate, channels, codec, params, sample_rate: rate })
            }
        })
    }
}

impl From<&Engine> for EngineDraft {
    fn from(engine: &Engine) -> Self {
        let word = |word: &str| Some(Arc::from(word));
        let format = |format: &Option<Arc<str>>| format.clone().unwrap_or_else(|| "off".into());
        Self {
            audio: match &engine.audio {
                Audio::Copy => AudioDraft::default(),
                Audio::Off => AudioDraft { codec: word("off"), ..AudioDraft::default() },
                Audio::Encode(encoder) => AudioDraft {
                    bitrate: encoder.bitrate,
                    channels: encoder.channels,
                    codec: Some(encoder.codec.clone()),
                    params: encoder.params.clone(),
                    rate: encoder.sample_rate,
                },
            },
            enabled: true,
            input_format: format(&engine.input_format),
            output: Some(engine.output.0.clone()),
            output_format: format(&engine.output_format),
            video: match &engine.video {
                Video::Copy => VideoDraft::default(),
                Video::Off => VideoDraft { codec: word("off"), ..VideoDraft::default() },
                Video::Encode(encoder) => VideoDraft {
                    bitrate: encoder.bitrate,
                    codec: Some(encoder.codec.clone()),
                    fps: encoder.fps,
                    params: encoder.params.clone(),
                    preset: encoder.preset.clone(),
                    profile: encoder.profile.clone(),
                    size: encoder.size,
                    threads: encoder.threads,
                },
            },
            video_filter: engine.video_filter.clone(),
        }
    }
}
