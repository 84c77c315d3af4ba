//! Attempts with a runtime that plays the hosts, on the clock of the test.

use super::*;
use crate::runtime::{Accept, Runtime, Stream, Timer};
use pretty_assertions::assert_eq;
use std::cell::{Cell, RefCell};
use std::io::IoSlice;
use std::net::TcpListener;
use std::pin::pin;

/// What the test says of hosts and of time; each test has a thread.
#[derive(Default)]
struct Stage {
    dropped: Cell<usize>,
    /// The deadline of the timer, and whether it is over.
    is_late: Cell<bool>,
    tried: RefCell<Vec<u16>>,
}

thread_local! {
    static STAGE: Stage = Stage::default();
}

#[derive(Debug)]
enum Play {}

struct PlayedStream(u16);
struct NoListener;
struct PlayedTimer;

/// How an address behaves, by its port.
const REFUSES: u16 = 1;
const BLACK_HOLE: u16 = 2;
const ANSWERS: u16 = 3;

impl Runtime for Play {
    const PROGRAM: &'static str = "play";
    type Listener = NoListener;
    type Stream = PlayedStream;
    type Timer = PlayedTimer;

    fn block_on<F: Future>(_: F) -> io::Result<F::Output> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn listen(_: TcpListener) -> io::Result<NoListener> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn connect(address: SocketAddr) -> io::Result<PlayedStream> {
        struct Dropped;
        impl Drop for Dropped {
            fn drop(&mut self) {
                STAGE.with(|stage| stage.dropped.set(stage.dropped.get() + 1));
            }
        }
        let _dropped = Dropped;
        STAGE.with(|stage| stage.tried.borrow_mut().push(address.port()));
        match address.port() {
            REFUSES => Err(io::ErrorKind::ConnectionRefused.into()),
            BLACK_HOLE => std::future::pending().await,
            port => Ok(PlayedStream(port)),
        }
    }

    /// The name is how its addresses behave.
    async fn resolve(host: Arc<str>, _: u16) -> io::Result<Vec<SocketAddr>> {
        if &*host == "unknown" {
            return Err(io::Error::other("nobody knows this name"));
        }
        let ports = host.split(' ').filter_map(|port| port.parse::<u16>().ok());
        Ok(ports.map(|port| ([192, 0, 2, 1], port).into()).collect())
    }
}

impl Accept for NoListener {
    type Stream = PlayedStream;

    fn poll_accept(&mut self, _: &mut Context<'_>) -> Poll<io::Result<(PlayedStream, SocketAddr)>> {
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Stream for PlayedStream {
    fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_write(&mut self, _: &mut Context<'_>, _: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn socket(&self) -> socket2::SockRef<'_> {
        unreachable!("a played stream has no socket")
    }
}

impl Timer for PlayedTimer {
    fn new() -> Self {
        Self
    }

    fn set(&mut self, _: Instant) {
        STAGE.with(|stage| stage.is_late.set(false));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<()> {
        STAGE.with(|stage| if stage.is_late.get() { Poll::Ready(()) } else { Poll::Pending })
    }
}

/// Connects to a host with these addresses; time passes `lates` times. Gives the ports that were
/// tried, and the one that was connected or the failure.
fn dial(addresses: &str, lates: usize) -> (Vec<u16>, Option<Result<u16, io::ErrorKind>>) {
    let mut cx = Context::from_waker(Waker::noop());
    let mut attempt = pin!(connect::<Play>(addresses.into(), 1935));
    let mut outcome = attempt.as_mut().poll(&mut cx);
    for _ in 0..lates {
        STAGE.with(|stage| stage.is_late.set(true));
        if outcome.is_pending() {
            outcome = attempt.as_mut().poll(&mut cx);
        }
    }
    let outcome = match outcome {
        Poll::Ready(Ok(PlayedStream(port))) => Some(Ok(port)),
        Poll::Ready(Err(error)) => Some(Err(error.kind())),
        Poll::Pending => None,
    };
    (STAGE.with(|stage| stage.tried.take()), outcome)
}

#[test]
fn the_first_address_that_answers_is_taken() {
    let check = |addresses: &str, lates: usize, tried: &[u16], outcome| {
        assert_eq!(dial(addresses, lates), (tried.to_vec(), outcome), "{addresses}, {lates}");
    };
    let refused = Some(Err(io::ErrorKind::ConnectionRefused));
    check("", 0, &[], Some(Err(io::ErrorKind::NotFound)));
    check("unknown", 0, &[], Some(Err(io::ErrorKind::NotFound)));
    check("3", 0, &[3], Some(Ok(ANSWERS)));
    check("3 4", 0, &[3], Some(Ok(ANSWERS)));
    check("1", 0, &[1], refused);
    check("1 1 1", 0, &[1, 1, 1], refused);
    check("1 3", 0, &[1, 3], Some(Ok(ANSWERS)));
    // Who does not answer is not waited for alone.
    check("2 3", 0, &[2], None);
    check("2 3", 1, &[2, 3], Some(Ok(ANSWERS)));
    check("2 1 3", 1, &[2, 1, 3], Some(Ok(ANSWERS)));
    check("2 2 3", 1, &[2, 2], None);
    check("2 2 3", 2, &[2, 2, 3], Some(Ok(ANSWERS)));
    check("2 1", 5, &[2, 1], None);
    check("2", 5, &[2], None);
    check("1 1 1 1 1 1 1 1 3", 0, &[1; ADDRESSES_MAX], refused);
}

#[test]
fn an_attempt_that_is_given_up_leaves_nothing() {
    let mut dials = Dials::<Play>::new();
    let list = Arc::new(ReadyList::default());
    let dial = DialId(7);
    dials.begin(dial, "2 2".into(), 1935, list);
    assert!(dials.poll(dial).is_none());
    STAGE.with(|stage| stage.is_late.set(true));
    assert!(dials.poll(dial).is_none());
    assert_eq!(STAGE.with(|stage| stage.tried.take()), [2, 2]);
    assert_eq!(STAGE.with(|stage| stage.dropped.get()), 0);
    dials.abandon(dial);
    assert_eq!(STAGE.with(|stage| stage.dropped.get()), 2);
    // What wakes later finds nothing.
    assert!(dials.poll(dial).is_none());
}
