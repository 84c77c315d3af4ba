//! The loop that every transport runs: inputs to the server, outputs to the transport.

use crate::config::Config;
use crate::event::Event;
use crate::id::{ConnId, DialId, JobId, ListenerId};
use crate::job::{Job, JobNews, JobResult, Signal};
use crate::server::Server;
use crate::shard::{ShardId, ShardMessage};
use crate::time::{Deadline, Instant};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::task::{Context, Poll, Waker};

/// Memory to send, in order.
pub type Slices<'a> = heapless::Vec<&'a [u8], 8>;

/// Something that happened outside of the server.
#[derive(Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// There is a new connection.
    Opened {
        /// Its id, chosen by the driver.
        conn: ConnId,
        /// How it came about.
        via: Via,
        /// The other end.
        peer: SocketAddr,
    },
    /// A connection that was asked for with `Output::Dial` could not be made.
    DialFailed {
        /// Which one.
        dial: DialId,
        /// Why.
        failure: IoFailure,
    },
    /// A job that was asked for with `Output::Start` goes on.
    JobTold {
        /// Which one.
        job: JobId,
        /// What is told of it.
        news: JobNews,
    },
    /// A job that was asked for with `Output::Start` is over; each has exactly one end.
    JobDone {
        /// Which one.
        job: JobId,
        /// How it ended.
        result: JobResult,
    },
    /// The operator has changed the configuration; all shards get the same one.
    Reload(Arc<Config>),
    /// Bytes came.
    Received {
        /// The connection.
        conn: ConnId,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// A write took `len` bytes of the slices; fewer than offered means that the socket is full
    /// until `Writable`.
    Wrote {
        /// The connection.
        conn: ConnId,
        /// How many bytes.
        len: usize,
        /// How many were offered.
        offered: usize,
    },
    /// A full socket takes bytes again.
    Writable {
        /// The connection.
        conn: ConnId,
    },
    /// The peer closed, or the socket failed. `Output::Close` follows.
    Closed {
        /// The connection.
        conn: ConnId,
        /// `None` for an orderly end.
        failure: Option<IoFailure>,
    },
    /// Another shard said something. The messages of one shard come in its order.
    Shard {
        /// Which one.
        from: ShardId,
        /// What it said.
        message: ShardMessage,
    },
    /// A deadline has come.
    Timeout,
    /// End all sessions in order: players and publishers are told, then closed.
    Shutdown,
}

/// How a connection came about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Via {
    /// The server asked for it with `Output::Dial`.
    Dial(DialId),
    /// A listener accepted it.
    Listener {
        /// Which one.
        listener: ListenerId,
        /// What is spoken there.
        service: Service,
    },
}

/// What is spoken on a listener.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Service {
    /// HTTP/1.1.
    Http,
    /// RTMP.
    Rtmp,
}

/// Something that the driver has to do.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Output {
    /// Ask `Server::slices`, make one vectored write, report `Wrote`.
    Write {
        /// The connection.
        conn: ConnId,
    },
    /// Read or do not read from the connection.
    SetReading {
        /// The connection.
        conn: ConnId,
        /// True to read.
        enabled: bool,
    },
    /// Close; the server has forgotten `conn` and takes no more inputs for it. Every `Opened` is
    /// followed by exactly one `Close`.
    Close {
        /// The connection.
        conn: ConnId,
    },
    /// Connect to another server; answered by `Opened` or `DialFailed`.
    Dial {
        /// Names the attempt in the answer; never used again.
        dial: DialId,
        /// A name or an address, without brackets.
        host: Arc<str>,
        /// The TCP port.
        port: u16,
    },
    /// Give up an attempt to connect. An answer that is already under way may still come.
    Abandon {
        /// Which one.
        dial: DialId,
    },
    /// Begin something that takes time; answered by `JobDone`.
    Start {
        /// Names the job in the answer; never used again.
        job: JobId,
        /// What to do.
        work: Job,
    },
    /// Tell a running program to end; nothing happens if it has ended.
    Signal {
        /// The job that runs it.
        job: JobId,
        /// How.
        signal: Signal,
    },
    /// Say something to another shard. Messages to one shard arrive in their order.
    Shard {
        /// Which one.
        to: ShardId,
        /// What.
        message: ShardMessage,
    },
    /// Report.
    Event(Event),
}

/// How a socket failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum IoFailure {
    /// The host's name has no address.
    NotFound,
    /// Nobody listens there.
    Refused,
    /// The peer reset the connection.
    Reset,
    /// The network gave up waiting for the peer.
    TimedOut,
    /// No route.
    Unreachable,
    /// Anything else.
    Other,
}

/// Something is ready, as a transport found it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Ready {
    /// A connection was accepted; the transport already holds it.
    Accepted {
        /// Its id.
        conn: ConnId,
        /// Where it came in.
        listener: ListenerId,
        /// What is spoken there.
        service: Service,
        /// The other end.
        peer: SocketAddr,
    },
    /// A connection that the server asked for is there; the transport already holds it.
    Dialled {
        /// Which attempt it was.
        dial: DialId,
        /// Its id.
        conn: ConnId,
        /// The other end.
        peer: SocketAddr,
    },
    /// A connection that the server asked for could not be made.
    DialFailed {
        /// Which attempt it was.
        dial: DialId,
        /// Why.
        failure: IoFailure,
    },
    /// Jobs go on or are over: `receive_job_news` and `receive_job` say which.
    Jobs,
    /// There is another configuration: `receive_config` gives it.
    Config,
    /// Bytes or an end can be read.
    Readable(ConnId),
    /// A full socket takes bytes again.
    Writable(ConnId),
    /// Other shards have said something: `receive_shard` gives it.
    Shards,
    /// The deadline has come.
    Deadline,
    /// The operator wants the server to end.
    Shutdown,
}

/// Bounds on one turn of the loop, for fairness.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Reads of one connection in one turn.
    pub reads_max: u32,
    /// Writes in one turn, or as many as there were reads, if these were more; at least one. What
    /// has become ready meanwhile is looked at before the next ones: a frame that comes while its
    /// stream is sent to many players is sent to the rest of them in the same write.
    pub writes_max: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { reads_max: 4, writes_max: 64 }
    }
}

/// The result of one read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// So many bytes, at least one.
    Bytes(usize),
    /// The peer will send no more.
    End,
    /// Nothing now; `Ready::Readable` follows when there is.
    Pending,
}

/// What a runtime has to offer. A transport is thin: it decides nothing.
pub trait Transport {
    /// Appends what is ready to `ready`, or registers the task of `cx` to be woken.
    fn poll_ready(&mut self, cx: &mut Context<'_>, ready: &mut Vec<Ready>) -> Poll<()>;

    /// The monotonic clock; strictly growing.
    fn now(&mut self) -> Instant;

    /// One read that does not block.
    ///
    /// # Errors
    /// The socket failed.
    fn read(&mut self, conn: ConnId, scratch: &mut [u8]) -> Result<Read, IoFailure>;

    /// One vectored write that does not block; gives the bytes taken, 0 when the socket is full.
    /// After a short write `Ready::Writable` follows when the socket takes bytes again.
    ///
    /// # Errors
    /// The socket failed.
    fn write(&mut self, conn: ConnId, slices: &[&[u8]]) -> Result<usize, IoFailure>;

    /// The next message of another shard. A transport with one shard has none.
    fn receive_shard(&mut self) -> Option<(ShardId, ShardMessage)> {
        None
    }

    /// What is told of the next job that goes on; always before its end. A transport may tell
    /// nothing of this kind.
    fn receive_job_news(&mut self) -> Option<(JobId, JobNews)> {
        None
    }

    /// The next job that is over. A transport that refuses all jobs gives their failures here.
    fn receive_job(&mut self) -> Option<(JobId, JobResult)> {
        None
    }

    /// The configuration that the operator wants now, once.
    fn receive_config(&mut self) -> Option<Arc<Config>> {
        None
    }

    /// Something is ready beside what sockets may have to say. The loop then lets the runtime look
    /// at its sockets before the next turn. Where `poll_ready` itself looks at sockets, there is no
    /// need for that.
    fn has_ready(&mut self) -> bool {
        false
    }

    /// Carries out every output but `Write`.
    fn perform(&mut self, output: Output);

    /// Replaces the deadline.
    fn set_deadline(&mut self, deadline: Option<Deadline>);
}

/// The loop: the same for every runtime and for the simulator.
#[derive(Debug)]
pub struct Drive {
    budget: Budget,
    /// The last turn ended with its budget of writes: there is more to do.
    has_more: bool,
    ready: Vec<Ready>,
    scratch: Vec<u8>,
    /// What was ready, and reads, in this turn.
    taken: u32,
}

/// All connections of a shard read into one scratch buffer of this size.
const SCRATCH_LEN: usize = 64 << 10;

impl Drive {
    /// A loop within `budget`.
    #[must_use]
    pub fn new(budget: Budget) -> Self {
        Self {
            budget,
            has_more: false,
            ready: Vec::new(),
            scratch: alloc::vec![0; SCRATCH_LEN],
            taken: 0,
        }
    }

    /// Runs turns until nothing is ready and nothing is left to write; `Ready` once a shutdown is
    /// complete. Where there is more to do, the runtime gets the chance to find what else is ready:
    /// then this wakes the task of `cx`, and is `Pending`.
    pub fn poll<T: Transport>(
        &mut self,
        server: &mut Server,
        transport: &mut T,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            if server.is_drained() && !self.has_more {
                return Poll::Ready(());
            }
            if transport.poll_ready(cx, &mut self.ready).is_pending() && !self.has_more {
                return Poll::Pending;
            }
            let mut batch = core::mem::take(&mut self.ready);
            self.taken = 0;
            for ready in batch.drain(..) {
                self.take(server, transport, ready);
            }
            self.ready = batch;
            // Else, where input has no end, what is to be written would have none either.
            let writes_max = self.budget.writes_max.max(self.taken);
            self.has_more = drain(server, transport, writes_max);
            transport.set_deadline(server.poll_timeout());
            if self.has_more || transport.has_ready() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    /// The same for a driver that looks by itself for what is ready, and need not be woken.
    pub fn run<T: Transport>(&mut self, server: &mut Server, transport: &mut T) -> Poll<()> {
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            let polled = self.poll(server, transport, &mut cx);
            if polled.is_ready() || !self.has_more {
                return polled;
            }
        }
    }

    /// The last turn ended with its budget: the next one goes on, whether anything is ready or not.
    #[must_use]
    pub const fn has_more(&self) -> bool {
        self.has_more
    }

    fn take<T: Transport>(&mut self, server: &mut Server, transport: &mut T, ready: Ready) {
        self.taken = self.taken.saturating_add(1);
        let input = match ready {
            Ready::Accepted { conn, listener, service, peer } => {
                Input::Opened { conn, via: Via::Listener { listener, service }, peer }
            }
            Ready::Dialled { dial, conn, peer } => {
                Input::Opened { conn, via: Via::Dial(dial), peer }
            }
            Ready::DialFailed { dial, failure } => Input::DialFailed { dial, failure },
            Ready::Jobs => {
                while let Some((job, news)) = transport.receive_job_news() {
                    server.handle(transport.now(), Input::JobTold { job, news });
                }
                while let Some((job, result)) = transport.receive_job() {
                    server.handle(transport.now(), Input::JobDone { job, result });
                }
                return;
            }
            Ready::Config => {
                if let Some(config) = transport.receive_config() {
                    server.handle(transport.now(), Input::Reload(config));
                }
                return;
            }
            Ready::Readable(conn) => return self.read(server, transport, conn),
            Ready::Writable(conn) => Input::Writable { conn },
            Ready::Shards => {
                while let Some((from, message)) = transport.receive_shard() {
                    server.handle(transport.now(), Input::Shard { from, message });
                }
                return;
            }
            Ready::Deadline => Input::Timeout,
            Ready::Shutdown => Input::Shutdown,
        };
        server.handle(transport.now(), input);
    }

    fn read<T: Transport>(&mut self, server: &mut Server, transport: &mut T, conn: ConnId) {
        for _ in 0..self.budget.reads_max {
            let input = match transport.read(conn, &mut self.scratch) {
                Ok(Read::Bytes(len)) => {
                    self.taken = self.taken.saturating_add(1);
                    let bytes = self.scratch.get(..len).unwrap_or_default();
                    Input::Received { conn, bytes }
                }
                Ok(Read::End) => Input::Closed { conn, failure: None },
                Ok(Read::Pending) => return,
                Err(failure) => Input::Closed { conn, failure: Some(failure) },
            };
            let is_closed = matches!(input, Input::Closed { .. });
            server.handle(transport.now(), input);
            if is_closed {
                return;
            }
        }
    }
}

/// Carries out what the server wants done now, with up to `writes_max` writes; true when more is
/// left.
fn drain<T: Transport>(server: &mut Server, transport: &mut T, writes_max: u32) -> bool {
    let mut writes = 0;
    while writes < writes_max.max(1) {
        let Some(output) = server.poll_output() else { return false };
        let Output::Write { conn } = output else {
            transport.perform(output);
            continue;
        };
        let (wrote, offered) = {
            let mut slices = Slices::new();
            let offered = server.slices(conn, &mut slices);
            (transport.write(conn, &slices), offered)
        };
        let input = match wrote {
            Ok(len) => Input::Wrote { conn, len, offered },
            Err(failure) => Input::Closed { conn, failure: Some(failure) },
        };
        server.handle(transport.now(), input);
        writes = writes.saturating_add(1);
    }
    true
}
