//! An RTMP server on `std::net` and one thread: the core, driven from a runtime of one's own.
//!
//! `cargo run -p millstream-sim --example blocking -- 127.0.0.1:1935` serves all who come. It asks
//! every socket once a millisecond what there is to do. A real runtime leaves that to epoll or
//! kqueue, ends on a signal, and reads a closed socket empty, lest a reset overtake its last words.

use millstream_core::drive::{Budget, Drive, IoFailure, Output, Read, Ready, Service, Transport};
use millstream_core::id::{ConnId, ListenerId};
use millstream_core::server::Server;
use millstream_core::time::{Deadline, Instant, WallClock};
use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

/// How long nobody looks at sockets that had nothing to do.
const PAUSE: Duration = Duration::from_millis(1);

#[expect(clippy::print_stdout, reason = "it is a program's only word to its user")]
fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:1935"))?;
    println!("listening on {}", listener.local_addr()?);
    serve(listener)
}

/// Serves whoever comes to `listener`, until the process ends.
pub(crate) fn serve(listener: TcpListener) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let start = std::time::Instant::now();
    let open = BTreeMap::new();
    let mut sockets = Sockets { listener, open, accepted: 0, start, micros: 0, deadline: None };
    // The core has no clock and no randomness: both are given to it.
    let seed = RandomState::new().hash_one(start);
    let unix_millis = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis() as u64;
    let wall = WallClock { unix_millis };
    let mut server = Server::new(Arc::default(), seed, sockets.now(), wall);
    let mut drive = Drive::new(Budget::default());
    while drive.run(&mut server, &mut sockets).is_pending() {
        std::thread::park_timeout(PAUSE);
    }
    Ok(())
}

/// The listener, its connections, and the clock.
struct Sockets {
    listener: TcpListener,
    /// By slot. Slots are used again, since the core keeps a table of them.
    open: BTreeMap<u32, Socket>,
    accepted: u32,
    start: std::time::Instant,
    /// What the clock said last; it never says the same twice.
    micros: u64,
    deadline: Option<Deadline>,
}

struct Socket {
    conn: ConnId,
    stream: TcpStream,
    reads: bool,
    /// It was full. Without epoll nobody says when it has room: the write is tried again then.
    retry_at: Option<Instant>,
}

impl Sockets {
    fn accept(&mut self) -> io::Result<Ready> {
        let (stream, peer) = self.listener.accept()?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let slot = (0..).find(|slot| !self.open.contains_key(slot)).unwrap_or_default();
        self.accepted = self.accepted.wrapping_add(1);
        let conn = ConnId { slot, generation: self.accepted };
        self.open.insert(slot, Socket { conn, stream, reads: true, retry_at: None });
        Ok(Ready::Accepted { conn, listener: ListenerId(0), service: Service::Rtmp, peer })
    }

    fn socket(&mut self, conn: ConnId) -> Result<&mut Socket, IoFailure> {
        self.open.get_mut(&conn.slot).ok_or(IoFailure::Other)
    }
}

impl Transport for Sockets {
    fn poll_ready(&mut self, _: &mut Context<'_>, ready: &mut Vec<Ready>) -> Poll<()> {
        // An error ends the round like "nobody waits" does, and does not end the server.
        ready.extend(std::iter::from_fn(|| self.accept().ok()));
        let now = self.now();
        for socket in self.open.values_mut() {
            // An end and a failure count as readable: reading finds them.
            if socket.reads && attempt(socket.stream.peek(&mut [0])) != Ok(None) {
                ready.push(Ready::Readable(socket.conn));
            }
            if socket.retry_at.take_if(|at| *at <= now).is_some() {
                ready.push(Ready::Writable(socket.conn));
            }
        }
        ready.extend(self.deadline.filter(|due| due.at <= now).map(|_| Ready::Deadline));
        if ready.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }

    fn now(&mut self) -> Instant {
        self.micros = (self.start.elapsed().as_micros() as u64).max(self.micros + 1);
        Instant::from_micros(self.micros)
    }

    fn read(&mut self, conn: ConnId, scratch: &mut [u8]) -> Result<Read, IoFailure> {
        Ok(match attempt(self.socket(conn)?.stream.read(scratch))? {
            None => Read::Pending,
            Some(0) => Read::End,
            Some(len) => Read::Bytes(len),
        })
    }

    fn write(&mut self, conn: ConnId, slices: &[&[u8]]) -> Result<usize, IoFailure> {
        let offered = slices.iter().map(|slice| slice.len()).sum();
        let slices: Vec<_> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
        let retry_at = self.now().after(PAUSE);
        let socket = self.socket(conn)?;
        let len = attempt(socket.stream.write_vectored(&slices))?.unwrap_or(0);
        socket.retry_at = (len < offered).then_some(retry_at);
        Ok(len)
    }

    fn perform(&mut self, output: Output) {
        // An event is for logs and metrics. There is but one shard; the loop writes by itself.
        if let Output::Close { conn } = output {
            self.open.remove(&conn.slot);
        }
        if let Output::SetReading { conn, enabled } = output {
            let _ = self.socket(conn).map(|socket| socket.reads = enabled);
        }
    }

    fn set_deadline(&mut self, deadline: Option<Deadline>) {
        self.deadline = deadline;
    }
}

/// `None` when there is nothing to read, or no room to write.
fn attempt(result: io::Result<usize>) -> Result<Option<usize>, IoFailure> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        other => other.map(Some).map_err(|_| IoFailure::Other),
    }
}
