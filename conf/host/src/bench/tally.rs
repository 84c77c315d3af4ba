//! What was measured.

use super::histogram::Histogram;
use std::collections::BTreeMap;
use std::time::Duration;

/// A player without media for this long has stalled.
pub(super) const STALL: Duration = Duration::from_secs(1);

/// Measurements of many clients.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Clients whose stream started.
    pub(crate) started: u64,
    /// Clients that never got a frame, or a segment, after their start.
    pub(crate) silent: u64,
    /// Clients that did not start, by reason.
    pub(crate) failures: BTreeMap<String, u64>,
    /// Clients that ended before their time, by reason.
    pub(crate) losses: BTreeMap<String, u64>,
    /// From the first SYN to Play.Start or Publish.Start.
    pub(crate) setup_micros: Histogram,
    /// From Play.Start to the first coded frame.
    pub(crate) first_frame_micros: Histogram,
    /// From the publisher's send to the player's receive, for frames sent after Play.Start. Of HLS,
    /// of the last picture of each segment.
    pub(crate) latency_micros: Histogram,
    /// Of each client over its time.
    pub(crate) bits_per_second: Histogram,
    /// Times of more than [`STALL`] without media; of HLS, segments that came after their turn.
    pub(crate) stalls: u64,
    pub(crate) longest_gap_micros: u64,
    /// Marked frames that did not come, between some that came.
    pub(crate) lost_frames: u64,
    /// Of HLS: from the request for a playlist to the whole of it.
    pub(crate) playlist_micros: Histogram,
    /// Of HLS: from the request for a segment to the whole of it.
    pub(crate) segment_micros: Histogram,
    pub(crate) segments: u64,
    /// Segments that had left before they were fetched.
    pub(crate) lost_segments: u64,
    /// What is wrong in transport streams and playlists.
    pub(crate) faults: u64,
    pub(crate) bytes: u64,
}

impl Tally {
    /// One client did not start.
    pub(crate) fn fail(&mut self, reason: &str) {
        *self.failures.entry(reason.to_owned()).or_default() += 1;
    }

    /// One client ended before its time.
    pub(crate) fn lose(&mut self, reason: &str) {
        *self.losses.entry(reason.to_owned()).or_default() += 1;
    }

    /// A player had no media for so long.
    pub(crate) fn note_gap(&mut self, gap: Duration) {
        let micros = u64::try_from(gap.as_micros()).unwrap_or(u64::MAX);
        self.longest_gap_micros = self.longest_gap_micros.max(micros);
        if gap > STALL {
            self.stalls += 1;
        }
    }

    /// Every client started and none was lost.
    pub(crate) fn is_clean(&self) -> bool {
        self.failures.is_empty() && self.losses.is_empty() && self.silent == 0
    }

    /// Adds the measurements of other clients.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.started += other.started;
        self.silent += other.silent;
        for (reason, count) in &other.failures {
            *self.failures.entry(reason.clone()).or_default() += count;
        }
        for (reason, count) in &other.losses {
            *self.losses.entry(reason.clone()).or_default() += count;
        }
        self.setup_micros.merge(&other.setup_micros);
        self.first_frame_micros.merge(&other.first_frame_micros);
        self.latency_micros.merge(&other.latency_micros);
        self.bits_per_second.merge(&other.bits_per_second);
        self.stalls += other.stalls;
        self.longest_gap_micros = self.longest_gap_micros.max(other.longest_gap_micros);
        self.lost_frames += other.lost_frames;
        self.playlist_micros.merge(&other.playlist_micros);
        self.segment_micros.merge(&other.segment_micros);
        self.segments += other.segments;
        self.lost_segments += other.lost_segments;
        self.faults += other.faults;
        self.bytes += other.bytes;
    }
}
