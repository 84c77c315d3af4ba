//! Ports for servers that have to be told theirs.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that systems give to outgoing connections: none of those can take a port between
/// its choice here and its use by a server.
const FIRST: u16 = 10_240;
const COUNT: u16 = 20_000;

static CHOSEN: AtomicU16 = AtomicU16::new(0);

/// A port of 127.0.0.1 that nobody has, given to one caller only.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    // Processes that test at the same time begin at different places.
    let start = (process::id() % 1_000) as u16 * 20;
    let ports = (0..COUNT).map(|_| {
        let step = CHOSEN.fetch_add(1, Ordering::Relaxed) % COUNT;
        FIRST + (start + step) % COUNT
    });
    let mut free = ports.filter(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
    free.next().expect("a free port")
}

/// An address at which nobody listens.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}
