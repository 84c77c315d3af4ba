//! Forwards: streams of this shard that are published to other servers.
//!
//! A forward is a player of its stream whose bytes go out on a connection that the server dialled:
//! a place on the tape. So a destination that is slow or gone costs its stream nothing, and one
//! that is back gets what a player gets that joins.
//!
//! | state | leaves when | for |
//! |---|---|---|
//! | waiting | the back-off is over | dialling |
//! | dialling | the connection is there | asking |
//! | asking | the destination grants the publish | pushing |
//! | pushing | the stream has ended | ending |
//! | ending | all is sent, or too much time has passed | gone |
//! | ending | the stream is published again | pushing |
//! | dialling, asking, pushing | the connection fails, is refused, or takes too long | waiting |
//! | waiting, dialling, asking | the stream has ended | gone |

mod attempts;
mod echo;

use super::Server;
use super::conn::{Action, Asked, Conn, Role, refusal};
use super::streams::Stream;
use crate::config::Forward as Destination;
use crate::event::{CloseReason, Event, RefuseReason};
use crate::forward::{ForwardFailure, ForwardState, ForwardStatus, Route, Target, label};
use crate::id::{ConnId, DialId, ForwardId, MessageStreamId, SourceId};
use crate::name::{StreamName, escape};
use crate::session::SessionEvent;
use crate::time::{Deadline, Instant, TimerKind};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

/// Bytes of a destination's text in an event.
const WORDS_LEN_MAX: usize = 256;

/// The forwards of a shard.
#[derive(Default)]
pub(super) struct Forwards {
    dials: BTreeMap<DialId, ForwardId>,
    forwards: BTreeMap<ForwardId, Box<Forward>>,
    next: u32,
    next_dial: u32,
}

/// One stream on its way to one destination.
struct Forward {
    began: Instant,
    destination: Destination,
    /// Attempts that failed since it last worked for a while.
    failures: u32,
    id: ForwardId,
    is_rendition: bool,
    label: Arc<str>,
    last_failure: Option<(ForwardFailure, Arc<str>)>,
    name: StreamName,
    /// The failure that its connection is being closed for.
    pending: Option<(ForwardFailure, Arc<str>)>,
    route: Route,
    /// By connections that are over.
    sent: u64,
    skipped: u64,
    source: SourceId,
    state: State,
    target: Target,
    timer_at: Option<Instant>,
}

#[derive(Clone, Copy)]
enum State {
    Waiting { until: Instant },
    Dialling { dial: DialId, until: Instant },
    Asking { conn: ConnId },
    Pushing { conn: ConnId, since: Instant },
    Ending { conn: ConnId, since: Instant, until: Instant },
}

impl State {
    const fn conn(self) -> Option<ConnId> {
        match self {
            Self::Waiting { .. } | Self::Dialling { .. } => None,
            Self::Asking { conn } | Self::Pushing { conn, .. } | Self::Ending { conn, .. } => {
                Some(conn)
            }
        }
    }
}

impl Forward {
    fn deadline(&self) -> Option<Deadline> {
        let at = match self.state {
            State::Waiting { until }
            | State::Dialling { until, .. }
            | State::Ending { until, .. } => until,
            State::Asking { .. } | State::Pushing { .. } => return None,
        };
        Some(Deadline { at, reason: TimerKind::Forward })
    }

    fn failed(&self, failure: ForwardFailure, words: Arc<str>, retry: Option<Duration>) -> Event {
        Event::ForwardFailed {
            forward: self.id,
            name: self.name.clone(),
            destination: self.label.clone(),
            failure,
            words,
            retry_in: retry,
        }
    }
}

impl Server {
    /// All forwards of this shard.
    #[must_use]
    pub fn forwards(&self) -> Vec<ForwardStatus> {
        self.forwards.forwards.values().map(|forward| self.forward_status(forward)).collect()
    }

    /// The forwards of one stream.
    pub(super) fn forwards_of(&self, stream: &Stream) -> Vec<ForwardStatus> {
        let forwards = stream.forwards.iter().filter_map(|id| self.forwards.forwards.get(id));
        forwards.map(|forward| self.forward_status(forward)).collect()
    }

    fn forward_status(&self, forward: &Forward) -> ForwardStatus {
        ForwardStatus {
            forward: forward.id,
            name: forward.name.clone(),
            destination: forward.label.clone(),
            state: match forward.state {
                State::Waiting { until } => ForwardState::Waiting { left: until.since(self.now) },
                State::Dialling { .. } | State::Asking { .. } => ForwardState::Connecting,
                State::Pushing { conn, since } => {
                    ForwardState::Forwarding { conn, age: self.now.since(since) }
                }
                State::Ending { conn, .. } => ForwardState::Ending { conn },
            },
            age: self.now.since(forward.began),
            failures: forward.failures,
            last_failure: forward.last_failure.clone(),
            sent: forward.sent.saturating_add(self.sent_now(forward)),
            skipped: forward.skipped,
        }
    }

    /// A stream has got a publisher: it goes to where the configuration says.
    pub(super) fn begin_forwards(&mut self, source: SourceId) {
        if self.is_shutting_down {
            return;
        }
        let Some(stream) = self.stream(source).filter(|stream| is_home(stream)) else { return };
        let (name, route) = (stream.name.clone(), stream.route.clone());
        let is_rendition = stream.is_rendition;
        let wanted = self.destinations(&name);
        if wanted.is_empty() {
            return;
        }
        let mut forwarded = Vec::new();
        for id in stream.forwards.clone() {
            let Some(forward) = self.forwards.forwards.get_mut(&id) else { continue };
            let is_wanted = wanted.contains(&forward.destination)
                && forward.route == route
                && forward.is_rendition == is_rendition;
            match forward.state {
                // The destination need not know that there was an end.
                State::Ending { conn, since, .. } if is_wanted => {
                    forward.state = State::Pushing { conn, since };
                    forwarded.push(forward.destination.clone());
                    self.with_forwarding_role(conn, |stream, role| {
                        if let Some(consumer) = role.action.player() {
                            stream.source.set_going_on(consumer);
                        }
                    });
                }
                State::Ending { .. } => {}
                State::Waiting { .. }
                | State::Dialling { .. }
                | State::Asking { .. }
                | State::Pushing { .. } => forwarded.push(forward.destination.clone()),
            }
        }
        for destination in wanted {
            if !forwarded.contains(&destination) {
                self.begin_forward(source, &name, &route, destination);
            }
        }
    }

    /// A stream has lost its publisher: what is on its way is sent, all else is given up.
    pub(super) fn end_forwards(&mut self, source: SourceId) {
        let ids = self.stream(source).map(|stream| stream.forwards.clone()).unwrap_or_default();
        for id in ids {
            self.end_forward(id);
        }
    }

    /// The configuration has changed: streams go to other destinations from now on.
    pub(super) fn reload_forwards(&mut self) {
        let published = self.streams.iter().zip(0..).filter_map(|(slot, index)| {
            let stream = slot.stream.as_deref()?;
            let id = SourceId { slot: index, generation: slot.generation };
            (is_home(stream) && stream.source.publisher().is_some()).then_some(id)
        });
        let published: Vec<SourceId> = published.collect();
        for source in published {
            let Some(stream) = self.stream(source) else { continue };
            let wanted = self.destinations(&stream.name);
            for id in stream.forwards.clone() {
                let forward = self.forwards.forwards.get(&id);
                if forward.is_some_and(|forward| !wanted.contains(&forward.destination)) {
                    self.end_forward(id);
                }
            }
            self.begin_forwards(source);
        }
    }

    /// The server shuts down.
    pub(super) fn end_all_forwards(&mut self) {
        let ids: Vec<ForwardId> = self.forwards.forwards.keys().copied().collect();
        for id in ids {
            self.end_forward(id);
        }
    }

    /// What the session of a forward's connection tells.
    pub(super) fn forward_event(&mut self, conn: &mut Conn, event: SessionEvent) {
        match event {
            SessionEvent::Started { stream } => self.push_stream(conn, stream),
            SessionEvent::Rejected { code, description } => {
                let words_of_loop = refusal(RefuseReason::Loop, Asked::Connect).description;
                let (failure, words) = if description == *words_of_loop {
                    // The failure says it already.
                    (ForwardFailure::Loop, Arc::from(""))
                } else {
                    let words = words(code.as_bytes(), description.as_bytes());
                    (ForwardFailure::Refused, words)
                };
                self.give_forward_up(conn, failure, words);
            }
            SessionEvent::Ended { code } => {
                self.give_forward_up(conn, ForwardFailure::Ended, words(code.as_bytes(), b""));
            }
            SessionEvent::Ignored(what) => {
                if conn.is_news(&what) {
                    self.event(Event::Ignored { conn: conn.id, what });
                }
            }
            SessionEvent::Handshaked { kind } => conn.handshake = kind,
            SessionEvent::Connected
            | SessionEvent::Connect(_)
            | SessionEvent::Publish(_)
            | SessionEvent::Play(_)
            | SessionEvent::Media { .. }
            | SessionEvent::Paused { .. }
            | SessionEvent::Selected { .. }
            | SessionEvent::Unpublished { .. }
            | SessionEvent::Stopped { .. } => {}
        }
    }

    /// All was sent, or enough time has passed: the destination is told that the stream has ended.
    pub(super) fn finish_forward(&mut self, conn: &mut Conn) {
        conn.session.finish(&mut conn.replies);
        if let Some(id) = conn.forward {
            self.remove_forward(id, conn.sent);
        }
        self.begin_close(conn, CloseReason::StreamEnded);
    }

    /// The connection of a forward is over.
    pub(super) fn forward_closed(&mut self, conn: &Conn, id: ForwardId, reason: CloseReason) {
        let Some(forward) = self.forwards.forwards.get_mut(&id) else { return };
        if forward.state.conn() != Some(conn.id) {
            return;
        }
        forward.sent = forward.sent.saturating_add(conn.sent);
        let (failure, words) = match (forward.pending.take(), reason) {
            (Some(pending), _) => pending,
            (None, CloseReason::Error(error)) => (ForwardFailure::Session(error), Arc::from("")),
            (None, CloseReason::Io(failure)) => (ForwardFailure::Io(failure), Arc::from("")),
            (None, CloseReason::SlowReader) => (ForwardFailure::Stalled, Arc::from("")),
            (None, _) => (ForwardFailure::Closed, Arc::from("")),
        };
        self.forward_failed(id, failure, words);
    }

    /// A reader of a stream was too slow and goes on at the newest keyframe.
    pub(super) fn tell_skipped(&mut self, conn: ConnId, name: StreamName, bytes: u64) {
        let id = self.conn(conn).and_then(|conn| conn.forward);
        let Some(forward) = id.and_then(|id| self.forwards.forwards.get_mut(&id)) else {
            self.event(Event::Skipped { conn, name, bytes });
            return;
        };
        forward.skipped = forward.skipped.saturating_add(bytes);
        let destination = forward.label.clone();
        let forward = forward.id;
        self.event(Event::ForwardSkipped { forward, name, destination, bytes });
    }

    /// Where a forward goes, for reports.
    pub(super) fn forward_label(&self, id: ForwardId) -> Option<Arc<str>> {
        self.forwards.forwards.get(&id).map(|forward| forward.label.clone())
    }

    /// Where the streams of a name are to be forwarded.
    fn destinations(&self, name: &StreamName) -> Vec<Destination> {
        self.config.vhost_of_stream(name.vhost()).forwards.clone()
    }

    fn begin_forward(
        &mut self,
        source: SourceId,
        name: &StreamName,
        route: &Route,
        destination: Destination,
    ) {
        let limits = &self.config.limits;
        let label: Arc<str> = Arc::from(label(&destination, name));
        let hops_max = usize::from(limits.forward_hops_max);
        let target = Target::new(&destination, name, self.name_limits());
        let never = if route.hops() >= hops_max {
            Some(ForwardFailure::Hops)
        } else if self.forwards.forwards.len() >= limits.forwards_max as usize {
            Some(ForwardFailure::TooMany)
        } else {
            None
        };
        let id = ForwardId(self.forwards.next);
        self.forwards.next = self.forwards.next.wrapping_add(1);
        let (target, failure) = match (target, never) {
            (Some(target), None) => (target, None),
            (None, None) => (Target::default(), Some(ForwardFailure::Name)),
            (_, failure) => (Target::default(), failure),
        };
        let forward = Box::new(Forward {
            began: self.now,
            destination,
            failures: 0,
            id,
            is_rendition: self.stream(source).is_some_and(|stream| stream.is_rendition),
            label,
            last_failure: None,
            name: name.clone(),
            pending: None,
            route: route.clone(),
            sent: 0,
            skipped: 0,
            source,
            // A moment later: first it is told that the stream is published.
            state: State::Waiting { until: self.now },
            target,
            timer_at: None,
        });
        if let Some(failure) = failure {
            let failed = forward.failed(failure, Arc::from(""), None);
            self.forwards.forwards.insert(id, forward);
            self.event(failed);
            self.remove_forward(id, 0);
            return;
        }
        self.forwards.forwards.insert(id, forward);
        if let Some(stream) = self.stream_mut(source) {
            stream.forwards.push(id);
        }
        self.arm_forward(id);
    }

    /// A forward has no more to do: it sends what is on the tape, or goes at once.
    fn end_forward(&mut self, id: ForwardId) {
        let until = self.now.after(self.config.limits.forward_drain_timeout);
        let Some(forward) = self.forwards.forwards.get_mut(&id) else { return };
        match forward.state {
            State::Pushing { conn, since } => {
                forward.state = State::Ending { conn, since, until };
                self.with_forwarding_role(conn, |stream, role| {
                    if let Some(consumer) = role.action.player() {
                        stream.source.set_ending(consumer);
                    }
                });
                self.queue_write(conn);
                self.arm_forward(id);
            }
            State::Ending { .. } => {}
            State::Asking { conn } => {
                self.with_conn(conn, Self::finish_forward);
            }
            State::Dialling { dial, .. } => {
                self.abandon(dial);
                self.remove_forward(id, 0);
            }
            State::Waiting { .. } => self.remove_forward(id, 0),
        }
    }

    /// Forgets a forward; `sent` is what its last connection has sent.
    fn remove_forward(&mut self, id: ForwardId, sent: u64) {
        let Some(forward) = self.forwards.forwards.remove(&id) else { return };
        if let Some(stream) = self.stream_mut(forward.source) {
            stream.forwards.retain(|other| *other != id);
        }
        self.event(Event::ForwardEnded {
            forward: id,
            name: forward.name,
            destination: forward.label,
            age: self.now.since(forward.began),
            sent: forward.sent.saturating_add(sent),
        });
    }

    /// The destination takes the stream: it gets what a player gets that joins.
    fn push_stream(&mut self, conn: &mut Conn, stream_id: MessageStreamId) {
        let now = self.now;
        let Some(forward) = conn.forward.and_then(|id| self.forwards.forwards.get_mut(&id)) else {
            return;
        };
        forward.state = State::Pushing { conn: conn.id, since: now };
        let source = forward.source;
        let event = Event::Forwarding {
            forward: forward.id,
            conn: conn.id,
            peer: conn.peer,
            name: forward.name.clone(),
            destination: forward.label.clone(),
        };
        let Some(stream) = self.stream_mut(source) else { return };
        let consumer = stream.source.attach_server(now, conn.id, stream_id);
        self.add_role(conn, stream_id, Some(source), Action::Play(consumer));
        self.event(event);
        self.queue_write(conn.id);
    }

    /// Closes the connection of a forward for `failure`.
    fn give_forward_up(&mut self, conn: &mut Conn, failure: ForwardFailure, words: Arc<str>) {
        if let Some(forward) = conn.forward.and_then(|id| self.forwards.forwards.get_mut(&id)) {
            forward.pending = Some((failure, words));
        }
        self.begin_close(conn, CloseReason::Peer);
    }

    fn with_forwarding_role(&mut self, conn: ConnId, work: impl FnOnce(&mut Stream, &Role)) {
        let role = self.conn(conn).and_then(|conn| conn.roles.first().copied());
        if let Some(role) = role
            && let Some(stream) = role.source.and_then(|source| self.stream_mut(source))
        {
            work(stream, &role);
        }
    }

    fn sent_now(&self, forward: &Forward) -> u64 {
        forward.state.conn().and_then(|conn| self.conn(conn)).map_or(0, |conn| conn.sent)
    }
}

/// The stream is published on this shard, or passed on to it.
fn is_home(stream: &Stream) -> bool {
    stream.replica.is_none()
}

/// What a destination says, fit for an event.
fn words(code: &[u8], description: &[u8]) -> Arc<str> {
    let mut text = escape(code, WORDS_LEN_MAX);
    if !text.is_empty() && !description.is_empty() {
        text.push_str(": ");
    }
    text.push_str(&escape(description, WORDS_LEN_MAX));
    Arc::from(text)
}
