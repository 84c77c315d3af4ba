//! What the server is like now: of this shard at once, of all shards as soon as they have answered.

use super::Server;
use super::conn::{Conn, Role};
use super::report::bits_per_second;
use super::streams::Stream;
use crate::api::{
    ClientId, ClientRole, ClientState, Protocol, Scope, ServerState, Snapshot, StreamState,
};
use crate::event::Event;
use crate::id::{ConnId, SourceId};
use crate::shard::{ShardId, ShardMessage, SurveyId};
use crate::source::consumer::{Consumer, Container};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

/// A rate is told of the present report period once it is so long; before, of the one before.
const RATE_PERIOD_MIN: Duration = Duration::from_secs(2);

/// Snapshots of all shards that are being gathered.
#[derive(Default)]
pub(super) struct Surveys {
    complete: Vec<(ConnId, Snapshot)>,
    gathering: BTreeMap<SurveyId, Survey>,
    next: u64,
}

struct Survey {
    asker: ConnId,
    missing: u16,
    parts: Vec<Snapshot>,
}

impl Server {
    /// This shard now, as far as `scope` asks for it. Costs the time to look at each stream or
    /// connection once.
    #[must_use]
    pub fn snapshot(&self, scope: Scope) -> Snapshot {
        let mut snapshot = Snapshot { server: self.server_state(), ..Snapshot::default() };
        match scope {
            Scope::Server => {}
            Scope::Streams => {
                // In the order of their names.
                let streams = self.names.values().filter_map(|id| self.stream(*id));
                snapshot.streams.extend(streams.map(|stream| self.stream_state(stream)));
                snapshot.renditions = self.renditions();
                snapshot.sort_renditions();
            }
            Scope::Clients => {
                for conn in self.conns.iter().flatten() {
                    self.client_states(conn, &mut snapshot.clients);
                }
            }
        }
        snapshot
    }

    /// All shards now. Gives the snapshot if this shard is the only one; else the others are asked,
    /// and `poll_survey` gives it for `asker` when the last has answered.
    pub fn survey(&mut self, asker: ConnId, scope: Scope) -> Option<Snapshot> {
        let own = self.snapshot(scope);
        let placement = self.shards.placement;
        let missing = placement.count.get().saturating_sub(1);
        if missing == 0 {
            return Some(own);
        }
        let survey = SurveyId(self.surveys.next);
        self.surveys.next = self.surveys.next.wrapping_add(1);
        let parts = alloc::vec![own];
        self.surveys.gathering.insert(survey, Survey { asker, missing, parts });
        for shard in (0..placement.count.get()).map(ShardId).filter(|id| *id != placement.own) {
            self.tell(shard, ShardMessage::Survey { survey, scope });
        }
        None
    }

    /// A snapshot of all shards that is complete, and who asked for it.
    pub fn poll_survey(&mut self) -> Option<(ConnId, Snapshot)> {
        self.surveys.complete.pop()
    }

    /// Another shard asks what this one is like.
    pub(super) fn answer_survey(&mut self, from: ShardId, survey: SurveyId, scope: Scope) {
        let snapshot = Box::new(self.snapshot(scope));
        self.tell(from, ShardMessage::Surveyed { survey, snapshot });
    }

    /// Another shard has answered.
    pub(super) fn gather(&mut self, survey: SurveyId, snapshot: Snapshot) {
        let Some(gathering) = self.surveys.gathering.get_mut(&survey) else { return };
        gathering.parts.push(snapshot);
        gathering.missing = gathering.missing.saturating_sub(1);
        if gathering.missing == 0
            && let Some(Survey { asker, parts, .. }) = self.surveys.gathering.remove(&survey)
        {
            self.surveys.complete.push((asker, Snapshot::merge(parts)));
        }
    }

    /// Counts what happened.
    pub(super) fn count(&mut self, event: &Event) {
        let totals = &mut self.totals;
        #[expect(clippy::wildcard_enum_match_arm, reason = "the others are not counted")]
        let count = match event {
            Event::Accepted { .. } => &mut totals.accepted,
            Event::Jumped { .. } => &mut totals.jumps,
            Event::Skipped { .. } => &mut totals.skips,
            Event::ForwardFailed { .. } => &mut totals.forward_failures,
            Event::RenditionEnded { retry: Some(_), was_asked: false, .. } => {
                &mut totals.rendition_restarts
            }
            Event::Refused { reason, .. } => totals.refused.entry(*reason).or_default(),
            _ => return,
        };
        *count = count.saturating_add(1);
    }

    fn server_state(&self) -> ServerState {
        let stats = self.stats();
        let mut state = ServerState {
            shards: 1,
            uptime: self.now.since(self.started),
            wall: self.wall_clock(),
            connections: stats.connections,
            players: stats.players,
            hls_viewers: self.hls_viewers(),
            tape_bytes: stats.tape_bytes,
            session_bytes: stats.session_bytes,
            totals: self.totals.clone(),
            ..ServerState::default()
        };
        let streams = self.streams.iter().filter_map(|slot| slot.stream.as_deref());
        for stream in streams.filter(|stream| stream.replica.is_none()) {
            state.streams = state.streams.saturating_add(1);
            let is_live = u32::from(stream.source.publisher().is_some());
            state.publishers = state.publishers.saturating_add(is_live);
        }
        state
    }

    fn stream_state(&self, stream: &Stream) -> StreamState {
        let now = self.now;
        let is_home = stream.replica.is_none();
        let own = self.shards.placement.own;
        let publisher = match stream.publisher {
            Some(remote) => Some(ClientId { shard: remote.shard, conn: remote.claim.conn }),
            None => stream.source.publisher().map(|conn| ClientId { shard: own, conn }),
        };
        let measure = &stream.measure;
        StreamState {
            name: stream.name.clone(),
            is_home,
            publisher: publisher.filter(|_| is_home),
            age: measure.published.map(|since| now.since(since)),
            players: stream.source.players(),
            hls_viewers: self.hls_viewers_of(&stream.name),
            video: measure.video(now),
            audio: measure.audio(),
            skew_millis: measure.skew_millis(),
            received_bytes: measure.received.total(),
            sent_bytes: measure.sent.total(),
            received_bits_per_second: measure.received.bits_per_second(now),
            sent_bits_per_second: measure.sent.bits_per_second(now),
            tape_bytes: stream.source.tape().len(),
            jumps: measure.jumps,
            skips: measure.skips,
            forwards: self.forwards_of(stream),
        }
    }

    fn client_states(&self, conn: &Conn, states: &mut Vec<ClientState>) {
        let now = self.now;
        let idle = ClientState {
            id: ClientId { shard: self.shards.placement.own, conn: conn.id },
            protocol: if conn.http.is_some() { Protocol::Http } else { Protocol::Rtmp },
            role: if conn.forward.is_some() { ClientRole::Forward } else { ClientRole::Idle },
            stream: None,
            peer: conn.peer,
            program: conn.program.clone(),
            age: now.since(conn.opened),
            bits_per_second: 0,
            lag_bytes: conn.replies.len() as u64,
            received_bytes: conn.received,
            sent_bytes: conn.sent,
        };
        if conn.roles.is_empty() {
            states.push(idle);
            return;
        }
        for role in &conn.roles {
            let consumer = role.action.player();
            let container = self.role_consumer(role).and_then(Consumer::container);
            states.push(ClientState {
                role: match consumer {
                    Some(_) if conn.forward.is_some() => ClientRole::Forward,
                    Some(_) => ClientRole::Player,
                    None => ClientRole::Publisher,
                },
                protocol: match container {
                    Some(Container::Flv(_)) => Protocol::HttpFlv,
                    Some(Container::Ts(_)) => Protocol::HttpTs,
                    None => idle.protocol,
                },
                stream: self.role_name(conn, role),
                age: now.since(role.since),
                bits_per_second: self.role_rate(role),
                lag_bytes: self.role_lag(role).unwrap_or(idle.lag_bytes),
                ..idle.clone()
            });
        }
    }

    fn role_rate(&self, role: &Role) -> u64 {
        let since = self.now.since(role.reported);
        match role.bits_per_second {
            Some(reported) if since < RATE_PERIOD_MIN => reported,
            Some(_) | None => bits_per_second(role.bytes, since),
        }
    }

    fn role_consumer(&self, role: &Role) -> Option<&Consumer> {
        self.stream(role.source?)?.source.consumer(role.action.player()?)
    }

    fn role_lag(&self, role: &Role) -> Option<u64> {
        let source: SourceId = role.source?;
        Some(self.stream(source)?.source.lag_bytes(role.action.player()?))
    }
}
