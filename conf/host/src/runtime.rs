//! What a runtime has to offer, and nothing more: sockets that wake, a timer, the loop of a thread.
//!
//! A runtime decides nothing. Each trait can be written for any runtime whose sockets call a waker
//! when they have something new.

use socket2::SockRef;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// A runtime with one thread for each shard.
pub trait Runtime: Sized + 'static {
    /// How the program calls itself, with its version.
    const PROGRAM: &'static str;

    /// A listening socket.
    type Listener: Accept<Stream = Self::Stream>;

    /// A connection.
    type Stream: Stream;

    /// A timer.
    type Timer: Timer;

    /// Runs `future` on this thread. All else of this trait is only called from within.
    ///
    /// # Errors
    /// The runtime did not start.
    fn block_on<F: Future>(future: F) -> io::Result<F::Output>;

    /// Runs the loop of a shard on this thread, as fast as this runtime can. The loop has its own
    /// bound on the work of one turn; another one would only cut turns in two.
    ///
    /// # Errors
    /// The runtime did not start, or `future` has panicked.
    fn run_shard(future: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        Self::block_on(future)
    }

    /// Registers a socket that listens and does not block.
    ///
    /// # Errors
    /// As the system gives them.
    fn listen(socket: TcpListener) -> io::Result<Self::Listener>;

    /// Connects to one address.
    fn connect(
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static;

    /// The addresses of `host`, a name or an address, in the order in which they are to be tried.
    fn resolve(
        host: Arc<str>,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static;
}

/// A listening socket, registered with a runtime.
pub trait Accept: Send + 'static {
    /// What it accepts.
    type Stream: Stream;

    /// The next connection and its other end. `Pending`: the waker is called when there is one.
    fn poll_accept(&mut self, cx: &mut Context<'_>)
    -> Poll<io::Result<(Self::Stream, SocketAddr)>>;

    /// Where it listens.
    ///
    /// # Errors
    /// As the system gives them.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// A connection, registered with a runtime. It keeps one waker for each direction.
pub trait Stream: Send + 'static {
    /// Whether a read is worth a try. `Pending`: the waker is called when it is. A runtime that
    /// cannot tell says yes.
    fn poll_readable(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// Whether a write is worth a try, as [`Self::poll_readable`] says of a read.
    fn poll_writable(&mut self, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// One read; 0 bytes are the end. `Pending`: the waker is called when there is more.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// One vectored write. `Pending`: nothing was taken, the waker is called when there is room.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// The socket, for its options.
    fn socket(&self) -> SockRef<'_>;
}

/// A timer of a runtime.
pub trait Timer: Send + 'static {
    /// A timer that is not set.
    fn new() -> Self;

    /// Sets or moves the timer.
    fn set(&mut self, at: Instant);

    /// Ready once, when its time has come; the waker is called then, never much earlier.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// Waits until `at`.
pub(crate) async fn sleep_until<R: Runtime>(at: Instant) {
    let mut timer = R::Timer::new();
    timer.set(at);
    poll_fn(|cx| timer.poll(cx)).await;
}

/// What `future` gives within `time`.
pub(crate) async fn within<R: Runtime, T>(
    time: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut timer = R::Timer::new();
    timer.set(Instant::now() + time);
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => timer.poll(cx).map(|()| None),
    })
    .await
}
