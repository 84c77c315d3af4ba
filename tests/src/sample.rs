//! The media that the tests publish: made by ffmpeg when first asked for, or kept in the repository.
use crate::program::output_of;
use crate::tree;
use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

const PICTURE: &str = "testsrc2=size=320x180:rate=25";
const TONE: &str = "sine=frequency=440:sample_rate=44100";

/// A sample made by Debian's ffmpeg: seconds, then the arguments that choose its codecs.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// The name of the file.
    pub name: &'static str,
    /// How long it plays.
    pub seconds: u32,
    /// A picture and a tone, or one of them.
    pub tracks: Tracks,
    /// The encoders and their options.
    pub arguments: &'static str,
}

/// What a sample holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tracks {
    /// A tone.
    Audio,
    /// A picture and a tone.
    Both,
    /// A picture.
    Video,
}

/// H.264 baseline, a keyframe every two seconds, and AAC: what most encoders send.
pub const H264_AAC: Recipe = Recipe {
    name: "h264-aac",
    seconds: 8,
    tracks: Tracks::Both,
    arguments: "-c:v libx264 -profile:v baseline -preset veryfast -g 50 -sc_threshold 0 -b:v 200k \
                -c:a aac -ac 2 -b:a 64k",
};

/// H.264 High with three B-frames, whose presentation and decode times differ, and AAC at 48 kHz.
pub const H264_HIGH_AAC: Recipe = Recipe {
    name: "h264-high-aac",
    seconds: 8,
    tracks: Tracks::Both,
    arguments: "-c:v libx264 -profile:v high -preset veryfast -bf 3 -b_strategy 0 -g 50 \
                -sc_threshold 0 -b:v 200k -c:a aac -ar 48000 -ac 2 -b:a 64k",
};

/// The codecs of Flash's time, as far as ffmpeg can still write them.
pub const LEGACY: &[Recipe] = &[
    legacy("flv1-mp3", Tracks::Both, "-c:v flv -g 50 -b:v 300k -c:a libmp3lame -ar 22050"),
    legacy("speex", Tracks::Audio, "-c:a libspeex -ar 16000 -ac 1"),
    legacy("nellymoser", Tracks::Audio, "-c:a nellymoser -ar 22050 -ac 1"),
    legacy("adpcm", Tracks::Audio, "-c:a adpcm_swf -ar 22050"),
    legacy("alaw", Tracks::Audio, "-c:a pcm_alaw -ar 8000 -ac 1"),
    legacy("mulaw", Tracks::Audio, "-c:a pcm_mulaw -ar 8000 -ac 1"),
    legacy("flashsv", Tracks::Video, "-c:v flashsv -g 25"),
];

const fn legacy(name: &'static str, tracks: Tracks, arguments: &'static str) -> Recipe {
    Recipe { name, seconds: 4, tracks, arguments }
}

/// The file of a sample, made now when it is not there yet.
///
/// # Panics
/// When ffmpeg is missing or fails.
#[must_use]
pub fn made(recipe: Recipe) -> PathBuf {
    let seconds = recipe.seconds.to_string();
    let mut arguments = vec!["-v", "error", "-y"];
    if recipe.tracks != Tracks::Audio {
        arguments.extend(["-f", "lavfi", "-i", PICTURE]);
    }
    if recipe.tracks != Tracks::Video {
        arguments.extend(["-f", "lavfi", "-i", TONE]);
    }
    arguments.extend(recipe.arguments.split_whitespace());
    arguments.extend(["-t", &seconds, "-f", "flv"]);
    let mut hasher = DefaultHasher::new();
    arguments.hash(&mut hasher);
    let name = format!("{}-{:016x}.flv", recipe.name, hasher.finish());
    kept(&name, |path| {
        drop(output_of(Command::new("ffmpeg").args(&arguments).arg(path)));
    })
}

/// A file of `tests/media`, whose `ORIGIN.md` says where each comes from.
#[must_use]
pub fn in_repository(name: &str) -> PathBuf {
    tree::root().join("tests/media").join(name)
}

/// The further samples in a folder `shared/media`, when there is one.
#[must_use]
pub fn shared(name: &str) -> Option<PathBuf> {
    let folder = env::var_os("MILLSTREAM_SHARED").map(PathBuf::from);
    let folder = folder.or_else(|| Some(tree::root().parent()?.join("shared")))?;
    Some(folder.join("media").join(name)).filter(|path| path.is_file())
}

/// The sample with `first` (milliseconds, wrapping) added to each timestamp.
///
/// # Panics
/// When the sample cannot be read.
#[must_use]
pub fn shifted(sample: &Path, first: u32) -> PathBuf {
    let stem = sample.file_stem().expect("a sample has a name").to_string_lossy();
    kept(&format!("{stem}-from-{first}.flv"), |path| {
        let mut bytes = fs::read(sample).expect("a sample can be read");
        for tag in tags(&bytes) {
            let time = tag.timestamp.wrapping_add(first).to_be_bytes();
            bytes[tag.start + 4..tag.start + 7].copy_from_slice(&time[1..]);
            bytes[tag.start + 7] = time[0];
        }
        fs::write(path, bytes).expect("the cache can be written");
    })
}

/// The sample with the first audio tag in front of the first video tag, as OBS sends them.
///
/// # Panics
/// When the sample cannot be read or does not begin with metadata, video and audio.
#[must_use]
pub fn audio_first(sample: &Path) -> PathBuf {
    let stem = sample.file_stem().expect("a sample has a name").to_string_lossy();
    kept(&format!("{stem}-audio-first.flv"), |path| {
        let mut bytes = fs::read(sample).expect("a sample can be read");
        let first = tags(&bytes).into_iter().take(3).collect::<Vec<_>>();
        let [_, video, audio] = first.as_slice() else { panic!("{first:?}") };
        assert_eq!([bytes[video.start], bytes[audio.start]], [9, 8]);
        bytes[video.start..audio.end].rotate_left(video.end - video.start);
        fs::write(path, bytes).expect("the cache can be written");
    })
}

/// One tag of an FLV file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag {
    /// Where its header begins.
    pub start: usize,
    /// Where the length behind it ends.
    pub end: usize,
    /// Its decode time in milliseconds.
    pub timestamp: u32,
}

/// The tags of an FLV file, in order.
#[must_use]
pub fn tags(file: &[u8]) -> Vec<Tag> {
    let mut found = Vec::new();
    let mut start = 13;
    while let Some(&[_, a, b, c, e, f, g, d]) =
        file.get(start..).and_then(|rest| rest.first_chunk())
    {
        let end = start + 11 + u32::from_be_bytes([0, a, b, c]) as usize + 4;
        found.push(Tag { start, end, timestamp: u32::from_be_bytes([d, e, f, g]) });
        start = end;
    }
    found
}

/// Shortens an FLV file to its whole tags; rtmpsrc hands over blocks, and its last one cuts a tag.
///
/// # Panics
/// When the file cannot be read or written.
pub fn drop_cut_tag(path: &Path) {
    let bytes = fs::read(path).expect("a recording can be read");
    let whole = tags(&bytes).into_iter().map(|tag| tag.end).rfind(|end| *end <= bytes.len());
    fs::write(path, &bytes[..whole.unwrap_or_default()]).expect("a recording can be written");
}

/// A file of the cache, made once; a test never sees a half-written one.
fn kept(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    static MAKING: Mutex<()> = Mutex::new(());
    let folder = tree::root().join("tests/.cache/media");
    let path = folder.join(name);
    let making = MAKING.lock();
    if !path.is_file() {
        fs::create_dir_all(&folder).expect("the cache can be written");
        let unfinished = folder.join(format!("unfinished-{}-{name}", std::process::id()));
        make(&unfinished);
        fs::rename(unfinished, &path).expect("the cache can be written");
    }
    drop(making);
    path
}
