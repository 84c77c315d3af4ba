//! The packets in a file, to compare what came out of the server with what went in.
use crate::program::output_of;
use crate::tree;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a file holds, as ffmpeg reads it without decoding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recording {
    /// Each track, in the order of the file.
    pub tracks: Vec<Track>,
}

/// One audio or video track.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Track {
    /// `audio` or `video`.
    pub kind: String,
    /// ffmpeg's name of the codec.
    pub codec: String,
    /// Its packets, in decode order.
    pub packets: Vec<Packet>,
}

/// One packet of compressed media.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Decode time in milliseconds.
    pub decode_ms: i64,
    /// Presentation time in milliseconds.
    pub present_ms: i64,
    /// Whether decoding can start here.
    pub keyframe: bool,
    /// Bytes of media.
    pub len: usize,
    /// A checksum of them.
    pub checksum: String,
}

/// The current ffmpeg that `tests/run` installs; it knows the codecs of Enhanced RTMP.
#[must_use]
pub fn new_ffmpeg() -> PathBuf {
    tree::root().join("tests/.cache/ffmpeg-9.0.2")
}

impl Recording {
    /// Reads a file, which may still be growing; nothing when it holds no track yet.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        let mut command = Command::new(new_ffmpeg());
        command.args(["-nostdin", "-v", "error", "-copyts", "-i"]).arg(path);
        command.args(["-map", "0:v?", "-map", "0:a?", "-c", "copy", "-copyts"]);
        command.args(["-f", "framecrc", "-"]).stdin(Stdio::null());
        let output = command.output().expect("tests/run installs a current ffmpeg");
        let mut recording = Self { tracks: Vec::new() };
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            recording.take_line(line);
        }
        Some(recording).filter(|recording| !recording.tracks.is_empty())
    }

    /// Reads a file that must hold media by now.
    ///
    /// # Panics
    /// When it holds none.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        Self::read(path).unwrap_or_else(|| panic!("no media in {}", path.display()))
    }

    fn take_line(&mut self, line: &str) {
        if let Some((name, value)) = line.strip_prefix('#').and_then(|line| line.split_once(": ")) {
            match name.split(' ').next() {
                Some("media_type") => {
                    let track = Track { kind: value.into(), codec: "".into(), packets: vec![] };
                    self.tracks.push(track);
                }
                Some("codec_id") => {
                    let track = self.tracks.last_mut().expect("the type stands before the codec");
                    track.codec = value.into();
                }
                _ => {}
            }
            return;
        }
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let [track, decode, present, _duration, len, checksum, flags @ ..] = fields.as_slice()
        else {
            return;
        };
        let track = track.parse::<usize>().ok().and_then(|track| self.tracks.get_mut(track));
        let len = len.parse().unwrap_or_default();
        // ffmpeg marks what the end of the file cut short as corrupt, which is flag 2.
        let flags = flags.first().and_then(|flags| flags.strip_prefix("F=0x"));
        let flags = flags.map_or(1, |flags| u32::from_str_radix(flags, 16).unwrap_or_default());
        if let (Some(track), Ok(decode_ms), Ok(present_ms), 1.., 0) =
            (track, decode.parse(), present.parse(), len, flags & 2)
        {
            let keyframe = flags & 1 == 1;
            let checksum = (*checksum).to_owned();
            track.packets.push(Packet { decode_ms, present_ms, keyframe, len, checksum });
        }
    }

    /// The names of the codecs, video first.
    #[must_use]
    pub fn codecs(&self) -> Vec<&str> {
        self.sorted().map(|track| track.codec.as_str()).collect()
    }

    /// The number of packets of each track, video first.
    #[must_use]
    pub fn counts(&self) -> Vec<usize> {
        self.sorted().map(|track| track.packets.len()).collect()
    }

    fn sorted(&self) -> impl Iterator<Item = &Track> {
        let of = |kind: &'static str| self.tracks.iter().filter(move |track| track.kind == kind);
        of("video").chain(of("audio"))
    }

    /// Whether each track has come to the last second of `published`.
    #[must_use]
    pub fn is_nearly_all_of(&self, published: &Self) -> bool {
        self.sorted().count() == published.sorted().count()
            && self.sorted().zip(published.sorted()).all(|(track, whole)| {
                let last = track.packets.last().map(|packet| packet.checksum.as_str());
                whole.last_second().any(|packet| Some(packet.checksum.as_str()) == last)
            })
    }

    /// Asserts that this is a part of `published` that begins at a keyframe: same codecs, every
    /// packet byte for byte and in order, one shift of time for all of them up to `bend_ms_max`.
    /// Gives the packets of each track that it covers, video first.
    ///
    /// # Panics
    /// When it is anything else.
    pub fn assert_part_of(&self, published: &Self, bend_ms_max: i64) -> Vec<Range<usize>> {
        assert_eq!(self.codecs(), published.codecs());
        let mut shifts = BTreeSet::new();
        let mut covered = Vec::new();
        for (track, whole) in self.sorted().zip(published.sorted()) {
            let first = track.packets.first().map(|packet| &packet.checksum);
            let start = whole.packets.iter().position(|packet| Some(&packet.checksum) == first);
            let start = start.unwrap_or_else(|| panic!("{}: {first:?}", track.codec));
            let originals = whole.packets.iter().skip(start);
            let pairs = track.packets.iter().zip(originals);
            let range = start..start + pairs.len();
            assert_eq!(range.len(), track.packets.len(), "{}: sent again", track.codec);
            for (packet, original) in pairs {
                assert_eq!(packet.checksum, original.checksum, "{} {packet:?}", track.codec);
                assert_eq!(packet.keyframe, original.keyframe, "{} {packet:?}", track.codec);
                shifts.insert(original.decode_ms - packet.decode_ms);
                shifts.insert(original.present_ms - packet.present_ms);
            }
            covered.push(range);
        }
        let bend_ms = shifts.last().zip(shifts.first()).map_or(0, |(last, first)| last - first);
        assert!(bend_ms <= bend_ms_max, "the time line is bent: shifts of {shifts:?} ms");
        self.assert_starts_at_keyframe();
        self.assert_monotonic();
        covered
    }

    /// Asserts that decode times never go back within a track.
    ///
    /// # Panics
    /// When they do.
    pub fn assert_monotonic(&self) {
        for track in &self.tracks {
            for pair in track.packets.windows(2) {
                assert!(pair[0].decode_ms <= pair[1].decode_ms, "{}: {pair:?}", track.codec);
            }
        }
    }

    /// Asserts that each video track can be decoded from its first packet.
    ///
    /// # Panics
    /// When one cannot.
    pub fn assert_starts_at_keyframe(&self) {
        for track in self.tracks.iter().filter(|track| track.kind == "video") {
            let first = track.packets.first().expect("a video track has packets");
            assert!(first.keyframe, "{} starts with {first:?}", track.codec);
        }
    }
}

impl Track {
    fn last_second(&self) -> impl Iterator<Item = &Packet> {
        let last = self.packets.last().map_or(0, |packet| packet.decode_ms);
        self.packets.iter().filter(move |packet| packet.decode_ms > last - 1000)
    }
}

/// What ffprobe says of a file: `codec frames` of each track, video first, frames as decoded.
///
/// # Panics
/// When ffprobe fails.
#[must_use]
pub fn decoded_frames(path: &Path) -> Vec<(String, u64)> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-count_frames", "-of", "json", "-show_entries"]);
    command.arg("stream=codec_type,codec_name,nb_read_frames").arg(path);
    let probe: Value =
        serde_json::from_slice(&output_of(&mut command)).expect("ffprobe writes JSON");
    let streams = probe["streams"].as_array().cloned().unwrap_or_default();
    let text = |stream: &Value, name: &str| stream[name].as_str().unwrap_or_default().to_owned();
    let mut found: Vec<_> = streams
        .iter()
        .map(|stream| {
            let frames = text(stream, "nb_read_frames").parse().unwrap_or_default();
            (text(stream, "codec_type"), text(stream, "codec_name"), frames)
        })
        .collect();
    found.sort_by(|a, b| b.0.cmp(&a.0));
    found.into_iter().map(|(_, codec, frames)| (codec, frames)).collect()
}

/// Asserts that `ffmpeg` decodes all of a file without a word of complaint.
///
/// # Panics
/// When it complains.
pub fn assert_decodes(ffmpeg: &Path, path: &Path) {
    let mut command = Command::new(ffmpeg);
    command.args(["-nostdin", "-v", "error", "-i"]).arg(path);
    command.args(["-map", "0:v?", "-map", "0:a?", "-f", "null", "-"]).stdin(Stdio::null());
    let output = command.output().expect("ffmpeg can be started");
    let errors = String::from_utf8_lossy(&output.stderr);
    // Equal times are the null muxer's complaint, not a decoder's.
    let lines = errors.lines().filter(|line| !line.trim().is_empty());
    let lines = lines.filter(|line| !line.contains("non monotonically increasing dts"));
    let mut complaints = lines.take(20).collect::<Vec<_>>().join("\n");
    if !output.status.success() {
        writeln!(complaints, "{}", output.status).expect("a text can grow");
    }
    assert!(complaints.is_empty(), "{}:\n{complaints}", path.display());
}
