//! A server that a test talks to in bytes and time: behind real sockets, or simulated.
//!
//! What holds of both is the server's; a difference between them is a transport's.
mod client;
mod simulated;
mod sockets;

pub use client::Client;

use crate::transport::Transport;
use simulated::Simulated;
use sockets::Sockets;
use std::net::SocketAddr;
use std::time::Duration;

/// Makes three tests of each function: `tokio::name`, `async_std::name` and `simulator::name`.
#[macro_export]
macro_rules! in_all_worlds {
    ($($test:ident),+ $(,)?) => {
        mod tokio {
            $(#[test] fn $test() {
                use $crate::{transport::Transport, world::World};
                Transport::Tokio.test(|| super::$test(World::on(Transport::Tokio)));
            })+
        }
        mod async_std {
            $(#[test] fn $test() {
                use $crate::{transport::Transport, world::World};
                Transport::AsyncStd.test(|| super::$test(World::on(Transport::AsyncStd)));
            })+
        }
        mod simulator {
            $(#[test] fn $test() { super::$test($crate::world::World::simulated()); })+
        }
    };
}

/// What came from the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Came {
    /// Bytes, at least one.
    Bytes(Vec<u8>),
    /// The server has closed the connection.
    End,
    /// Nothing, in all the time.
    Nothing,
}

/// One of the connections of a test.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer(usize);

/// A server with the settings that it has without flags, and the connections of a test.
#[derive(Debug)]
pub struct World(Kind);

#[derive(Debug)]
enum Kind {
    Simulated(Box<Simulated>),
    Sockets(Sockets),
}

impl World {
    /// The program of a transport, over TCP.
    #[must_use]
    pub fn on(transport: Transport) -> Self {
        Self(Kind::Sockets(Sockets::start(transport)))
    }

    /// A server that somebody else has started, over TCP.
    #[must_use]
    pub const fn at(address: SocketAddr) -> Self {
        Self(Kind::Sockets(Sockets::at(address)))
    }

    /// The core alone, on a virtual clock.
    #[must_use]
    pub fn simulated() -> Self {
        Self(Kind::Simulated(Box::new(Simulated::new())))
    }

    /// A new connection.
    pub fn connect(&mut self) -> Peer {
        Peer(match &mut self.0 {
            Kind::Simulated(world) => world.connect(),
            Kind::Sockets(world) => world.connect(),
        })
    }

    /// Sends bytes; what the server no longer takes is lost.
    pub fn send(&mut self, peer: Peer, bytes: &[u8]) {
        match &mut self.0 {
            Kind::Simulated(world) => world.send(peer.0, bytes),
            Kind::Sockets(world) => world.send(peer.0, bytes),
        }
    }

    /// Waits for what comes next, but not longer than `time`.
    pub fn receive(&mut self, peer: Peer, time: Duration) -> Came {
        match &mut self.0 {
            Kind::Simulated(world) => world.receive(peer.0, time),
            Kind::Sockets(world) => world.receive(peer.0, time),
        }
    }

    /// The peer will send no more, and goes on reading.
    pub fn half_close(&mut self, peer: Peer) {
        match &mut self.0 {
            Kind::Simulated(world) => world.half_close(peer.0),
            Kind::Sockets(world) => world.half_close(peer.0),
        }
    }

    /// The peer is gone, and says so with a reset.
    pub fn reset(&mut self, peer: Peer) {
        match &mut self.0 {
            Kind::Simulated(world) => world.reset(peer.0),
            Kind::Sockets(world) => world.reset(peer.0),
        }
    }

    /// The operator ends the server.
    pub fn shut_down(&mut self) {
        match &mut self.0 {
            Kind::Simulated(world) => world.shut_down(),
            Kind::Sockets(world) => world.shut_down(),
        }
    }

    /// Everything that the server sends to `peer` until it ends the connection; how long that took,
    /// to a tenth of a second.
    ///
    /// # Panics
    /// It did not end it within `time`.
    pub fn receive_all(&mut self, peer: Peer, time: Duration) -> (Vec<u8>, Duration) {
        const STEP: Duration = Duration::from_millis(100);
        let (mut bytes, mut took) = (Vec::new(), Duration::ZERO);
        loop {
            match self.receive(peer, STEP) {
                Came::Bytes(more) => bytes.extend(more),
                Came::End => return (bytes, took),
                Came::Nothing => took += STEP,
            }
            assert!(took < time, "the connection is still open after {took:?}");
        }
    }
}
