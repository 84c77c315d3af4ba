//! Streams at home on other shards: claims of publishers, replicas for players.

use super::Server;
use super::conn::{Action, Asked, Conn, refusal};
use super::hls::Asker;
use super::streams::Stream;
use crate::config::PublishPolicy;
use crate::drive::Output;
use crate::event::{CloseReason, Event, RefuseReason};
use crate::forward::Route;
use crate::frame::Frame;
use crate::id::{ConnId, MessageStreamId, RequestId, SourceId};
use crate::name::StreamName;
use crate::shard::{Claim, Placement, ShardId, ShardMessage, Subscription};
use crate::time::Instant;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// The publisher of a replica is known at its home only.
pub(super) const ELSEWHERE: ConnId = ConnId { slot: u32::MAX, generation: 0 };

/// What a shard knows of the others.
pub(super) struct Shards {
    /// Claims of this shard's connections.
    claimed: BTreeMap<Claim, Claimed>,
    /// Claims of other shards' connections that were granted here.
    claims: BTreeMap<(ShardId, Claim), SourceId>,
    /// Claims with frames to send.
    full: Vec<Claim>,
    next_subscription: u64,
    pub(super) placement: Placement,
    /// Replicas of this shard.
    replicas: BTreeMap<Subscription, SourceId>,
}

/// A stream that a connection of this shard publishes, or wants to, at its home elsewhere.
struct Claimed {
    frames: Vec<Frame>,
    home: ShardId,
    name: StreamName,
    /// Not answered yet.
    request: Option<RequestId>,
    since: Instant,
}

/// Who publishes a stream that is at home here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct RemotePublisher {
    pub(super) claim: Claim,
    pub(super) shard: ShardId,
}

/// The home of a replica.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Replica {
    home: ShardId,
    subscription: Subscription,
}

/// A replica elsewhere of a stream that is at home here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Subscriber {
    shard: ShardId,
    subscription: Subscription,
}

impl Shards {
    pub(super) const fn new(placement: Placement) -> Self {
        Self {
            claimed: BTreeMap::new(),
            claims: BTreeMap::new(),
            full: Vec::new(),
            next_subscription: 0,
            placement,
            replicas: BTreeMap::new(),
        }
    }

    /// The home of a stream, if it is another shard.
    pub(super) fn home_elsewhere(&self, name: &StreamName) -> Option<ShardId> {
        Some(self.placement.home(name)).filter(|home| *home != self.placement.own)
    }
}

impl Server {
    /// Asks the home of a stream whether `conn` may publish it; the connection waits.
    pub(super) fn claim(
        &mut self,
        conn: &mut Conn,
        stream: MessageStreamId,
        request: RequestId,
        home: ShardId,
        name: StreamName,
    ) {
        let claim = Claim { conn: conn.id, stream };
        let claimed = Claimed {
            frames: Vec::new(),
            home,
            name: name.clone(),
            request: Some(request),
            since: self.now,
        };
        self.shards.claimed.insert(claim, claimed);
        conn.waits = true;
        let is_rendition = conn.app.as_ref().is_some_and(|app| app.is_rendition);
        let route = conn.app.as_ref().map(|app| app.route.clone()).unwrap_or_default();
        let server = conn.server_address();
        self.tell(home, ShardMessage::Claim { claim, name, is_rendition, route, server });
    }

    /// Takes what another shard says.
    pub(super) fn shard_message(&mut self, from: ShardId, message: ShardMessage) {
        match message {
            ShardMessage::Claim { claim, name, is_rendition, route, server } => {
                let echoed = self.names.get(&name).copied();
                if echoed.is_some_and(|source| self.is_echo(source, server)) {
                    let reason = RefuseReason::Loop;
                    self.tell(from, ShardMessage::Denied { claim, reason });
                } else {
                    self.answer_claim((from, claim), &name, is_rendition, route);
                }
            }
            ShardMessage::Granted { claim, players } => {
                self.with_conn(claim.conn, |server, conn| server.granted(conn, claim, players));
            }
            ShardMessage::Denied { claim, reason } => {
                self.with_conn(claim.conn, |server, conn| server.denied(conn, claim, reason));
            }
            ShardMessage::Revoked { claim } => self.with_conn(claim.conn, |server, conn| {
                if server.shards.claimed.contains_key(&claim) {
                    server.tell_of_takeover(conn, claim.stream);
                }
            }),
            ShardMessage::Released { claim } => {
                if let Some(source) = self.shards.claims.remove(&(from, claim)) {
                    self.unpublish(source);
                }
            }
            ShardMessage::Published { claim, frames } => {
                if let Some(&source) = self.shards.claims.get(&(from, claim)) {
                    for frame in &frames {
                        self.push_frame(source, frame);
                    }
                }
            }
            ShardMessage::Subscribe { name, subscription } => {
                self.subscribe(&name, Subscriber { shard: from, subscription });
            }
            ShardMessage::Unsubscribe { name, subscription, sent_bytes, skips } => {
                if let Some(&source) = self.names.get(&name) {
                    let gone = Subscriber { shard: from, subscription };
                    if let Some(stream) = self.stream_mut(source) {
                        stream.measure.sent.add_total(sent_bytes);
                        stream.measure.skips = stream.measure.skips.saturating_add(skips);
                        stream.subscribers.retain(|subscriber| *subscriber != gone);
                    }
                    self.release(source);
                }
            }
            ShardMessage::Fetch { fetch, name, part } => {
                self.fetch(Asker { fetch, shard: from }, &name, part);
            }
            ShardMessage::Fetched { fetch, found } => self.fetched(fetch, found),
            ShardMessage::Survey { survey, scope } => self.answer_survey(from, survey, scope),
            ShardMessage::Surveyed { survey, snapshot } => {
                self.gather(survey, *snapshot);
            }
            ShardMessage::Live { subscription, live } => self.replica_live(subscription, live),
            ShardMessage::Frames { subscription, frames } => {
                if let Some(&source) = self.shards.replicas.get(&subscription) {
                    for frame in frames.iter() {
                        self.push_frame(source, frame);
                    }
                }
            }
        }
    }

    /// Sends the frames that have gathered for other shards.
    pub(super) fn send_batches(&mut self) {
        for claim in core::mem::take(&mut self.shards.full) {
            self.send_claimed(claim);
        }
        for source in core::mem::take(&mut self.gathered) {
            self.send_gathered(source);
        }
    }

    /// Frames wait for other shards.
    pub(super) fn has_batches(&self) -> bool {
        !self.shards.full.is_empty() || !self.gathered.is_empty()
    }

    /// Passes a frame on to the home of its stream.
    pub(super) fn pass_on(&mut self, claim: Claim, frame: &Frame) {
        if let Some(claimed) = self.shards.claimed.get_mut(&claim) {
            if claimed.frames.is_empty() {
                self.shards.full.push(claim);
            }
            claimed.frames.push(frame.clone());
        }
    }

    /// A claim has ended, answered or not.
    pub(super) fn release_claim(&mut self, conn: &Conn, stream: MessageStreamId) {
        let claim = Claim { conn: conn.id, stream };
        self.send_claimed(claim);
        let Some(claimed) = self.shards.claimed.remove(&claim) else { return };
        self.tell(claimed.home, ShardMessage::Released { claim });
        if claimed.request.is_none() {
            let age = self.now.since(claimed.since);
            self.event(Event::Unpublished { conn: conn.id, name: claimed.name, age });
        }
    }

    /// Ends all claims of a connection that have not been answered.
    pub(super) fn release_waiting(&mut self, conn: &mut Conn) {
        if !core::mem::take(&mut conn.waits) {
            return;
        }
        let mine = self
            .shards
            .claimed
            .iter()
            .filter(|(claim, claimed)| claim.conn == conn.id && claimed.request.is_some());
        let waiting: Vec<MessageStreamId> = mine.map(|(claim, _)| claim.stream).collect();
        for stream in waiting {
            self.release_claim(conn, stream);
        }
    }

    /// The name of a stream that a connection of this shard publishes at its home elsewhere.
    pub(super) fn claimed_name(&self, conn: ConnId, stream: MessageStreamId) -> Option<StreamName> {
        let claimed = self.shards.claimed.get(&Claim { conn, stream });
        claimed.map(|claimed| claimed.name.clone())
    }

    /// A stream that is at home elsewhere was created for a player: it becomes a replica.
    pub(super) fn replicate(&mut self, source: SourceId, home: ShardId, name: &StreamName) {
        let subscription = Subscription(self.shards.next_subscription);
        self.shards.next_subscription = self.shards.next_subscription.wrapping_add(1);
        self.shards.replicas.insert(subscription, source);
        if let Some(stream) = self.stream_mut(source) {
            stream.replica = Some(Replica { home, subscription });
        }
        self.tell(home, ShardMessage::Subscribe { name: name.clone(), subscription });
    }

    /// A replica has no players any more.
    pub(super) fn end_replica(&mut self, replica: Replica, stream: Stream) {
        let Replica { home, subscription } = replica;
        self.shards.replicas.remove(&subscription);
        let Stream { measure, name, .. } = stream;
        let (sent_bytes, skips) = (measure.sent.total(), measure.skips);
        self.tell(home, ShardMessage::Unsubscribe { name, subscription, sent_bytes, skips });
    }

    /// Tells the replicas of a stream whether it has a publisher.
    pub(super) fn tell_subscribers(&mut self, source: SourceId, live: bool) {
        self.send_gathered(source);
        let Some(stream) = self.stream(source) else { return };
        for subscriber in stream.subscribers.clone() {
            let Subscriber { shard, subscription } = subscriber;
            self.tell(shard, ShardMessage::Live { subscription, live });
        }
    }

    /// Takes a stream from a publisher on another shard.
    pub(super) fn revoke(&mut self, source: SourceId, publisher: RemotePublisher) {
        let RemotePublisher { claim, shard } = publisher;
        self.shards.claims.remove(&(shard, claim));
        self.tell(shard, ShardMessage::Revoked { claim });
        self.unpublish(source);
    }

    fn answer_claim(
        &mut self,
        (from, claim): (ShardId, Claim),
        name: &StreamName,
        is_rendition: bool,
        route: Route,
    ) {
        if self.publish_policy(name) == PublishPolicy::Takeover
            && let Some(&source) = self.names.get(name)
        {
            self.take_over(None, source);
        }
        let granted = match self.find_or_create(name) {
            None => Err(RefuseReason::SourcesMax),
            Some(source) => self.grant(source, RemotePublisher { claim, shard: from }),
        };
        match granted {
            Ok((source, players)) => {
                self.shards.claims.insert((from, claim), source);
                if let Some(stream) = self.stream_mut(source) {
                    stream.route = route;
                    stream.is_rendition = is_rendition;
                }
                self.stream_published(source);
                self.tell(from, ShardMessage::Granted { claim, players });
            }
            Err(reason) => self.tell(from, ShardMessage::Denied { claim, reason }),
        }
    }

    fn grant(
        &mut self,
        source: SourceId,
        publisher: RemotePublisher,
    ) -> Result<(SourceId, u32), RefuseReason> {
        let stream = self.stream_mut(source).ok_or(RefuseReason::Busy)?;
        stream.source.publish(publisher.claim.conn).map_err(|_| RefuseReason::Busy)?;
        stream.publisher = Some(publisher);
        Ok((source, stream.source.players()))
    }

    fn granted(&mut self, conn: &mut Conn, claim: Claim, players: u32) {
        let Some(claimed) = self.shards.claimed.get_mut(&claim) else { return };
        let Some(request) = claimed.request.take() else { return };
        claimed.since = self.now;
        let name = claimed.name.clone();
        let granted = conn.session.accept(self.now, request, &mut conn.replies);
        debug_assert!(granted.is_ok(), "the request has waited for this");
        self.add_role(conn, claim.stream, None, Action::PublishElsewhere);
        self.event(Event::Published { conn: conn.id, name, players });
        self.resume(conn);
    }

    fn denied(&mut self, conn: &mut Conn, claim: Claim, reason: RefuseReason) {
        let Some(claimed) = self.shards.claimed.remove(&claim) else { return };
        let Some(request) = claimed.request else { return };
        self.refuse(conn, request, reason, Asked::Publish, claimed.name.as_str());
        self.resume(conn);
    }

    /// A connection that has waited for another shard goes on with what it had sent meanwhile.
    fn resume(&mut self, conn: &mut Conn) {
        conn.waits = false;
        let stash = core::mem::take(&mut conn.stash);
        self.advance(conn, &stash);
        if !conn.waits && conn.reads {
            self.outputs.push_back(Output::SetReading { conn: conn.id, enabled: true });
        }
    }

    /// A publisher on this shard loses its stream to another one.
    pub(super) fn tell_of_takeover(&mut self, conn: &mut Conn, stream: MessageStreamId) {
        let Conn { session, replies, .. } = conn;
        let words = refusal(RefuseReason::Busy, Asked::Publish);
        let level = crate::session::StatusLevel::Error;
        let description = "Another client has taken the stream over.";
        session.status(stream, level, words.code, description, replies);
        self.end_told(conn, stream, CloseReason::TakenOver);
    }

    fn subscribe(&mut self, name: &StreamName, subscriber: Subscriber) {
        // Above the limit of streams the replica stays without publisher, and its players give up.
        let Some(source) = self.find_or_create(name) else { return };
        // What others are still to get is part of what the new one gets first.
        self.send_gathered(source);
        let Some(stream) = self.stream_mut(source) else { return };
        stream.subscribers.push(subscriber);
        if stream.source.publisher().is_none() {
            return;
        }
        let frames = Arc::from(stream.source.snapshot());
        let Subscriber { shard, subscription } = subscriber;
        self.tell(shard, ShardMessage::Live { subscription, live: true });
        self.tell(shard, ShardMessage::Frames { subscription, frames });
    }

    fn replica_live(&mut self, subscription: Subscription, live: bool) {
        let Some(&source) = self.shards.replicas.get(&subscription) else { return };
        if !live {
            self.unpublish(source);
        } else if let Some(stream) = self.stream_mut(source)
            && stream.source.publish(ELSEWHERE).is_ok()
        {
            self.stream_published(source);
        }
    }

    fn send_claimed(&mut self, claim: Claim) {
        let Some(claimed) = self.shards.claimed.get_mut(&claim) else { return };
        let frames = core::mem::take(&mut claimed.frames);
        if !frames.is_empty() {
            let home = claimed.home;
            self.tell(home, ShardMessage::Published { claim, frames });
        }
    }

    fn send_gathered(&mut self, source: SourceId) {
        let Some(stream) = self.stream_mut(source) else { return };
        let frames = core::mem::take(&mut stream.gathered);
        if frames.is_empty() {
            return;
        }
        let frames: Arc<[Frame]> = Arc::from(frames);
        for Subscriber { shard, subscription } in stream.subscribers.clone() {
            self.tell(shard, ShardMessage::Frames { subscription, frames: frames.clone() });
        }
    }

    pub(super) fn tell(&mut self, to: ShardId, message: ShardMessage) {
        self.outputs.push_back(Output::Shard { to, message });
    }
}
