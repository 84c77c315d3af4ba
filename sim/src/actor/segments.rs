//! One that plays by HTTP, segment by segment: it looks at the playlist again and again on one
//! connection, and fetches what is new.

use crate::scenario::SegmentsPlan;
use millstream_core::hls::reader::{MediaPlaylist, Playlist, read};
use std::collections::VecDeque;

/// Requests that nobody should make, and that must be refused without harm to anybody.
const NONSENSE: [&str; 9] = [
    "GET /live/../../etc/passwd HTTP/1.1\r\nHost: simulated\r\n\r\n",
    "GET /live/stream-0-99999999999999999999999.ts HTTP/1.1\r\nHost: simulated\r\n\r\n",
    "GET /live/stream-0-18446744073709551615.ts HTTP/1.1\r\nHost: simulated\r\n\r\n",
    "DELETE /live/stream-0.m3u8 HTTP/1.1\r\nHost: simulated\r\n\r\n",
    "GET /live/%00%ff.m3u8 HTTP/1.1\r\nHost: simulated\r\n\r\n",
    "GET /live/stream-0.m3u8 HTTP/9.9\r\nHost: simulated\r\n\r\n",
    "GET /live/stream-0.m3u8 HTTP/1.1\r\n\r\n",
    "GET /live/stream-0.m3u8 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "\u{3}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\u{0}\r\n\r\n",
];

#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) plan: SegmentsPlan,
    asked: Asked,
    /// Of the answer that is on its way.
    head: Option<Head>,
    inbox: Vec<u8>,
    newest: Option<u64>,
    stream: String,
    wanted: VecDeque<(u64, String)>,
}

#[derive(Debug)]
struct Head {
    /// Where the body begins.
    body_at: usize,
    body_len: usize,
    /// In small letters.
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    Nothing,
    Nonsense,
    Playlist,
    Segment(u64),
}

/// What a watcher has got.
#[derive(Debug)]
pub(super) enum Got {
    /// A playlist.
    Playlist(Vec<u8>),
    /// A segment, by its number.
    Segment(u64, Vec<u8>),
    /// There is no playlist: nothing is published, or not yet.
    NoPlaylist,
    /// A segment that the playlist had is not there.
    NoSegment(u64),
    /// Nonsense was refused.
    Refused,
}

impl Watcher {
    pub(super) fn new(plan: SegmentsPlan, stream: String) -> Self {
        let (inbox, wanted) = <(Vec<u8>, VecDeque<(u64, String)>)>::default();
        Self { plan, asked: Asked::Nothing, head: None, inbox, newest: None, stream, wanted }
    }

    /// It waits for an answer.
    pub(super) fn is_waiting(&self) -> bool {
        self.asked != Asked::Nothing
    }

    /// A look at the playlist; gives the request.
    pub(super) fn look(&mut self) -> String {
        self.asked = Asked::Playlist;
        format!("GET /live/{}.m3u8 HTTP/1.1\r\nHost: simulated\r\n\r\n", self.stream)
    }

    /// A request that nobody should make.
    pub(super) fn ask_nonsense(&mut self, which: usize) -> &'static str {
        self.asked = Asked::Nonsense;
        NONSENSE[which % NONSENSE.len()]
    }

    /// The next request, if there is something to fetch.
    pub(super) fn next_request(&mut self) -> Option<String> {
        let (sequence, uri) = self.wanted.pop_front()?;
        self.asked = Asked::Segment(sequence);
        Some(format!("GET /live/{uri} HTTP/1.1\r\nHost: simulated\r\n\r\n"))
    }

    /// Takes bytes of the server; gives the answer once it is whole.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Option<Got>, String> {
        let looked_at = self.inbox.len().saturating_sub(3);
        self.inbox.extend_from_slice(bytes);
        if self.head.is_none() {
            self.head = Head::find(&self.inbox, looked_at);
        }
        let is_whole = |head: &mut Head| self.inbox.len() >= head.body_at + head.body_len;
        let Some(Head { body_at, body_len, text: head }) = self.head.take_if(is_whole) else {
            return Ok(None);
        };
        if self.inbox.len() > body_at + body_len {
            return Err("more came than was asked for".to_owned());
        }
        let body = self.inbox.split_off(body_at);
        self.inbox.clear();
        let status = head.get(9..12).unwrap_or_default();
        let asked = std::mem::replace(&mut self.asked, Asked::Nothing);
        Ok(Some(match (asked, status) {
            (Asked::Nonsense, "400" | "404" | "405" | "414" | "501" | "503" | "505") => {
                Got::Refused
            }
            (Asked::Playlist, "200") => {
                self.want(&body);
                Got::Playlist(body)
            }
            (Asked::Playlist, "404" | "503") => Got::NoPlaylist,
            (Asked::Segment(sequence), "200") => Got::Segment(sequence, body),
            (Asked::Segment(sequence), "404" | "503") => Got::NoSegment(sequence),
            _ => return Err(format!("{asked:?} was answered {head:?}")),
        }))
    }

    /// What is new in a playlist is fetched.
    fn want(&mut self, text: &[u8]) {
        let (Playlist::Media(list), _) = read(text) else { return };
        let MediaPlaylist { media_sequence, segments, .. } = list;
        for (sequence, entry) in (media_sequence..).zip(segments) {
            if self.newest.is_none_or(|newest| newest < sequence) {
                self.newest = Some(sequence);
                self.wanted.push_back((sequence, entry.uri));
            }
        }
    }
}

impl Head {
    /// The head at the front of `bytes`, whose end is not before `from`.
    fn find(bytes: &[u8], from: usize) -> Option<Self> {
        let end = bytes[from..].windows(4).position(|part| part == b"\r\n\r\n")?;
        let body_at = from + end + 4;
        let text = String::from_utf8_lossy(&bytes[..body_at]).to_ascii_lowercase();
        let len = text.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
        let body_len = len.and_then(|len| len.parse().ok()).unwrap_or(0);
        Some(Self { body_at, body_len, text })
    }
}
