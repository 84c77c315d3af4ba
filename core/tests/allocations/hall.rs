//! A shard with one publisher and many players, without sockets: bytes go through vectors that are
//! grown beforehand, so that what is measured is the server alone.

use bytes::{Buf as _, Bytes, BytesMut};
use millstream_core::config::{Config, PithyPrint, SendDelay, Vhost};
use millstream_core::drive::{Budget, Drive, IoFailure, Output, Read, Ready, Service, Transport};
use millstream_core::frame::{Frame, FrameClass, FrameKind};
use millstream_core::id::{ConnId, ListenerId};
use millstream_core::rng::Rng;
use millstream_core::server::{Server, Stats};
use millstream_core::session::{ClientRequest, Intent, Session, SessionConfig};
use millstream_core::time::{Deadline, Instant, Timestamp, WallClock};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// The shard, its publisher, and what lies between them.
pub(crate) struct Hall {
    drive: Drive,
    frames: u32,
    peers: Vec<Session>,
    server: Server,
    wires: Wires,
}

/// What a transport has instead of sockets.
#[derive(Default)]
pub(crate) struct Wires {
    /// Writes since the start.
    pub(crate) writes: u64,
    /// Bytes written since the start.
    pub(crate) bytes: u64,
    /// Configurations that the server has not taken yet.
    configs: Vec<Arc<Config>>,
    /// Connections that the server has closed.
    pub(crate) closed: u32,
    /// Every write fails.
    pub(crate) fails: bool,
    /// What the publisher sends as soon as so many writes have been made.
    later: Option<(u64, BytesMut)>,
    micros: u64,
    ready: Vec<Ready>,
    sent: Vec<BytesMut>,
    received: Vec<BytesMut>,
    /// What is written is kept for the peers, not only counted.
    keeps: bool,
}

impl Hall {
    /// A publisher and `players`, all of whom have joined.
    pub(crate) fn new(players: u32) -> Self {
        let mut hall = Self::empty();
        hall.join(Intent::Publish, "hall");
        hall.send(header(FrameKind::Video));
        hall.send(header(FrameKind::Audio));
        hall.publish(0..50);
        for _ in 0..players {
            hall.join(Intent::Play, "hall");
        }
        assert_eq!(hall.server.stats().players, players);
        hall.wires.keeps = false;
        hall
    }

    /// The configuration that it begins with.
    pub(crate) fn config() -> Config {
        let vhost = Vhost { send_delay: SendDelay::Fixed(Duration::ZERO), ..Vhost::default() };
        Config {
            pithy_print: PithyPrint::every(Duration::from_secs(1 << 20)),
            ..Config::with_default_vhost(vhost)
        }
    }

    /// Nobody is there.
    pub(crate) fn empty() -> Self {
        let config = Self::config();
        let wall = WallClock { unix_millis: 0 };
        Self {
            drive: Drive::new(Budget::default()),
            frames: 0,
            peers: Vec::new(),
            server: Server::new(Arc::new(config), 7, Instant::from_micros(0), wall),
            wires: Wires { keeps: true, ..Wires::default() },
        }
    }

    /// Publishes frames: 25 pictures and 43 audio frames are a second.
    pub(crate) fn publish(&mut self, frames: std::ops::Range<u32>) {
        for _ in frames {
            self.queue();
            self.run();
        }
    }

    /// Puts the next frame on the publisher's wire.
    pub(crate) fn queue(&mut self) {
        let frame = frame(self.frames);
        self.frames += 1;
        self.put(&frame);
    }

    /// Puts a frame on the publisher's wire, and the next one once `writes` more have been made.
    pub(crate) fn queue_two(&mut self, writes: u64) {
        self.queue();
        let frame = frame(self.frames);
        self.frames += 1;
        let mut bytes = BytesMut::new();
        self.peers[0].send(&frame, &mut bytes).expect("it may publish");
        self.wires.later = Some((self.wires.writes + writes, bytes));
    }

    /// Everybody acknowledges what came, which has no answer.
    pub(crate) fn acknowledge(&mut self) {
        (0..self.wires.sent.len()).for_each(|slot| self.acknowledge_from(slot));
    }

    /// The client that has come as number `slot` acknowledges what came.
    pub(crate) fn acknowledge_from(&mut self, slot: usize) {
        const ACKNOWLEDGEMENT: &[u8] = &[2, 0, 0, 0, 0, 0, 4, 3, 0, 0, 0, 0, 0, 0, 0, 1];
        self.wires.sent[slot].extend_from_slice(ACKNOWLEDGEMENT);
        self.wires.ready.push(Ready::Readable(conn(slot)));
    }

    /// The loop is another one from now on.
    pub(crate) fn set_budget(&mut self, budget: Budget) {
        self.drive = Drive::new(budget);
    }

    /// The operator ends the server.
    pub(crate) fn shut_down(&mut self) {
        self.wires.ready.push(Ready::Shutdown);
    }

    /// One call of the loop.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.drive.poll(&mut self.server, &mut self.wires, cx)
    }

    /// Gives the server another configuration.
    pub(crate) fn reload(&mut self, config: &Arc<Config>) {
        self.wires.configs.push(config.clone());
        self.wires.ready.push(Ready::Config);
        self.run();
    }

    /// Lets the server do all that there is to do.
    pub(crate) fn run(&mut self) {
        assert!(self.drive.run(&mut self.server, &mut self.wires).is_pending());
    }

    /// Sizes of the server.
    pub(crate) fn stats(&self) -> Stats {
        self.server.stats()
    }

    /// What was written.
    pub(crate) const fn wires(&self) -> &Wires {
        &self.wires
    }

    /// What the transport does from now on.
    pub(crate) const fn wires_mut(&mut self) -> &mut Wires {
        &mut self.wires
    }

    fn send(&mut self, frame: Frame) {
        self.put(&frame);
        self.run();
    }

    fn put(&mut self, frame: &Frame) {
        self.put_from(0, frame);
    }

    fn put_from(&mut self, slot: usize, frame: &Frame) {
        let (publisher, wire) = (&mut self.peers[slot], &mut self.wires.sent[slot]);
        publisher.send(frame, wire).expect("it may publish");
        self.wires.ready.push(Ready::Readable(conn(slot)));
    }

    /// Publishes the first frames of a stream, from the client that has come as number `slot`.
    pub(crate) fn publish_from(&mut self, slot: usize, frames: std::ops::Range<u32>) {
        let headers = [FrameKind::Video, FrameKind::Audio].map(header);
        for frame in headers.into_iter().chain(frames.map(frame)) {
            self.put_from(slot, &frame);
            self.run();
        }
    }

    /// Lets go of the clients' ends of all connections but the first.
    pub(crate) fn forget_clients(&mut self) {
        self.peers.truncate(1);
        self.peers.shrink_to_fit();
        for wires in [&mut self.wires.sent, &mut self.wires.received] {
            wires.truncate(1);
            wires.shrink_to_fit();
        }
    }

    /// A client comes, and is granted what it wants.
    pub(crate) fn join(&mut self, intent: Intent, stream: &str) {
        let slot = self.peers.len();
        let request = ClientRequest {
            intent,
            app: "live".into(),
            tc_url: "rtmp://127.0.0.1/live".into(),
            stream: stream.into(),
        };
        let mut out = BytesMut::with_capacity(64 << 10);
        let config = Arc::new(SessionConfig::default());
        let now = self.wires.now();
        let seed = Rng::new(slot as u64);
        let mut peer = Session::client(config, request, now, seed, &mut out);
        self.wires.sent.push(out);
        self.wires.received.push(BytesMut::with_capacity(64 << 10));
        let address = SocketAddr::from(([127, 0, 0, 1], 40_000));
        let (listener, service, conn) = (ListenerId(0), Service::Rtmp, conn(slot));
        self.wires.ready.push(Ready::Accepted { conn, listener, service, peer: address });
        while !self.wires.sent[slot].is_empty() {
            self.wires.ready.push(Ready::Readable(conn));
            self.run();
            let now = self.wires.now();
            let received = self.wires.received[slot].split();
            let mut input = &received[..];
            let sent = &mut self.wires.sent[slot];
            while peer.receive(now, &mut input, sent).expect("legal answers").is_some() {}
        }
        self.peers.push(peer);
    }
}

impl Transport for Wires {
    fn poll_ready(&mut self, _: &mut Context<'_>, ready: &mut Vec<Ready>) -> Poll<()> {
        ready.append(&mut self.ready);
        if ready.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }

    fn now(&mut self) -> Instant {
        self.micros += 1;
        Instant::from_micros(self.micros)
    }

    fn read(&mut self, conn: ConnId, scratch: &mut [u8]) -> Result<Read, IoFailure> {
        let wire = &mut self.sent[conn.slot as usize];
        let len = wire.len().min(scratch.len());
        if len == 0 {
            return Ok(Read::Pending);
        }
        wire.copy_to_slice(&mut scratch[..len]);
        Ok(Read::Bytes(len))
    }

    fn write(&mut self, conn: ConnId, slices: &[&[u8]]) -> Result<usize, IoFailure> {
        if self.fails {
            return Err(IoFailure::Reset);
        }
        let len = slices.iter().map(|slice| slice.len()).sum::<usize>();
        self.writes += 1;
        if let Some((_, bytes)) = self.later.take_if(|(writes, _)| *writes == self.writes) {
            self.sent[0].unsplit(bytes);
            self.ready.push(Ready::Readable(self::conn(0)));
        }
        self.bytes += len as u64;
        if self.keeps {
            let wire = &mut self.received[conn.slot as usize];
            slices.iter().for_each(|slice| wire.extend_from_slice(slice));
        }
        Ok(len)
    }

    fn receive_config(&mut self) -> Option<Arc<Config>> {
        self.configs.pop()
    }

    fn perform(&mut self, output: Output) {
        self.closed += u32::from(matches!(output, Output::Close { .. }));
    }

    fn set_deadline(&mut self, _: Option<Deadline>) {}
}

fn conn(slot: usize) -> ConnId {
    ConnId { slot: u32::try_from(slot).expect("few peers"), generation: 1 }
}

fn header(kind: FrameKind) -> Frame {
    let payload = match kind {
        FrameKind::Audio => Bytes::from_static(&[0xAF, 0, 0x12, 0x10]),
        FrameKind::Video | FrameKind::Data => Bytes::from_static(&[0x17, 0, 0, 0, 0, 1, 2, 3]),
    };
    Frame { kind, class: FrameClass::SequenceHeader, timestamp: Timestamp(0), payload }
}

/// About 500 kbit/s: a picture after each two frames of audio, each 50th picture a keyframe.
fn frame(number: u32) -> Frame {
    let is_picture = number.is_multiple_of(3);
    let is_key = number.is_multiple_of(150);
    let (kind, head, len): (_, &[u8], usize) = match (is_picture, is_key) {
        (true, true) => (FrameKind::Video, &[0x17, 1, 0, 0, 0], 20_000),
        (true, false) => (FrameKind::Video, &[0x27, 1, 0, 0, 0], 2_000),
        (false, _) => (FrameKind::Audio, &[0xAF, 1], 180),
    };
    let mut payload = BytesMut::from(head);
    payload.resize(len, 0x55);
    let class = if is_key { FrameClass::Keyframe } else { FrameClass::Coded };
    Frame { kind, class, timestamp: Timestamp(number * 15), payload: payload.freeze() }
}
