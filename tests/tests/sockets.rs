//! The transports by themselves, with real sockets and an echo in place of the server.

use millstream_conf::cli::Listen;
use millstream_core::drive::{IoFailure, Output, Read, Ready, Transport as _};
use millstream_core::id::{ConnId, ListenerId};
use millstream_core::time::{Deadline, TimerKind};
use millstream_host::runtime::{Runtime, Timer as _};
use millstream_host::transport::{ListenOptions, ShutdownHandle, SocketTransport, bind};
use pretty_assertions::assert_eq;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::pin::pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

/// Makes a test of each function on each runtime.
macro_rules! on_both_runtimes {
    ($($test:ident),+ $(,)?) => {
        mod tokio {
            $(#[test] fn $test() { super::$test::<millstream_tokio::Tokio>(); })+
        }
        mod async_std {
            $(#[test] fn $test() { super::$test::<millstream_async_std::AsyncStd>(); })+
        }
    };
}

on_both_runtimes!(
    bytes_come_back_whole_whatever_the_budget,
    a_full_socket_is_reported_writable_again,
    row_010_ends_and_resets_are_reported_once,
    a_peer_that_is_still_writing_gets_the_last_words_and_no_reset,
    a_peer_that_goes_on_sending_after_the_close_is_dropped,
    slots_are_used_again_with_a_new_generation,
    row_009_connections_that_are_reset_before_they_are_accepted_harm_nobody,
    row_011_many_connections_at_once_are_all_served,
    deadlines_fire_once_and_not_early,
    reading_can_be_stopped_and_resumed,
);

/// How the echo treats its peers.
#[derive(Clone, Copy, Default)]
struct Manner {
    /// Reads of one connection in one turn.
    reads_max: usize,
    /// Bytes of one read.
    scratch_len: usize,
    /// Closes, with a last word, after so many bytes.
    closes_after: Option<usize>,
}

/// What the echo saw.
#[derive(Default)]
struct Seen {
    accepted: Vec<(ConnId, ListenerId)>,
    ended: Vec<ConnId>,
    failed: Vec<(ConnId, IoFailure)>,
    deadlines: usize,
    turns: usize,
}

/// Writes back what it reads; what a full socket did not take waits in a queue.
struct Echo {
    manner: Manner,
    seen: Seen,
    waiting: Vec<(ConnId, VecDeque<u8>)>,
    received: usize,
}

impl Echo {
    fn new(manner: Manner) -> Self {
        Self { manner, seen: Seen::default(), waiting: Vec::new(), received: 0 }
    }

    /// Turns until a shutdown.
    async fn run<R: Runtime>(&mut self, transport: &mut SocketTransport<R>) {
        let mut ready = Vec::new();
        loop {
            poll_fn(|cx| transport.poll_ready(cx, &mut ready)).await;
            self.seen.turns += 1;
            for ready in ready.drain(..) {
                match ready {
                    Ready::Accepted { conn, listener, .. } => {
                        self.seen.accepted.push((conn, listener));
                        self.waiting.push((conn, VecDeque::new()));
                    }
                    Ready::Readable(conn) => self.read(transport, conn),
                    Ready::Writable(conn) => self.flush(transport, conn),
                    Ready::Deadline => {
                        self.seen.deadlines += 1;
                        transport.set_deadline(None);
                    }
                    Ready::Shutdown => return,
                    other @ (Ready::Shards | _) => panic!("{other:?}"),
                }
            }
        }
    }

    fn read<R: Runtime>(&mut self, transport: &mut SocketTransport<R>, conn: ConnId) {
        let mut scratch = vec![0; self.manner.scratch_len];
        for _ in 0..self.manner.reads_max {
            match transport.read(conn, &mut scratch) {
                Ok(Read::Bytes(len)) => {
                    self.received += len;
                    self.queue(conn).extend(&scratch[..len]);
                    self.flush(transport, conn);
                }
                Ok(Read::Pending) => return,
                Ok(Read::End) => {
                    self.seen.ended.push(conn);
                    transport.perform(Output::Close { conn });
                    return;
                }
                Err(failure) => {
                    self.seen.failed.push((conn, failure));
                    transport.perform(Output::Close { conn });
                    return;
                }
            }
            if self.manner.closes_after.is_some_and(|limit| self.received >= limit) {
                assert_eq!(transport.write(conn, &[b"last ", b"words"]), Ok(10));
                transport.perform(Output::Close { conn });
                return;
            }
        }
    }

    fn queue(&mut self, conn: ConnId) -> &mut VecDeque<u8> {
        let place = self.waiting.iter_mut().find(|(id, _)| *id == conn);
        &mut place.expect("an accepted connection").1
    }

    fn flush<R: Runtime>(&mut self, transport: &mut SocketTransport<R>, conn: ConnId) {
        if self.manner.closes_after.is_some() {
            return;
        }
        let queue = self.queue(conn);
        let (front, back) = queue.as_slices();
        if let Ok(len) = transport.write(conn, &[front, back]) {
            queue.drain(..len);
        }
    }
}

/// Ends the echo even when the clients panic.
struct ShutdownOnDrop(ShutdownHandle);

impl Drop for ShutdownOnDrop {
    fn drop(&mut self) {
        self.0.shut_down();
    }
}

/// Runs the echo with `clients` on a thread of their own; they get the addresses of the listeners.
fn with_echo<R: Runtime>(
    manner: Manner,
    listeners: &[&str],
    clients: impl FnOnce(&[SocketAddr]) + Send + 'static,
) -> Seen {
    let listen: Vec<_> = listeners.iter().map(|text| Listen::parse(text).expect(text)).collect();
    R::block_on(async {
        let listeners = bind(&listen, ListenOptions::default()).expect("free ports");
        let mut transport =
            SocketTransport::<R>::new(listeners, Box::new(|_, _| {})).expect("a transport");
        let addresses = transport.local_addresses();
        let guard = ShutdownOnDrop(transport.shutdown_handle());
        let clients = thread::spawn(move || {
            let _guard = guard;
            clients(&addresses);
        });
        let mut echo = Echo::new(manner);
        echo.run(&mut transport).await;
        transport.finish().await;
        clients.join().expect("the clients are content");
        echo.seen
    })
    .expect("a runtime")
}

const PLAIN: Manner = Manner { reads_max: 4, scratch_len: 64 << 10, closes_after: None };
const LOOPBACK: &str = "127.0.0.1:0";

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream
}

/// Bytes that differ along their way.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index ^ (index >> 8) ^ (index >> 16)) as u8).collect()
}

/// Sends and reads back at the same time, like a client that does not wait.
fn exchange(stream: &TcpStream, bytes: &[u8]) -> Vec<u8> {
    thread::scope(|scope| {
        scope.spawn(|| (&mut &*stream).write_all(bytes).expect("sent"));
        let mut back = vec![0; bytes.len()];
        (&mut &*stream).read_exact(&mut back).expect("all came back");
        back
    })
}

/// Whether `future` is ready before `time` is over.
async fn is_ready_within<R: Runtime>(time: Duration, future: impl Future<Output = ()>) -> bool {
    let mut timer = R::Timer::new();
    timer.set(Instant::now() + time);
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(true),
        Poll::Pending => timer.poll(cx).map(|()| false),
    })
    .await
}

fn bytes_come_back_whole_whatever_the_budget<R: Runtime>() {
    let check = |manner: Manner, len: usize| {
        let seen = with_echo::<R>(manner, &[LOOPBACK], move |addresses| {
            let stream = connect(addresses[0]);
            assert_eq!(exchange(&stream, &pattern(len)), pattern(len));
        });
        assert_eq!(seen.accepted.len(), 1);
        assert_eq!(seen.failed, []);
    };
    check(PLAIN, 1);
    check(PLAIN, 3 << 20);
    // The loop stops to read by its budget long before the socket is empty.
    check(Manner { reads_max: 1, scratch_len: 100, ..PLAIN }, 100_000);
    check(Manner { reads_max: 1, scratch_len: 1, ..PLAIN }, 1_000);
}

fn a_full_socket_is_reported_writable_again<R: Runtime>() {
    with_echo::<R>(PLAIN, &[LOOPBACK], |addresses| {
        let stream = connect(addresses[0]);
        let bytes = pattern(8 << 20);
        thread::scope(|scope| {
            scope.spawn(|| (&mut &stream).write_all(&bytes).expect("sent"));
            // Reads begin when the echo has long met a full socket.
            thread::sleep(Duration::from_millis(300));
            let mut back = vec![0; bytes.len()];
            (&mut &stream).read_exact(&mut back).expect("all came back");
            assert!(back == bytes);
        });
    });
}

fn row_010_ends_and_resets_are_reported_once<R: Runtime>() {
    let seen = with_echo::<R>(PLAIN, &[LOOPBACK], |addresses| {
        let orderly = connect(addresses[0]);
        assert_eq!(exchange(&orderly, b"abc"), b"abc");
        orderly.shutdown(Shutdown::Write).expect("an end");
        assert_eq!((&orderly).read(&mut [0; 8]).expect("an end in return"), 0);

        let reset = connect(addresses[0]);
        assert_eq!(exchange(&reset, b"abc"), b"abc");
        socket2::SockRef::from(&reset).set_linger(Some(Duration::ZERO)).expect("no linger");
        drop(reset);
        // What a third connection sends comes after the reset.
        let last = connect(addresses[0]);
        assert_eq!(exchange(&last, b"abc"), b"abc");
    });
    let of = |index: usize| seen.accepted[index].0;
    assert_eq!(seen.failed, [(of(1), IoFailure::Reset)]);
    // The end of the last one may come after the end of the echo.
    assert!(seen.ended == [of(0)] || seen.ended == [of(0), of(2)], "{:?}", seen.ended);
    assert!(seen.turns < 50, "no spinning: {}", seen.turns);
}

fn a_peer_that_is_still_writing_gets_the_last_words_and_no_reset<R: Runtime>() {
    let manner = Manner { closes_after: Some(1), reads_max: 1, scratch_len: 1 };
    with_echo::<R>(manner, &[LOOPBACK], |addresses| {
        for _ in 0..20 {
            let mut stream = connect(addresses[0]);
            // More than one read takes: a plain close would reset the connection.
            stream.write_all(&pattern(100_000)).expect("sent");
            let mut words = String::new();
            stream.read_to_string(&mut words).expect("no reset");
            assert_eq!(words, "last words");
            // A reset would fail all further writes, and some clients then read no more.
            for _ in 0..3 {
                stream.write_all(&pattern(1_000)).expect("it is still read");
                thread::sleep(Duration::from_millis(2));
            }
        }
    });
}

fn a_peer_that_goes_on_sending_after_the_close_is_dropped<R: Runtime>() {
    let manner = Manner { closes_after: Some(1), reads_max: 1, scratch_len: 1 };
    with_echo::<R>(manner, &[LOOPBACK], |addresses| {
        let mut stream = connect(addresses[0]);
        let error = loop {
            if let Err(error) = stream.write_all(&pattern(64 << 10)) {
                break error;
            }
        };
        let kinds = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        assert!(kinds.contains(&error.kind()), "{error}");
    });
}

fn slots_are_used_again_with_a_new_generation<R: Runtime>() {
    let seen = with_echo::<R>(PLAIN, &[LOOPBACK], |addresses| {
        for _ in 0..10 {
            let stream = connect(addresses[0]);
            assert_eq!(exchange(&stream, b"abc"), b"abc");
            stream.shutdown(Shutdown::Write).expect("an end");
            assert_eq!((&stream).read(&mut [0; 8]).expect("an end in return"), 0);
        }
    });
    let mut ids: Vec<_> = seen.accepted.iter().map(|(conn, _)| *conn).collect();
    assert!(ids.iter().all(|conn| conn.slot < 3), "{ids:?}");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 10);
}

/// Linux accepts such a connection and fails the first read; others fail `accept`.
fn row_009_connections_that_are_reset_before_they_are_accepted_harm_nobody<R: Runtime>() {
    const RESETS: usize = 500;
    let seen = with_echo::<R>(PLAIN, &[LOOPBACK], |addresses| {
        let bystander = connect(addresses[0]);
        for _ in 0..RESETS {
            let stream = connect(addresses[0]);
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("no linger");
        }
        assert_eq!(exchange(&bystander, b"abc"), b"abc");
        // It comes after all others, and so does the reply to it.
        assert_eq!(exchange(&connect(addresses[0]), b"abc"), b"abc");
    });
    assert!(seen.failed.iter().all(|(_, failure)| *failure == IoFailure::Reset));
    assert!(seen.accepted.len() <= RESETS + 2 && seen.failed.len() <= RESETS);
    // The last few may be told after the end of the echo.
    if cfg!(target_os = "linux") {
        assert!(seen.failed.len() > RESETS / 2, "{} of {RESETS}", seen.failed.len());
    }
    assert!(seen.turns < 6 * RESETS, "no spinning: {}", seen.turns);
}

fn row_011_many_connections_at_once_are_all_served<R: Runtime>() {
    const CONNECTIONS: usize = 300;
    let seen = with_echo::<R>(PLAIN, &[LOOPBACK, "[::1]:0"], |addresses| {
        let streams: Vec<_> = (0..CONNECTIONS).map(|index| connect(addresses[index % 2])).collect();
        for (index, mut stream) in streams.iter().enumerate() {
            stream.write_all(&index.to_be_bytes()).expect("sent");
        }
        for (index, mut stream) in streams.iter().enumerate() {
            let mut back = [0; 8];
            stream.read_exact(&mut back).expect("it came back");
            assert_eq!(back, index.to_be_bytes());
        }
    });
    let of = |id| seen.accepted.iter().filter(|(_, listener)| *listener == ListenerId(id)).count();
    assert_eq!((of(0), of(1)), (CONNECTIONS / 2, CONNECTIONS / 2));
}

fn deadlines_fire_once_and_not_early<R: Runtime>() {
    R::block_on(async {
        let mut transport = SocketTransport::<R>::new(Vec::new(), Box::new(|_, _| {})).expect("it");
        let start = transport.now();
        // Moved later, then earlier: the earlier one counts.
        for millis in [50, 500, 20] {
            let at = start.after(Duration::from_millis(millis));
            transport.set_deadline(Some(Deadline { at, reason: TimerKind::Flush }));
            let mut cx = Context::from_waker(std::task::Waker::noop());
            assert!(transport.poll_ready(&mut cx, &mut Vec::new()).is_pending());
        }
        let mut ready = Vec::new();
        poll_fn(|cx| transport.poll_ready(cx, &mut ready)).await;
        assert_eq!(ready, [Ready::Deadline]);
        let elapsed = transport.now().since(start);
        assert!(elapsed >= Duration::from_millis(20), "{elapsed:?}");
        assert!(elapsed < Duration::from_millis(400), "{elapsed:?}");
        // Moved later after it was armed: the early wake reports nothing.
        let at = transport.now().after(Duration::from_millis(30));
        transport.set_deadline(Some(Deadline { at, reason: TimerKind::Flush }));
        ready.clear();
        poll_fn(|cx| transport.poll_ready(cx, &mut ready)).await;
        assert_eq!(ready, [Ready::Deadline]);
        assert!(transport.now() >= at);
    })
    .expect("a runtime");
}

fn reading_can_be_stopped_and_resumed<R: Runtime>() {
    R::block_on(async {
        let listen = [Listen::parse(LOOPBACK).expect("an address")];
        let listeners = bind(&listen, ListenOptions::default()).expect("a port");
        let mut transport = SocketTransport::<R>::new(listeners, Box::new(|_, _| {})).expect("it");
        let mut client = connect(transport.local_addresses()[0]);
        let mut ready = Vec::new();
        poll_fn(|cx| transport.poll_ready(cx, &mut ready)).await;
        let [Ready::Accepted { conn, .. }] = ready[..] else { panic!("{ready:?}") };
        ready.clear();

        transport.perform(Output::SetReading { conn, enabled: false });
        client.write_all(b"abc").expect("sent");
        let soon = Duration::from_millis(100);
        let next = poll_fn(|cx| transport.poll_ready(cx, &mut ready));
        assert!(!is_ready_within::<R>(soon, next).await, "nothing while it is stopped");

        transport.perform(Output::SetReading { conn, enabled: true });
        poll_fn(|cx| transport.poll_ready(cx, &mut ready)).await;
        assert_eq!(ready, [Ready::Readable(conn)]);
        assert_eq!(transport.read(conn, &mut [0; 8]), Ok(Read::Bytes(3)));
    })
    .expect("a runtime");
}
