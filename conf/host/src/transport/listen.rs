//! Listeners: how they are bound, and what is done when `accept` fails.

use crate::runtime::{Accept, Runtime, Stream as _};
use millstream_conf::cli::Listen;
use millstream_core::drive::Service;
use millstream_core::id::ListenerId;
use millstream_core::time::Instant;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::fmt;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::task::{Context, Poll};
use std::time::Duration;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1_024;

/// Accepts of one listener in one turn, for fairness to the connections that are there.
const ACCEPTS_MAX: usize = 32;

/// Pause after a failure of `accept` that lasts, such as too many open files.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Time between two log lines about such failures.
const WARN_INTERVAL: Duration = Duration::from_secs(5);

/// Time after which a silent connection is probed.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);

/// Time after which sent bytes that make no way end a connection: they are not acknowledged, or the
/// peer has no room for more (tcp(7), "TCP_USER_TIMEOUT").
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// The server ends a player that takes nothing, and says so: the system waits so much longer.
const USER_TIMEOUT_MARGIN: Duration = Duration::from_secs(10);

/// Bytes that the system keeps for a connection and has not sent: what waits there cannot be skipped
/// any more by who is too slow, and would come megabytes late.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_MAX: u32 = 128 << 10;

/// The time after which the system gives a peer up, when the server waits so long for a player.
fn user_timeout(player_idle_timeout: Duration) -> Duration {
    player_idle_timeout.saturating_add(USER_TIMEOUT_MARGIN).max(USER_TIMEOUT)
}

/// How listeners are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListenOptions {
    /// The flag that asks for them, for the words of an error.
    pub flag: &'static str,
    /// An address for all of IPv6 leaves IPv4 to other listeners.
    pub is_v6_only: bool,
    /// Several listeners (of one user) may share an address; the kernel spreads connections.
    pub reuse_port: bool,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self { flag: "--rtmp", is_v6_only: false, reuse_port: false }
    }
}

/// Binds all addresses, or none.
///
/// # Errors
/// Names the first address that could not be bound, why, and what to do.
pub fn bind(listen: &[Listen], options: ListenOptions) -> Result<Vec<TcpListener>, BindError> {
    let bind_one = |address: &Listen| {
        let is_v6_only = options.is_v6_only || address.is_v6_only(listen);
        bind_one(*address, ListenOptions { is_v6_only, ..options })
    };
    listen.iter().map(bind_one).collect()
}

/// Binds one address.
///
/// # Errors
/// Says why it could not be bound, and what to do.
pub fn bind_one(listen: Listen, options: ListenOptions) -> Result<TcpListener, BindError> {
    let bound = match listen {
        Listen::Any { port } => bind_any(port, options),
        Listen::At(at) => bind_at(at, options.is_v6_only, options),
    };
    bound.map_err(|error| BindError { listen, error, flag: options.flag, taken_by: None })
}

/// Why an address could not be bound.
#[derive(Debug)]
pub struct BindError {
    /// The address.
    pub listen: Listen,
    /// The error of the system.
    pub error: io::Error,
    /// The flag that asks for it.
    pub flag: &'static str,
    /// The flag of another listener of this server, when that one uses the port.
    pub taken_by: Option<&'static str>,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.listen.port();
        write!(f, "cannot listen on {}: ", self.listen)?;
        #[expect(clippy::wildcard_enum_match_arm, reason = "the system's own words are enough")]
        match self.error.kind() {
            io::ErrorKind::AddrInUse => {
                match self.taken_by {
                    None => f.write_str("another program uses this port; stop it")?,
                    Some(flag) => {
                        write!(f, "the port is given twice, by {flag} too; leave one out")?
                    }
                }
                let other = port.checked_add(1).unwrap_or(1935);
                write!(f, ", or choose another port, such as {} {other}", self.flag)
            }
            io::ErrorKind::AddrNotAvailable => {
                f.write_str("this machine does not have this address")
            }
            io::ErrorKind::PermissionDenied => write!(
                f,
                "port {port} needs more rights; choose a port above 1023, such as {} {}",
                self.flag,
                if self.flag == "--http" { 8080 } else { 1935 }
            ),
            _ => self.error.fmt(f),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

/// One socket for IPv6 and IPv4, or for IPv4 alone where there is no IPv6.
fn bind_any(port: u16, options: ListenOptions) -> io::Result<TcpListener> {
    let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    match bind_at(v6, false, options) {
        Err(error) if !is_port_trouble(&error) => {
            bind_at(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), false, options)
        }
        bound => bound,
    }
}

/// Trouble that IPv4 would have too.
fn is_port_trouble(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied)
}

/// Accepted sockets inherit the options of the listener.
fn bind_at(at: SocketAddr, v6_only: bool, options: ListenOptions) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    if at.is_ipv6() {
        socket.set_only_v6(v6_only)?;
    }
    // A restart need not wait for old connections to fade; on Windows it would mean more.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    if options.reuse_port {
        socket.set_reuse_port(true)?;
    }
    #[cfg(not(unix))]
    let _ = options;
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_IDLE))?;
    set_unsent_max(&SockRef::from(&socket));
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A bound socket and what is spoken there.
#[derive(Debug)]
pub struct Listener {
    /// What is spoken.
    pub service: Service,
    /// The socket, listening.
    pub socket: TcpListener,
}

/// Failures cost only latency, or time until a silent peer is noticed.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_user_timeout(socket: &SockRef<'_>, time: Duration) {
    let _ = socket.set_tcp_user_timeout(Some(time));
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_user_timeout(_socket: &SockRef<'_>, _time: Duration) {}

/// Accepted connections have it of their listener.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_unsent_max(socket: &SockRef<'_>) {
    let _ = socket.set_tcp_notsent_lowat(UNSENT_MAX);
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_unsent_max(_socket: &SockRef<'_>) {}

/// All listeners of a transport.
#[derive(Debug)]
pub(super) struct Acceptor<A> {
    listeners: Vec<Open<A>>,
    /// A listener had more connections than one turn accepts.
    has_more: bool,
    /// No accepts before this time.
    resumes_at: Option<Instant>,
    /// A descriptor kept back: given up to accept, and close, when there is no other.
    spare: Option<File>,
    /// For each new connection: a setting that changes while listeners stay.
    user_timeout: Duration,
    warned_at: Option<Instant>,
}

/// A listener of a transport.
#[derive(Debug)]
struct Open<A> {
    id: ListenerId,
    /// It is closed as soon as nobody waits to be accepted.
    is_closing: bool,
    service: Service,
    socket: A,
    /// Dropped after the socket, for who waits until it is closed.
    gone: Option<Gone>,
}

/// Held by all that is still to be closed.
pub(super) type Gone = std::sync::mpsc::Sender<()>;

impl<A: Accept> Open<A> {
    fn new<R: Runtime<Listener = A>>(id: ListenerId, listener: Listener) -> io::Result<Self> {
        let Listener { service, socket } = listener;
        Ok(Self { id, is_closing: false, service, socket: R::listen(socket)?, gone: None })
    }
}

/// What a failure of `accept` means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum AcceptFailure {
    /// This one connection failed; the next may be well.
    Connection,
    /// No descriptor is free.
    Descriptors,
    /// Memory, or something unknown: time may help.
    System,
}

impl<A: Accept> Acceptor<A> {
    pub(super) fn new<R: Runtime<Listener = A>>(listeners: Vec<Listener>) -> io::Result<Self> {
        let register = |(id, listener)| Open::new::<R>(ListenerId(id), listener);
        let listeners: io::Result<_> = (0..).zip(listeners).map(register).collect();
        Ok(Self {
            listeners: listeners?,
            has_more: false,
            resumes_at: None,
            spare: open_spare(),
            user_timeout: USER_TIMEOUT,
            warned_at: None,
        })
    }

    pub(super) fn local_addresses(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|open| open.socket.local_addr().ok()).collect()
    }

    /// Accepts from one more listener. A failure is told, and leaves the others as they are.
    pub(super) fn open<R: Runtime<Listener = A>>(&mut self, id: ListenerId, listener: Listener) {
        match Open::new::<R>(id, listener) {
            Ok(open) => self.listeners.push(open),
            Err(error) => tracing::error!("a new listener could not be registered: {error}"),
        }
    }

    /// Accepts who waits at a listener, then closes it and drops `gone`.
    pub(super) fn close_one(&mut self, id: ListenerId, gone: Option<&Gone>) {
        for open in self.listeners.iter_mut().filter(|open| open.id == id) {
            open.is_closing = true;
            open.gone = gone.cloned();
        }
    }

    /// How long the server waits for a player, from the next connection on.
    pub(super) fn set_player_idle_timeout(&mut self, time: Duration) {
        self.user_timeout = user_timeout(time);
    }

    /// Gives a connection that this side made the options that accepted ones have.
    pub(super) fn configure(&self, socket: &SockRef<'_>) {
        let _ = socket.set_tcp_nodelay(true);
        let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE_IDLE));
        set_unsent_max(socket);
        set_user_timeout(socket, self.user_timeout);
    }

    /// Accepts no more.
    pub(super) fn close(&mut self) {
        self.listeners.clear();
    }

    pub(super) const fn has_more(&self) -> bool {
        self.has_more
    }

    pub(super) const fn resumes_at(&self) -> Option<Instant> {
        self.resumes_at
    }

    /// Accepts what waits, within the bound of a turn. `take` gets each new connection, and `None`
    /// when descriptors are needed.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        mut take: impl FnMut(ListenerId, Service, Option<A::Stream>, SocketAddr),
    ) {
        if self.resumes_at.is_some_and(|at| now < at) {
            return;
        }
        self.resumes_at = None;
        self.has_more = false;
        for index in 0..self.listeners.len() {
            let mut accepts = 0;
            while let Some(Open { id, service, socket, .. }) = self.listeners.get_mut(index) {
                if accepts == ACCEPTS_MAX {
                    self.has_more = true;
                    break;
                }
                accepts += 1;
                match socket.poll_accept(cx) {
                    Poll::Pending => break,
                    Poll::Ready(Ok((stream, peer))) => {
                        // Inherited on Linux; elsewhere a failure costs latency only.
                        let _ = stream.socket().set_tcp_nodelay(true);
                        set_user_timeout(&stream.socket(), self.user_timeout);
                        take(*id, *service, Some(stream), canonical(peer));
                    }
                    Poll::Ready(Err(error)) => match classify(&error) {
                        AcceptFailure::Connection => {}
                        failure @ (AcceptFailure::Descriptors | AcceptFailure::System) => {
                            if failure == AcceptFailure::Descriptors {
                                let unknown = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
                                take(*id, *service, None, unknown);
                            }
                            self.back_off(failure, &error, now, index, cx);
                            return;
                        }
                    },
                }
            }
        }
        if !self.has_more {
            self.listeners.retain(|open| !open.is_closing);
        }
    }

    /// Refuses the peers that wait, so that they need not wait for nothing, and pauses.
    fn back_off(
        &mut self,
        failure: AcceptFailure,
        error: &io::Error,
        now: Instant,
        index: usize,
        cx: &mut Context<'_>,
    ) {
        self.resumes_at = Some(now.after(BACK_OFF));
        let mut closed = 0;
        if failure == AcceptFailure::Descriptors && self.spare.take().is_some() {
            while let Some(open) = self.listeners.get_mut(index)
                && closed < ACCEPTS_MAX
                && let Poll::Ready(Ok(_)) = open.socket.poll_accept(cx)
            {
                closed += 1;
            }
        }
        self.spare = self.spare.take().or_else(open_spare);
        if self.warned_at.is_none_or(|at| now.since(at) >= WARN_INTERVAL) {
            self.warned_at = Some(now);
            tracing::warn!(
                closed,
                "cannot accept connections: {error}; trying again each {} ms",
                BACK_OFF.as_millis()
            );
        }
    }
}

fn open_spare() -> Option<File> {
    File::open(if cfg!(windows) { "NUL" } else { "/dev/null" }).ok()
}

/// An IPv4 peer of a socket for both families, as the IPv4 address that it is: limits by address
/// and the rights of loopback are the same on every kind of listener.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

/// Linux reports errors of the network that belong to one new connection from `accept` itself
/// (accept(2), "Error handling").
fn classify(error: &io::Error) -> AcceptFailure {
    /// The same numbers on every Unix.
    const EPERM: i32 = 1;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    use io::ErrorKind as Kind;
    if cfg!(unix) {
        match error.raw_os_error() {
            Some(ENFILE | EMFILE) => return AcceptFailure::Descriptors,
            // A firewall forbade this connection.
            Some(EPERM) => return AcceptFailure::Connection,
            Some(code) if is_network_error(code) => return AcceptFailure::Connection,
            _ => {}
        }
    }
    if matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::HostUnreachable
            | Kind::Interrupted
            | Kind::NetworkDown
            | Kind::NetworkUnreachable
            | Kind::TimedOut
    ) {
        AcceptFailure::Connection
    } else {
        AcceptFailure::System
    }
}

/// Errors of accept(2) that have no `ErrorKind`: ENONET, EPROTO, ENOPROTOOPT, EOPNOTSUPP, EHOSTDOWN.
const fn is_network_error(code: i32) -> bool {
    cfg!(any(target_os = "linux", target_os = "android")) && matches!(code, 64 | 71 | 92 | 95 | 112)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    #[cfg(target_os = "linux")]
    fn row_009_a_failed_connection_does_not_stop_the_listener() {
        let check = |code: i32, expected: AcceptFailure| {
            assert_eq!(classify(&io::Error::from_raw_os_error(code)), expected, "{code}");
        };
        // ECONNABORTED, EPROTO, EPERM, EINTR, ENETDOWN, EHOSTUNREACH, ECONNRESET, ETIMEDOUT.
        for code in [103, 71, 1, 4, 100, 113, 104, 110] {
            check(code, AcceptFailure::Connection);
        }
        // ENOBUFS, ENOMEM, EINVAL.
        for code in [105, 12, 22] {
            check(code, AcceptFailure::System);
        }
        check(24, AcceptFailure::Descriptors);
        check(23, AcceptFailure::Descriptors);
    }

    #[test]
    fn the_system_waits_longer_for_a_player_than_the_server() {
        let check = |idle, expected| {
            let time = user_timeout(Duration::from_secs(idle));
            assert_eq!(time, Duration::from_secs(expected), "{idle}");
        };
        check(1, 30);
        check(20, 30);
        check(30, 40);
        check(86_400, 86_410);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_system_holds_little_for_a_peer_that_reads_nothing() {
        use std::io::Write as _;
        let any = [Listen::parse("127.0.0.1:0").expect("an address")];
        let listeners = bind(&any, ListenOptions::default()).expect("a port");
        listeners[0].set_nonblocking(false).expect("it can wait");
        let at = listeners[0].local_addr().expect("an address");
        let _peer = std::net::TcpStream::connect(at).expect("a connection");
        let (mut stream, _) = listeners[0].accept().expect("the connection");
        stream.set_nonblocking(true).expect("it need not wait");
        let mut taken = 0;
        while let Ok(len) = stream.write(&[0; 10_000]) {
            taken += len;
        }
        // With what the peer has room for, which is sent. Else the system takes four megabytes.
        assert!((1..4 * UNSENT_MAX as usize).contains(&taken), "{taken}");
    }

    #[test]
    fn ipv4_peers_are_ipv4_on_every_listener() {
        let check = |peer: &str, expected: &str| {
            assert_eq!(canonical(peer.parse().expect(peer)).to_string(), expected);
        };
        check("[::ffff:192.0.2.7]:5", "192.0.2.7:5");
        check("[2001:db8::1]:5", "[2001:db8::1]:5");
        check("192.0.2.7:5", "192.0.2.7:5");
    }

    #[test]
    fn row_012_a_taken_address_is_named_with_what_to_do() {
        let first = bind(&[Listen::Any { port: 0 }], ListenOptions::default()).expect("a port");
        let port = first[0].local_addr().expect("an address").port();
        let free = Listen::At("127.0.0.1:0".parse().expect("an address"));
        let taken = Listen::At(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let error = bind(&[free, taken], ListenOptions::default()).expect_err("taken");
        let text = error.to_string();
        assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
        assert!(text.contains("choose another port"), "{text}");
    }

    #[test]
    fn listeners_of_both_families_share_a_port() {
        let v4 = bind(&[Listen::parse("127.0.0.1:0").expect("v4")], ListenOptions::default());
        let port = v4.expect("a port")[0].local_addr().expect("an address").port();
        let both = [format!("0.0.0.0:{port}"), format!("[::]:{port}")]
            .map(|text| Listen::parse(&text).expect("an address"));
        let bound = bind(&both, ListenOptions::default()).expect("both");
        assert_eq!(bound.len(), 2);
    }
}
