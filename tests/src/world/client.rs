//! The client side of a session, in a world.
use super::{Came, Peer, World};
use bytes::{BufMut as _, Bytes, BytesMut};
use millstream_core::frame::{Frame, FrameClass, FrameKind};
use millstream_core::rng::Rng;
use millstream_core::session::{ClientRequest, Intent, Session, SessionConfig, SessionEvent};
use millstream_core::time::{Instant, Timestamp};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// How long a client waits for what has to come; virtual where the world is.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pictures from one keyframe to the next.
const GOP: u32 = 10;

/// The time from one picture to the next.
const PICTURE_MS: u32 = 40;

/// A publisher or player.
#[derive(Debug)]
pub struct Client {
    peer: Peer,
    session: Session,
    out: BytesMut,
    /// So many bytes are sent at a time.
    piece_len: usize,
    /// What the server said, media left out.
    pub events: Vec<SessionEvent>,
    /// Coded pictures that came: number and time.
    pub pictures: Vec<(u32, Timestamp)>,
    /// The server has closed the connection.
    pub is_over: bool,
}

impl Client {
    /// Connects and begins to ask for a stream.
    pub fn new(world: &mut World, intent: Intent, stream: &str) -> Self {
        Self::in_pieces(world, intent, stream, usize::MAX)
    }

    /// The same, with no more than `piece_len` bytes sent at a time.
    pub fn in_pieces(world: &mut World, intent: Intent, stream: &str, piece_len: usize) -> Self {
        Self::asking(world, request("127.0.0.1", intent, stream), piece_len)
    }

    /// Connects and begins to ask for a stream of `live` on a vhost.
    pub fn on_vhost(world: &mut World, vhost: &str, intent: Intent, stream: &str) -> Self {
        Self::asking(world, request(vhost, intent, stream), usize::MAX)
    }

    fn asking(world: &mut World, request: ClientRequest, piece_len: usize) -> Self {
        let mut out = BytesMut::new();
        let config = Arc::new(SessionConfig::default());
        let session =
            Session::client(config, request, Instant::from_micros(1), Rng::new(3), &mut out);
        let peer = world.connect();
        let (events, pictures) = (Vec::new(), Vec::new());
        let mut client = Self { peer, session, out, piece_len, events, pictures, is_over: false };
        client.flush(world);
        client
    }

    /// Connects, asks for a stream, and waits for its start.
    pub fn start(world: &mut World, intent: Intent, stream: &str) -> Self {
        let mut client = Self::new(world, intent, stream);
        client.wait(world, "the start", Self::has_started);
        client
    }

    /// The server has granted what was asked for.
    #[must_use]
    pub fn has_started(&self) -> bool {
        self.events.iter().any(|event| matches!(event, SessionEvent::Started { .. }))
    }

    /// The code with which the server refused or ended the stream.
    #[must_use]
    pub fn end_code(&self) -> Option<String> {
        self.events.iter().find_map(|event| {
            if let SessionEvent::Rejected { code, .. } | SessionEvent::Ended { code } = event {
                return Some(code.to_str_lossy().into_owned());
            }
            None
        })
    }

    /// It has been refused, or its stream has ended, or its connection.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.is_over || self.end_code().is_some()
    }

    /// The connection, for what is no RTMP.
    #[must_use]
    pub const fn peer(&self) -> Peer {
        self.peer
    }

    /// Takes what comes until `is_enough`.
    ///
    /// # Panics
    /// It is not enough when the server has ended, or after a long time.
    pub fn wait(&mut self, world: &mut World, what: &str, is_enough: impl Fn(&Self) -> bool) {
        while !is_enough(self) {
            let came = self.receive(world, PATIENCE);
            assert!(came || is_enough(self), "no {what}: {:?} {:?}", self.events, self.pictures);
        }
    }

    /// Takes what comes within `time`; false when nothing does.
    pub fn receive(&mut self, world: &mut World, time: Duration) -> bool {
        let bytes = match world.receive(self.peer, time) {
            Came::Bytes(bytes) => bytes,
            Came::End => {
                self.is_over = true;
                return false;
            }
            Came::Nothing => return false,
        };
        let mut input = &*bytes;
        loop {
            let event = self.session.receive(Instant::from_micros(2), &mut input, &mut self.out);
            match event.expect("the server keeps to the protocol") {
                Some(SessionEvent::Media { frame, .. }) => self.take(&frame),
                Some(event) => self.events.push(event),
                None => break,
            }
        }
        self.flush(world);
        true
    }

    /// Publishes a sequence header, once, and pictures of `len` bytes.
    pub fn publish(&mut self, world: &mut World, numbers: Range<u32>, len: usize) {
        for number in numbers {
            if number == 0 {
                let header = picture(0, FrameClass::SequenceHeader, 20);
                self.session.send(&header, &mut self.out).expect("it publishes");
            }
            let is_key = number.is_multiple_of(GOP);
            let class = if is_key { FrameClass::Keyframe } else { FrameClass::Coded };
            self.session.send(&picture(number, class, len), &mut self.out).expect("it publishes");
            self.flush(world);
        }
    }

    /// Publishes a tone: a sequence header, once, and for each number two frames of AAC.
    pub fn publish_audio(&mut self, world: &mut World, numbers: Range<u32>) {
        for number in numbers {
            let frame = |class, time, payload: &'static [u8]| Frame {
                kind: FrameKind::Audio,
                class,
                timestamp: Timestamp(time),
                payload: Bytes::from_static(payload),
            };
            let at = number * PICTURE_MS;
            if number == 0 {
                let header = frame(FrameClass::SequenceHeader, at, &[0xAF, 0, 0x12, 0x10]);
                self.session.send(&header, &mut self.out).expect("it publishes");
            }
            for at in [at, at + PICTURE_MS / 2] {
                let tone = frame(FrameClass::Coded, at, &[0xAF, 1, 0x21, 0x10, 5]);
                self.session.send(&tone, &mut self.out).expect("it publishes");
            }
        }
        self.flush(world);
    }

    /// Ends the stream and the connection in order.
    pub fn finish(mut self, world: &mut World) {
        self.session.finish(&mut self.out);
        self.flush(world);
        world.half_close(self.peer);
    }

    fn take(&mut self, frame: &Frame) {
        let is_coded = matches!(frame.class, FrameClass::Coded | FrameClass::Keyframe);
        if is_coded && frame.kind == FrameKind::Video {
            let number = frame.payload.get(5..9).and_then(|bytes| bytes.try_into().ok());
            let number = u32::from_be_bytes(number.expect("one of ours"));
            self.pictures.push((number, frame.timestamp));
        }
    }

    fn flush(&mut self, world: &mut World) {
        let out = self.out.split();
        for piece in out.chunks(self.piece_len) {
            world.send(self.peer, piece);
        }
    }
}

fn request(vhost: &str, intent: Intent, stream: &str) -> ClientRequest {
    let (app, tc_url) = ("live".into(), format!("rtmp://{vhost}/live").into());
    ClientRequest { intent, app, tc_url, stream: stream.into() }
}

/// H.264 as its FLV tag says; what a decoder would make of it is no matter here.
fn picture(number: u32, class: FrameClass, len: usize) -> Frame {
    let mut payload = BytesMut::with_capacity(len);
    let is_header = class == FrameClass::SequenceHeader;
    payload.put_u8(if class == FrameClass::Coded { 0x27 } else { 0x17 });
    payload.put_slice(&[u8::from(!is_header), 0, 0, 0]);
    payload.put_u32(number);
    payload.resize(len.max(payload.len()), 0x5a);
    let (kind, timestamp) = (FrameKind::Video, Timestamp(number * PICTURE_MS));
    Frame { kind, class, timestamp, payload: Bytes::from(payload) }
}
