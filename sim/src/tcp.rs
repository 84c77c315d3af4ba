//! Connections out of TCP segments: each direction's bytes in order, as the peer received them.
//!
//! The first copy of a byte counts. A hole is lost once the other side acknowledged what follows
//! it, or when the capture ends; until then what follows it waits.

mod half;

#[cfg(test)]
mod tests;

use crate::pcap::Segment;
use bytes::Bytes;
use half::{Half, Sink};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// The ports where servers of RTMP and of HTTP listen when nobody said otherwise.
const SERVER_PORTS: [u16; 4] = [80, 443, 1_935, 8_080];

/// Who sent something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Direction {
    ClientToServer,
    ServerToClient,
}

/// One thing that a side did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// It sent the next bytes of its stream: what one segment added.
    Bytes(Bytes),
    /// It will send no more.
    Fin,
    /// It sent bytes that the capture does not have.
    Gap {
        /// How many.
        len: u64,
    },
    /// It broke the connection.
    Reset,
}

/// What a side did, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConversationEvent {
    /// When it became readable for the other side: microseconds of the capturing clock since the
    /// Unix epoch. Never goes back within a capture.
    pub at_micros: u64,
    /// The side.
    pub direction: Direction,
    /// What it did.
    pub action: Action,
}

/// One TCP connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Conversation {
    /// Who opened it, as far as the capture tells.
    pub client: SocketAddr,
    /// Who was called.
    pub server: SocketAddr,
    /// When its first segment was captured: microseconds as in the events.
    pub opened_at_micros: u64,
    /// The capture has a SYN: where the bytes begin is known, not guessed.
    pub from_start: bool,
    /// In the order of their times.
    pub events: Vec<ConversationEvent>,
}

impl Conversation {
    /// The bytes of a direction up to its first gap.
    #[must_use]
    pub fn bytes_until_gap(&self, direction: Direction) -> Vec<u8> {
        let mut bytes = Vec::new();
        for event in self.events.iter().filter(|event| event.direction == direction) {
            match &event.action {
                Action::Bytes(part) => bytes.extend_from_slice(part),
                Action::Gap { .. } => break,
                Action::Fin | Action::Reset => {}
            }
        }
        bytes
    }
}

/// Takes segments in the order of their capture and gives the connections that they belong to.
#[derive(Debug, Default)]
pub struct Reassembler<'a> {
    connections: Vec<Connection<'a>>,
    /// The newest connection between two addresses, the smaller one first.
    newest: BTreeMap<(SocketAddr, SocketAddr), usize>,
    now_micros: u64,
    outside_of_window: u64,
}

impl<'a> Reassembler<'a> {
    /// Without connections.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A segment was captured at `at_micros`; a clock that goes back is taken to stand still.
    pub fn handle(&mut self, at_micros: u64, segment: &Segment<'a>) {
        self.now_micros = self.now_micros.max(at_micros);
        let ends = if segment.source <= segment.destination {
            (segment.source, segment.destination)
        } else {
            (segment.destination, segment.source)
        };
        let current = self.newest.get(&ends).and_then(|index| self.connections.get_mut(*index));
        if let Some(connection) = current.filter(|connection| !connection.is_followed_by(segment)) {
            self.outside_of_window += connection.handle(self.now_micros, segment);
            return;
        }
        let mut connection = Connection::new([ends.0, ends.1], self.now_micros);
        self.outside_of_window += connection.handle(self.now_micros, segment);
        self.newest.insert(ends, self.connections.len());
        self.connections.push(connection);
    }

    /// How many segments were ignored because no window of TCP reaches that far.
    #[must_use]
    pub fn outside_of_window(&self) -> u64 {
        self.outside_of_window
    }

    /// The capture has ended: the connections in the order of their first segments.
    #[must_use]
    pub fn finish(self) -> Vec<Conversation> {
        let now_micros = self.now_micros;
        self.connections.into_iter().map(|connection| connection.finish(now_micros)).collect()
    }
}

/// A connection between `ends[0]` and `ends[1]`; `halves[i]` is what `ends[i]` sent.
#[derive(Debug)]
struct Connection<'a> {
    ends: [SocketAddr; 2],
    halves: [Half<'a>; 2],
    opened_at_micros: u64,
    /// The end that sent a SYN of its own, or got the answer to one: either tells where its bytes
    /// begin.
    opener: Option<usize>,
    /// Index of the end, time and action.
    events: Vec<(usize, u64, Action)>,
}

impl<'a> Connection<'a> {
    fn new(ends: [SocketAddr; 2], opened_at_micros: u64) -> Self {
        Self {
            ends,
            halves: [Half::default(), Half::default()],
            opened_at_micros,
            opener: None,
            events: Vec::new(),
        }
    }

    fn sender(&self, segment: &Segment<'_>) -> usize {
        usize::from(segment.source != self.ends[0])
    }

    /// The segment opens another connection between the same addresses.
    fn is_followed_by(&self, segment: &Segment<'_>) -> bool {
        let sender = self.sender(segment);
        let (half, peer) = (&self.halves[sender], &self.halves[1 - sender]);
        if !segment.syn || segment.reset {
            return false;
        }
        match half.first_sequence() {
            // A SYN again is a retransmission, unless what it opened is over.
            Some(first) if first == segment.sequence.wrapping_add(1) => {
                half.is_over() && half.has_delivered()
            }
            Some(_) => true,
            None => half.is_over() || (peer.is_over() && segment.acknowledgement.is_none()),
        }
    }

    /// Gives 1 if the segment was ignored because it lies outside of any window.
    fn handle(&mut self, now_micros: u64, segment: &Segment<'a>) -> u64 {
        let sender = self.sender(segment);
        let peer = 1 - sender;
        if segment.syn && !segment.reset {
            let opener = if segment.acknowledgement.is_some() { peer } else { sender };
            self.opener.get_or_insert(opener);
        }
        if let Some(acknowledgement) = segment.acknowledgement.filter(|_| !segment.reset) {
            let mut sink = Sink::new(&mut self.events, peer, now_micros);
            self.halves[peer].acknowledge(acknowledgement, &mut sink);
        }
        let mut sink = Sink::new(&mut self.events, sender, now_micros);
        u64::from(!self.halves[sender].receive(segment, &mut sink))
    }

    fn finish(mut self, now_micros: u64) -> Conversation {
        for (index, half) in self.halves.iter_mut().enumerate() {
            half.finish(&mut Sink::new(&mut self.events, index, now_micros));
        }
        let client = self.opener.unwrap_or_else(|| self.guess_client());
        let direction = |index| {
            if index == client { Direction::ClientToServer } else { Direction::ServerToClient }
        };
        let events = self.events.into_iter().map(|(index, at_micros, action)| ConversationEvent {
            at_micros,
            direction: direction(index),
            action,
        });
        Conversation {
            client: self.ends[client],
            server: self.ends[1 - client],
            opened_at_micros: self.opened_at_micros,
            from_start: self.opener.is_some(),
            events: events.collect(),
        }
    }

    /// Without a SYN: the end whose first bytes only a client sends; else the one that calls a
    /// well-known port; else the one with the higher port.
    fn guess_client(&self) -> usize {
        let sent = |end: usize| {
            self.events.iter().filter_map(move |(index, _, action)| match action {
                Action::Bytes(bytes) if *index == end => Some(bytes),
                Action::Bytes(_) | Action::Fin | Action::Gap { .. } | Action::Reset => None,
            })
        };
        // How they were cut into segments says nothing.
        let first_bytes = [0, 1].map(|end| {
            sent(end).flat_map(|bytes| bytes.iter().copied()).take(8).collect::<Vec<u8>>()
        });
        let asks = first_bytes.each_ref().map(|bytes| is_http_request(bytes));
        let listens = [0, 1].map(|end: usize| SERVER_PORTS.contains(&self.ends[end].port()));
        let speaks_first = self.events.iter().find_map(|(index, _, action)| match action {
            Action::Bytes(_) if first_bytes[*index].first() == Some(&3) => Some(*index),
            Action::Bytes(_) | Action::Fin | Action::Gap { .. } | Action::Reset => None,
        });
        match (asks, listens, speaks_first) {
            ([true, false], ..) => 0,
            ([false, true], ..) => 1,
            (_, [false, true], _) => 0,
            (_, [true, false], _) => 1,
            // C0 comes before S0.
            (.., Some(index)) => index,
            _ => usize::from(self.ends[1].port() > self.ends[0].port()),
        }
    }
}

/// The bytes start like an HTTP request of the kinds that players and RTMPT clients send.
pub(crate) fn is_http_request(bytes: &[u8]) -> bool {
    [&b"DELETE "[..], b"GET ", b"HEAD ", b"OPTIONS ", b"POST ", b"PUT "]
        .iter()
        .any(|method| bytes.starts_with(method))
}
