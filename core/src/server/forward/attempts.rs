//! Attempts of forwards: dialling, asking, failing, and the time until the next one.

use super::{Forward, ForwardFailure, Server, State};
use crate::chunk::ChunkSize;
use crate::drive::{IoFailure, Output};
use crate::id::{ConnId, DialId, ForwardId};
use crate::rng::Rng;
use crate::server::conn::Conn;
use crate::server::timers::Owner;
use crate::session::{ClientRequest, Intent, Session, SessionConfig};
use crate::time::Instant;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;

impl Server {
    /// A connection that a forward asked for is there.
    pub(in crate::server) fn dialled(&mut self, id: ConnId, dial: DialId, peer: SocketAddr) {
        let forward = self.forwards.dials.remove(&dial);
        let Some(forward) = forward.and_then(|id| self.forwards.forwards.get_mut(&id)) else {
            // It was given up meanwhile.
            self.outputs.push_back(Output::Close { conn: id });
            return;
        };
        forward.state = State::Asking { conn: id };
        let forward_id = forward.id;
        let request = ClientRequest {
            intent: Intent::Publish,
            app: forward.target.app.clone(),
            tc_url: forward.target.tc_url.clone(),
            stream: forward.target.stream.clone(),
        };
        let route = forward.route.text_via(self.id);
        let (is_rendition, source) = (forward.is_rendition, forward.source);
        // The tape is sent as it is, so the destination has to be told its chunk size.
        let chunk_size = self.stream(source).map(|stream| stream.source.tape().chunk_size());
        let config = self.client_config(chunk_size);
        let rng = Rng::new(self.rng.next_u64());
        let mut replies = bytes::BytesMut::new();
        let mut session = Session::client(config, request, self.now, rng, &mut replies);
        session.set_origin(Arc::from(route), is_rendition);
        let mut conn = Box::new(Conn::new(id, peer, session, self.now));
        conn.forward = Some(forward_id);
        conn.replies = replies;
        self.place_conn(conn);
        self.queue_write(id);
    }

    /// A connection that a forward asked for could not be made.
    pub(in crate::server) fn dial_failed(&mut self, dial: DialId, failure: IoFailure) {
        if let Some(id) = self.forwards.dials.remove(&dial) {
            self.forward_failed(id, ForwardFailure::Dial(failure), Arc::from(""));
        }
    }

    /// A deadline of a forward has come.
    pub(in crate::server) fn forward_timeout(&mut self, id: ForwardId, at: Instant) {
        let now = self.now;
        let Some(forward) = self.forwards.forwards.get_mut(&id) else { return };
        if forward.timer_at != Some(at) {
            return;
        }
        forward.timer_at = None;
        match forward.state {
            State::Waiting { until } if until <= now => self.dial(id),
            State::Dialling { dial, until } if until <= now => {
                self.abandon(dial);
                self.forward_failed(id, ForwardFailure::DialTimeout, Arc::from(""));
            }
            State::Ending { conn, until, .. } if until <= now => {
                self.with_conn(conn, Self::finish_forward);
            }
            State::Waiting { .. }
            | State::Dialling { .. }
            | State::Asking { .. }
            | State::Pushing { .. }
            | State::Ending { .. } => {}
        }
        self.arm_forward(id);
    }

    pub(super) fn arm_forward(&mut self, id: ForwardId) {
        if let Some(forward) = self.forwards.forwards.get_mut(&id)
            && let Some(deadline) = forward.deadline()
        {
            self.timers.arm(self.now, &mut forward.timer_at, deadline, Owner::Forward(id));
        }
    }

    pub(super) fn abandon(&mut self, dial: DialId) {
        self.forwards.dials.remove(&dial);
        self.outputs.push_back(Output::Abandon { dial });
    }

    /// Something went wrong: the forward tries again later, unless its stream is ending.
    pub(super) fn forward_failed(
        &mut self,
        id: ForwardId,
        failure: ForwardFailure,
        words: Arc<str>,
    ) {
        let wait = self.next_wait(id, failure);
        let now = self.now;
        let Some(forward) = self.forwards.forwards.get_mut(&id) else { return };
        let is_ending = matches!(forward.state, State::Ending { .. });
        let retry = (!is_ending).then_some(wait);
        let event = forward.failed(failure, words.clone(), retry);
        forward.last_failure = Some((failure, words));
        forward.failures = forward.failures.saturating_add(1);
        if let Some(wait) = retry {
            forward.state = State::Waiting { until: now.after(wait) };
        }
        self.event(event);
        if is_ending {
            self.remove_forward(id, 0);
        } else {
            self.arm_forward(id);
        }
    }

    fn dial(&mut self, id: ForwardId) {
        let limits = &self.config.limits;
        let (dials_max, pause) = (limits.forward_dials_max as usize, limits.forward_retry_min);
        let until = self.now.after(limits.forward_dial_timeout);
        let is_full = self.forwards.dials.len() >= dials_max;
        let later = self.now.after(self.jittered(pause));
        let dial = DialId(self.forwards.next_dial);
        let Some(forward) = self.forwards.forwards.get_mut(&id) else { return };
        if is_full {
            forward.state = State::Waiting { until: later };
            return;
        }
        self.forwards.next_dial = self.forwards.next_dial.wrapping_add(1);
        forward.state = State::Dialling { dial, until };
        let (host, port) = (forward.target.host.clone(), forward.target.port);
        self.forwards.dials.insert(dial, id);
        self.outputs.push_back(Output::Dial { dial, host, port });
    }

    /// The time until the next attempt: it doubles from one to the next up to the limit.
    fn next_wait(&mut self, id: ForwardId, failure: ForwardFailure) -> Duration {
        let now = self.now;
        let limits = &self.config.limits;
        let (min, max) = (limits.forward_retry_min, limits.forward_retry_max);
        let (stable_after, after_loop) = (limits.forward_stable_after, limits.forward_retry_loop);
        let Some(forward) = self.forwards.forwards.get_mut(&id) else { return max };
        if forward.was_stable(now, stable_after) {
            forward.failures = 0;
        }
        if failure.is_lasting() {
            return self.jittered(after_loop);
        }
        let factor = 1_u32.checked_shl(forward.failures).unwrap_or(u32::MAX);
        let wait = min.saturating_mul(3).checked_div(2).unwrap_or(min).saturating_mul(factor);
        self.jittered(wait.min(max)).max(min.min(max))
    }

    /// A time from two thirds of `wait` up to it: servers that failed together come back apart.
    fn jittered(&mut self, wait: Duration) -> Duration {
        let part = wait.checked_div(3).unwrap_or_default();
        let part_micros = u64::try_from(part.as_micros()).unwrap_or(u64::MAX);
        let drawn = self.rng.next_u64().checked_rem(part_micros.saturating_add(1)).unwrap_or(0);
        wait.saturating_sub(Duration::from_micros(drawn))
    }

    /// What a client session is told, for this chunk size.
    fn client_config(&self, chunk_size: Option<ChunkSize>) -> Arc<SessionConfig> {
        match chunk_size {
            Some(chunk_size) if chunk_size != self.session_config.chunk_size => {
                Arc::new(SessionConfig { chunk_size, ..SessionConfig::clone(&self.session_config) })
            }
            _ => self.session_config.clone(),
        }
    }
}

impl Forward {
    /// It worked for so long that an earlier failure says nothing any more.
    fn was_stable(&self, now: Instant, stable_after: Duration) -> bool {
        match self.state {
            State::Pushing { since, .. } => now.since(since) >= stable_after,
            State::Waiting { .. }
            | State::Dialling { .. }
            | State::Asking { .. }
            | State::Ending { .. } => false,
        }
    }
}
