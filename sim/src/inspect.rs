//! What is in a media file, and whether it is well: FLV, MPEG-TS, HLS playlists, captures.
//!
//! - `track`: what is counted of one track, whatever the container.
//! - `flv`, `ts`, `playlist`, `capture`: the containers.
//! - `codec`: elementary streams of MPEG-TS.
//! - `text`, `json`: the reports.

mod capture;
mod codec;
mod flv;
mod json;
mod playlist;
mod text;
mod track;
mod ts;

#[cfg(test)]
mod tests;

pub use track::{Gap, Groups, Line, Track};

use core::fmt;

/// What was found in one file.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    /// `FLV`, `MPEG-TS`, `HLS`, ...
    pub format: &'static str,
    /// Bytes of the file.
    pub bytes: u64,
    /// Facts about the container, in the order in which they are told.
    pub facts: Vec<(String, String)>,
    /// The PIDs of a transport stream.
    pub pids: Vec<Pid>,
    /// The tracks.
    pub tracks: Vec<Track>,
    /// The segments of a playlist.
    pub segments: Vec<Segment>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// A line for each frame, if they were asked for.
    pub frames: Vec<String>,
    /// Reports of what is inside: renditions of a playlist, publishers of a capture.
    pub parts: Vec<(String, Report)>,
}

/// One PID of a transport stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pid {
    /// The number.
    pub pid: u16,
    /// What it carries.
    pub role: String,
    /// Its packets.
    pub packets: u64,
}

/// One segment of a playlist.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segment {
    /// As the playlist names it.
    pub uri: String,
    /// Its media sequence number.
    pub sequence: u64,
    /// By the playlist, in microseconds.
    pub listed_micros: u64,
    /// By its media, in microseconds; absent when it cannot be read.
    pub found_micros: Option<u64>,
    /// Its bytes.
    pub bytes: u64,
    /// Its first picture is a keyframe.
    pub starts_with_keyframe: bool,
    /// A discontinuity stands before it.
    pub is_discontinuity: bool,
}

/// How bad a problem is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// Most players cope with it.
    Flaw,
    /// Against the specification, or players fail.
    Bad,
}

/// Something that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What it is; equal texts are one problem.
    pub text: String,
    /// Where it is for the first time, for people.
    pub place: String,
    /// How often.
    pub count: u64,
}

/// What all of it comes to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// Nothing is wrong.
    Good,
    /// Most players cope.
    Flawed,
    /// Broken.
    Bad,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "good",
            Self::Flawed => "flawed",
            Self::Bad => "bad",
        })
    }
}

/// Whether each frame gets a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Frames {
    /// Tables only.
    #[default]
    Counted,
    /// A line for each frame besides.
    Listed,
}

/// How the files beside a playlist are read: a URI as the playlist has it to bytes, or why not.
pub type Fetch<'a> = dyn FnMut(&str) -> Result<Vec<u8>, String> + 'a;

impl Report {
    /// Looks into a file; what it is shows in its first bytes.
    ///
    /// # Errors
    /// It is nothing that can be inspected.
    pub fn of(bytes: &[u8], frames: Frames, fetch: &mut Fetch<'_>) -> Result<Self, String> {
        match bytes {
            [b'F', b'L', b'V', ..] => Ok(flv::report(bytes, frames)),
            [b'#', b'E', b'X', b'T', ..] => Ok(playlist::report(bytes, frames, fetch)),
            bytes if capture::is_capture(bytes) => capture::report(bytes, frames),
            bytes if ts::is_transport_stream(bytes) => Ok(ts::report(bytes, frames)),
            _ => Err("neither FLV, nor MPEG-TS, nor an HLS playlist, nor a capture".to_owned()),
        }
    }

    fn new(format: &'static str, bytes: u64) -> Self {
        Self {
            format,
            bytes,
            facts: Vec::new(),
            pids: Vec::new(),
            tracks: Vec::new(),
            segments: Vec::new(),
            problems: Vec::new(),
            frames: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// The worst of all problems, those of the parts included.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let own = self.problems.iter().map(|problem| match problem.severity {
            Severity::Flaw => Verdict::Flawed,
            Severity::Bad => Verdict::Bad,
        });
        let parts = self.parts.iter().map(|(_, part)| part.verdict());
        own.chain(parts).max().unwrap_or(Verdict::Good)
    }

    /// The report as tables, for people.
    #[must_use]
    pub fn text(&self) -> String {
        text::render(self)
    }

    /// The report as one JSON document, for programs.
    #[must_use]
    pub fn json(&self) -> String {
        json::render(self)
    }

    fn fact(&mut self, name: &str, value: impl Into<String>) {
        self.facts.push((name.to_owned(), value.into()));
    }

    /// Adds a problem, or counts it if it is known.
    fn problem(&mut self, severity: Severity, text: impl Into<String>, place: impl Into<String>) {
        self.problem_times(severity, text, place, 1);
    }

    fn problem_times(
        &mut self,
        severity: Severity,
        text: impl Into<String>,
        place: impl Into<String>,
        count: u64,
    ) {
        let text = text.into();
        match self.problems.iter_mut().find(|known| known.text == text) {
            Some(known) => known.count += count,
            None => self.problems.push(Problem { severity, text, place: place.into(), count }),
        }
    }

    /// What the tracks show of problems, in any container.
    fn judge_tracks(&mut self) {
        if self.tracks.iter().all(|track| track.frames == 0) {
            self.problem(Severity::Bad, "no audio and no video", "");
        }
        for track in core::mem::take(&mut self.tracks) {
            track.judge(self);
            self.tracks.push(track);
        }
        let begin = |kind| self.tracks.iter().find(|it| it.kind == kind)?.line.first;
        if let (Some(video), Some(audio)) = (begin("video"), begin("audio"))
            && (video - audio).abs() > track::TICKS * 1_000
        {
            let skew = track::millis(audio - video);
            let text = format!("audio begins {skew} ms after video");
            self.problem(Severity::Flaw, text, "start");
        }
    }
}
