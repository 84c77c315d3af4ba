//! The transport of one shard on any runtime: its sockets, clock and timer, driven by one future.
//!
//! There is no task and no lock for a connection: each slot of the table has a waker that puts the
//! slot on one ready list, and one task drains that list. What is absent here: every decision. The
//! loop is `millstream_core::drive`.

mod conns;
mod dial;
mod listen;
pub(crate) mod ready;

pub use listen::{BindError, ListenOptions, Listener, bind, bind_one};
pub use ready::{Change, Links, ShutdownHandle};

use crate::clock::Clock;
use crate::jobs::{JobSink, Jobs, Report};
use crate::runtime::{Runtime, Stream as _, Timer};
use conns::Conns;
use dial::Dials;
use listen::Acceptor;
use millstream_core::config::Config;
use millstream_core::drive::{IoFailure, Output, Read, Ready, Service, Transport};
use millstream_core::event::Event;
use millstream_core::id::{ConnId, JobId};
use millstream_core::job::{JobNews, JobResult};
use millstream_core::shard::{ShardId, ShardMessage};
use millstream_core::time::{Deadline, Instant};
use ready::{News, ReadyList, Woken};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Takes the events of the server, with the time of the report.
pub type EventSink = Box<dyn FnMut(Instant, Event) + Send>;

/// The sockets, clock and timer of one shard.
pub struct SocketTransport<R: Runtime> {
    acceptor: Acceptor<R::Listener>,
    clock: Clock,
    /// Configurations that the server has not been told yet.
    configs: VecDeque<Arc<Config>>,
    conns: Conns<R::Stream>,
    dials: Dials<R>,
    /// Jobs that are over.
    done: VecDeque<(JobId, JobResult)>,
    /// What is told of jobs that go on.
    goings_on: VecDeque<(JobId, JobNews)>,
    jobs: Jobs,
    news: VecDeque<News>,
    deadline: Option<Deadline>,
    events: EventSink,
    is_shutdown_told: bool,
    links: Links,
    own: ShardId,
    ready_list: Arc<ReadyList>,
    timer: LazyTimer<R::Timer>,
    /// What other shards have said.
    said: VecDeque<(ShardId, ShardMessage)>,
    woken: Vec<Woken>,
}

impl<R: Runtime> SocketTransport<R> {
    /// A transport that accepts RTMP from `listeners` (see [`bind`]) and hands events to `events`.
    ///
    /// # Errors
    /// A listener could not be registered with the runtime.
    ///
    /// # Panics
    /// Outside of the runtime, for runtimes that demand to be entered.
    pub fn new(listeners: Vec<TcpListener>, events: EventSink) -> io::Result<Self> {
        let rtmp = |socket| Listener { service: Service::Rtmp, socket };
        let listeners = listeners.into_iter().map(rtmp).collect();
        Self::new_shard(ShardId(0), Links::new(1), listeners, events)
    }

    /// The transport of the shard `own` among those of `links`.
    ///
    /// # Errors
    /// A listener could not be registered with the runtime.
    ///
    /// # Panics
    /// Outside of the runtime, for runtimes that demand to be entered.
    pub fn new_shard(
        own: ShardId,
        links: Links,
        listeners: Vec<Listener>,
        events: EventSink,
    ) -> io::Result<Self> {
        let ready_list = links.ready_list(own).unwrap_or_default();
        let clock = Clock::new();
        Ok(Self {
            acceptor: Acceptor::new::<R>(listeners)?,
            configs: VecDeque::new(),
            conns: Conns::new(ready_list.clone()),
            dials: Dials::new(),
            done: VecDeque::new(),
            goings_on: VecDeque::new(),
            jobs: Jobs::new(job_sink(ready_list.clone())),
            news: VecDeque::new(),
            deadline: None,
            events,
            is_shutdown_told: false,
            links,
            own,
            said: VecDeque::new(),
            ready_list,
            timer: LazyTimer::new(),
            woken: Vec::new(),
            clock,
        })
    }

    /// The addresses of the listeners, in their order, with their real ports.
    #[must_use]
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        self.acceptor.local_addresses()
    }

    /// How long the server waits for a player that takes nothing: the system waits longer for the
    /// connections that come from now on.
    pub fn set_player_idle_timeout(&mut self, time: Duration) {
        self.acceptor.set_player_idle_timeout(time);
    }

    /// What makes this transport report `Ready::Shutdown`, from any thread.
    #[must_use]
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        ShutdownHandle::new(self.ready_list.clone())
    }

    /// Waits until no closed connection has unread input: an earlier end of the process would
    /// reset it, and the peer would lose the last words of the server.
    pub async fn finish(mut self) {
        self.acceptor.close();
        std::future::poll_fn(|cx| self.poll_finish(cx)).await;
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_conns(cx, &mut Vec::new());
        match self.conns.next_linger() {
            Some(at) => {
                self.timer.poll(Some(at), &self.clock, cx);
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }

    fn take_news(&mut self, news: News, ready: &mut Vec<Ready>) {
        match news {
            News::Dial(dial) => match self.dials.poll(dial) {
                Some(Ok((stream, peer))) => {
                    self.acceptor.configure(&stream.socket());
                    let conn = self.conns.insert(stream);
                    ready.push(Ready::Dialled { dial, conn, peer });
                }
                Some(Err(error)) => {
                    ready.push(Ready::DialFailed { dial, failure: failure_of(&error) });
                }
                None => {}
            },
            News::Changed(change) => {
                let Change { closed, config, gone, opened } = *change;
                for id in closed {
                    self.acceptor.close_one(id, gone.as_ref());
                }
                for (id, listener) in opened {
                    self.acceptor.open::<R>(id, listener);
                }
                if let Some(config) = config {
                    self.set_player_idle_timeout(config.limits.player_idle_timeout);
                    self.configs.push_back(config);
                    ready.push(Ready::Config);
                }
            }
            News::Job(job, Report::Done(result)) => self.done.push_back((job, result)),
            News::Job(job, Report::Told(news)) => self.goings_on.push_back((job, news)),
        }
    }

    fn poll_conns(&mut self, cx: &Context<'_>, ready: &mut Vec<Ready>) {
        let Self { woken, said, news, .. } = self;
        let is_shutdown = self.ready_list.take(cx.waker(), woken, said, news);
        if is_shutdown && !self.is_shutdown_told {
            self.is_shutdown_told = true;
            ready.push(Ready::Shutdown);
        }
        if !self.said.is_empty() {
            ready.push(Ready::Shards);
        }
        while let Some(news) = self.news.pop_front() {
            self.take_news(news, ready);
        }
        if !self.done.is_empty() || !self.goings_on.is_empty() {
            ready.push(Ready::Jobs);
        }
        self.conns.report_again(ready);
        let now = self.clock.now();
        for woken in self.woken.drain(..) {
            self.conns.poll(woken, ready);
        }
        self.conns.end_linger(now);
    }
}

/// Hands what is told of jobs to a transport, from any thread.
fn job_sink(ready_list: Arc<ReadyList>) -> JobSink {
    Arc::new(move |job, report| ready_list.tell(News::Job(job, report)))
}

impl<R: Runtime> Transport for SocketTransport<R> {
    fn poll_ready(&mut self, cx: &mut Context<'_>, ready: &mut Vec<Ready>) -> Poll<()> {
        let now = self.clock.now();
        self.poll_conns(cx, ready);
        let conns = &mut self.conns;
        self.acceptor.poll(now, cx, |listener, service, stream, peer| match stream {
            Some(stream) => {
                let conn = conns.insert(stream);
                ready.push(Ready::Accepted { conn, listener, service, peer });
            }
            None => conns.drop_lingering(),
        });
        if self.deadline.is_some_and(|deadline| deadline.at <= now) {
            ready.push(Ready::Deadline);
        }
        if !ready.is_empty() {
            return Poll::Ready(());
        }
        let deadline = self.deadline.map(|deadline| deadline.at);
        let times = [deadline, self.conns.next_linger(), self.acceptor.resumes_at()];
        self.timer.poll(times.into_iter().flatten().min(), &self.clock, cx);
        Poll::Pending
    }

    fn now(&mut self) -> Instant {
        self.clock.now()
    }

    fn read(&mut self, conn: ConnId, scratch: &mut [u8]) -> Result<Read, IoFailure> {
        self.conns.read(conn, scratch).map_err(|error| failure_of(&error))
    }

    fn write(&mut self, conn: ConnId, slices: &[&[u8]]) -> Result<usize, IoFailure> {
        self.conns.write(conn, slices).map_err(|error| failure_of(&error))
    }

    fn receive_shard(&mut self) -> Option<(ShardId, ShardMessage)> {
        self.said.pop_front()
    }

    fn receive_config(&mut self) -> Option<Arc<Config>> {
        self.configs.pop_front()
    }

    fn receive_job_news(&mut self) -> Option<(JobId, JobNews)> {
        self.goings_on.pop_front()
    }

    fn receive_job(&mut self) -> Option<(JobId, JobResult)> {
        self.done.pop_front()
    }

    fn has_ready(&mut self) -> bool {
        let now = self.clock.now();
        self.conns.has_reported()
            || self.acceptor.has_more()
            || self.ready_list.has_any()
            || self.deadline.is_some_and(|deadline| deadline.at <= now)
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::SetReading { conn, enabled } => self.conns.set_reading(conn, enabled),
            Output::Close { conn } => {
                let now = self.clock.now();
                self.conns.close(conn, now);
            }
            Output::Event(event) => {
                let now = self.clock.now();
                (self.events)(now, event);
            }
            Output::Dial { dial, host, port } => {
                self.dials.begin(dial, host, port, self.ready_list.clone());
            }
            Output::Abandon { dial } => self.dials.abandon(dial),
            Output::Start { job, work } => self.jobs.start(job, work),
            Output::Signal { job, signal } => self.jobs.signal(job, signal),
            Output::Shard { to, message } => self.links.say(self.own, to, message),
            // `Write` is the loop's own; it does not come here.
            Output::Write { .. } => debug_assert!(false, "the loop performs writes itself"),
            other => debug_assert!(false, "not known to this transport: {other:?}"),
        }
    }

    fn set_deadline(&mut self, deadline: Option<Deadline>) {
        self.deadline = deadline;
    }
}

impl<R: Runtime> fmt::Debug for SocketTransport<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketTransport")
            .field("listeners", &self.local_addresses())
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// One timer of the runtime, moved only when it would fire too late: deadlines move later with
/// nearly each turn, and an early wake costs less than a move.
#[derive(Debug)]
struct LazyTimer<T> {
    timer: T,
    armed: Option<Instant>,
}

impl<T: Timer> LazyTimer<T> {
    fn new() -> Self {
        Self { timer: T::new(), armed: None }
    }

    /// Wakes the task of `cx` at `at`, or a little earlier.
    fn poll(&mut self, at: Option<Instant>, clock: &Clock, cx: &mut Context<'_>) {
        let Some(at) = at else { return };
        loop {
            if self.armed.is_none_or(|armed| at < armed) {
                self.timer.set(clock.system_instant(at));
                self.armed = Some(at);
            }
            if self.timer.poll(cx).is_pending() {
                return;
            }
            let fired = self.armed.take();
            if fired.is_none_or(|fired| at <= fired) {
                cx.waker().wake_by_ref();
                return;
            }
        }
    }
}

/// How a socket failed, as the core knows it.
fn failure_of(error: &io::Error) -> IoFailure {
    use io::ErrorKind as Kind;
    #[expect(clippy::wildcard_enum_match_arm, reason = "all other kinds are one to the core")]
    match error.kind() {
        Kind::BrokenPipe | Kind::ConnectionAborted | Kind::ConnectionReset => IoFailure::Reset,
        Kind::ConnectionRefused => IoFailure::Refused,
        Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => {
            IoFailure::Unreachable
        }
        Kind::NotFound => IoFailure::NotFound,
        Kind::TimedOut => IoFailure::TimedOut,
        _ => IoFailure::Other,
    }
}
