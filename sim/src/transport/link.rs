//! Connections between actors and servers or between two servers, and what the servers tell of them.

use crate::entropy::Entropy;
use crate::net::{LinkProfile, Micros, Pipe};
use millstream_core::drive::Service;
use millstream_core::event::Event;
use millstream_core::id::ConnId;
use std::net::SocketAddr;

/// One connection. A server has accepted it; the one who connected is an actor or another server.
#[derive(Debug)]
pub struct Link {
    /// The end of the server that accepted it.
    pub accepting: Seat,
    /// The end of the server that connected; an actor's has none.
    pub dialling: Option<Seat>,
    /// The actor that connected.
    pub owner: Option<usize>,
    /// Bytes that the accepting server has read.
    pub read: u64,
    /// When the client is woken next.
    pub(super) client_at: Option<Micros>,
    pub(super) client_waits: bool,
    pub(super) down: Pipe,
    pub(super) entropy: Entropy,
    pub(super) peer: SocketAddr,
    pub(super) profile: LinkProfile,
    pub(super) service: Service,
    pub(super) up: Pipe,
}

/// Which end of a link a server has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Side {
    /// It has accepted the connection.
    Accepting,
    /// It has connected.
    Dialling,
}

/// A server's end of a link.
#[derive(Debug)]
pub struct Seat {
    /// Its id on the server, from the begin to the close.
    pub conn: Option<ConnId>,
    /// The server closed it.
    pub is_closed: bool,
    /// A write was short: the server waits for Writable.
    pub is_full: bool,
    /// The shard that serves it; `None` for a machine that accepts and says nothing.
    pub(super) port: Option<usize>,
    /// The other end has reset the connection.
    pub(super) is_reset: bool,
    /// The network of the server has given it up.
    pub(super) is_timed_out: bool,
    pub(super) reads: bool,
    /// When the server is woken next.
    pub(super) wake_at: Option<Micros>,
}

impl Seat {
    pub(super) const fn new(port: Option<usize>) -> Self {
        Self {
            conn: None,
            is_closed: false,
            is_full: false,
            port,
            is_reset: false,
            is_timed_out: false,
            reads: true,
            wake_at: None,
        }
    }
}

impl Side {
    /// The other end.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Accepting => Self::Dialling,
            Self::Dialling => Self::Accepting,
        }
    }
}

impl Link {
    /// A server's end; `None` for an actor's.
    pub(super) fn seat(&self, side: Side) -> Option<&Seat> {
        match side {
            Side::Accepting => Some(&self.accepting),
            Side::Dialling => self.dialling.as_ref(),
        }
    }

    pub(super) fn seat_mut(&mut self, side: Side) -> Option<&mut Seat> {
        match side {
            Side::Accepting => Some(&mut self.accepting),
            Side::Dialling => self.dialling.as_mut(),
        }
    }

    /// What one end reads from, and what it writes to.
    pub(super) const fn pipes(&mut self, side: Side) -> (&mut Pipe, &mut Pipe, &mut Entropy) {
        match side {
            Side::Accepting => (&mut self.up, &mut self.down, &mut self.entropy),
            Side::Dialling => (&mut self.down, &mut self.up, &mut self.entropy),
        }
    }

    /// A server that has not closed it holds this end.
    pub(super) fn is_held(&self, side: Side) -> bool {
        self.seat(side).is_some_and(|seat| seat.conn.is_some())
    }
}

/// An event of the server, and how its connection was at that moment.
#[derive(Debug)]
pub struct Told {
    /// When.
    pub at: Micros,
    /// The configuration that was in force on its shard.
    pub config: usize,
    /// What.
    pub event: Event,
    /// Who: the server under test, or one that it forwards to.
    pub server: usize,
    /// The link that it is about.
    pub link: Option<usize>,
    /// The socket of the connection was full.
    pub is_full: bool,
    /// It comes of nothing but a reload.
    pub is_of_reload: bool,
    /// The shard that tells it.
    pub shard: usize,
}

/// The connection that an event is about.
#[must_use]
pub const fn conn_of(event: &Event) -> Option<ConnId> {
    match event {
        Event::Accepted { conn, .. }
        | Event::Closed { conn, .. }
        | Event::Connected { conn, .. }
        | Event::Published { conn, .. }
        | Event::Unpublished { conn, .. }
        | Event::Played { conn, .. }
        | Event::Stopped { conn, .. }
        | Event::Skipped { conn, .. }
        | Event::Refused { conn, .. }
        | Event::Ignored { conn, .. }
        | Event::Progress { conn, .. }
        | Event::Answered { conn, .. } => Some(*conn),
        _ => None,
    }
}
