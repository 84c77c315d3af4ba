//! Streams: media from publishers to players, merged when the shard is busy.

use super::conn::{Action, Conn, Role};
use super::hls::HlsId;
use super::measure::Measure;
use super::merging::flush_at;
use super::shards::{RemotePublisher, Replica, Subscriber};
use super::timers::Owner;
use super::{Server, Slot};
use crate::chunk::ChunkSize;
use crate::config::{Config, Vhost};
use crate::event::{CloseReason, Event};
use crate::flv::codec;
use crate::forward::Route;
use crate::frame::{Frame, FrameClass, FrameKind};
use crate::id::{ConnId, ForwardId, MessageStreamId, SourceId};
use crate::name::StreamName;
use crate::session::StatusLevel;
use crate::shard::Claim;
use crate::source::consumer::Consumer;
use crate::source::{Lapped, Source, SourceConfig};
use crate::tape::GopLimits;
use crate::time::{Deadline, Instant, TimerKind};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use smallvec::SmallVec;

/// A source and what the server keeps of it.
pub(super) struct Stream {
    pub(super) bytes: u64,
    /// Media wait for their players since the last flush.
    flush_at: Option<Instant>,
    flushed: Option<Instant>,
    /// It comes from a process that this server or another one has started.
    pub(super) is_rendition: bool,
    /// Players without a publisher are looked after then.
    linger_at: Option<Instant>,
    pub(super) measure: Measure,
    pub(super) name: StreamName,
    /// Where it is forwarded.
    pub(super) forwards: Vec<ForwardId>,
    /// Frames for replicas on other shards.
    pub(super) gathered: Vec<Frame>,
    /// Its segments, while it is published here.
    pub(super) hls: Option<HlsId>,
    /// Who publishes it, if that is a connection of another shard.
    pub(super) publisher: Option<RemotePublisher>,
    /// The home of the stream, if that is another shard.
    pub(super) replica: Option<Replica>,
    pub(super) report_at: Instant,
    pub(super) reported: Instant,
    /// The servers that it has passed.
    pub(super) route: Route,
    pub(super) source: Source,
    /// Replicas on other shards.
    pub(super) subscribers: Vec<Subscriber>,
    timer_at: Option<Instant>,
    /// Of the flush alone: it comes so often that it would push the other deadlines aside.
    flush_timer_at: Option<Instant>,
    /// When the last publisher left; `None` while there is one or was none.
    left: Option<Instant>,
    pub(super) vhost: Arc<Vhost>,
}

impl Stream {
    /// The earliest deadline but that of the next flush, which comes and goes far more often.
    fn deadline(&self) -> Deadline {
        match self.linger_at.filter(|at| *at < self.report_at) {
            Some(at) => Deadline { at, reason: TimerKind::SourceLinger },
            None => Deadline { at: self.report_at, reason: TimerKind::Progress },
        }
    }

    /// When a player without publisher has waited long enough.
    fn patience(&self, consumer: &Consumer, config: &Config) -> Instant {
        match self.left {
            Some(left) if left >= consumer.attached() => left.after(self.vhost.grace),
            Some(_) | None if consumer.is_viewer() => {
                consumer.attached().after(config.limits.http_play_wait)
            }
            Some(_) | None => consumer.attached().after(config.limits.play_wait),
        }
    }
}

impl Server {
    pub(super) fn stream(&self, id: SourceId) -> Option<&Stream> {
        let slot = self.streams.get(id.slot as usize)?;
        slot.stream.as_deref().filter(|_| slot.generation == id.generation)
    }

    pub(super) fn stream_mut(&mut self, id: SourceId) -> Option<&mut Stream> {
        let slot = self.streams.get_mut(id.slot as usize)?;
        if slot.generation == id.generation { slot.stream.as_deref_mut() } else { None }
    }

    /// The stream of that name; `None` when there are as many as there may be.
    pub(super) fn find_or_create(&mut self, name: &StreamName) -> Option<SourceId> {
        if let Some(&id) = self.names.get(name) {
            return Some(id);
        }
        if self.names.len() >= self.config.limits.sources_max as usize {
            return None;
        }
        let index = self.free_streams.pop().unwrap_or_else(|| {
            self.streams.push(Slot::default());
            u32::try_from(self.streams.len().saturating_sub(1)).unwrap_or(u32::MAX)
        });
        let report_at = self.now.after(self.config.pithy_print.publish);
        // Where a reload has just removed it here, the peers of other shards will be gone soon.
        let vhost = self.config.vhost_of_stream(name.vhost());
        let home = self.shards.home_elsewhere(name);
        let stream = Box::new(Stream {
            bytes: 0,
            flush_at: None,
            flushed: None,
            is_rendition: false,
            linger_at: None,
            measure: Measure::new(self.now),
            name: name.clone(),
            forwards: Vec::new(),
            gathered: Vec::new(),
            hls: None,
            publisher: None,
            replica: None,
            report_at,
            reported: self.now,
            route: Route::default(),
            source: Source::new(source_config(&self.config, &vhost, home.is_some())),
            subscribers: Vec::new(),
            timer_at: None,
            flush_timer_at: None,
            left: None,
            vhost,
        });
        let slot = self.streams.get_mut(index as usize)?;
        slot.generation = slot.generation.wrapping_add(1);
        slot.stream = Some(stream);
        let id = SourceId { slot: index, generation: slot.generation };
        self.names.insert(name.clone(), id);
        self.arm_stream(id);
        if let Some(home) = home {
            self.replicate(id, home, name);
        }
        Some(id)
    }

    /// Drops a stream that nobody publishes and nobody plays, here or on other shards.
    pub(super) fn release(&mut self, id: SourceId) {
        let is_idle = self.stream(id).is_some_and(|stream| {
            let is_published = stream.source.publisher().is_some() && stream.replica.is_none();
            !is_published && !stream.source.is_read() && stream.subscribers.is_empty()
        });
        if is_idle
            && let Some(slot) = self.streams.get_mut(id.slot as usize)
            && let Some(stream) = slot.stream.take()
        {
            self.free_streams.push(id.slot);
            self.names.remove(&stream.name);
            if let Some(replica) = stream.replica {
                self.end_replica(replica, *stream);
            }
        }
    }

    /// Takes a frame of the publisher `conn`.
    pub(super) fn publish_frame(
        &mut self,
        conn: &mut Conn,
        stream: MessageStreamId,
        frame: &Frame,
    ) {
        let Some(role) =
            conn.roles.iter_mut().find(|role| role.stream == stream && role.action.publishes())
        else {
            return;
        };
        role.bytes = role.bytes.saturating_add(frame.payload.len() as u64);
        // Pictures per second; a stream without pictures has none.
        let is_picture = frame.kind == FrameKind::Video
            && matches!(frame.class, FrameClass::Coded | FrameClass::Keyframe);
        role.frames = role.frames.saturating_add(u32::from(is_picture));
        match role.source {
            Some(source) => self.push_frame(source, frame),
            None => {
                let claim = Claim { conn: conn.id, stream };
                self.pass_on(claim, frame);
            }
        }
    }

    /// Takes a frame for a stream of this shard, from a connection or from another shard.
    pub(super) fn push_frame(&mut self, source_id: SourceId, frame: &Frame) {
        let now = self.now;
        let mut lapped = Vec::new();
        let Some(stream) = self.stream_mut(source_id) else { return };
        stream.bytes = stream.bytes.saturating_add(frame.payload.len() as u64);
        let pushed = stream.source.push(now, frame, &mut lapped);
        stream.measure.observe(now, frame, &pushed, lapped.len(), &stream.source);
        let name = stream.name.clone();
        let is_replica = stream.replica.is_some();
        let hls = stream.hls;
        if !pushed.dropped && !stream.subscribers.is_empty() {
            let is_first = stream.gathered.is_empty();
            stream.gathered.push(Frame { timestamp: pushed.timestamp, ..frame.clone() });
            if is_first {
                self.gathered.push(source_id);
            }
        }
        if let Some(id) = hls.filter(|_| !pushed.dropped) {
            self.hls_frame(id, &Frame { timestamp: pushed.timestamp, ..frame.clone() });
        }
        // The home of the stream has told it already.
        if let Some(codec) = pushed.codec.filter(|_| !is_replica) {
            let description = codec::describe(&frame.payload, frame.kind);
            let description = description.unwrap_or_else(|| alloc::format!("{codec}"));
            let description = Arc::from(description);
            let name = name.clone();
            self.event(Event::Codec { source: source_id, name, codec, description });
        }
        if let Some(millis) = pushed.jump {
            let millis = i64::from(millis);
            self.event(Event::Jumped { source: source_id, name: name.clone(), millis });
        }
        for Lapped { conn, bytes } in lapped {
            self.tell_skipped(conn, name.clone(), bytes);
        }
        if !pushed.dropped {
            self.schedule_flush(source_id);
        }
    }

    /// Media have come: they are sent at once, or when the merge interval is over.
    fn schedule_flush(&mut self, id: SourceId) {
        let now = self.now;
        let load = self.load.now(now);
        let slot = self.streams.get_mut(id.slot as usize);
        let Some(slot) = slot.filter(|slot| slot.generation == id.generation) else { return };
        let Some(stream) = slot.stream.as_deref_mut() else { return };
        if stream.flush_at.is_some() || !stream.source.is_read() {
            return;
        }
        let at = flush_at(stream.vhost.send_delay, load, now, stream.flushed);
        stream.flush_at = Some(at);
        if at <= now {
            self.due.push(id);
        } else {
            let deadline = Deadline { at, reason: TimerKind::Flush };
            self.timers.arm(now, &mut stream.flush_timer_at, deadline, Owner::Flush(id));
        }
    }

    /// The merge interval of a stream is over.
    pub(super) fn flush_timeout(&mut self, id: SourceId, at: Instant) {
        let Some(stream) = self.stream_mut(id) else { return };
        if stream.flush_timer_at == Some(at) {
            stream.flush_timer_at = None;
            self.due.push(id);
        }
    }

    /// Lets all players of a stream write.
    pub(super) fn flush(&mut self, id: SourceId) {
        let now = self.now;
        let Some(stream) = self.stream_mut(id) else { return };
        stream.flush_at = None;
        stream.flushed = Some(now);
        let slot = id.slot as usize;
        let Some(stream) = self.streams.get(slot).and_then(|slot| slot.stream.as_deref()) else {
            return;
        };
        for consumer in stream.source.consumers() {
            // Whether its socket is full is looked at when its turn comes: once, not twice.
            self.writes.push(consumer.conn());
        }
    }

    /// Readies what a connection's players get next; true when the one that shares the tape has
    /// something.
    pub(super) fn prepare(&mut self, conn: &mut Conn) -> bool {
        let now = self.now;
        // Copies wait until all replies are sent: else these might never be, and the connection
        // would not be read again.
        let has_room = conn.replies.is_empty();
        let mut ended: SmallVec<[MessageStreamId; 1]> = SmallVec::new();
        let mut is_ready = false;
        for index in 0..conn.roles.len() {
            let Some(&Role { action, source, stream: id, .. }) = conn.roles.get(index) else {
                continue;
            };
            let Some(consumer) = action.player() else { continue };
            let Some(stream) = source.and_then(|source| self.stream_mut(source)) else { continue };
            if matches!(action, Action::PlayCopy(_)) && has_room {
                let before = conn.replies.len();
                if stream.source.prepare(consumer) {
                    let Conn { session, replies, .. } = conn;
                    // The chunk size of the player that shares its tape is put back behind them.
                    let (size, own) = (session.chunk_size(), stream.source.tape().chunk_size());
                    session.announce_chunk_size(own, replies);
                    stream.source.take_private(consumer, replies);
                    session.announce_chunk_size(size, replies);
                }
                let copied = conn.replies.len().saturating_sub(before);
                stream.measure.sent.count(now, copied as u64);
                if let Some(role) = conn.roles.get_mut(index) {
                    role.bytes = role.bytes.saturating_add(copied as u64);
                }
            }
            let is_unsent = match action {
                Action::Play(consumer) => stream.source.prepare(consumer),
                Action::PlayCopy(_) | Action::Publish | Action::PublishElsewhere => {
                    !conn.replies.is_empty()
                }
            };
            is_ready |= is_unsent && matches!(action, Action::Play(_));
            let has_ended = stream.source.consumer(consumer).is_some_and(Consumer::has_ended);
            if conn.closing.is_none() && has_ended && !is_unsent {
                ended.push(id);
            }
        }
        for id in ended {
            self.complete(conn, id);
        }
        is_ready
    }

    /// A player was sent all that it asked for.
    fn complete(&mut self, conn: &mut Conn, id: MessageStreamId) {
        if conn.forward.is_some() {
            return self.finish_forward(conn);
        }
        let Conn { session, replies, .. } = conn;
        session.status(
            id,
            StatusLevel::Status,
            "NetStream.Play.Stop",
            "The duration that was asked for has been played.",
            replies,
        );
        session.stream_eof(id, replies);
        self.end_told(conn, id, CloseReason::StreamEnded);
    }

    /// A publisher has come: waiting players no longer wait.
    pub(super) fn stream_published(&mut self, id: SourceId) {
        let now = self.now;
        if let Some(stream) = self.stream_mut(id) {
            stream.linger_at = None;
            stream.left = None;
            stream.measure.begin(now);
            let name = stream.name.clone();
            self.hls_published(id);
            self.sync_renditions(&name);
        }
        self.tell_subscribers(id, true);
        self.begin_forwards(id);
    }

    /// The publisher of a stream of this shard has gone.
    pub(super) fn unpublish(&mut self, id: SourceId) {
        if let Some(stream) = self.stream_mut(id) {
            stream.source.unpublish();
            self.stream_unpublished(id);
        }
    }

    /// A publisher has left: players stay for a grace period, then they are told.
    pub(super) fn stream_unpublished(&mut self, id: SourceId) {
        let now = self.now;
        if let Some(stream) = self.stream_mut(id) {
            stream.left = Some(now);
            stream.measure.end(now);
            stream.publisher = None;
            let name = stream.name.clone();
            self.hls_unpublished(id);
            self.sync_renditions(&name);
        }
        self.tell_subscribers(id, false);
        self.end_forwards(id);
        self.arm_linger(id);
        self.release(id);
    }

    /// Looks after the players of a stream without publisher when the first has waited enough.
    pub(super) fn arm_linger(&mut self, id: SourceId) {
        let config = self.config.clone();
        let Some(stream) = self.stream_mut(id) else { return };
        if stream.source.publisher().is_some() {
            return;
        }
        let waiting = stream.source.consumers().filter(|player| player.waits());
        stream.linger_at = waiting.map(|player| stream.patience(player, &config)).min();
        self.arm_stream(id);
    }

    /// Looks after a player that has just come to a stream without publisher.
    pub(super) fn arm_patience(&mut self, id: SourceId, wait: Duration) {
        let at = self.now.after(wait);
        let Some(stream) = self.stream_mut(id) else { return };
        if stream.source.publisher().is_none() {
            stream.linger_at = Some(stream.linger_at.map_or(at, |earlier| earlier.min(at)));
            self.arm_stream(id);
        }
    }

    pub(super) fn source_timeout(&mut self, id: SourceId, at: Instant) {
        let now = self.now;
        let Some(stream) = self.stream_mut(id) else { return };
        if stream.timer_at != Some(at) {
            return;
        }
        stream.timer_at = None;
        if self.stream(id).is_some_and(|stream| stream.linger_at.is_some_and(|at| at <= now)) {
            self.end_waiting_players(id);
        }
        if self.stream(id).is_some_and(|stream| stream.report_at <= now) {
            self.report_stream(id);
        }
        self.arm_stream(id);
    }

    fn end_waiting_players(&mut self, id: SourceId) {
        let now = self.now;
        let Some(stream) = self.stream(id) else { return };
        // Who came after the publisher had left waited for another one.
        let saw_it = |player: &Consumer| stream.left.is_some_and(|left| left >= player.attached());
        let tired: Vec<(ConnId, MessageStreamId, bool)> = stream
            .source
            .consumers()
            .filter(|player| player.waits())
            .filter(|player| stream.patience(player, &self.config) <= now)
            .map(|player| (player.conn(), player.stream(), saw_it(player)))
            .collect();
        if let Some(stream) = self.stream_mut(id) {
            stream.linger_at = None;
        }
        for (conn, message_stream, was_live) in tired {
            self.with_conn(conn, |server, conn| {
                server.end_player(conn, message_stream, was_live);
            });
        }
        self.arm_linger(id);
    }

    pub(super) fn arm_stream(&mut self, id: SourceId) {
        let slot = self.streams.get_mut(id.slot as usize);
        let Some(slot) = slot.filter(|slot| slot.generation == id.generation) else { return };
        let Some(stream) = slot.stream.as_deref_mut() else { return };
        let deadline = stream.deadline();
        self.timers.arm(self.now, &mut stream.timer_at, deadline, Owner::Source(id));
    }

    pub(super) fn attach_player(
        &mut self,
        id: SourceId,
        conn: &Conn,
        stream_id: MessageStreamId,
        duration: Option<Duration>,
    ) -> Option<Action> {
        let now = self.now;
        let shares = conn.sharing_player().is_none();
        // Three chunk streams for each message stream, below 64: those have headers of one byte.
        let index = u8::try_from(stream_id.0).unwrap_or(u8::MAX).min(17);
        let first_csid = (!shares).then(|| 8_u8.saturating_add(index.saturating_mul(3)));
        let stream = self.stream_mut(id)?;
        let consumer = stream.source.attach(now, conn.id, stream_id, first_csid);
        if let Some(duration) = duration {
            stream.source.set_duration(consumer, duration);
        }
        Some(if shares { Action::Play(consumer) } else { Action::PlayCopy(consumer) })
    }
}

pub(super) fn source_config(config: &Config, vhost: &Vhost, is_replica: bool) -> SourceConfig {
    let limits = &config.limits;
    SourceConfig {
        chunk_size: ChunkSize::new(config.chunk_size_of(vhost)).unwrap_or(ChunkSize::DEFAULT),
        gop: GopLimits {
            bytes_max: limits.gop_bytes_max,
            frames_max: limits.gop_frames_max,
            span_max: limits.gop_span_max,
        },
        gop_cache: vhost.gop_cache,
        is_replica,
        lag_bytes_max: vhost.queue_length.bytes_max,
        lag_max: vhost.queue_length.time_max,
        metadata_len_max: limits.metadata_len_max,
        time_jitter: vhost.time_jitter,
        tracks_max: limits.tracks_max,
    }
}
