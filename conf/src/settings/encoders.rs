//! What the transcodes of a configuration need of ffmpeg: a program that runs, with these encoders.

use super::kind::nearest;
use super::problem::{Problem, Problems, Span};
use super::{Loaded, Origin};
use millstream_core::config::transcode::{Audio, Engine, Transcode, Video};
use std::collections::BTreeMap;

/// Encoders of one program; ffmpeg has some two hundred.
const ENCODERS_MAX: usize = 4_096;

/// Encoders that a help names.
const NAMED_MAX: usize = 3;

/// The encoders that one ffmpeg has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encoders(Vec<Encoder>);

#[derive(Clone, PartialEq, Eq, Debug)]
struct Encoder {
    medium: Medium,
    name: String,
    /// What it encodes to; the name, if ffmpeg says no other.
    codec: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Medium {
    Audio,
    Video,
}

/// Asks a program, a path or a name in the search path, for its encoders; an error says in words
/// what the program does instead, such as `cannot be run: ...`.
pub type Ask<'a> = dyn FnMut(&str) -> Result<Encoders, String> + 'a;

impl Encoders {
    /// Reads what `ffmpeg -encoders` prints; `None` when there is no encoder in it.
    #[must_use]
    pub fn parse(listing: &str) -> Option<Self> {
        let is_rule = |line: &&str| line.len() >= 3 && line.bytes().all(|byte| byte == b'-');
        let mut lines = listing.lines().map(str::trim).skip_while(|line| !is_rule(line)).skip(1);
        let encoders: Vec<Encoder> =
            lines.by_ref().filter_map(Encoder::parse).take(ENCODERS_MAX).collect();
        (!encoders.is_empty()).then_some(Self(encoders))
    }

    /// ffmpeg finds an encoder by its own name, and by that of its codec.
    fn has(&self, medium: Medium, name: &str) -> bool {
        self.of(medium).any(|encoder| encoder.name == name || encoder.codec == name)
    }

    fn of(&self, medium: Medium) -> impl Iterator<Item = &Encoder> + Clone {
        self.0.iter().filter(move |encoder| encoder.medium == medium)
    }

    /// What to write in place of a name that is not known.
    fn help(&self, medium: Medium, name: &str) -> String {
        let dashed = |name: &str| name.replace('_', "-");
        let known: Vec<(String, &str)> =
            self.of(medium).map(|encoder| (dashed(&encoder.name), &*encoder.name)).collect();
        if let Some(near) = nearest(name, known.iter().map(|(dashed, _)| &**dashed))
            && let Some((_, near)) = known.iter().find(|(dashed, _)| dashed == near)
        {
            return format!("did you mean `{near}`?");
        }
        // Names of encoders often say what they encode to.
        let codecs = self.of(medium).map(|encoder| &*encoder.codec);
        let codec = codecs.filter(|codec| name.contains(codec)).max_by_key(|codec| codec.len());
        let Some(codec) = codec else {
            return "`ffmpeg -encoders` lists what it has".into();
        };
        let same = self.of(medium).filter(|encoder| encoder.codec == codec).take(NAMED_MAX);
        let same: Vec<String> = same.map(|encoder| format!("`{}`", encoder.name)).collect();
        format!("for {codec} it has {}", same.join(", "))
    }
}

impl Encoder {
    /// `V....D libx264    libx264 H.264 / AVC / MPEG-4 AVC / MPEG-4 part 10 (codec h264)`.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (flags, name) = (words.next()?, words.next()?.to_owned());
        let medium = match flags.bytes().next()? {
            b'A' => Medium::Audio,
            b'V' => Medium::Video,
            _ => return None,
        };
        let codec = line.rsplit_once("(codec ").and_then(|(_, codec)| codec.strip_suffix(')'));
        let codec = codec.unwrap_or(&name).to_owned();
        Some(Self { medium, name, codec })
    }
}

impl Medium {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Audio => Self::Video,
            Self::Video => Self::Audio,
        }
    }
}

impl Loaded {
    /// What the programs lack that transcode, each with its place in the file. Each program is asked
    /// once, and none where nothing is transcoded.
    #[must_use]
    pub fn lacking(&self, ask: &mut Ask<'_>) -> Problems {
        let mut asked: BTreeMap<&str, Result<Encoders, String>> = BTreeMap::new();
        let mut problems = Vec::new();
        for (vhost, settings) in &self.settings.config.vhosts {
            for transcode in &settings.transcodes {
                let path = format!("vhost[{vhost}].transcode[{}]", transcode.scope);
                let program = &*transcode.ffmpeg;
                match asked.entry(program).or_insert_with(|| ask(program)) {
                    Ok(encoders) => self.lacks(transcode, &path, encoders, &mut problems),
                    Err(words) => problems.push(self.unusable(&path, program, words)),
                }
            }
        }
        Problems::new(&self.name, &self.text, problems)
    }

    fn unusable(&self, path: &str, program: &str, words: &str) -> Problem {
        let place = self.place(&format!("{path}.ffmpeg")).or_else(|| self.place(path));
        Problem::new(place.unwrap_or(0..0), format!("`{program}` {words}"))
            .label("the engines of this transcode need it")
            .help("install ffmpeg, or write ffmpeg \"PATH\"")
    }

    fn lacks(
        &self,
        transcode: &Transcode,
        path: &str,
        encoders: &Encoders,
        problems: &mut Vec<Problem>,
    ) {
        for engine in &transcode.engines {
            for (medium, codec) in wanted(engine) {
                if encoders.has(medium, codec) {
                    continue;
                }
                let path = format!("{path}.engine[{}]", engine.name);
                let place = self.place(&format!("{path}.{}.codec", medium.as_str()));
                let place = place.or_else(|| self.place(&path)).unwrap_or(0..0);
                let (program, medium_name) = (&transcode.ffmpeg, medium.as_str());
                let other = medium.other();
                let problem = if encoders.has(other, codec) {
                    let message = format!("`{codec}` encodes {}", other.as_str());
                    Problem::new(place, message).label(format!("this is to be {medium_name}"))
                } else {
                    let message = format!("`{program}` has no {medium_name} encoder `{codec}`");
                    Problem::new(place, message).label("it does not know this name")
                };
                problems.push(problem.help(encoders.help(medium, codec)));
            }
        }
    }

    fn place(&self, path: &str) -> Option<Span> {
        match self.origins.get(path)?.first()? {
            Origin::File(span) => Some(span.clone()),
            Origin::Default | Origin::Environment(_) | Origin::Flag(_) => None,
        }
    }
}

/// The encoders that an engine names.
fn wanted(engine: &Engine) -> impl Iterator<Item = (Medium, &str)> {
    let video = match &engine.video {
        Video::Encode(encoder) => Some((Medium::Video, &*encoder.codec)),
        Video::Copy | Video::Off => None,
    };
    let audio = match &engine.audio {
        Audio::Encode(encoder) => Some((Medium::Audio, &*encoder.codec)),
        Audio::Copy | Audio::Off => None,
    };
    video.into_iter().chain(audio)
}

#[cfg(test)]
mod tests;
