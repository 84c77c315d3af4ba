//! Reads playlists, and holds them to the rules of RFC 8216.
//!
//! Every playlist that is made here passes these rules (a debug assertion sees to it), and
//! `millstream inspect` tells them of the playlists of others.

mod line;

use alloc::borrow::ToOwned as _;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use line::{attribute, parse_date, parse_seconds};

/// A media playlist.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MediaPlaylist {
    /// `EXT-X-VERSION`; 1 when it is not told.
    pub version: u64,
    /// `EXT-X-TARGETDURATION` in seconds.
    pub target_secs: u64,
    /// `EXT-X-MEDIA-SEQUENCE`: the number of the first segment.
    pub media_sequence: u64,
    /// `EXT-X-DISCONTINUITY-SEQUENCE`.
    pub discontinuity_sequence: u64,
    /// `EXT-X-ENDLIST`: no segment will be added.
    pub is_ended: bool,
    /// The segments in their order.
    pub segments: Vec<Entry>,
}

/// One segment of a media playlist.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Entry {
    /// Where it is, as written.
    pub uri: String,
    /// `EXTINF` in microseconds.
    pub duration_micros: u64,
    /// `EXT-X-DISCONTINUITY` stands before it.
    pub is_discontinuity: bool,
    /// `EXT-X-PROGRAM-DATE-TIME` in milliseconds since 1970.
    pub unix_millis: Option<u64>,
}

/// One stream of a master playlist.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Variant {
    /// Where its playlist is, as written.
    pub uri: String,
    /// `BANDWIDTH` in bits per second.
    pub bandwidth: u64,
    /// `CODECS`.
    pub codecs: Option<String>,
    /// `RESOLUTION`.
    pub resolution: Option<String>,
}

/// What was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Playlist {
    /// A list of segments.
    Media(MediaPlaylist),
    /// A list of playlists.
    Master(Vec<Variant>),
}

/// A rule that a line breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Complaint {
    /// The line, from 1; 0 for the playlist as a whole.
    pub line: u32,
    /// The rule.
    pub rule: Rule,
}

/// The rules, with their sections of RFC 8216.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Rule {
    /// It begins with `#EXTM3U` (4.3.1.1).
    Begins,
    /// A date is by ISO 8601 with a time zone (4.3.2.6).
    Date,
    /// Dates and durations agree (4.3.2.6).
    DateDrift,
    /// Discontinuities that left the list are counted (6.2.2).
    DiscontinuityCount,
    /// A discontinuity is followed by a segment (4.3.2.3).
    DiscontinuityPlace,
    /// An `EXTINF` has a duration, a comma and a URI (4.3.2.1).
    Duration,
    /// A duration, rounded, is at most the target duration (4.3.3.1).
    DurationTooLong,
    /// A list that has ended does not change (6.2.1).
    Ended,
    /// An attribute that is required is there (4.3.4.2).
    Attribute,
    /// A tag has a number (4.2).
    Number,
    /// Sequences stand before the first segment (4.3.3.2, 4.3.3.3).
    SequencePlace,
    /// Sequence numbers never go back, and a segment keeps its own (6.2.2).
    SequenceChange,
    /// A tag stands once (4.3.1.2, 4.3.3).
    TagTwice,
    /// Tags of media and master playlists are not mixed (4.1).
    TagsMixed,
    /// There is a target duration (4.3.3.1).
    TargetMissing,
    /// The target duration does not change (6.2.1); a longer one is better than a wrong one.
    TargetChange,
    /// It is UTF-8 without control characters (4.1).
    Text,
    /// A URI without `EXTINF` or `EXT-X-STREAM-INF` (4.3.2.1).
    UriAlone,
    /// The version allows what is used (7).
    Version,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Begins => "a playlist begins with #EXTM3U",
            Self::Date => "a date is as in 2026-01-31T12:00:00.000Z",
            Self::DateDrift => "dates and durations do not agree",
            Self::DiscontinuityCount => "discontinuities that left the list are counted wrongly",
            Self::DiscontinuityPlace => "a discontinuity without a segment behind it",
            Self::Duration => "#EXTINF has a duration, a comma, and a URI in the next line",
            Self::DurationTooLong => "a segment is longer than the target duration",
            Self::Ended => "a list that has ended was changed",
            Self::Attribute => "a required attribute is missing",
            Self::Number => "a tag without its number",
            Self::SequencePlace => "a sequence tag behind a segment or a discontinuity",
            Self::SequenceChange => "sequence numbers went back or were used again",
            Self::TagTwice => "a tag that may stand once stands twice",
            Self::TagsMixed => "tags of media and master playlists are mixed",
            Self::TargetMissing => "there is no #EXT-X-TARGETDURATION",
            Self::TargetChange => "the target duration was changed",
            Self::Text => "no UTF-8, or control characters",
            Self::UriAlone => "a URI without a tag that describes it",
            Self::Version => "the version does not allow a tag that is used",
        })
    }
}

/// Reads a playlist as far as it can be read, with all that is wrong in it.
#[must_use]
pub fn read(text: &[u8]) -> (Playlist, Vec<Complaint>) {
    let mut reader = Reader::default();
    reader.media.version = 1;
    match core::str::from_utf8(text) {
        Ok(text) => reader.read(text),
        Err(_) => reader.complain(Rule::Text),
    }
    reader.finish()
}

/// Compares a media playlist with the one before it at the same place (section 6.2).
#[must_use]
pub fn compare(before: &MediaPlaylist, after: &MediaPlaylist) -> Vec<Rule> {
    let mut broken = Vec::new();
    if after.target_secs != before.target_secs {
        broken.push(Rule::TargetChange);
    }
    if before.is_ended && before != after {
        broken.push(Rule::Ended);
    }
    let Some(moved) = after.media_sequence.checked_sub(before.media_sequence) else {
        broken.push(Rule::SequenceChange);
        return broken;
    };
    let moved = usize::try_from(moved).unwrap_or(usize::MAX);
    let (gone, left) = before.segments.split_at_checked(moved).unwrap_or((&before.segments, &[]));
    let same = |(one, other): (&Entry, &Entry)| {
        (&one.uri, one.duration_micros) == (&other.uri, other.duration_micros)
    };
    if left.len() > after.segments.len() || !left.iter().zip(&after.segments).all(same) {
        broken.push(Rule::SequenceChange);
    }
    // A discontinuity that stands before the first segment is counted when its tag goes.
    let is_marked = |entry: &&Entry| entry.is_discontinuity;
    let mut passed = gone.iter().filter(is_marked).count();
    if let (Some(old), Some(new)) = (left.first(), after.segments.first())
        && old.is_discontinuity
        && !new.is_discontinuity
    {
        passed = passed.saturating_add(1);
    }
    let counted = after.discontinuity_sequence.checked_sub(before.discontinuity_sequence);
    // When nothing is left, there may have been further ones that nobody saw.
    let passed = u64::try_from(passed).unwrap_or(u64::MAX);
    let is_right = match counted {
        Some(counted) if left.is_empty() => counted >= passed,
        Some(counted) => counted == passed,
        None => false,
    };
    if !is_right {
        broken.push(Rule::DiscontinuityCount);
    }
    broken
}

/// How far dates and durations may part, in milliseconds.
const DATE_DRIFT_MS: u64 = 1_000;

#[derive(Debug, Default)]
struct Reader {
    line: u32,
    media: MediaPlaylist,
    variants: Vec<Variant>,
    complaints: Vec<Complaint>,
    /// Tags that stand once and have been seen.
    seen: Vec<&'static str>,
    /// What the tags say of the next segment.
    next: Entry,
    has_duration: bool,
    next_variant: Option<Variant>,
    is_media: bool,
    has_discontinuity: bool,
    /// The least version that allows all tags so far.
    needs_version: u64,
}

impl Reader {
    fn complain(&mut self, rule: Rule) {
        self.complaints.push(Complaint { line: self.line, rule });
    }

    fn read(&mut self, text: &str) {
        for line in text.lines() {
            self.line = self.line.saturating_add(1);
            if line.contains(char::is_control) {
                self.complain(Rule::Text);
            }
            if self.line == 1 {
                if line.trim_end() != "#EXTM3U" {
                    self.complain(Rule::Begins);
                }
                continue;
            }
            match line.strip_prefix('#') {
                Some(tag) => self.take_tag(tag),
                None if line.trim().is_empty() => {}
                None => self.take_uri(line),
            }
        }
        if self.line == 0 {
            self.complain(Rule::Begins);
        }
    }

    fn take_tag(&mut self, tag: &str) {
        let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
        match name {
            "EXTM3U" => self.complain(Rule::TagTwice),
            "EXT-X-VERSION" => {
                self.once("EXT-X-VERSION");
                self.media.version = self.number(value);
            }
            "EXT-X-TARGETDURATION" => {
                self.once("EXT-X-TARGETDURATION");
                self.media.target_secs = self.number(value);
                self.is_media = true;
            }
            "EXT-X-MEDIA-SEQUENCE" => {
                self.once("EXT-X-MEDIA-SEQUENCE");
                self.media.media_sequence = self.number(value);
                self.place_of_sequence();
            }
            "EXT-X-DISCONTINUITY-SEQUENCE" => {
                self.once("EXT-X-DISCONTINUITY-SEQUENCE");
                self.media.discontinuity_sequence = self.number(value);
                self.place_of_sequence();
            }
            "EXT-X-DISCONTINUITY" => {
                self.next.is_discontinuity = true;
                self.has_discontinuity = true;
                self.is_media = true;
            }
            "EXT-X-PROGRAM-DATE-TIME" => match parse_date(value) {
                Some(date) => self.next.unix_millis = Some(date),
                None => self.complain(Rule::Date),
            },
            "EXTINF" => self.take_duration(value),
            "EXT-X-ENDLIST" => self.media.is_ended = true,
            "EXT-X-BYTERANGE" | "EXT-X-I-FRAMES-ONLY" => self.needs(4),
            "EXT-X-MAP" => self.needs(5),
            "EXT-X-STREAM-INF" => self.take_variant(value),
            // Comments, and tags that nothing here depends on.
            _ => {}
        }
    }

    fn take_duration(&mut self, value: &str) {
        self.is_media = true;
        if self.has_duration {
            self.complain(Rule::Duration);
        }
        self.has_duration = true;
        let Some((number, _title)) = value.split_once(',') else {
            self.next.duration_micros = parse_seconds(value).unwrap_or_default();
            return self.complain(Rule::Duration);
        };
        if number.contains('.') {
            self.needs(3);
        }
        match parse_seconds(number) {
            Some(micros) => self.next.duration_micros = micros,
            None => self.complain(Rule::Duration),
        }
    }

    fn take_variant(&mut self, value: &str) {
        if self.next_variant.is_some() {
            self.complain(Rule::UriAlone);
        }
        let text = |name| attribute(value, name).map(str::to_owned);
        let bandwidth = attribute(value, "BANDWIDTH").and_then(|number| number.parse().ok());
        if bandwidth.is_none() {
            self.complain(Rule::Attribute);
        }
        self.next_variant = Some(Variant {
            uri: String::new(),
            bandwidth: bandwidth.unwrap_or_default(),
            codecs: text("CODECS"),
            resolution: text("RESOLUTION"),
        });
    }

    fn take_uri(&mut self, uri: &str) {
        if let Some(variant) = self.next_variant.take() {
            self.variants.push(Variant { uri: uri.to_owned(), ..variant });
            return;
        }
        if !self.has_duration {
            self.complain(Rule::UriAlone);
        }
        self.has_duration = false;
        let entry = Entry { uri: uri.to_owned(), ..core::mem::take(&mut self.next) };
        self.check_date(&entry);
        self.media.segments.push(entry);
    }

    fn check_date(&mut self, entry: &Entry) {
        let (Some(before), Some(now)) = (self.media.segments.last(), entry.unix_millis) else {
            return;
        };
        let Some(date) = before.unix_millis.filter(|_| !entry.is_discontinuity) else { return };
        let expected = date.saturating_add(before.duration_micros / 1_000);
        if expected.abs_diff(now) > DATE_DRIFT_MS {
            self.complain(Rule::DateDrift);
        }
    }

    fn once(&mut self, name: &'static str) {
        if self.seen.contains(&name) {
            self.complain(Rule::TagTwice);
        } else {
            self.seen.push(name);
        }
    }

    fn place_of_sequence(&mut self) {
        self.is_media = true;
        if !self.media.segments.is_empty() || self.has_discontinuity {
            self.complain(Rule::SequencePlace);
        }
    }

    fn needs(&mut self, version: u64) {
        self.needs_version = self.needs_version.max(version);
    }

    fn number(&mut self, value: &str) -> u64 {
        let number = value.parse().ok().filter(|_| value.bytes().all(|byte| byte.is_ascii_digit()));
        if number.is_none() {
            self.complain(Rule::Number);
        }
        number.unwrap_or_default()
    }

    fn finish(mut self) -> (Playlist, Vec<Complaint>) {
        if self.has_duration {
            self.complain(Rule::Duration);
        }
        if self.next_variant.is_some() {
            self.complain(Rule::UriAlone);
        }
        if self.next.is_discontinuity && !self.has_duration {
            self.complain(Rule::DiscontinuityPlace);
        }
        self.line = 0;
        if self.needs_version > self.media.version {
            self.complain(Rule::Version);
        }
        let is_media = self.is_media || !self.media.segments.is_empty();
        if !self.variants.is_empty() {
            if is_media {
                self.complain(Rule::TagsMixed);
            }
            return (Playlist::Master(self.variants), self.complaints);
        }
        let has_target = self.seen.contains(&"EXT-X-TARGETDURATION");
        if !has_target {
            self.complain(Rule::TargetMissing);
        }
        let target = self.media.target_secs;
        let rounded = |micros: u64| micros.saturating_add(500_000) / 1_000_000;
        if has_target && self.media.segments.iter().any(|it| rounded(it.duration_micros) > target) {
            self.complain(Rule::DurationTooLong);
        }
        (Playlist::Media(self.media), self.complaints)
    }
}

#[cfg(test)]
mod tests;
