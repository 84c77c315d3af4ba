//! The core and its loop, on pipes and a virtual clock.
use super::Came;
use millstream_conf::settings::Settings;
use millstream_core::drive::{
    Budget, Drive, IoFailure, Output, Read, Ready, Service, Transport as Transports,
};
use millstream_core::id::{ConnId, ListenerId};
use millstream_core::server::Server;
use millstream_core::time::{Deadline, Instant, WallClock};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// What a pipe to a peer holds: as much as a socket that was opened not long ago.
const PIPE_LEN: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct Simulated {
    drive: Drive,
    pipes: Pipes,
    server: Server,
}

impl Simulated {
    pub(super) fn new() -> Self {
        let pipes =
            Pipes { deadline: None, is_ending: false, new: Vec::new(), now: 1, pipes: Vec::new() };
        let wall = WallClock { unix_millis: 1_700_000_000_000 };
        let server =
            Server::new(Arc::new(Settings::default().config), 7, Instant::from_micros(1), wall);
        Self { drive: Drive::new(Budget::default()), pipes, server }
    }

    pub(super) fn connect(&mut self) -> usize {
        let index = self.pipes.pipes.len();
        self.pipes.pipes.push(Pipe { reads: true, ..Pipe::default() });
        self.pipes.new.push(index);
        self.turn();
        index
    }

    pub(super) fn send(&mut self, peer: usize, bytes: &[u8]) {
        self.pipes.pipes[peer].to_server.extend(bytes);
        self.turn();
    }

    pub(super) fn receive(&mut self, peer: usize, time: Duration) -> Came {
        let end = self.pipes.now + u64::try_from(time.as_micros()).expect("not for ever");
        loop {
            self.turn();
            let pipe = &mut self.pipes.pipes[peer];
            if !pipe.from_server.is_empty() {
                pipe.has_room = pipe.is_full;
                let bytes = pipe.from_server.drain(..).collect();
                self.turn();
                return Came::Bytes(bytes);
            }
            if pipe.is_closed {
                return Came::End;
            }
            if self.pipes.now >= end {
                return Came::Nothing;
            }
            let due = self.pipes.deadline.map_or(end, |deadline| deadline.at.as_micros());
            self.pipes.now = due.clamp(self.pipes.now + 1, end);
        }
    }

    pub(super) fn half_close(&mut self, peer: usize) {
        self.pipes.pipes[peer].has_ended = true;
        self.turn();
    }

    pub(super) fn reset(&mut self, peer: usize) {
        let pipe = &mut self.pipes.pipes[peer];
        pipe.is_reset = true;
        pipe.from_server.clear();
        self.turn();
    }

    pub(super) fn shut_down(&mut self) {
        self.pipes.is_ending = true;
        self.turn();
    }

    /// The loop does all that it can do now.
    fn turn(&mut self) {
        let _ = self.drive.run(&mut self.server, &mut self.pipes);
    }
}

#[derive(Debug)]
struct Pipes {
    deadline: Option<Deadline>,
    is_ending: bool,
    /// Connections that nobody has accepted.
    new: Vec<usize>,
    now: u64,
    /// A connection's slot is its place.
    pipes: Vec<Pipe>,
}

#[derive(Debug, Default)]
struct Pipe {
    from_server: VecDeque<u8>,
    to_server: VecDeque<u8>,
    has_ended: bool,
    /// It was full, and has been read from.
    has_room: bool,
    is_closed: bool,
    is_full: bool,
    is_reset: bool,
    /// Its end was told.
    is_told: bool,
    reads: bool,
}

impl Pipe {
    fn is_readable(&self) -> bool {
        let is_over = (self.has_ended || self.is_reset) && !self.is_told;
        self.reads && !self.is_closed && (!self.to_server.is_empty() || is_over)
    }
}

fn id(index: usize) -> ConnId {
    ConnId { slot: u32::try_from(index).expect("a few"), generation: 0 }
}

impl Pipes {
    fn pipe(&mut self, conn: ConnId) -> &mut Pipe {
        &mut self.pipes[conn.slot as usize]
    }
}

impl Transports for Pipes {
    fn poll_ready(&mut self, _: &mut Context<'_>, ready: &mut Vec<Ready>) -> Poll<()> {
        for index in self.new.drain(..) {
            let port = 40_000 + u16::try_from(index).expect("a few");
            ready.push(Ready::Accepted {
                conn: id(index),
                listener: ListenerId(0),
                service: Service::Rtmp,
                peer: ([127, 0, 0, 1], port).into(),
            });
        }
        for (index, pipe) in self.pipes.iter_mut().enumerate() {
            if pipe.is_readable() {
                ready.push(Ready::Readable(id(index)));
            }
            if std::mem::take(&mut pipe.has_room) && !pipe.is_closed {
                pipe.is_full = false;
                ready.push(Ready::Writable(id(index)));
            }
        }
        if self.deadline.is_some_and(|deadline| deadline.at.as_micros() <= self.now) {
            ready.push(Ready::Deadline);
        }
        if std::mem::take(&mut self.is_ending) {
            ready.push(Ready::Shutdown);
        }
        if ready.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }

    fn now(&mut self) -> Instant {
        self.now += 1;
        Instant::from_micros(self.now)
    }

    fn read(&mut self, conn: ConnId, scratch: &mut [u8]) -> Result<Read, IoFailure> {
        let pipe = self.pipe(conn);
        if pipe.is_reset {
            pipe.is_told = true;
            return Err(IoFailure::Reset);
        }
        if pipe.to_server.is_empty() {
            pipe.is_told |= pipe.has_ended;
            return Ok(if pipe.has_ended { Read::End } else { Read::Pending });
        }
        let len = scratch.len().min(pipe.to_server.len());
        for (place, byte) in scratch.iter_mut().zip(pipe.to_server.drain(..len)) {
            *place = byte;
        }
        Ok(Read::Bytes(len))
    }

    fn write(&mut self, conn: ConnId, slices: &[&[u8]]) -> Result<usize, IoFailure> {
        let pipe = self.pipe(conn);
        if pipe.is_reset {
            return Err(IoFailure::Reset);
        }
        let room = PIPE_LEN.saturating_sub(pipe.from_server.len());
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        pipe.from_server.extend(slices.iter().copied().flatten().take(room));
        pipe.is_full = offered > room;
        Ok(offered.min(room))
    }

    fn perform(&mut self, output: Output) {
        if let Output::Close { conn } = output {
            self.pipe(conn).is_closed = true;
        } else if let Output::SetReading { conn, enabled } = output {
            self.pipe(conn).reads = enabled;
        }
    }

    fn set_deadline(&mut self, deadline: Option<Deadline>) {
        self.deadline = deadline;
    }
}
