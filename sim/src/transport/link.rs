//! Connections between actors and the server, and what the server tells of them.

use crate::entropy::Entropy;
use crate::net::{LinkProfile, Micros, Pipe};
use millstream_core::drive::Service;
use millstream_core::event::Event;
use millstream_core::id::ConnId;
use std::net::SocketAddr;

/// One connection between an actor and the server.
#[derive(Debug)]
pub struct Link {
    /// The actor.
    pub owner: usize,
    /// Its id on the server, from the accept to the close.
    pub conn: Option<ConnId>,
    /// The server closed it.
    pub is_closed: bool,
    /// A write was short: the server waits for Writable.
    pub is_full: bool,
    /// Bytes that the server has read.
    pub read: u64,
    /// The shard that serves it.
    pub shard: usize,
    /// When the client is woken next.
    pub(super) client_at: Option<Micros>,
    pub(super) client_waits: bool,
    pub(super) down: Pipe,
    pub(super) entropy: Entropy,
    pub(super) is_reset: bool,
    /// The network of the server has given it up.
    pub(super) is_timed_out: bool,
    pub(super) peer: SocketAddr,
    pub(super) profile: LinkProfile,
    pub(super) reads: bool,
    /// When the server is woken next.
    pub(super) service: Service,
    pub(super) server_at: Option<Micros>,
    pub(super) up: Pipe,
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
