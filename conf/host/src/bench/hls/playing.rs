//! What a viewer fetches, where that lies, and when it should have come.

use crate::client::Target;
use millstream_core::hls::reader::MediaPlaylist;
use std::time::{Duration, Instant};

/// A player begins so many segments before the end (RFC 8216, section 6.3.3).
const SEGMENTS_BEHIND: u64 = 3;

/// The sequence number from which a playlist is fetched when `next` comes next, and how many
/// segments have left it before.
pub(super) fn fetch_from(playlist: &MediaPlaylist, next: Option<u64>) -> (u64, u64) {
    let first = playlist.media_sequence;
    let end = first.saturating_add(playlist.segments.len() as u64);
    match next {
        // Numbers went back: the server began anew, and so does a player.
        Some(next) if next <= end => (next.max(first), first.saturating_sub(next)),
        Some(_) | None => (end.saturating_sub(SEGMENTS_BEHIND).max(first), 0),
    }
}

/// The path of a segment that a playlist names; `None` if it lies on another host.
pub(super) fn locate(playlist: &Target, uri: &str) -> Option<String> {
    if let Some(rest) = uri.strip_prefix("http://") {
        let (authority, path) = rest.split_once('/')?;
        let is_same = authority == playlist.authority() || authority == playlist.host;
        return is_same.then(|| format!("/{path}"));
    }
    if uri.starts_with('/') {
        return (!uri.starts_with("//")).then(|| uri.to_owned());
    }
    (!uri.contains("://")).then(|| format!("/{}/{uri}", playlist.app))
}

/// The clock of a player: until when it has something to play. It begins to play with as many
/// segments as it is to be behind, so that a stream that has just begun is no stall.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Playhead {
    buffered: Duration,
    plays_until: Option<Instant>,
    segments: u64,
}

impl Playhead {
    /// Segments that have come.
    pub(super) const fn segments(&self) -> u64 {
        self.segments
    }

    /// A segment has come; gives how long the player has waited for it with nothing to play.
    pub(super) fn take(&mut self, now: Instant, duration: Duration) -> Duration {
        self.segments += 1;
        let Some(until) = self.plays_until else {
            self.buffered += duration;
            let begins = self.segments >= SEGMENTS_BEHIND;
            self.plays_until = begins.then(|| now + self.buffered);
            return Duration::ZERO;
        };
        let late = self.late_at(now);
        self.plays_until = Some(until.max(now) + duration);
        late
    }

    /// How long the player has had nothing to play.
    pub(super) fn late_at(&self, now: Instant) -> Duration {
        self.plays_until.map_or(Duration::ZERO, |until| now.saturating_duration_since(until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::hls::reader::Entry;
    use pretty_assertions::assert_eq;

    #[test]
    fn what_is_new_is_fetched_once_and_what_has_left_is_lost() {
        let check = |next: Option<u64>, len: usize, expected: (u64, u64)| {
            let segments = vec![Entry::default(); len];
            let playlist =
                MediaPlaylist { media_sequence: 100, segments, ..MediaPlaylist::default() };
            assert_eq!(fetch_from(&playlist, next), expected, "{next:?} of {len}");
        };
        check(None, 0, (100, 0));
        check(None, 2, (100, 0));
        check(None, 6, (103, 0));
        check(Some(103), 6, (103, 0));
        check(Some(106), 6, (106, 0));
        check(Some(97), 6, (100, 3));
        check(Some(5_000), 6, (103, 0));
    }

    #[test]
    fn segments_lie_beside_their_playlist_or_where_they_say() {
        let target = Target::parse_http("http://h:8080/live/a.m3u8?x=1").expect("a target");
        let check = |uri: &str, path: Option<&str>| {
            assert_eq!(locate(&target, uri).as_deref(), path, "{uri}");
        };
        check("a-1.ts", Some("/live/a-1.ts"));
        check("sub/a-1.ts?t=2", Some("/live/sub/a-1.ts?t=2"));
        check("/other/a-1.ts", Some("/other/a-1.ts"));
        check("http://h:8080/live/a-1.ts", Some("/live/a-1.ts"));
        check("http://elsewhere/a-1.ts", None);
        check("//elsewhere/a-1.ts", None);
        check("https://h/live/a-1.ts", None);
    }

    #[test]
    fn a_segment_that_comes_after_its_turn_has_been_waited_for() {
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut playhead = Playhead::default();
        let mut check = |now: u64, late: u64| {
            let duration = Duration::from_secs(2);
            assert_eq!(playhead.take(at(now), duration), Duration::from_millis(late), "{now}");
        };
        check(0, 0);
        check(4_000, 0);
        // It plays from here, for six seconds.
        check(5_000, 0);
        check(10_500, 0);
        check(13_500, 500);
        // The player went on at 13.5 s, so it has something up to 15.5 s.
        check(15_500, 0);
        assert_eq!(playhead.late_at(at(17_500)), Duration::ZERO);
        assert_eq!(playhead.late_at(at(17_501)), Duration::from_millis(1));
    }
}
