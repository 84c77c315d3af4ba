//! Deadlines, earliest first.
//!
//! Each connection and stream has one armed deadline, the earliest of its own, and a stream another
//! one for its next flush. A deadline that has moved back since is found out when it comes, and armed
//! anew: media cost no work here.

use super::hls::HlsId;
use crate::id::{ConnId, ForwardId, SourceId};
use crate::time::{Deadline, Instant, TimerKind};
use alloc::collections::BinaryHeap;
use core::cmp::Reverse;
use core::time::Duration;

/// What a deadline belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Owner {
    Conn(ConnId),
    /// The merge interval of a stream.
    Flush(SourceId),
    Forward(ForwardId),
    /// Segments and playlists of a stream.
    Hls(HlsId),
    /// The processes of all renditions.
    Renditions,
    Source(SourceId),
}

/// The least time between now and a deadline.
const MOMENT: Duration = Duration::from_micros(1);

#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, TimerKind, Owner)>>,
}

impl Timers {
    /// Arms a deadline unless `armed` (what the owner keeps) is already as early.
    ///
    /// What should have come already comes a moment later: time has to pass between two timeouts.
    pub(super) fn arm(
        &mut self,
        now: Instant,
        armed: &mut Option<Instant>,
        deadline: Deadline,
        owner: Owner,
    ) {
        let deadline = Deadline { at: deadline.at.max(now.after(MOMENT)), ..deadline };
        if armed.is_none_or(|at| deadline.at < at) {
            *armed = Some(deadline.at);
            self.heap.push(Reverse((deadline.at, deadline.reason, owner)));
        }
    }

    pub(super) fn next(&self) -> Option<Deadline> {
        self.heap.peek().map(|Reverse((at, reason, _))| Deadline { at: *at, reason: *reason })
    }

    /// The owner of a deadline that has come, and the instant it was armed for.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Owner, Instant)> {
        let Reverse((at, _, _)) = self.heap.peek()?;
        if *at > now {
            return None;
        }
        self.heap.pop().map(|Reverse((at, _, owner))| (owner, at))
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }
}
