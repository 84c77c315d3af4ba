//! Connections that the server asks for: a future each, polled until the connection is there.

use super::ready::{News, ReadyList};
use crate::runtime::{Runtime, Stream as _, Timer as _};
use millstream_core::id::DialId;
use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 8;

/// How long an address is waited for before the next one is tried too.
const PATIENCE: Duration = Duration::from_millis(250);

/// The attempts of one shard that are under way.
pub(super) struct Dials<R: Runtime> {
    attempts: BTreeMap<DialId, Attempt<R>>,
}

type Connecting<R> = Pin<Box<dyn Future<Output = io::Result<<R as Runtime>::Stream>> + Send>>;

struct Attempt<R: Runtime> {
    future: Connecting<R>,
    waker: Waker,
}

impl<R: Runtime> Dials<R> {
    pub(super) const fn new() -> Self {
        Self { attempts: BTreeMap::new() }
    }

    /// Looks `host` up and tries its addresses.
    pub(super) fn begin(&mut self, dial: DialId, host: Arc<str>, port: u16, list: Arc<ReadyList>) {
        let waker = Waker::from(Arc::new(DialWaker { dial, list }));
        waker.wake_by_ref();
        self.attempts.insert(dial, Attempt { future: Box::pin(connect::<R>(host, port)), waker });
    }

    pub(super) fn abandon(&mut self, dial: DialId) {
        self.attempts.remove(&dial);
    }

    /// Looks at an attempt that was woken; gives its end. One that was abandoned has none.
    pub(super) fn poll(&mut self, dial: DialId) -> Option<io::Result<(R::Stream, SocketAddr)>> {
        let attempt = self.attempts.get_mut(&dial)?;
        let mut cx = Context::from_waker(&attempt.waker);
        let Poll::Ready(connected) = attempt.future.as_mut().poll(&mut cx) else { return None };
        self.attempts.remove(&dial);
        Some(connected.and_then(|stream| {
            let peer = stream.socket().peer_addr()?;
            let peer = peer.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
            Ok((stream, peer))
        }))
    }
}

impl<R: Runtime> fmt::Debug for Dials<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.attempts.keys()).finish()
    }
}

/// A connection to the first address of `host` that answers. The next one is tried when one has
/// failed, or has not answered for a while, since those who do not answer take very long to fail
/// (RFC 8305, section 5).
async fn connect<R: Runtime>(host: Arc<str>, port: u16) -> io::Result<R::Stream> {
    let addresses = R::resolve(host, port).await;
    // Resolvers have no kind of error of their own.
    let addresses = addresses.map_err(|error| io::Error::new(io::ErrorKind::NotFound, error))?;
    let mut untried = addresses.into_iter().take(ADDRESSES_MAX);
    let mut attempts: Vec<Connecting<R>> = Vec::new();
    let mut timer = R::Timer::new();
    let mut is_timed = false;
    let mut failure = None;
    poll_fn(|cx| {
        loop {
            let before = attempts.len();
            let mut connected = None;
            attempts.retain_mut(|attempt| match attempt.as_mut().poll(cx) {
                Poll::Ready(Ok(stream)) => {
                    connected = Some(stream);
                    false
                }
                Poll::Ready(Err(error)) => {
                    failure = Some(error);
                    false
                }
                Poll::Pending => true,
            });
            if let Some(stream) = connected {
                return Poll::Ready(Ok(stream));
            }
            let is_late = is_timed && timer.poll(cx).is_ready();
            is_timed &= !is_late;
            if !is_late && !attempts.is_empty() && attempts.len() == before {
                return Poll::Pending;
            }
            match untried.next() {
                Some(address) => {
                    attempts.push(Box::pin(R::connect(address)));
                    timer.set(Instant::now() + PATIENCE);
                    is_timed = true;
                }
                None if attempts.is_empty() => {
                    let nothing = || io::ErrorKind::NotFound.into();
                    return Poll::Ready(Err(failure.take().unwrap_or_else(nothing)));
                }
                None => return Poll::Pending,
            }
        }
    })
    .await
}

struct DialWaker {
    dial: DialId,
    list: Arc<ReadyList>,
}

impl Wake for DialWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.list.tell(News::Dial(self.dial));
    }
}

#[cfg(test)]
mod tests;
