//! One direction of a connection.

use super::Action;
use crate::pcap::Segment;
use bytes::Bytes;
use std::collections::BTreeMap;

/// No window of TCP is larger (RFC 7323, section 2.3).
const WINDOW_MAX: u64 = 1 << 30;

/// Where a direction's actions go.
pub(super) struct Sink<'s> {
    events: &'s mut Vec<(usize, u64, Action)>,
    end: usize,
    now_micros: u64,
}

impl<'s> Sink<'s> {
    pub(super) fn new(
        events: &'s mut Vec<(usize, u64, Action)>,
        end: usize,
        now_micros: u64,
    ) -> Self {
        Self { events, end, now_micros }
    }

    fn push(&mut self, action: Action) {
        self.events.push((self.end, self.now_micros, action));
    }
}

/// What one end sent. Positions count its bytes from 0 and do not wrap.
#[derive(Debug, Default)]
pub(super) struct Half<'a> {
    /// The sequence number of position 0, once known.
    first: Option<u32>,
    /// Everything before it was delivered or given up.
    next: u64,
    /// What came early, by position; the parts do not overlap and lie behind `next`.
    early: BTreeMap<u64, &'a [u8]>,
    /// The position that the other end has acknowledged.
    acknowledged: u64,
    /// The position of the FIN.
    fin_at: Option<u64>,
    delivered: bool,
    /// A FIN or a reset was delivered.
    over: bool,
    was_reset: bool,
}

impl<'a> Half<'a> {
    pub(super) fn first_sequence(&self) -> Option<u32> {
        self.first
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn has_delivered(&self) -> bool {
        self.delivered
    }

    /// Takes a segment of this end; false if it lies outside of any window.
    pub(super) fn receive(&mut self, segment: &Segment<'a>, sink: &mut Sink<'_>) -> bool {
        let sequence = segment.sequence.wrapping_add(u32::from(segment.syn));
        if segment.reset {
            self.reset(sink);
            return true;
        }
        self.first.get_or_insert(sequence);
        let Some((start, late)) = self.position(sequence) else {
            return false;
        };
        let payload = segment.payload.get(late..).unwrap_or_default();
        self.keep(start, payload);
        if segment.fin {
            let wire_len = u64::from(segment.wire_len).saturating_sub(late as u64);
            self.fin_at.get_or_insert(start + wire_len);
        }
        self.deliver(sink);
        true
    }

    /// The other end has received everything before `sequence`.
    pub(super) fn acknowledge(&mut self, sequence: u32, sink: &mut Sink<'_>) {
        // Whatever is acknowledged first: what follows it is what the capture can have.
        self.first.get_or_insert(sequence);
        if let Some((position, 0)) = self.position(sequence) {
            self.acknowledged = self.acknowledged.max(position);
            self.deliver(sink);
        }
    }

    /// The capture has ended: what is missing is lost.
    pub(super) fn finish(&mut self, sink: &mut Sink<'_>) {
        if self.over {
            return;
        }
        self.give_up_holes(sink);
        // A FIN counts as one byte, and it may be the FIN that was not captured.
        let unseen = self.acknowledged.saturating_sub(self.next);
        if self.fin_at.is_none() && unseen > 1 {
            sink.push(Action::Gap { len: unseen });
        }
    }

    /// The position of `sequence`, or how many bytes it lies before `next`, which then is the
    /// position; `None` outside of the window.
    fn position(&self, sequence: u32) -> Option<(u64, usize)> {
        let first = self.first?;
        let expected = first.wrapping_add(self.next as u32);
        let distance = i64::from(sequence.wrapping_sub(expected).cast_signed());
        if distance.unsigned_abs() > WINDOW_MAX {
            None
        } else if distance < 0 {
            Some((self.next, usize::try_from(distance.unsigned_abs()).ok()?))
        } else {
            Some((self.next + distance.unsigned_abs(), 0))
        }
    }

    /// Keeps those of `bytes` that are new.
    fn keep(&mut self, start: u64, mut bytes: &'a [u8]) {
        if self.over {
            return;
        }
        let ahead = start.saturating_sub(self.next);
        let within = usize::try_from((WINDOW_MAX + 1).saturating_sub(ahead)).unwrap_or(usize::MAX);
        bytes = bytes.get(..within).unwrap_or(bytes);
        if let Some(fin_at) = self.fin_at {
            let room = usize::try_from(fin_at.saturating_sub(start)).unwrap_or(usize::MAX);
            bytes = bytes.get(..room).unwrap_or(bytes);
        }
        let mut position = start;
        if let Some((before, part)) = self.early.range(..=position).next_back() {
            let covered = (before + part.len() as u64).saturating_sub(position);
            bytes = skip(bytes, covered);
            position += covered;
        }
        while !bytes.is_empty() {
            let following = self.early.range(position..).next();
            let (room, covered) = match following {
                Some((at, part)) => (at - position, part.len() as u64),
                None => (u64::MAX, 0),
            };
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            let Some((part, rest)) = bytes.split_at_checked(room) else {
                self.early.insert(position, bytes);
                break;
            };
            if !part.is_empty() {
                self.early.insert(position, part);
            }
            bytes = skip(rest, covered);
            position += part.len() as u64 + covered;
        }
    }

    /// Hands out what is in order, and gives up holes that the other end does not have.
    fn deliver(&mut self, sink: &mut Sink<'_>) {
        while !self.over {
            if self.fin_at.is_some_and(|fin_at| fin_at <= self.next) {
                self.over = true;
                sink.push(Action::Fin);
                break;
            }
            let early_at = self.early.first_key_value().map(|(at, _)| *at);
            match early_at.into_iter().chain(self.fin_at).min() {
                Some(at) if at <= self.next => self.deliver_first(sink),
                Some(at) if at <= self.acknowledged => {
                    sink.push(Action::Gap { len: at - self.next });
                    self.next = at;
                }
                _ => break,
            }
        }
    }

    fn deliver_first(&mut self, sink: &mut Sink<'_>) {
        if let Some((at, bytes)) = self.early.pop_first() {
            debug_assert_eq!(at, self.next, "early parts do not overlap what was delivered");
            self.next = at + bytes.len() as u64;
            self.delivered = true;
            sink.push(Action::Bytes(Bytes::copy_from_slice(bytes)));
        }
    }

    fn give_up_holes(&mut self, sink: &mut Sink<'_>) {
        let last = self.early.last_key_value().map(|(at, _)| *at);
        let acknowledged = self.acknowledged;
        self.acknowledged = acknowledged.max(last.max(self.fin_at).unwrap_or_default());
        self.deliver(sink);
        self.acknowledged = acknowledged;
    }

    fn reset(&mut self, sink: &mut Sink<'_>) {
        if !self.over {
            self.give_up_holes(sink);
        }
        // A direction that ended in an orderly way may still be broken: its program has exited.
        if !self.was_reset {
            sink.push(Action::Reset);
        }
        self.was_reset = true;
        self.over = true;
    }
}

fn skip(bytes: &[u8], len: u64) -> &[u8] {
    usize::try_from(len).ok().and_then(|len| bytes.get(len..)).unwrap_or_default()
}
