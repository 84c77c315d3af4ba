//! Connections that the server asks for: a future each, polled until the connection is there.

use super::listen::configure;
use super::ready::{News, ReadyList};
use crate::runtime::{Runtime, Stream as _};
use millstream_core::id::DialId;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// The attempts of one shard that are under way.
pub(super) struct Dials<R: Runtime> {
    attempts: BTreeMap<DialId, Attempt<R>>,
}

struct Attempt<R: Runtime> {
    future: Pin<Box<dyn Future<Output = io::Result<R::Stream>> + Send>>,
    waker: Waker,
}

impl<R: Runtime> Dials<R> {
    pub(super) const fn new() -> Self {
        Self { attempts: BTreeMap::new() }
    }

    /// Looks `host` up and tries its addresses one after the other.
    pub(super) fn begin(&mut self, dial: DialId, host: Arc<str>, port: u16, list: Arc<ReadyList>) {
        let waker = Waker::from(Arc::new(DialWaker { dial, list }));
        waker.wake_by_ref();
        self.attempts.insert(dial, Attempt { future: Box::pin(R::connect(host, port)), waker });
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
            configure(&stream.socket());
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
