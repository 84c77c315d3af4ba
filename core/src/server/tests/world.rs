//! Clients and a server joined by byte pipes, on a virtual clock.
//!
//! A watched world has two bystanders, a publisher and a player, who are there all along. Whatever
//! others do, no frame of theirs may be lost: [`World::finish`] checks that, and what is left over.

use super::wire;
use crate::config::Config;
use crate::drive::{Input, IoFailure, Output, Service, Slices, Via};
use crate::event::{CloseReason, Event};
use crate::frame::{Frame, FrameClass, FrameKind};
use crate::id::{ConnId, ListenerId, MessageStreamId};
use crate::rng::Rng;
use crate::server::Server;
use crate::session::{ClientRequest, Intent, Session, SessionConfig, SessionEvent};
use crate::shard::{Placement, ShardId, ShardMessage};
use crate::time::{Instant, Timestamp, WallClock};
use alloc::sync::Arc;
use alloc::vec::Vec;
use bytes::BytesMut;
use core::net::{IpAddr, SocketAddr};
use core::ops::Range;
use core::time::Duration;
use pretty_assertions::assert_eq;
use std::format;
use std::string::String;

/// A connection to the first listener.
pub(super) const RTMP: Via = Via::Listener { listener: ListenerId(0), service: Service::Rtmp };

pub(super) struct World {
    /// Connections and jobs that the server asks for.
    pub(super) asked: Vec<Output>,
    bystanders: Option<Bystanders>,
    /// What the server says to other shards.
    pub(super) said: Vec<(ShardId, ShardMessage)>,
    pub(super) events: Vec<Event>,
    now: u64,
    pub(super) peers: Vec<Peer>,
    pub(super) server: Server,
    /// Timeouts that were handled.
    pub(super) timeouts: u32,
    /// How long each write takes.
    pub(super) write_time: Duration,
}

pub(super) struct Peer {
    pub(super) events: Vec<SessionEvent>,
    pub(super) frames: Vec<Frame>,
    pub(super) id: ConnId,
    /// What a peer without a client behind it was sent.
    pub(super) inbox: Vec<u8>,
    pub(super) is_open: bool,
    /// The server wants its bytes.
    pub(super) is_read: bool,
    /// Takes all bytes from its socket.
    pub(super) reads: bool,
    /// So many bytes fit in the socket of a peer that does not read.
    pub(super) room: usize,
    session: Option<Session>,
    pub(super) stream: Option<MessageStreamId>,
    pub(super) writes: u32,
}

/// A publisher and a player of a stream that nobody else touches.
#[derive(Clone, Copy)]
struct Bystanders {
    player: usize,
    publisher: usize,
    /// Frames that were published.
    published: u32,
}

/// The time between two frames of the bystanders.
const FRAME_INTERVAL: Duration = Duration::from_millis(40);

impl World {
    pub(super) fn new(config: Config) -> Self {
        Self::new_shard(config, Placement::SINGLE)
    }

    pub(super) fn new_shard(config: Config, placement: Placement) -> Self {
        let wall = WallClock { unix_millis: 1_700_000_000_000 };
        let server =
            Server::new_shard(Arc::new(config), placement, 7, Instant::from_micros(0), wall);
        Self {
            bystanders: None,
            events: Vec::new(),
            now: 1,
            peers: Vec::new(),
            asked: Vec::new(),
            said: Vec::new(),
            server,
            timeouts: 0,
            write_time: Duration::ZERO,
        }
    }

    /// A world with bystanders.
    pub(super) fn watched(config: Config) -> Self {
        let mut world = Self::new(config);
        let url = "rtmp://127.0.0.1/bystanders";
        let publisher = world.client_at(Intent::Publish, url, "it", "198.51.100.1");
        let player = world.client_at(Intent::Play, url, "it", "198.51.100.2");
        world.bystanders = Some(Bystanders { player, publisher, published: 0 });
        world.accompany();
        world
    }

    /// The bystanders go on by a frame.
    fn accompany(&mut self) {
        let Some(bystanders) = &mut self.bystanders else { return };
        let serial = bystanders.published;
        bystanders.published += 1;
        let publisher = bystanders.publisher;
        self.publish(publisher, serial..serial + 1);
    }

    /// Ends the world: those who are left hang up. Connections (but for the bystanders') were closed
    /// for `expected` reasons in that order, and nothing else has changed: no frame of the
    /// bystanders is lost, and the server holds what it held before.
    pub(super) fn finish(mut self, expected: &[CloseReason]) {
        let bystanders = self.bystanders.expect("the world is watched");
        assert_eq!(self.closes(), expected);
        let refusals = expected.iter().filter_map(|reason| match reason {
            CloseReason::Refused(reason) => Some(*reason),
            _ => None,
        });
        assert_eq!(super::reasons(&self), refusals.collect::<Vec<_>>());
        for index in 0..self.peers.len() {
            if self.peers[index].is_open
                && ![bystanders.publisher, bystanders.player].contains(&index)
            {
                self.hang_up(index);
            }
        }
        self.sleep(Duration::from_secs(31));
        self.assert_bystanders_undisturbed();
        let stats = self.server.stats();
        assert_eq!((stats.connections, stats.streams), (2, 1), "{stats:?}");
        assert_eq!((stats.publishers, stats.players), (1, 1), "{stats:?}");
        assert_eq!(stats.session_bytes, 0, "{stats:?}");
        assert!(stats.timers < 20, "{stats:?}");
        let count =
            |want: fn(&Event) -> bool| self.events.iter().filter(|event| want(event)).count();
        let published = count(|event| matches!(event, Event::Published { .. }));
        let unpublished = count(|event| matches!(event, Event::Unpublished { .. }));
        assert_eq!(published, unpublished + 1);
        let played = count(|event| matches!(event, Event::Played { .. }));
        let stopped = count(|event| matches!(event, Event::Stopped { .. }));
        assert_eq!(played, stopped + 1);
    }

    /// Why connections were closed, in order.
    pub(super) fn closes(&self) -> Vec<CloseReason> {
        let closes = self.events.iter().filter_map(|event| match event {
            Event::Closed { reason, .. } => Some(*reason),
            _ => None,
        });
        closes.collect()
    }

    fn assert_bystanders_undisturbed(&self) {
        let Some(Bystanders { player, publisher, published }) = self.bystanders else { return };
        assert_eq!(self.serials(player), (0..published).collect::<Vec<_>>());
        let ids = [self.peers[publisher].id, self.peers[player].id];
        let about = |event: &&Event| match event {
            Event::Skipped { conn, .. }
            | Event::Ignored { conn, .. }
            | Event::Refused { conn, .. } => ids.contains(conn),
            Event::Jumped { name, .. } => name.app() == "bystanders",
            _ => false,
        };
        assert_eq!(self.events.iter().find(about), None);
    }

    fn tick(&mut self) -> Instant {
        self.now += 1;
        Instant::from_micros(self.now)
    }

    pub(super) fn client(&mut self, intent: Intent, app: &str, stream: &str) -> usize {
        self.client_at(intent, &format!("rtmp://127.0.0.1/{app}"), stream, "127.0.0.1")
    }

    pub(super) fn client_at(
        &mut self,
        intent: Intent,
        tc_url: &str,
        stream: &str,
        ip: &str,
    ) -> usize {
        let index = self.raw(ip);
        let app = tc_url.splitn(4, '/').nth(3).unwrap_or_default();
        let request = ClientRequest {
            intent,
            app: Arc::from(app),
            tc_url: Arc::from(tc_url),
            stream: Arc::from(stream),
        };
        let mut out = BytesMut::new();
        let config = Arc::new(SessionConfig::default());
        let now = self.tick();
        self.peers[index].session =
            Some(Session::client(config, request, now, Rng::new(index as u64), &mut out));
        self.send(index, &out);
        index
    }

    /// A client that connects and then asks for nothing.
    pub(super) fn client_until_connected(&mut self, app: &str) -> usize {
        let index = self.raw("127.0.0.1");
        self.send(index, &wire::handshake());
        self.send(index, &wire::connect(app));
        index
    }

    /// A socket without a client behind it.
    pub(super) fn raw(&mut self, ip: &str) -> usize {
        self.open(ip, RTMP)
    }

    /// A socket to the listener for HTTP.
    pub(super) fn http(&mut self, ip: &str) -> usize {
        self.open(ip, Via::Listener { listener: ListenerId(1), service: Service::Http })
    }

    /// A socket that came about in this way.
    pub(super) fn open(&mut self, ip: &str, via: Via) -> usize {
        let index = self.peers.len();
        let id = ConnId { slot: u32::try_from(index).unwrap(), generation: 1 };
        self.peers.push(Peer {
            events: Vec::new(),
            frames: Vec::new(),
            id,
            inbox: Vec::new(),
            is_open: true,
            is_read: true,
            reads: true,
            room: 0,
            session: None,
            stream: None,
            writes: 0,
        });
        let ip: IpAddr = ip.parse().unwrap();
        let peer = SocketAddr::new(ip, 40_000);
        self.input(Input::Opened { conn: id, via, peer });
        index
    }

    pub(super) fn send(&mut self, index: usize, bytes: &[u8]) {
        let conn = self.peers[index].id;
        if self.peers[index].is_open && !bytes.is_empty() {
            self.input(Input::Received { conn, bytes });
        }
    }

    /// As `send`, in reads of at most 64 KiB, as a transport makes them; the bystanders go on.
    pub(super) fn attack(&mut self, index: usize, bytes: &[u8]) {
        for part in bytes.chunks(64 << 10) {
            self.send(index, part);
        }
        self.accompany();
    }

    /// What a peer without a client behind it was answered, a line a message.
    pub(super) fn replies(&self, index: usize) -> Vec<String> {
        wire::lines(&self.peers[index].inbox)
    }

    /// The connection still works: a ping is answered.
    pub(super) fn assert_alive(&mut self, index: usize) {
        self.sleep(Duration::from_millis(200));
        self.send(index, &wire::message(4, 0, &[0, 6, 0, 0, 0, 77]));
        let last = self.replies(index).pop();
        assert_eq!(last.as_deref(), Some("PingResponse(77)"));
    }

    pub(super) fn hang_up(&mut self, index: usize) {
        let conn = self.peers[index].id;
        self.input(Input::Closed { conn, failure: None });
    }

    pub(super) fn reset(&mut self, index: usize) {
        let conn = self.peers[index].id;
        self.input(Input::Closed { conn, failure: Some(IoFailure::Reset) });
    }

    /// One video frame each, 40 ms apart; every tenth is a keyframe.
    pub(super) fn publish(&mut self, index: usize, serials: Range<u32>) {
        self.publish_sized(index, serials, 100);
    }

    pub(super) fn publish_sized(&mut self, index: usize, serials: Range<u32>, len: usize) {
        for serial in serials {
            let frame = video(serial, len);
            let mut out = BytesMut::new();
            let session = self.peers[index].session.as_mut().unwrap();
            session.send(&frame, &mut out).expect("the publisher was accepted");
            self.send(index, &out);
        }
    }

    /// Any frames of a publisher.
    pub(super) fn publish_frames(&mut self, index: usize, frames: &[Frame]) {
        for frame in frames {
            let mut out = BytesMut::new();
            let session = self.peers[index].session.as_mut().unwrap();
            session.send(frame, &mut out).expect("the publisher was accepted");
            self.send(index, &out);
        }
    }

    /// Frames of a publisher that does not wait for the answer.
    pub(super) fn send_unasked(&mut self, index: usize, serials: Range<u32>) {
        let mut out = BytesMut::new();
        for serial in serials {
            let frame = video(serial, 100);
            let header = crate::chunk::MessageHeader {
                csid: crate::chunk::ChunkStreamId::VIDEO,
                type_id: 9,
                stream_id: MessageStreamId(1),
                timestamp: frame.timestamp,
            };
            let size = SessionConfig::default().chunk_size;
            crate::chunk::write_message(header, &frame.payload, size, &mut out);
        }
        self.send(index, &out);
    }

    pub(super) fn serials(&self, index: usize) -> Vec<u32> {
        let frames = self.peers[index].frames.iter();
        let coded = frames.filter(|frame| frame.kind == FrameKind::Video);
        coded.map(|frame| u32::from_be_bytes(frame.payload[5..9].try_into().unwrap())).collect()
    }

    pub(super) fn sleep(&mut self, duration: Duration) {
        let until = Instant::from_micros(self.now).after(duration);
        if self.bystanders.is_some() {
            while Instant::from_micros(self.now).after(FRAME_INTERVAL) <= until {
                self.sleep_until(Instant::from_micros(self.now).after(FRAME_INTERVAL));
                self.accompany();
            }
        }
        self.sleep_until(until);
    }

    pub(super) fn sleep_until(&mut self, until: Instant) {
        while let Some(deadline) = self.server.poll_timeout().filter(|d| d.at <= until) {
            self.now = self.now.max(deadline.at.as_micros());
            self.server.handle(Instant::from_micros(self.now), Input::Timeout);
            self.settle();
            self.now += 1;
            self.timeouts += 1;
        }
        self.now = self.now.max(until.as_micros());
    }

    pub(super) fn input(&mut self, input: Input<'_>) {
        let now = self.tick();
        self.server.handle(now, input);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Write { conn } => self.write(conn),
                Output::Close { conn } => {
                    let peer = &mut self.peers[conn.slot as usize];
                    assert!(peer.is_open, "a connection is closed once");
                    peer.is_open = false;
                }
                Output::Event(event) => self.events.push(event),
                Output::SetReading { conn, enabled } => {
                    self.peers[conn.slot as usize].is_read = enabled;
                }
                Output::Shard { to, message } => self.said.push((to, message)),
                other => self.asked.push(other),
            }
        }
    }

    fn write(&mut self, conn: ConnId) {
        let index = conn.slot as usize;
        let bytes: Vec<u8> = {
            let mut slices = Slices::new();
            let offered = self.server.slices(conn, &mut slices);
            let bytes: Vec<u8> = slices.iter().flat_map(|part| part.iter().copied()).collect();
            assert_eq!(bytes.len(), offered);
            assert!(offered > 0, "a write note comes with bytes");
            bytes
        };
        let offered = bytes.len();
        let peer = &mut self.peers[index];
        let len = if peer.reads { offered } else { offered.min(peer.room) };
        if !peer.reads {
            peer.room -= len;
        }
        let now = self.tick().after(self.write_time);
        self.now = now.as_micros();
        self.server.handle(now, Input::Wrote { conn, len, offered });
        let peer = &mut self.peers[index];
        peer.writes += 1;
        let Some(session) = peer.session.as_mut() else {
            peer.inbox.extend_from_slice(&bytes[..len]);
            return;
        };
        let mut input = &bytes[..len];
        let mut out = BytesMut::new();
        while let Some(event) = session.receive(now, &mut input, &mut out).expect("legal replies") {
            match event {
                SessionEvent::Media { frame, .. } => peer.frames.push(frame),
                SessionEvent::Started { stream } => peer.stream = Some(stream),
                event => peer.events.push(event),
            }
        }
        if !out.is_empty() && peer.is_open {
            let now = self.tick();
            self.server.handle(now, Input::Received { conn, bytes: &out });
        }
    }
}

pub(super) fn video(serial: u32, len: usize) -> Frame {
    let is_key = serial.is_multiple_of(10);
    let mut payload = std::vec![if is_key { 0x17 } else { 0x27 }, 1, 0, 0, 0];
    payload.extend(serial.to_be_bytes());
    payload.resize(payload.len() + len, 0x55);
    Frame {
        kind: FrameKind::Video,
        class: if is_key { FrameClass::Keyframe } else { FrameClass::Coded },
        timestamp: Timestamp(serial * 40),
        payload: payload.into(),
    }
}
