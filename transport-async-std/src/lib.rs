//! millstream on async-std: its sockets, its timer, and the loop of a thread.
//!
//! All else is shared with the other transport, and is in `millstream_host`.
//!
//! async-std's sockets have no readiness that could be asked for: a read or a write either succeeds,
//! or keeps the waker and is `Pending`. That is all that is needed here. What its sockets do not
//! offer is a way to wait without a try, so each wait costs one more system call than on tokio, and
//! another one since its reactor is told anew, by `epoll_ctl`, of each wait.

use async_std::io::{Read as _, Write as _};
use async_std::net::{TcpListener, TcpStream, ToSocketAddrs as _};
use millstream_host::runtime::{Accept, Runtime, Stream, Timer};
use socket2::SockRef;
use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

/// The runtime. There is one reactor for all threads; a thread that has nothing else to do turns it.
#[derive(Debug)]
pub enum AsyncStd {}

impl Runtime for AsyncStd {
    const PROGRAM: &'static str =
        concat!("millstream ", env!("CARGO_PKG_VERSION"), " on async-std");

    type Listener = AsyncStdListener;
    type Stream = AsyncStdStream;
    type Timer = AsyncStdTimer;

    fn block_on<F: Future>(future: F) -> io::Result<F::Output> {
        Ok(async_std::task::block_on(future))
    }

    fn listen(socket: std::net::TcpListener) -> io::Result<AsyncStdListener> {
        let (listener, bell) = (Arc::new(socket.into()), Arc::default());
        Ok(AsyncStdListener { listener, accepting: None, bell })
    }

    async fn connect(address: SocketAddr) -> io::Result<AsyncStdStream> {
        TcpStream::connect(address).await.map(AsyncStdStream)
    }

    async fn resolve(host: Arc<str>, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok((&*host, port).to_socket_addrs().await?.collect())
    }
}

/// A listening socket.
pub struct AsyncStdListener {
    listener: Arc<TcpListener>,
    /// Kept until it is over: async-std forgets the waker of a future that is dropped.
    accepting: Option<Pin<Box<Accepting>>>,
    bell: Arc<Bell>,
}

type Accepting = dyn Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send;

/// Knows whether it was rung: a future of async-std that is polled without need tries its system
/// call again, and waits anew.
#[derive(Debug, Default)]
struct Bell {
    is_rung: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Bell {
    /// Whether it has rung since the last call; it rings for the task of `cx`.
    fn has_rung(&self, cx: &Context<'_>) -> bool {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *task {
            Some(task) => task.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        self.is_rung.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.is_rung.store(true, Ordering::Release);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl Accept for AsyncStdListener {
    type Stream = AsyncStdStream;

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(AsyncStdStream, SocketAddr)>> {
        let has_rung = self.bell.has_rung(cx);
        if self.accepting.is_some() && !has_rung {
            return Poll::Pending;
        }
        let accepting = self.accepting.get_or_insert_with(|| {
            let listener = self.listener.clone();
            Box::pin(async move { listener.accept().await })
        });
        let waker = Waker::from(self.bell.clone());
        let accepted = std::task::ready!(accepting.as_mut().poll(&mut Context::from_waker(&waker)));
        self.accepting = None;
        Poll::Ready(accepted.map(|(stream, peer)| (AsyncStdStream(stream), peer)))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl fmt::Debug for AsyncStdListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncStdListener").field(&self.listener).finish()
    }
}

/// A connection.
#[derive(Debug)]
pub struct AsyncStdStream(TcpStream);

impl Stream for AsyncStdStream {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // Most writes have one slice: the kernel takes that with less ado than a list.
        match slices {
            [slice] => Pin::new(&mut self.0).poll_write(cx, slice),
            slices => Pin::new(&mut self.0).poll_write_vectored(cx, slices),
        }
    }

    fn socket(&self) -> SockRef<'_> {
        SockRef::from(&self.0)
    }
}

/// A timer. async-std's cannot be moved; another one takes its place.
pub struct AsyncStdTimer(Option<Pin<Box<Sleeping>>>);

type Sleeping = dyn Future<Output = ()> + Send;

impl Timer for AsyncStdTimer {
    fn new() -> Self {
        Self(None)
    }

    fn set(&mut self, at: Instant) {
        let time = at.saturating_duration_since(Instant::now());
        self.0 = Some(Box::pin(async_std::task::sleep(time)));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(sleeping) = &mut self.0 else { return Poll::Pending };
        std::task::ready!(sleeping.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(())
    }
}

impl fmt::Debug for AsyncStdTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsyncStdTimer").field(&self.0.is_some()).finish()
    }
}
