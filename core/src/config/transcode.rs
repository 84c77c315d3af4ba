//! What ffmpeg makes of published streams.

use crate::name::StreamName;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// A set of ffmpeg processes for each stream of a scope.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transcode {
    /// The processes.
    pub engines: Vec<Engine>,
    /// The program: a path, or a name that is looked for in the search path.
    pub ffmpeg: Arc<str>,
    /// The directory of log files, one for each stream and engine.
    pub log_directory: Option<Arc<str>>,
    /// Streams that are transcoded.
    pub scope: Scope,
}

/// Streams of a vhost: all of them, those of an app, or one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Scope {
    /// The app; all when there is none.
    pub app: Option<Arc<str>>,
    /// The stream; all when there is none.
    pub stream: Option<Arc<str>>,
}

/// One process: one output.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Engine {
    /// What becomes of audio.
    pub audio: Audio,
    /// The `-f` of the input; none when it is absent.
    pub input_format: Option<Arc<str>>,
    /// Its name within the transcode: `[engine]` in `output`.
    pub name: Arc<str>,
    /// The URL of the output, with `[vhost]`, `[port]`, `[app]`, `[stream]` and `[engine]`; may
    /// hold a key.
    pub output: Output,
    /// The `-f` of the output; none when it is absent.
    pub output_format: Option<Arc<str>>,
    /// What becomes of video.
    pub video: Video,
    /// Options that follow the input.
    pub video_filter: Vec<FfmpegOption>,
}

/// The URL of an output: it is not shown, for it may hold a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Output(pub Arc<str>);

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Output(..)")
    }
}

/// An option of ffmpeg: `-name value`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FfmpegOption {
    /// Without the dash.
    pub name: Arc<str>,
    /// One argument.
    pub value: Arc<str>,
}

/// What becomes of video.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Video {
    /// It is passed on as it is.
    Copy,
    /// It is encoded anew.
    Encode(VideoEncoder),
    /// There is none in the output.
    Off,
}

/// What becomes of audio.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Audio {
    /// It is passed on as it is.
    Copy,
    /// It is encoded anew.
    Encode(AudioEncoder),
    /// There is none in the output.
    Off,
}

/// How video is encoded; what is absent is left to the encoder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VideoEncoder {
    /// In bits per second.
    pub bitrate: Option<u64>,
    /// The name of the encoder, such as `libx264`.
    pub codec: Arc<str>,
    /// Pictures per second.
    pub fps: Option<Fps>,
    /// Further options, after all others.
    pub params: Vec<FfmpegOption>,
    /// Speed against quality, such as `veryfast`.
    pub preset: Option<Arc<str>>,
    /// The profile, such as `main`.
    pub profile: Option<Arc<str>>,
    /// Width and height, both even.
    pub size: Option<(u16, u16)>,
    /// Threads; 0 leaves it to the encoder.
    pub threads: Option<u16>,
}

/// How audio is encoded; what is absent is left to the encoder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AudioEncoder {
    /// In bits per second.
    pub bitrate: Option<u64>,
    /// 1 or 2.
    pub channels: Option<u8>,
    /// The name of the encoder, such as `aac`.
    pub codec: Arc<str>,
    /// Further options, after all others.
    pub params: Vec<FfmpegOption>,
    /// Samples per second.
    pub sample_rate: Option<u32>,
}

/// Pictures per second, in hundredths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Fps(pub u32);

impl fmt::Display for Fps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl Scope {
    /// Reads `""` (all), `app` or `app/stream`; the stream is what follows the last slash, as in a
    /// URL.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let (app, stream) = match text.rsplit_once('/') {
            Some((app, stream)) => (app, stream),
            None => (text, ""),
        };
        let part = |text: &str| (!text.is_empty()).then(|| Arc::from(text));
        Self { app: part(app), stream: part(stream) }
    }

    /// True for streams that it is about.
    #[must_use]
    pub fn covers(&self, name: &StreamName) -> bool {
        self.app.as_deref().is_none_or(|app| app == name.app())
            && self.stream.as_deref().is_none_or(|stream| stream == name.stream())
    }

    /// True if there may be streams that both are about.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let may_be_same = |one: &Option<Arc<str>>, other: &Option<Arc<str>>| {
            one.is_none() || other.is_none() || one == other
        };
        may_be_same(&self.app, &other.app) && may_be_same(&self.stream, &other.stream)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.app.as_deref().unwrap_or(""))?;
        match &self.stream {
            Some(stream) => write!(f, "/{stream}"),
            None => Ok(()),
        }
    }
}
