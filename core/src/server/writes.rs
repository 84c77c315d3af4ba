//! Who may write next, and the short way of media to players, which nearly every write is.
//!
//! A connection that plays one stream, has nothing to reply and whose socket keeps up needs none of
//! what else may happen between two writes: it stays in its slot, and no deadline of it moves.
//! Whatever is not so simple goes the long way, `Server::prepare` and `Server::wrote`.

use super::Server;
use super::conn::Conn;
use super::streams::Stream;
use crate::id::{ConnId, ConsumerId};
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Connections that may have something to write, in their order, each once.
#[derive(Debug, Default)]
pub(super) struct WriteQueue {
    queue: VecDeque<ConnId>,
    /// By slot, the generation that waits. One that is gone may wait still: that is not the turn of
    /// the connection that has its slot now.
    waiting: Vec<Option<u32>>,
}

impl WriteQueue {
    /// Does nothing for a connection that waits already.
    pub(super) fn push(&mut self, id: ConnId) {
        let slot = id.slot as usize;
        if self.waiting.len() <= slot {
            self.waiting.resize(slot.saturating_add(1), None);
        }
        if let Some(waiting) = self.waiting.get_mut(slot)
            && *waiting != Some(id.generation)
        {
            *waiting = Some(id.generation);
            self.queue.push_back(id);
        }
    }

    pub(super) fn pop(&mut self) -> Option<ConnId> {
        let id = self.queue.pop_front()?;
        let waiting = self.waiting.get_mut(id.slot as usize);
        if let Some(waiting) = waiting.filter(|waiting| **waiting == Some(id.generation)) {
            *waiting = None;
        }
        Some(id)
    }
}

impl Server {
    /// True when the next write of the connection is media alone, and was readied.
    pub(super) fn has_media(&mut self, id: ConnId) -> bool {
        self.calm_player(id).is_some_and(|(_, stream, consumer)| stream.source.prepare(consumer))
    }

    /// Takes note of a write of media that the socket took whole; false when there is more to it.
    pub(super) fn wrote_media(&mut self, id: ConnId, len: usize, offered: usize) -> bool {
        if len < offered {
            return false;
        }
        let now = self.now;
        let Some((conn, stream, consumer)) = self.calm_player(id) else { return false };
        stream.source.wrote(consumer, len, 0);
        stream.measure.sent.count(now, len as u64);
        conn.count_shared(len);
        conn.sent = conn.sent.saturating_add(len as u64);
        let is_at_end = stream.source.is_at_end(consumer);
        self.totals.sent_bytes = self.totals.sent_bytes.saturating_add(len as u64);
        if !is_at_end {
            self.queue_write(id);
        }
        true
    }

    fn calm_player(&mut self, id: ConnId) -> Option<(&mut Conn, &mut Stream, ConsumerId)> {
        let conn = self.conns.get_mut(id.slot as usize)?.as_deref_mut()?;
        if conn.id != id {
            return None;
        }
        let (source, consumer) = conn.calm_player()?;
        let slot = self.streams.get_mut(source.slot as usize)?;
        let stream = slot.stream.as_deref_mut().filter(|_| slot.generation == source.generation)?;
        Some((conn, stream, consumer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn each_waits_once_and_a_slot_that_is_used_again_waits_anew() {
        let id = |slot, generation| ConnId { slot, generation };
        let mut queue = WriteQueue::default();
        assert_eq!(queue.pop(), None);
        for id in [id(7, 0), id(3, 0), id(7, 0), id(7, 1), id(3, 0), id(7, 1)] {
            queue.push(id);
        }
        assert_eq!(queue.pop(), Some(id(7, 0)));
        queue.push(id(7, 1));
        queue.push(id(2, 0));
        assert_eq!(queue.pop(), Some(id(3, 0)));
        queue.push(id(3, 0));
        let rest: Vec<_> = core::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(rest, [id(7, 1), id(2, 0), id(3, 0)]);
    }
}
