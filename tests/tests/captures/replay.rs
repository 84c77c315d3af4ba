//! A captured direction, fed to the session that it was meant for.

use crate::expected::Side;
use bytes::BytesMut;
use millstream_core::rng::Rng;
use millstream_core::session::{
    ClientRequest, Intent, Session, SessionConfig, SessionError, SessionEvent,
};
use millstream_core::time::Instant;
use millstream_sim::tcp::{Action, Conversation, Direction};
use std::sync::Arc;

/// How a stream is cut into what arrives at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Segmentation {
    /// Not at all.
    AtOnce,
    ByteByByte,
    /// Into the segments of the capture.
    Captured,
    /// Into pieces of one byte to a few chunks; the number is the seed.
    Random(u64),
}

/// What a session of `side` was sent.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    side: Side,
    request: ClientRequest,
    bytes: Vec<u8>,
    /// Where the segments of the capture end.
    ends: Vec<usize>,
}

impl Stream {
    /// `request` is whether the client publishes, and the stream.
    pub(crate) fn new(
        conversation: &Conversation,
        side: Side,
        request: Option<(bool, String)>,
    ) -> Self {
        let direction = match side {
            Side::Client => Direction::ServerToClient,
            Side::Server => Direction::ClientToServer,
        };
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for event in conversation.events.iter().filter(|event| event.direction == direction) {
            match &event.action {
                Action::Bytes(part) => {
                    bytes.extend_from_slice(part);
                    ends.push(bytes.len());
                }
                Action::Gap { len } => panic!("{len} bytes are missing"),
                Action::Fin | Action::Reset => {}
            }
        }
        let (publishes, stream) = request.unwrap_or_default();
        let request = ClientRequest {
            intent: if publishes { Intent::Publish } else { Intent::Play },
            app: "live".into(),
            tc_url: "rtmp://localhost/live".into(),
            stream: stream.into(),
        };
        Self { side, request, bytes, ends }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The first `len` bytes.
    pub(crate) fn cut(&self, len: usize) -> Self {
        Self { bytes: self.bytes[..len].to_vec(), ..self.clone() }
    }

    /// Each place within the handshake's edges and the first commands, and some beyond.
    pub(crate) fn some_cuts(&self) -> impl Iterator<Item = usize> + use<> {
        let len = self.bytes.len();
        let edges = [0, 1, 2, 1_536, 1_537, 1_538, 3_072, 3_073, 3_074];
        let commands = (3_075..3_700).step_by(7);
        let beyond = (3_700..len).step_by((len / 16).max(1));
        edges.into_iter().chain(commands).chain(beyond).filter(move |cut| *cut <= len)
    }

    /// Grants whatever is asked for. Gives the error that ended the session, if one did.
    pub(crate) fn replay(
        &self,
        segmentation: Segmentation,
        note: &mut dyn FnMut(SessionEvent),
    ) -> Option<SessionError> {
        let now = Instant::from_micros(1);
        let config = Arc::new(SessionConfig::default());
        let mut out = BytesMut::new();
        let mut session = match self.side {
            Side::Client => {
                Session::client(config, self.request.clone(), now, Rng::new(1), &mut out)
            }
            Side::Server => Session::server(config, now, Rng::new(1)),
        };
        let mut rest = self.bytes.as_slice();
        let mut cutter = Cutter::new(segmentation, &self.ends);
        while !rest.is_empty() {
            let mut input;
            (input, rest) = rest.split_at(cutter.next_len(rest.len()));
            loop {
                match session.receive(now, &mut input, &mut out) {
                    Ok(None) => break,
                    Ok(Some(event)) => {
                        grant(&mut session, now, &event, &mut out);
                        note(event);
                    }
                    Err(error) => return Some(error),
                }
            }
            assert!(input.is_empty(), "{} bytes were left", input.len());
            out.clear();
        }
        None
    }
}

fn grant(session: &mut Session, now: Instant, event: &SessionEvent, out: &mut BytesMut) {
    #[expect(clippy::wildcard_enum_match_arm, reason = "requests are few among the events")]
    let request = match event {
        SessionEvent::Connect(connect) => connect.request,
        SessionEvent::Play(play) => play.request,
        SessionEvent::Publish(publish) => publish.request,
        _ => return,
    };
    session.accept(now, request, out).expect("the request was just made");
}

struct Cutter<'a> {
    segmentation: Segmentation,
    rng: Rng,
    ends: &'a [usize],
    position: usize,
}

impl<'a> Cutter<'a> {
    fn new(segmentation: Segmentation, ends: &'a [usize]) -> Self {
        let seed = if let Segmentation::Random(seed) = segmentation { seed } else { 0 };
        Self { segmentation, rng: Rng::new(seed), ends, position: 0 }
    }

    /// The length of the next piece, of `remaining` bytes.
    fn next_len(&mut self, remaining: usize) -> usize {
        let len = match self.segmentation {
            Segmentation::AtOnce => remaining,
            Segmentation::ByteByByte => 1,
            Segmentation::Captured => {
                let (end, ends) = self.ends.split_first().expect("segments make up the stream");
                self.ends = ends;
                end - self.position
            }
            Segmentation::Random(_) => {
                let limit = [3, 20, 200, 1_500, 70_000][(self.rng.next_u32() % 5) as usize];
                1 + (self.rng.next_u32() % limit) as usize
            }
        };
        let len = len.min(remaining);
        self.position += len;
        len
    }
}
