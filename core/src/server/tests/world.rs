//! Clients and a server joined by byte pipes, on a virtual clock.

use crate::config::Config;
use crate::drive::{Input, Output, Slices};
use crate::event::Event;
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
use std::format;

pub(super) struct World {
    /// What the server says to other shards.
    pub(super) said: Vec<(ShardId, ShardMessage)>,
    pub(super) events: Vec<Event>,
    now: u64,
    pub(super) peers: Vec<Peer>,
    pub(super) server: Server,
}

pub(super) struct Peer {
    pub(super) events: Vec<SessionEvent>,
    pub(super) frames: Vec<Frame>,
    pub(super) id: ConnId,
    pub(super) is_open: bool,
    /// Takes bytes from its socket.
    pub(super) reads: bool,
    session: Option<Session>,
    pub(super) stream: Option<MessageStreamId>,
    pub(super) writes: u32,
}

impl World {
    pub(super) fn new(config: Config) -> Self {
        Self::new_shard(config, Placement::SINGLE)
    }

    pub(super) fn new_shard(config: Config, placement: Placement) -> Self {
        let wall = WallClock { unix_millis: 1_700_000_000_000 };
        let server =
            Server::new_shard(Arc::new(config), placement, 7, Instant::from_micros(0), wall);
        Self { said: Vec::new(), events: Vec::new(), now: 1, peers: Vec::new(), server }
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
        let url = format!("rtmp://127.0.0.1/{app}");
        let mut out = BytesMut::new();
        let mut amf = BytesMut::new();
        out.extend_from_slice(&[3]);
        out.extend_from_slice(&[0; 1536 * 2]);
        crate::amf::amf0::write_string(b"connect", &mut amf);
        crate::amf::amf0::write_number(1.0, &mut amf);
        let text = |text: &str| {
            crate::amf::Value::String(crate::amf::Text(bytes::Bytes::copy_from_slice(
                text.as_bytes(),
            )))
        };
        let properties = [("app", text(app)), ("tcUrl", text(&url))];
        crate::amf::amf0::write_object(&properties, &mut amf);
        let header = crate::chunk::MessageHeader {
            csid: crate::chunk::ChunkStreamId::COMMAND,
            type_id: 20,
            stream_id: MessageStreamId(0),
            timestamp: Timestamp(0),
        };
        let size = crate::chunk::ChunkSize::DEFAULT;
        crate::chunk::write_message(header, &amf, size, &mut out);
        self.send(index, &out);
        let connected = |event: &Event| matches!(event, Event::Connected { .. });
        assert!(self.events.iter().any(connected));
        index
    }

    /// A socket without a client behind it.
    pub(super) fn raw(&mut self, ip: &str) -> usize {
        let index = self.peers.len();
        let id = ConnId { slot: u32::try_from(index).unwrap(), generation: 1 };
        self.peers.push(Peer {
            events: Vec::new(),
            frames: Vec::new(),
            id,
            is_open: true,
            reads: true,
            session: None,
            stream: None,
            writes: 0,
        });
        let ip: IpAddr = ip.parse().unwrap();
        let peer = SocketAddr::new(ip, 40_000);
        self.input(Input::Opened { conn: id, listener: ListenerId(0), peer });
        index
    }

    pub(super) fn send(&mut self, index: usize, bytes: &[u8]) {
        let conn = self.peers[index].id;
        if self.peers[index].is_open && !bytes.is_empty() {
            self.input(Input::Received { conn, bytes });
        }
    }

    pub(super) fn hang_up(&mut self, index: usize) {
        let conn = self.peers[index].id;
        self.input(Input::Closed { conn, failure: None });
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
        self.sleep_until(until);
    }

    pub(super) fn sleep_until(&mut self, until: Instant) {
        while let Some(deadline) = self.server.poll_timeout().filter(|d| d.at <= until) {
            self.now = self.now.max(deadline.at.as_micros());
            self.server.handle(Instant::from_micros(self.now), Input::Timeout);
            self.settle();
            self.now += 1;
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
                    let peer = self.peers.iter_mut().find(|peer| peer.id == conn).unwrap();
                    assert!(peer.is_open, "a connection is closed once");
                    peer.is_open = false;
                }
                Output::Event(event) => self.events.push(event),
                Output::SetReading { .. } => {}
                Output::Shard { to, message } => self.said.push((to, message)),
            }
        }
    }

    fn write(&mut self, conn: ConnId) {
        let index = self.peers.iter().position(|peer| peer.id == conn).unwrap();
        let bytes: Vec<u8> = {
            let mut slices = Slices::new();
            let offered = self.server.slices(conn, &mut slices);
            let bytes: Vec<u8> = slices.iter().flat_map(|part| part.iter().copied()).collect();
            assert_eq!(bytes.len(), offered);
            assert!(offered > 0, "a write note comes with bytes");
            bytes
        };
        let offered = bytes.len();
        let len = if self.peers[index].reads { offered } else { 0 };
        let now = self.tick();
        self.server.handle(now, Input::Wrote { conn, len, offered });
        let peer = &mut self.peers[index];
        peer.writes += 1;
        let Some(session) = peer.session.as_mut() else { return };
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

fn video(serial: u32, len: usize) -> Frame {
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
