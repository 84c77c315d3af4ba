//! One shard of the server: all connections, all streams, and the rules between them.
//!
//! `handle` takes what happened, `poll_output` is drained to `None`, `poll_timeout` says when to call
//! again. The parts: `admission` limits addresses, `conn` is what is kept of a connection, `roles`
//! grants and ends publishing and playing, `forward` publishes streams elsewhere, `streams` moves
//! media from publishers to players, `merging` says how long they wait, `writes` is the short way of
//! what nearly every write is,
//! `shards` deals with streams that are at home elsewhere, `timers` keeps deadlines, `report` tells
//! what happened, `reload` takes another configuration.

mod admission;
mod conn;
mod forward;
mod hls;
mod http;
mod measure;
mod merging;
mod reload;
mod report;
mod roles;
mod shards;
mod snapshot;
mod streams;
mod timers;
mod transcode;
mod writes;

use crate::api::Totals;
use crate::config::Config;
use crate::drive::{Input, IoFailure, Output, Service, Slices, Via};
use crate::event::{CloseReason, Event, RefuseReason};
use crate::forward::ServerId;
use crate::http::HttpLimits;
use crate::id::{ConnId, JobId, ListenerId, MessageStreamId, SourceId};
use crate::job::Job;
use crate::name::{NameLimits, StreamName};
use crate::rng::Rng;
use crate::session::{Session, SessionConfig, SessionError, StatusLevel};
use crate::shard::{HlsPart, Placement};
use crate::source::consumer::Consumer;
use crate::time::{Deadline, Instant, TimerKind, WallClock};
use admission::Admission;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::Buf;
use conn::Conn;
use core::net::SocketAddr;
use core::time::Duration;
use forward::Forwards;
use hls::{Asker, HlsTable};
use http::Http;
use merging::Load;
use shards::Shards;
use snapshot::Surveys;
use streams::Stream;
use timers::{Owner, Timers};
use transcode::Renditions;
use writes::WriteQueue;

/// How long a peer may take to read why its connection is closed.
const LINGER: Duration = Duration::from_secs(2);

/// One shard of the server. See the module's documentation.
pub struct Server {
    admission: Admission,
    config: Arc<Config>,
    conns: Vec<Option<Box<Conn>>>,
    conns_len: u32,
    /// Streams with media that are due.
    due: Vec<SourceId>,
    /// Parts of streams that are at home here, asked for by connections of this shard.
    fetches: Vec<(Asker, StreamName, HlsPart)>,
    /// Slots without a stream.
    free_streams: Vec<u32>,
    forwards: Forwards,
    /// Streams with frames for other shards.
    gathered: Vec<SourceId>,
    hls: HlsTable,
    /// What this server calls itself, to servers that it forwards to; all shards say the same.
    id: ServerId,
    is_shutting_down: bool,
    /// The measure of adaptive merging.
    load: Load,
    names: BTreeMap<StreamName, SourceId>,
    now: Instant,
    outputs: VecDeque<Output>,
    next_fetch: u64,
    next_job: u32,
    renditions: Renditions,
    rng: Rng,
    session_config: Arc<SessionConfig>,
    shards: Shards,
    started: Instant,
    streams: Vec<Slot>,
    surveys: Surveys,
    timers: Timers,
    totals: Totals,
    wall: WallClock,
    writes: WriteQueue,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    stream: Option<Box<Stream>>,
}

/// Sizes of the server, for reports and for tests of what it holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Connections.
    pub connections: u32,
    /// Streams with a publisher or players.
    pub streams: u32,
    /// Streams with a publisher.
    pub publishers: u32,
    /// Players attached to streams.
    pub players: u32,
    /// Bytes on all tapes.
    pub tape_bytes: u64,
    /// Bytes of replies and incomplete messages.
    pub session_bytes: u64,
    /// Bytes that players own: what they do not read from a tape.
    pub player_bytes: u64,
    /// Bytes of segments.
    pub segment_bytes: u64,
    /// Armed deadlines, outdated ones included.
    pub timers: usize,
}

/// The 1st of January 9000, which a later wall clock is taken for: dates have four digits for the
/// year, and there has to be time left to count on.
const WALL_MAX_MS: u64 = 221_845_392_000_000;

impl Server {
    /// A server without connections. `seed` makes ids and handshakes; `wall` is the wall clock at
    /// `now`.
    #[must_use]
    pub fn new(config: Arc<Config>, seed: u64, now: Instant, wall: WallClock) -> Self {
        Self::new_shard(config, Placement::SINGLE, seed, now, wall)
    }

    /// One of several shards; all have the same `config` and `seed`.
    #[must_use]
    pub fn new_shard(
        config: Arc<Config>,
        placement: Placement,
        seed: u64,
        now: Instant,
        wall: WallClock,
    ) -> Self {
        let session_config = reload::session_config(&config);
        Self {
            admission: Admission::new(),
            config,
            conns: Vec::new(),
            conns_len: 0,
            due: Vec::new(),
            fetches: Vec::new(),
            forwards: Forwards::default(),
            free_streams: Vec::new(),
            gathered: Vec::new(),
            hls: HlsTable::default(),
            id: ServerId(Rng::new(!seed).next_u64()),
            is_shutting_down: false,
            load: Load::default(),
            names: BTreeMap::new(),
            now,
            outputs: VecDeque::new(),
            next_fetch: 0,
            next_job: 0,
            renditions: Renditions::default(),
            // Shards make different ids and handshakes of one seed.
            rng: Rng::new(seed ^ u64::from(placement.own.0).rotate_right(16)),
            session_config,
            shards: Shards::new(placement),
            started: now,
            streams: Vec::new(),
            surveys: Surveys::default(),
            timers: Timers::default(),
            totals: Totals::default(),
            // The wall clock at instant 0.
            wall: WallClock {
                unix_millis: wall.unix_millis.min(WALL_MAX_MS).saturating_sub(now.as_millis()),
            },
            writes: WriteQueue::default(),
        }
    }

    /// Takes one thing that happened at `now`. Inputs for a connection that was closed are ignored.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        self.now = now;
        self.load.begin_turn(now);
        match input {
            Input::Opened { conn, via, peer } => match via {
                Via::Listener { listener, service } => {
                    self.open(conn, listener, service, peer);
                }
                Via::Dial(dial) => self.dialled(conn, dial, peer),
            },
            Input::DialFailed { dial, failure } => self.dial_failed(dial, failure),
            Input::JobTold { job, news } => self.rendition_told(job, news),
            Input::JobDone { job, result } => {
                let is_known = self.rendition_done(job, &result) || self.hls_job_done(job, &result);
                debug_assert!(is_known, "each job has one end");
            }
            Input::Reload(config) => self.reload(config),
            Input::Received { conn, bytes } => self.with_conn(conn, |server, conn| {
                server.receive(conn, bytes);
            }),
            Input::Wrote { conn, len, offered } => {
                if !self.wrote_media(conn, len, offered) {
                    self.with_conn(conn, |server, conn| server.wrote(conn, len, offered));
                }
            }
            Input::Writable { conn } => self.with_conn(conn, |server, conn| {
                conn.blocked = false;
                server.queue_write(conn.id);
            }),
            Input::Closed { conn, failure: None } if self.http_half_closed(conn) => {}
            Input::Closed { conn, failure } => {
                if let Some(mut conn) = self.take_conn(conn) {
                    let reason = failure.map_or(CloseReason::Peer, CloseReason::Io);
                    let reason = conn.closing.unwrap_or(reason);
                    self.close_now(&mut conn, reason);
                }
            }
            Input::Shard { from, message } => self.shard_message(from, message),
            Input::Timeout => self.timeout(),
            Input::Shutdown => self.shutdown(),
        }
    }

    /// The next thing to do; `None` ends the turn. A driver may take inputs before that: what is
    /// still to be written is then written later, together with what has come.
    #[must_use]
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            if let Some((asker, snapshot)) = self.poll_survey() {
                self.surveyed(asker, &snapshot);
                continue;
            }
            if let Some((asker, name, part)) = self.fetches.pop() {
                self.fetch(asker, &name, part);
                continue;
            }
            if self.has_batches() {
                self.send_batches();
                continue;
            }
            while let Some(source) = self.due.pop() {
                self.flush(source);
            }
            let Some(id) = self.writes.pop() else {
                self.load.end_turn(self.now);
                return None;
            };
            if self.is_writable(id) {
                self.load.note_write();
                return Some(Output::Write { conn: id });
            }
        }
    }

    /// When to call `handle` with `Input::Timeout`.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Deadline> {
        self.timers.next()
    }

    /// What to write to `conn` now; gives the bytes appended to `out`.
    pub fn slices<'a>(&'a self, conn: ConnId, out: &mut Slices<'a>) -> usize {
        let Some(conn) = self.conn(conn) else { return 0 };
        if let Some(http) = &conn.http {
            return http::slices(conn, http, out);
        }
        match conn.sharing_player() {
            Some((source, consumer)) => match self.stream(source) {
                Some(stream) => stream.source.slices(consumer, &conn.replies, out),
                None => 0,
            },
            None => {
                let _ = out.push(&conn.replies);
                conn.replies.len()
            }
        }
    }

    /// True once a shutdown is complete: no connection and no process is left.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.is_shutting_down
            && self.conns_len == 0
            && self.renditions.is_empty()
            && self.hls_is_written()
    }

    /// The wall clock now.
    #[must_use]
    pub fn wall_clock(&self) -> WallClock {
        let millis = self.wall.unix_millis.saturating_add(self.now.as_millis());
        WallClock { unix_millis: millis }
    }

    /// Sizes, counted anew.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats =
            Stats { connections: self.conns_len, timers: self.timers.len(), ..Stats::default() };
        for stream in self.streams.iter().filter_map(|slot| slot.stream.as_deref()) {
            stats.streams = stats.streams.saturating_add(1);
            let is_live = u32::from(stream.source.publisher().is_some());
            stats.publishers = stats.publishers.saturating_add(is_live);
            stats.players = stats.players.saturating_add(stream.source.players());
            stats.tape_bytes = stats.tape_bytes.saturating_add(stream.source.tape().len());
            let owned = stream.source.consumers().map(Consumer::owned_bytes);
            stats.player_bytes = stats.player_bytes.saturating_add(owned.sum());
        }
        stats.segment_bytes = self.hls_bytes();
        for conn in self.conns.iter().flatten() {
            let buffered = match &conn.http {
                Some(http) => http.buffered(),
                None => conn.session.buffered(),
            };
            let bytes = conn.replies.len().saturating_add(buffered);
            stats.session_bytes = stats.session_bytes.saturating_add(bytes as u64);
        }
        stats
    }

    fn open(&mut self, id: ConnId, listener: ListenerId, service: Service, peer: SocketAddr) {
        let limits = &self.config.limits;
        let admitted = self.admission.enter(self.now, peer.ip(), limits);
        let refused = if self.is_shutting_down {
            Some(RefuseReason::Shutdown)
        } else if self.conns_len >= limits.connections_max {
            Some(RefuseReason::ConnectionsMax)
        } else {
            admitted.err()
        };
        let seed = self.rng.next_u64();
        let session = Session::server(self.session_config.clone(), self.now, Rng::new(seed));
        let mut conn = Box::new(Conn::new(id, peer, session, self.now));
        if service == Service::Http {
            let limits = HttpLimits::from(&self.config.limits);
            conn.http = Some(Box::new(Http::new(limits, self.now)));
        }
        self.event(Event::Accepted { conn: id, listener, peer });
        if let Some(reason) = refused {
            let subject = Arc::from(report::address(peer));
            self.event(Event::Refused { conn: id, reason, subject });
            self.conns_len = self.conns_len.saturating_add(1);
            self.close_now(&mut conn, CloseReason::Refused(reason));
            return;
        }
        self.place_conn(conn);
    }

    /// Takes a connection that is new.
    fn place_conn(&mut self, conn: Box<Conn>) {
        let id = conn.id;
        self.conns_len = self.conns_len.saturating_add(1);
        let slot = id.slot as usize;
        if let Some(mut old) = self.conns.get_mut(slot).and_then(Option::take) {
            debug_assert!(false, "a slot is used again after its connection was closed");
            self.close_now(&mut old, CloseReason::Io(IoFailure::Other));
        }
        if self.conns.len() <= slot {
            self.conns.resize_with(slot.saturating_add(1), || None);
        }
        self.put_conn(conn);
    }

    fn receive(&mut self, conn: &mut Conn, bytes: &[u8]) {
        conn.received = conn.received.saturating_add(bytes.len() as u64);
        self.totals.received_bytes = self.totals.received_bytes.saturating_add(bytes.len() as u64);
        if conn.http.is_some() {
            self.http_receive(conn, bytes);
        } else if conn.waits {
            conn.stash.extend_from_slice(bytes);
        } else {
            self.advance(conn, bytes);
        }
    }

    fn advance(&mut self, conn: &mut Conn, bytes: &[u8]) {
        let mut input = bytes;
        while conn.closing.is_none() && !conn.waits {
            match conn.session.receive(self.now, &mut input, &mut conn.replies) {
                Ok(Some(event)) => self.session_event(conn, event),
                Ok(None) => break,
                Err(error) => self.fail(conn, error),
            }
        }
        if conn.waits {
            // Another shard decides; until then the peer is not read.
            conn.stash.extend_from_slice(input);
            self.outputs.push_back(Output::SetReading { conn: conn.id, enabled: false });
        }
        if conn.replies.len() > self.config.limits.reply_bytes_max && conn.reads {
            // The peer asks faster than it reads the answers: it is not read until it has.
            conn.reads = false;
            self.outputs.push_back(Output::SetReading { conn: conn.id, enabled: false });
        }
        if !conn.replies.is_empty() {
            self.queue_write(conn.id);
        }
    }

    fn wrote(&mut self, conn: &mut Conn, len: usize, offered: usize) {
        if conn.http.is_some() {
            Self::http_wrote(conn, len);
        } else {
            self.rtmp_wrote(conn, len);
        }
        conn.sent = conn.sent.saturating_add(len as u64);
        self.totals.sent_bytes = self.totals.sent_bytes.saturating_add(len as u64);
        if len < offered {
            conn.block(self.now);
        } else {
            conn.unblock();
            self.queue_write(conn.id);
        }
    }

    fn rtmp_wrote(&mut self, conn: &mut Conn, len: usize) {
        let now = self.now;
        let mut replies = len.min(conn.replies.len());
        if let Some((source, consumer)) = conn.sharing_player()
            && let Some(stream) = self.stream_mut(source)
        {
            replies = stream.source.wrote(consumer, len, conn.replies.len());
            let shared = len.saturating_sub(replies);
            stream.measure.sent.count(now, shared as u64);
            conn.count_shared(shared);
        }
        conn.replies.advance(replies.min(conn.replies.len()));
        if conn.replies.is_empty() {
            // The memory is given back: most connections never reply again.
            conn.replies = bytes::BytesMut::new();
            if !conn.reads {
                conn.reads = true;
                let enabled = !conn.waits;
                self.outputs.push_back(Output::SetReading { conn: conn.id, enabled });
            }
        }
    }

    /// Readies the next write of a connection; closes it when it was closing and all is sent.
    fn is_writable(&mut self, id: ConnId) -> bool {
        if self.has_media(id) {
            return true;
        }
        let mut is_writable = false;
        self.with_conn(id, |server, conn| {
            if conn.blocked {
                return;
            }
            is_writable = if conn.http.is_some() {
                server.http_prepare(conn)
            } else {
                server.prepare(conn) || !conn.replies.is_empty()
            };
            if is_writable {
                return;
            }
            conn.unblock();
            if let Some(reason) = conn.closing {
                server.close_now(conn, reason);
            }
        });
        is_writable
    }

    /// The peer broke the protocol, a limit or a deadline.
    fn fail(&mut self, conn: &mut Conn, error: SessionError) {
        self.begin_close(conn, CloseReason::Error(error));
    }

    /// Ends the roles of a connection and closes it once its replies are sent.
    fn begin_close(&mut self, conn: &mut Conn, reason: CloseReason) {
        if conn.closing.is_some() {
            return;
        }
        conn.closing = Some(reason);
        conn.linger_at = Some(self.now.after(LINGER));
        self.end_publishing(conn);
        self.finish_players(conn);
        self.queue_write(conn.id);
    }

    /// Closes a connection whatever is unsent. The caller holds it; it is not put back.
    fn close_now(&mut self, conn: &mut Conn, reason: CloseReason) {
        self.forget(conn, reason);
        self.outputs.push_back(Output::Close { conn: conn.id });
    }

    /// Ends the roles of a connection and what is counted of it.
    fn forget(&mut self, conn: &mut Conn, reason: CloseReason) {
        self.end_publishing(conn);
        self.end_playing(conn);
        self.http_forget(conn);
        self.conns_len = self.conns_len.saturating_sub(1);
        conn.closing = Some(reason);
        conn.linger_at = None;
        if let Some(forward) = conn.forward {
            return self.forward_closed(conn, forward, reason);
        }
        self.admission.leave(self.now, conn.peer.ip());
        self.event(Event::Closed {
            conn: conn.id,
            reason,
            received: conn.received,
            sent: conn.sent,
            age: self.now.since(conn.opened),
        });
    }

    fn shutdown(&mut self) {
        self.is_shutting_down = true;
        self.end_renditions();
        self.end_all_forwards();
        // What is forwarded is sent to its end first.
        let conns = self.conns.iter().flatten().filter(|conn| conn.forward.is_none());
        let ids: Vec<ConnId> = conns.map(|conn| conn.id).collect();
        for id in ids {
            self.with_conn(id, |server, conn| {
                if conn.closing.is_none() {
                    server.say_good_bye(conn, RefuseReason::Shutdown);
                }
                server.begin_close(conn, CloseReason::Shutdown);
            });
        }
        self.hls_shutdown();
    }

    fn timeout(&mut self) {
        while let Some((owner, at)) = self.timers.pop_due(self.now) {
            match owner {
                Owner::Conn(id) => self.with_conn(id, |server, conn| {
                    if conn.timer_at == Some(at) {
                        conn.timer_at = None;
                        server.conn_timeout(conn);
                    }
                }),
                Owner::Forward(id) => self.forward_timeout(id, at),
                Owner::Flush(id) => self.flush_timeout(id, at),
                Owner::Renditions => self.renditions_timeout(at),
                Owner::Hls(id) => self.hls_timeout(id, at),
                Owner::Source(id) => self.source_timeout(id, at),
            }
        }
    }

    fn conn_timeout(&mut self, conn: &mut Conn) {
        let now = self.now;
        if conn.linger_at.is_some_and(|at| at <= now) {
            let reason = conn.closing.unwrap_or(CloseReason::Shutdown);
            self.close_now(conn, reason);
            return;
        }
        let timeout = self.config.limits.player_idle_timeout;
        if conn.closing.is_none() && conn.stalls_at(timeout).is_some_and(|at| at <= now) {
            self.close_now(conn, CloseReason::SlowReader);
            return;
        }
        if conn.http.is_some() && conn.closing.is_none() {
            self.http_timeout(conn);
        } else if conn.session.poll_timeout().is_some_and(|deadline| deadline.at <= now)
            && conn.closing.is_none()
            && let Err(error) = conn.session.handle_timeout(now, &mut conn.replies)
        {
            self.fail(conn, error);
        }
        if conn.closing.is_none() && conn.role_again_at.is_some_and(|at| at <= now) {
            let Conn { session, replies, .. } = conn;
            let (code, words) = ("NetConnection.Connect.IdleTimeOut", "The client does nothing.");
            session.status(MessageStreamId(0), StatusLevel::Error, code, words, replies);
            self.fail(conn, SessionError::Timeout(TimerKind::Role));
        }
        if conn.report_at.is_some_and(|at| at <= now) {
            self.report_conn(conn);
        }
        if !conn.replies.is_empty() {
            self.queue_write(conn.id);
        }
    }

    /// Runs `work` on a connection, with the server at hand; arms its deadline afterwards. A
    /// connection that `work` has closed is dropped.
    fn with_conn(&mut self, id: ConnId, work: impl FnOnce(&mut Self, &mut Conn)) {
        let Some(mut conn) = self.take_conn(id) else { return };
        work(self, &mut conn);
        let is_closed = conn.closing.is_some() && conn.linger_at.is_none();
        if !is_closed {
            self.put_conn(conn);
        }
    }

    fn take_conn(&mut self, id: ConnId) -> Option<Box<Conn>> {
        let slot = self.conns.get_mut(id.slot as usize)?;
        if slot.as_ref()?.id == id { slot.take() } else { None }
    }

    fn put_conn(&mut self, mut conn: Box<Conn>) {
        if let Some(deadline) = conn.deadline(self.config.limits.player_idle_timeout) {
            let owner = Owner::Conn(conn.id);
            self.timers.arm(self.now, &mut conn.timer_at, deadline, owner);
        }
        if let Some(slot) = self.conns.get_mut(conn.id.slot as usize) {
            *slot = Some(conn);
        }
    }

    fn conn(&self, id: ConnId) -> Option<&Conn> {
        self.conns.get(id.slot as usize)?.as_deref().filter(|conn| conn.id == id)
    }

    /// Has a job done; the caller gets its end.
    fn start(&mut self, work: Job) -> JobId {
        let job = JobId(self.next_job);
        self.next_job = self.next_job.wrapping_add(1);
        self.outputs.push_back(Output::Start { job, work });
        job
    }

    fn queue_write(&mut self, id: ConnId) {
        self.writes.push(id);
    }

    fn event(&mut self, event: Event) {
        self.count(&event);
        self.outputs.push_back(Output::Event(event));
    }

    fn name_limits(&self) -> NameLimits {
        let limits = &self.config.limits;
        NameLimits {
            app_len_max: limits.app_len_max,
            stream_len_max: limits.stream_len_max,
            tc_url_len_max: limits.tc_url_len_max,
        }
    }
}

impl core::fmt::Debug for Server {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Server").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// The failure of a socket as the reason of a close.
impl From<IoFailure> for CloseReason {
    fn from(failure: IoFailure) -> Self {
        Self::Io(failure)
    }
}

#[cfg(test)]
mod tests;
