//! Who is told that there is something to do.

use super::{Due, Operation, Side, SimTransport};
use crate::net::Micros;
use millstream_core::drive::IoFailure;

impl SimTransport {
    /// There will be something to read at one end.
    pub(super) fn wake(&mut self, index: usize, side: Side, at: Micros) {
        let at = at.max(self.clock);
        let link = &mut self.links[index];
        let Some(seat) = link.seat_mut(side) else { return self.wake_client(index, at) };
        if seat.wake_at.is_none_or(|earlier| at < earlier) {
            seat.wake_at = Some(at);
            self.schedule(at, Due::Readable(index, side));
        }
    }

    pub(super) fn wake_client(&mut self, index: usize, at: Micros) {
        let at = at.max(self.clock);
        if self.links[index].client_at.is_none_or(|earlier| at < earlier) {
            self.links[index].client_at = Some(at);
            self.schedule(at, Due::Client(index));
        }
    }

    /// An operation on a connection is the one that fails.
    pub(super) fn fails(&mut self, index: usize, operation: Operation) -> Option<IoFailure> {
        let failure = self.failing.next(operation, self.clock)?;
        self.hit.push(index);
        Some(failure)
    }
}
