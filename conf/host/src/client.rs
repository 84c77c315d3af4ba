//! An RTMP client on any runtime: one socket, and the client side of a session.
//!
//! The demo and the load tool drive it; it knows nothing of the server in this process.

use crate::runtime::{Runtime, Stream as _, within};
use bytes::{Buf as _, BytesMut};
use millstream_core::frame::Frame;
use millstream_core::rng::Rng;
use millstream_core::session::{
    ClientRequest, Intent, Session, SessionConfig, SessionError, SessionEvent,
};
use millstream_core::time::Instant;
use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How long a server may take from the first SYN to the start of the stream.
pub(crate) const START_TIME: Duration = Duration::from_secs(15);

/// Bytes of one read.
const SCRATCH_LEN: usize = 256 << 10;

thread_local! {
    /// All clients of a thread read into one buffer.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_LEN]);
}

/// A stream of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) app: String,
    pub(crate) stream: String,
}

impl Target {
    /// Reads `rtmp://host[:port]/app/stream`; all but the last component is the app.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let expected = || format!("`{url}` is not a stream; write rtmp://host/app/stream");
        let rest = url.strip_prefix("rtmp://").ok_or_else(expected)?;
        Self::parse_rest(rest, 1935).ok_or_else(expected)
    }

    /// Reads `http://host[:port]/app/stream.flv`, in the same way.
    pub(crate) fn parse_http(url: &str) -> Result<Self, String> {
        let expected = || format!("`{url}` is not a stream; write http://host/app/stream.flv");
        let rest = url.strip_prefix("http://").ok_or_else(expected)?;
        Self::parse_rest(rest, 80).ok_or_else(expected)
    }

    fn parse_rest(rest: &str, default_port: u16) -> Option<Self> {
        let (authority, path) = rest.split_once('/')?;
        let path_len = path.find('?').unwrap_or(path.len());
        let (app, _) = path.get(..path_len)?.rsplit_once('/')?;
        let app = app.to_owned();
        let stream = path.get(app.len() + 1..).unwrap_or_default().to_owned();
        // The colon of a port comes after the bracket of an IPv6 address.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
            _ => (authority, default_port),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() || app.is_empty() || stream.is_empty() {
            return None;
        }
        Some(Self { host, port, app, stream })
    }

    /// The target of one of many clients: `{number}` becomes `number`.
    pub(crate) fn numbered(&self, number: u32) -> Self {
        let number = number.to_string();
        Self {
            app: self.app.replace("{number}", &number),
            stream: self.stream.replace("{number}", &number),
            ..self.clone()
        }
    }

    pub(crate) fn has_number(&self) -> bool {
        self.app.contains("{number}") || self.stream.contains("{number}")
    }

    /// The path of a stream by HTTP.
    pub(crate) fn path(&self) -> String {
        format!("/{}/{}", self.app, self.stream)
    }

    /// The host and the port as `Host` names them (RFC 9110, section 7.2).
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.bracketed_host(), self.port)
    }

    fn bracketed_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }

    /// The first address of the host.
    pub(crate) fn resolve(&self) -> io::Result<SocketAddr> {
        let mut addresses = (self.host.as_str(), self.port).to_socket_addrs()?;
        addresses.next().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn request(&self, intent: Intent) -> ClientRequest {
        let host = self.bracketed_host();
        let port = if self.port == 1935 { String::new() } else { format!(":{}", self.port) };
        ClientRequest {
            intent,
            app: self.app.as_str().into(),
            tc_url: format!("rtmp://{host}{port}/{}", self.app).into(),
            stream: self.stream.as_str().into(),
        }
    }
}

/// One connection.
pub(crate) struct Client<R: Runtime> {
    stream: R::Stream,
    session: Session,
    out: BytesMut,
    received: u64,
}

/// Why a client ended.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// The server closed the connection.
    Closed,
    /// The server ended the stream.
    Ended(String),
    Io(io::Error),
    /// The server refused: code and words.
    Rejected(String),
    Session(SessionError),
    /// What came by HTTP cannot be read.
    Unreadable(&'static str),
    /// Nothing for too long.
    Timeout,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Ended(code) if code.is_empty() => f.write_str("the server ended the stream"),
            Self::Ended(code) => write!(f, "the server ended the stream ({code})"),
            Self::Io(error) => error.fmt(f),
            Self::Rejected(reason) => write!(f, "the server refused: {reason}"),
            Self::Session(error) => write!(f, "the server broke the protocol: {error:?}"),
            Self::Unreadable(what) => write!(f, "the server broke the protocol: {what}"),
            Self::Timeout => f.write_str("the server did not start the stream in time"),
        }
    }
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl<R: Runtime> Client<R> {
    /// Connects, and asks for the stream; returns once it has started. `take` gets all events up
    /// to then, and those that came in the same read.
    pub(crate) async fn start(
        address: SocketAddr,
        target: &Target,
        intent: Intent,
        config: Arc<SessionConfig>,
        seed: u64,
        mut take: impl FnMut(&SessionEvent),
    ) -> Result<Self, ClientError> {
        let start = async {
            let stream = R::connect(address).await?;
            stream.socket().set_tcp_nodelay(true)?;
            let mut out = BytesMut::new();
            let request = target.request(intent);
            let session = Session::client(config, request, now(), Rng::new(seed), &mut out);
            let mut client = Self { stream, session, out, received: 0 };
            let mut has_started = false;
            let mut take = |event: &SessionEvent| {
                has_started |= matches!(event, SessionEvent::Started { .. });
                take(event);
                has_started
            };
            poll_fn(|cx| client.poll_until(cx, &mut take)).await?;
            Ok(client)
        };
        within::<R, _>(START_TIME, start).await.ok_or(ClientError::Timeout)?
    }

    /// Takes what the server sends until `take` says that it is enough; then those events that
    /// came in the same read are still taken.
    fn poll_until(
        &mut self,
        cx: &mut Context<'_>,
        take: &mut impl FnMut(&SessionEvent) -> bool,
    ) -> Poll<Result<(), ClientError>> {
        let mut is_enough = false;
        while !is_enough {
            match self.poll(cx, &mut |event| is_enough = take(event)) {
                Poll::Ready(outcome) => outcome?,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what the socket takes, and takes what the server sent. `Pending`: nothing came; the
    /// waker is called when something does, or when there is room for what is unsent.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        take: &mut impl FnMut(&SessionEvent),
    ) -> Poll<Result<(), ClientError>> {
        self.flush(cx)?;
        if self.poll_receive(cx, take)?.is_pending() {
            return Poll::Pending;
        }
        self.flush(cx)?;
        Poll::Ready(Ok(()))
    }

    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        take: &mut impl FnMut(&SessionEvent),
    ) -> Result<Poll<()>, ClientError> {
        SCRATCH.with_borrow_mut(|scratch| {
            let len = match self.stream.poll_read(cx, scratch) {
                Poll::Ready(Ok(0)) => return Err(ClientError::Closed),
                Poll::Ready(read) => read?,
                Poll::Pending => return Ok(Poll::Pending),
            };
            self.received += len as u64;
            let mut input = scratch.get(..len).unwrap_or_default();
            while let Some(event) = self
                .session
                .receive(now(), &mut input, &mut self.out)
                .map_err(ClientError::Session)?
            {
                if let Some(error) = end_of(&event) {
                    return Err(error);
                }
                take(&event);
            }
            Ok(Poll::Ready(()))
        })
    }

    /// Queues a frame of the stream that is published.
    pub(crate) fn send(&mut self, frame: &Frame) {
        let sent = self.session.send(frame, &mut self.out);
        debug_assert!(sent.is_ok(), "{sent:?}");
    }

    /// Sends what the socket takes; the waker is called when there is room for more.
    pub(crate) fn flush(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while !self.out.is_empty() {
            match self.stream.poll_write(cx, &[IoSlice::new(&self.out)]) {
                Poll::Ready(written) => self.out.advance(written?),
                Poll::Pending => break,
            }
        }
        Ok(())
    }

    /// Says good-bye, as far as the socket takes it.
    pub(crate) fn finish(mut self) {
        self.session.finish(&mut self.out);
        let _ = self.flush(&mut Context::from_waker(Waker::noop()));
    }

    /// Bytes that the socket did not take yet.
    pub(crate) fn unsent(&self) -> usize {
        self.out.len()
    }

    /// Bytes received in all.
    pub(crate) const fn received(&self) -> u64 {
        self.received
    }
}

/// The end that an event means.
fn end_of(event: &SessionEvent) -> Option<ClientError> {
    if let SessionEvent::Rejected { code, description } = event {
        let (code, description) = (code.to_str_lossy(), description.to_str_lossy());
        return Some(ClientError::Rejected(format!("{code}: {description}")));
    }
    if let SessionEvent::Ended { code } = event {
        return Some(ClientError::Ended(code.to_str_lossy().into_owned()));
    }
    None
}

/// The clock of all clients.
fn now() -> Instant {
    static START: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
    Instant::from_micros(u64::try_from(START.elapsed().as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn urls_are_cut_into_host_app_and_stream() {
        let check = |url: &str, host: &str, port: u16, app: &str, stream: &str| {
            let expected =
                Target { host: host.into(), port, app: app.into(), stream: stream.into() };
            assert_eq!(Target::parse(url), Ok(expected), "{url}");
        };
        check("rtmp://127.0.0.1/live/demo", "127.0.0.1", 1935, "live", "demo");
        check("rtmp://host:2000/a/b/c", "host", 2000, "a/b", "c");
        check("rtmp://[::1]/live/demo", "::1", 1935, "live", "demo");
        check("rtmp://[::1]:2000/live/demo", "::1", 2000, "live", "demo");
        check("rtmp://h/live/key?token=a/b", "h", 1935, "live", "key?token=a/b");
        for url in ["", "live", "http://h/a/s", "rtmp://h", "rtmp://h/live", "rtmp:///a/s"] {
            let error = Target::parse(url).expect_err(url);
            assert!(error.contains("rtmp://host/app/stream"), "{error}");
        }
        assert!(Target::parse("rtmp://h:x/a/s").is_err());
        assert!(Target::parse("rtmp://h/live/").is_err());
    }

    #[test]
    fn urls_of_http_are_cut_in_the_same_way() {
        let check = |url: &str, authority: &str, path: &str| {
            let target = Target::parse_http(url).expect(url);
            assert_eq!((&*target.authority(), &*target.path()), (authority, path));
        };
        check("http://h/live/a.flv", "h:80", "/live/a.flv");
        check("http://[::1]:8080/a/b/c.m3u8?vhost=x/y", "[::1]:8080", "/a/b/c.m3u8?vhost=x/y");
        for url in ["https://h/live/a.flv", "http://h/a.flv", "rtmp://h/live/a"] {
            let error = Target::parse_http(url).expect_err(url);
            assert!(error.contains("http://host/app/stream.flv"), "{error}");
        }
    }

    #[test]
    fn numbers_take_their_place() {
        let target = Target::parse("rtmp://h/live/load-{number}").expect("a target");
        assert!(target.has_number());
        assert_eq!(target.numbered(7).stream, "load-7");
    }
}
