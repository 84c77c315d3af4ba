//! TCP as two byte pipes.
//!
//! A pipe takes bytes up to its capacity, cuts them into segments, and delivers each segment after
//! the latency and at the rate of the link, in order. Bytes keep their capacity until they are read,
//! as the windows and buffers of two kernels do together.

use crate::entropy::Entropy;
use bytes::Bytes;
use std::collections::VecDeque;

/// Microseconds of virtual time since the start of the run.
pub type Micros = u64;

/// Segments that one write is cut into, more or less.
const SEGMENTS_MAX: usize = 32;

/// What a link does to its bytes when nothing breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkProfile {
    /// Time from one end to the other.
    pub latency: Micros,
    /// Added to the latency of a segment, from 0 up to this.
    pub jitter: Micros,
    /// Bytes per second; 0 for no limit.
    pub rate: u64,
    /// Bytes on their way or unread, for each direction.
    pub capacity: usize,
    /// Longest segment; longer writes are cut. 0 does not cut.
    pub segment_len_max: usize,
    /// One in so many writes takes fewer bytes than there is room for; 0 never.
    pub short_write_one_in: u64,
    /// One in so many reads gets fewer bytes than there are; 0 never.
    pub short_read_one_in: u64,
}

impl Default for LinkProfile {
    fn default() -> Self {
        Self {
            latency: 1_000,
            jitter: 0,
            rate: 0,
            capacity: 256 << 10,
            segment_len_max: 0,
            short_write_one_in: 0,
            short_read_one_in: 0,
        }
    }
}

impl LinkProfile {
    /// What it carries at most: a window for each round trip, at its rate.
    #[must_use]
    pub fn bytes_per_second(&self) -> u64 {
        let trip = (2 * self.latency + self.jitter).max(1);
        let by_window = self.capacity as u64 * 1_000_000 / trip;
        if self.rate == 0 { by_window } else { by_window.min(self.rate) }
    }
}

/// What a reader finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// So many bytes.
    Bytes(usize),
    /// The other end sends no more.
    End,
    /// The other end reset the connection.
    Reset,
    /// Nothing yet; at this time there is something, unless `None`.
    Pending(Option<Micros>),
}

/// One direction of a connection.
#[derive(Debug)]
pub struct Pipe {
    ended: Option<Ending>,
    /// When the segment that was cut last arrives.
    last_arrival: Micros,
    profile: LinkProfile,
    queued: usize,
    /// When the link has sent what it was given, at its rate.
    sent_at: Micros,
    segments: VecDeque<Segment>,
    /// Nothing arrives any more.
    silent: bool,
    /// Nothing arrives before.
    stalled_until: Micros,
}

#[derive(Debug)]
struct Segment {
    at: Micros,
    bytes: Bytes,
}

#[derive(Clone, Copy, Debug)]
struct Ending {
    at: Micros,
    reset: bool,
}

impl Pipe {
    /// An empty pipe.
    #[must_use]
    pub const fn new(profile: LinkProfile) -> Self {
        Self {
            ended: None,
            last_arrival: 0,
            profile,
            queued: 0,
            sent_at: 0,
            segments: VecDeque::new(),
            silent: false,
            stalled_until: 0,
        }
    }

    /// Bytes on their way or unread.
    #[must_use]
    pub const fn queued(&self) -> usize {
        self.queued
    }

    /// Bytes that it would take now.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.profile.capacity.saturating_sub(self.queued)
    }

    /// A writer that waits for room is told of it: as with real sockets, not of each byte.
    #[must_use]
    pub const fn is_roomy(&self) -> bool {
        self.room() >= self.profile.capacity / 3
    }

    /// How many of `len` bytes a write takes: all that there is room for, or fewer on a whim; after
    /// the end all, for nothing.
    pub fn accept_len(&self, len: usize, entropy: &mut Entropy) -> usize {
        if self.ended.is_some() {
            return len;
        }
        let room = self.room().min(len);
        if room > 0 && entropy.one_in(self.profile.short_write_one_in) {
            return entropy.range(0..=room as u64 - 1) as usize;
        }
        room
    }

    /// Sends bytes that were accepted; gives when the first of them arrive.
    pub fn send(&mut self, now: Micros, bytes: Bytes, entropy: &mut Entropy) -> Micros {
        let mut rest = bytes;
        let mut first = None;
        if self.ended.is_some() {
            return now;
        }
        // Long writes are cut into longer segments: time is better spent on other runs.
        let longest = self.profile.segment_len_max.max(rest.len() / SEGMENTS_MAX);
        // What a link carries slowly arrives bit by bit.
        let steady = if self.profile.rate == 0 { usize::MAX } else { self.steady_len() };
        while !rest.is_empty() {
            let cut = match self.profile.segment_len_max {
                0 => rest.len(),
                _ => longest - entropy.range(0..=longest as u64 - 1) as usize,
            };
            let cut = cut.min(steady).min(rest.len());
            let part = rest.split_to(cut);
            let at = self.arrival(now, part.len(), entropy);
            first.get_or_insert(at);
            self.queued += part.len();
            self.segments.push_back(Segment { at, bytes: part });
        }
        first.unwrap_or(now)
    }

    /// What the link carries within a tenth of a second.
    fn steady_len(&self) -> usize {
        usize::try_from(self.profile.rate / 10).unwrap_or(usize::MAX).max(1)
    }

    /// Sends the end: `reset` also loses what is on its way. Gives when it arrives.
    pub fn end(&mut self, now: Micros, reset: bool) -> Micros {
        if reset {
            self.segments.clear();
            self.queued = 0;
            self.last_arrival = 0;
        }
        let at = self.arrival(now, 0, &mut Entropy::empty());
        self.ended.get_or_insert(Ending { at, reset });
        at
    }

    /// Nothing arrives for a while.
    pub fn stall(&mut self, until: Micros) {
        self.stalled_until = self.stalled_until.max(until);
        self.last_arrival = self.last_arrival.max(until);
        for segment in &mut self.segments {
            segment.at = segment.at.max(until);
        }
        if let Some(ending) = &mut self.ended {
            ending.at = ending.at.max(until);
        }
    }

    /// Nothing arrives any more, and nobody is told.
    pub fn silence(&mut self) {
        self.silent = true;
    }

    /// What the reader finds now, up to `max` bytes, merged as they came.
    pub fn read(
        &mut self,
        now: Micros,
        max: usize,
        entropy: &mut Entropy,
        mut take: impl FnMut(&[u8]),
    ) -> Arrival {
        if self.silent {
            return Arrival::Pending(None);
        }
        let mut max = max;
        if max > 1 && entropy.one_in(self.profile.short_read_one_in) {
            max = max.min(600) - entropy.range(0..=max.min(600) as u64 - 1) as usize;
        }
        let mut len = 0;
        while let Some(segment) = self.segments.front_mut().filter(|segment| segment.at <= now) {
            let part = segment.bytes.split_to(segment.bytes.len().min(max - len));
            if segment.bytes.is_empty() {
                self.segments.pop_front();
            }
            len += part.len();
            take(&part);
            if len == max {
                break;
            }
        }
        if len > 0 {
            self.queued -= len;
            return Arrival::Bytes(len);
        }
        match (self.segments.front(), self.ended) {
            (Some(segment), _) => Arrival::Pending(Some(segment.at)),
            (None, Some(ending)) if ending.at > now => Arrival::Pending(Some(ending.at)),
            (None, Some(Ending { reset: true, .. })) => Arrival::Reset,
            (None, Some(Ending { reset: false, .. })) => Arrival::End,
            (None, None) => Arrival::Pending(None),
        }
    }

    /// When there is something to read: now, later, or never.
    #[must_use]
    pub fn readable_at(&self) -> Option<Micros> {
        let first = self.segments.front().map(|segment| segment.at);
        let at = first.or(self.ended.map(|ending| ending.at));
        at.filter(|_| !self.silent)
    }

    fn arrival(&mut self, now: Micros, len: usize, entropy: &mut Entropy) -> Micros {
        let LinkProfile { latency, jitter, rate, .. } = self.profile;
        self.sent_at = self.sent_at.max(now);
        if let Some(micros) = (len as u64 * 1_000_000).checked_div(rate) {
            self.sent_at += micros;
        }
        let at = self.sent_at + latency + entropy.range(0..=jitter);
        self.last_arrival = self.last_arrival.max(at).max(self.stalled_until);
        self.last_arrival
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use quickcheck::quickcheck;

    fn read(pipe: &mut Pipe, now: Micros) -> (Arrival, Vec<u8>) {
        let mut bytes = Vec::new();
        let mut take = |part: &[u8]| bytes.extend_from_slice(part);
        let arrival = pipe.read(now, 1_000, &mut Entropy::empty(), &mut take);
        (arrival, bytes)
    }

    #[test]
    fn bytes_arrive_after_the_latency_at_the_rate_and_then_the_end() {
        let profile = LinkProfile { latency: 10, rate: 1_000_000, ..LinkProfile::default() };
        let mut pipe = Pipe::new(profile);
        assert_eq!(pipe.send(0, Bytes::from_static(&[1; 100]), &mut Entropy::empty()), 110);
        assert_eq!(pipe.end(0, false), 110);
        assert_eq!(read(&mut pipe, 109), (Arrival::Pending(Some(110)), vec![]));
        assert_eq!(read(&mut pipe, 110), (Arrival::Bytes(100), vec![1; 100]));
        assert_eq!(read(&mut pipe, 110), (Arrival::End, vec![]));
    }

    #[test]
    fn a_reset_loses_what_is_on_its_way_and_silence_is_silent() {
        let mut pipe = Pipe::new(LinkProfile::default());
        pipe.send(0, Bytes::from_static(&[1; 100]), &mut Entropy::empty());
        pipe.end(0, true);
        assert_eq!(read(&mut pipe, 1_000), (Arrival::Reset, vec![]));
        pipe.silence();
        assert_eq!(read(&mut pipe, 9_000), (Arrival::Pending(None), vec![]));
    }

    #[test]
    fn nothing_comes_after_the_end() {
        let mut pipe = Pipe::new(LinkProfile { latency: 10, ..LinkProfile::default() });
        pipe.end(0, false);
        assert_eq!(pipe.accept_len(30, &mut Entropy::empty()), 30);
        pipe.send(5, Bytes::from_static(&[1; 30]), &mut Entropy::empty());
        assert_eq!(read(&mut pipe, 1_000), (Arrival::End, vec![]));
    }

    #[test]
    fn unread_bytes_fill_the_pipe() {
        let mut pipe = Pipe::new(LinkProfile { capacity: 10, ..LinkProfile::default() });
        assert_eq!(pipe.accept_len(30, &mut Entropy::empty()), 10);
        pipe.send(0, Bytes::from_static(&[1; 10]), &mut Entropy::empty());
        assert_eq!(pipe.accept_len(30, &mut Entropy::empty()), 0);
        read(&mut pipe, 1_000);
        assert_eq!(pipe.room(), 10);
    }

    quickcheck! {
        fn any_split_and_merge_keeps_the_bytes(writes: Vec<Vec<u8>>, whims: Vec<u8>) -> bool {
            let mut entropy = Entropy::new(whims);
            let mut pipe = Pipe::new(LinkProfile {
                jitter: 500,
                segment_len_max: 7,
                short_read_one_in: 3,
                ..LinkProfile::default()
            });
            for (index, bytes) in writes.iter().enumerate() {
                pipe.send(index as u64 * 100, Bytes::from(bytes.clone()), &mut entropy);
            }
            pipe.end(writes.len() as u64 * 100, false);
            let mut got = Vec::new();
            let mut now = 0;
            loop {
                let take = |part: &[u8]| got.extend_from_slice(part);
                match pipe.read(now, 50, &mut entropy, take) {
                    Arrival::Bytes(_) => {}
                    Arrival::Pending(at) => now = at.unwrap(),
                    Arrival::End => break,
                    Arrival::Reset => return false,
                }
            }
            got == writes.concat() && pipe.queued() == 0
        }
    }
}
