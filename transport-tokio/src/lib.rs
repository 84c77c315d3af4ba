//! millstream on tokio: its sockets, its timer, and one single-threaded runtime for each shard.
//!
//! All else is shared with the other transport, and is in `millstream_host`.

use millstream_host::runtime::{Accept, Runtime, Stream, Timer};
use socket2::SockRef;
use std::io::{self, IoSlice, Read as _};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};

/// On these systems a socket that took or gave less than was asked is known to be full or empty:
/// the event queue is edge-triggered, and the next edge is yet to come. One system call is saved.
const SHORT_MEANS_BLOCKED: bool = cfg!(any(target_os = "linux", target_os = "macos"));

/// The runtime.
#[derive(Debug)]
pub enum Tokio {}

impl Runtime for Tokio {
    const PROGRAM: &'static str = concat!("millstream ", env!("CARGO_PKG_VERSION"));

    type Listener = TokioListener;
    type Stream = TokioStream;
    type Timer = TokioTimer;

    fn block_on<F: Future>(future: F) -> io::Result<F::Output> {
        let runtime = runtime()?;
        let output = runtime.block_on(tokio::task::unconstrained(future));
        runtime.shutdown_background();
        Ok(output)
    }

    /// As a task of its own: wakes within one runtime are then free of system calls.
    fn run_shard(future: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let runtime = runtime()?;
        let future = tokio::task::unconstrained(future);
        let outcome = runtime.block_on(async { tokio::spawn(future).await });
        runtime.shutdown_background();
        outcome.map_err(io::Error::other)
    }

    fn listen(socket: std::net::TcpListener) -> io::Result<TokioListener> {
        TcpListener::from_std(socket).map(TokioListener)
    }

    async fn connect(address: SocketAddr) -> io::Result<TokioStream> {
        TcpStream::connect(address).await.map(TokioStream)
    }

    async fn resolve(host: Arc<str>, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((&*host, port)).await?.collect())
    }
}

/// Sockets are looked at after each turn of the loop: the loop itself serves many connections in
/// one turn.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().event_interval(1).build()
}

/// A listening socket.
#[derive(Debug)]
pub struct TokioListener(TcpListener);

impl Accept for TokioListener {
    type Stream = TokioStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TokioStream, SocketAddr)>> {
        self.0.poll_accept(cx).map_ok(|(stream, peer)| (TokioStream(stream), peer))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A connection.
#[derive(Debug)]
pub struct TokioStream(TcpStream);

impl Stream for TokioStream {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // A failure is found by reading.
        self.0.poll_read_ready(cx).map(drop)
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.poll_write_ready(cx).map(drop)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut len = None;
            // `WouldBlock`, given after bytes too, makes the runtime wait for the next edge.
            let tried = self.0.try_io(Interest::READABLE, || {
                let read = (&*SockRef::from(&self.0)).read(buffer)?;
                len = Some(read);
                if read > 0 && read < buffer.len() && SHORT_MEANS_BLOCKED {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(())
            });
            match (len, tried) {
                (Some(len), _) => return Poll::Ready(Ok(len)),
                (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Poll::Ready(Err(error));
                }
                (None, _) => ready!(self.0.poll_read_ready(cx))?,
            }
        }
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        loop {
            let mut taken = None;
            let tried = self.0.try_io(Interest::WRITABLE, || {
                let len = send(&SockRef::from(&self.0), slices)?;
                taken = Some(len);
                if len < total && SHORT_MEANS_BLOCKED {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(())
            });
            match (taken, tried) {
                (Some(len), _) => return Poll::Ready(Ok(len)),
                (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Poll::Ready(Err(error));
                }
                (None, _) => ready!(self.0.poll_write_ready(cx))?,
            }
        }
    }

    fn socket(&self) -> SockRef<'_> {
        SockRef::from(&self.0)
    }
}

/// One write. Most have one slice: the kernel takes that with less ado than a list.
fn send(socket: &SockRef<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    match slices {
        [slice] => socket.send(slice),
        slices => socket.send_vectored(slices),
    }
}

/// A timer.
#[derive(Debug)]
pub struct TokioTimer(Pin<Box<tokio::time::Sleep>>);

impl Timer for TokioTimer {
    fn new() -> Self {
        Self(Box::pin(tokio::time::sleep_until(Instant::now().into())))
    }

    fn set(&mut self, at: Instant) {
        self.0.as_mut().reset(at.into());
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}
