//! The example of a server on `std::net`, over real sockets.

#[path = "../examples/blocking.rs"]
#[expect(dead_code, reason = "the test binds its own listener, so `main` is not called")]
mod blocking;

use bytes::{Bytes, BytesMut};
use millstream_core::frame::{Frame, FrameClass, FrameKind};
use millstream_core::rng::Rng;
use millstream_core::session::{ClientRequest, Intent, Session, SessionConfig, SessionEvent};
use millstream_core::time::{Instant, Timestamp};
use pretty_assertions::assert_eq;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// A test that waits longer than this for bytes has failed.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn frames_go_from_a_publisher_to_two_players() {
    let address = start();
    let mut publisher = Client::start(address, Intent::Publish);
    let mut players = [Intent::Play; 2].map(|intent| Client::start(address, intent));
    let published = stream(10, 1_000);
    publisher.send(&published);
    for player in &mut players {
        assert_eq!(player.receive(published.len()), published);
    }
}

#[test]
fn a_player_that_reads_late_gets_all_that_its_socket_had_no_room_for() {
    let address = start();
    let mut publisher = Client::start(address, Intent::Publish);
    let [mut prompt, mut late] = [Intent::Play; 2].map(|intent| Client::start(address, intent));
    // More than the kernel holds for a player that does not read, less than it may lag behind.
    let published = stream(70, 100_000);
    publisher.send(&published);
    assert!(prompt.receive(published.len()) == published, "the frames of the first differ");
    // What the first has got, the server has offered to the other.
    assert!(late.receive(published.len()) == published, "the frames of the other differ");
}

#[test]
fn the_example_stays_as_short_as_the_readme_says() {
    assert!(include_str!("../examples/blocking.rs").lines().count() < 150);
}

/// Starts the server on a free port, for as long as the process lives.
fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    std::thread::spawn(|| blocking::serve(listener));
    address
}

/// A sequence header and `count` pictures of `len` bytes, the first of them a keyframe.
fn stream(count: u8, len: usize) -> Vec<Frame> {
    let frame = |class, time: u32, payload| Frame {
        kind: FrameKind::Video,
        class,
        timestamp: Timestamp(time),
        payload,
    };
    let avcc = [0x17, 0, 0, 0, 0, 1, 0x64, 0, 0x1F, 0xFF, 0xE1, 0, 0, 1, 0, 0];
    let mut frames = vec![frame(FrameClass::SequenceHeader, 0, Bytes::copy_from_slice(&avcc))];
    for number in 0..count {
        let is_key = number == 0;
        let class = if is_key { FrameClass::Keyframe } else { FrameClass::Coded };
        let mut payload = vec![number; len];
        payload[..5].copy_from_slice(&[if is_key { 0x17 } else { 0x27 }, 1, 0, 0, 0]);
        frames.push(frame(class, u32::from(number) * 10, payload.into()));
    }
    frames
}

/// A client session of the core on a blocking socket.
struct Client {
    session: Session,
    socket: TcpStream,
    out: BytesMut,
}

impl Client {
    /// Connects and asks for the stream; returns once that was granted.
    fn start(address: SocketAddr, intent: Intent) -> Self {
        let socket = TcpStream::connect(address).expect("the server listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
        socket.set_write_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
        let request = ClientRequest {
            intent,
            app: "live".into(),
            tc_url: format!("rtmp://{address}/live").into(),
            stream: "test".into(),
        };
        let mut out = BytesMut::new();
        let config = Arc::new(SessionConfig::default());
        let session = Session::client(config, request, now(), Rng::new(7), &mut out);
        let mut client = Self { session, socket, out };
        let mut has_started = false;
        while !has_started {
            client.turn(|event| has_started |= matches!(event, SessionEvent::Started { .. }));
        }
        client.flush();
        client
    }

    fn send(&mut self, frames: &[Frame]) {
        for frame in frames {
            self.session.send(frame, &mut self.out).expect("publishing was granted");
            self.flush();
        }
    }

    /// The next `count` frames.
    fn receive(&mut self, count: usize) -> Vec<Frame> {
        let mut frames = Vec::new();
        while frames.len() < count {
            self.turn(|event| {
                assert!(!matches!(event, SessionEvent::Ended { .. }), "{event:?}");
                if let SessionEvent::Media { frame, .. } = event {
                    frames.push(frame);
                }
            });
        }
        frames
    }

    /// Sends what is to be sent, and takes what one read gives.
    fn turn(&mut self, mut take: impl FnMut(SessionEvent)) {
        self.flush();
        let mut scratch = vec![0; 64 << 10];
        let len = self.socket.read(&mut scratch).expect("the server answers in time");
        assert!(len > 0, "the server closed the connection");
        let mut input = &scratch[..len];
        let session = &mut self.session;
        while let Some(event) =
            session.receive(now(), &mut input, &mut self.out).expect("the server keeps to RTMP")
        {
            take(event);
        }
    }

    fn flush(&mut self) {
        self.socket.write_all(&self.out).expect("the server reads");
        self.out.clear();
    }
}

/// The clients of this test have no deadlines of their own, so time may stand still.
fn now() -> Instant {
    Instant::from_micros(1)
}
