//! Connections that a server asks for, over real sockets: to hosts that refuse, do not answer, are not
//! there, or are no servers.

use millstream_core::drive::{IoFailure, Output, Ready, Transport as _};
use millstream_core::id::DialId;
use millstream_host::runtime::{Runtime, Timer as _};
use millstream_host::transport::SocketTransport;
use millstream_tests::ports::free_address;
use millstream_tests::program::{PATIENCE, Program};
use millstream_tests::server::{Server, binary};
use millstream_tests::transport::Transport;
use pretty_assertions::assert_eq;
use socket2::{Domain, SockRef, Socket, Type};
use std::collections::HashSet;
use std::fs;
use std::future::poll_fn;
use std::io::{self, Read as _, Write as _};
use std::marker::PhantomData;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

/// Makes a test of each function on each runtime.
macro_rules! on_both_runtimes {
    ($($test:ident),+ $(,)?) => {
        mod tokio {
            $(#[test] fn $test() { super::$test::<super::Listed<millstream_tokio::Tokio>>(); })+

            #[test]
            fn row_124_destinations_that_are_none_hold_up_nobody() {
                super::Transport::Tokio.test(super::row_124_destinations_that_are_none);
            }
        }
        mod async_std {
            $(#[test] fn $test() { super::$test::<super::Listed<millstream_async_std::AsyncStd>>(); })+

            #[test]
            fn row_124_destinations_that_are_none_hold_up_nobody() {
                super::Transport::AsyncStd.test(super::row_124_destinations_that_are_none);
            }
        }
    };
}

on_both_runtimes!(
    row_124_why_there_is_no_connection_is_told,
    row_124_the_first_address_that_answers_is_taken,
    row_124_many_attempts_that_are_not_answered_hold_up_nobody,
    an_attempt_that_is_given_up_leaves_no_socket,
);

/// A runtime where addresses, with commas, are a host that has them all.
enum Listed<R> {
    #[expect(dead_code, reason = "a runtime is a type, not a value")]
    Never(PhantomData<R>),
}

impl<R: Runtime> Runtime for Listed<R> {
    const PROGRAM: &'static str = R::PROGRAM;
    type Listener = R::Listener;
    type Stream = R::Stream;
    type Timer = R::Timer;

    fn block_on<F: Future>(future: F) -> io::Result<F::Output> {
        R::block_on(future)
    }

    fn listen(socket: TcpListener) -> io::Result<Self::Listener> {
        R::listen(socket)
    }

    fn connect(
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        R::connect(address)
    }

    fn resolve(
        host: Arc<str>,
        port: u16,
    ) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        let listed = host.split(',').map(str::parse).collect::<Result<Vec<SocketAddr>, _>>();
        async move {
            match listed {
                Ok(listed) => Ok(listed),
                Err(_) => R::resolve(host, port).await,
            }
        }
    }
}

/// What became of an attempt: who answered, or why nobody did.
type End = Result<SocketAddr, IoFailure>;

/// Attempts of one transport, all at once.
struct Dialling<R: Runtime> {
    ends: Vec<Option<End>>,
    transport: SocketTransport<R>,
}

impl<R: Runtime> Dialling<R> {
    fn begin(hosts: &[String]) -> Self {
        let mut transport =
            SocketTransport::<R>::new(Vec::new(), Box::new(|_, _| {})).expect("a transport");
        for (dial, host) in (0..).map(DialId).zip(hosts) {
            transport.perform(Output::Dial { dial, host: host.as_str().into(), port: 1935 });
        }
        Self { ends: vec![None; hosts.len()], transport }
    }

    /// Goes on until the attempts with these numbers are over, or for so long.
    async fn run(&mut self, awaited: &[usize], patience: Duration) {
        let mut timer = R::Timer::new();
        timer.set(Instant::now() + patience);
        let mut ready = Vec::new();
        while awaited.iter().any(|dial| self.ends[*dial].is_none()) {
            let is_late = poll_fn(|cx| match self.transport.poll_ready(cx, &mut ready) {
                Poll::Ready(()) => Poll::Ready(false),
                Poll::Pending => timer.poll(cx).map(|()| true),
            });
            if is_late.await {
                return;
            }
            for ready in ready.drain(..) {
                let (dial, end) = match ready {
                    Ready::Dialled { dial, peer, .. } => (dial, Ok(peer)),
                    Ready::DialFailed { dial, failure } => (dial, Err(failure)),
                    Ready::Readable(_) | Ready::Writable(_) => continue,
                    other @ (Ready::Shards | _) => panic!("{other:?}"),
                };
                let before = self.ends[dial.0 as usize].replace(end);
                assert_eq!(before, None, "an attempt has one end");
            }
        }
    }
}

/// Dials all hosts at once, and gives what became of each.
fn dial<R: Runtime>(hosts: &[String]) -> Vec<Option<End>> {
    let outcome = R::block_on(async {
        let mut dialling = Dialling::<R>::begin(hosts);
        let all: Vec<usize> = (0..hosts.len()).collect();
        dialling.run(&all, PATIENCE).await;
        dialling.ends
    });
    outcome.expect("a runtime")
}

/// An address whose queue of connections is full, so that nobody answers there any more.
struct BlackHole {
    address: SocketAddr,
    _listener: Socket,
    _queued: Vec<Socket>,
}

impl BlackHole {
    fn new() -> Self {
        let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let listener = socket();
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        listener.bind(&free.into()).expect("a free port");
        listener.listen(0).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let first = socket();
        first.connect(&address).expect("there is room for one");
        let mut queued = vec![first];
        for _ in 0..4 {
            let next = socket();
            next.set_nonblocking(true).expect("a socket of our own");
            let _ = next.connect(&address);
            queued.push(next);
        }
        let address = address.as_socket().expect("an address of IP");
        let answer = TcpStream::connect_timeout(&address, Duration::from_millis(300));
        assert!(answer.is_err(), "the queue is full");
        Self { address, _listener: listener, _queued: queued }
    }
}

fn row_124_why_there_is_no_connection_is_told<R: Runtime>() {
    let closed = [free_address(), free_address()].map(|address| address.to_string());
    let no_name = "x".repeat(300);
    let hosts =
        [closed[0].clone(), closed.join(","), no_name, "nowhere.invalid".into(), String::new()];
    let refused = Some(Err(IoFailure::Refused));
    let unknown = Some(Err(IoFailure::NotFound));
    assert_eq!(dial::<R>(&hosts), [refused, refused, unknown, unknown, unknown]);
}

fn row_124_the_first_address_that_answers_is_taken<R: Runtime>() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let there = listener.local_addr().expect("an address");
    let (hole, closed) = (BlackHole::new(), free_address());
    let lists: [&[SocketAddr]; 5] = [
        &[there],
        &[closed, there],
        &[hole.address, there],
        &[hole.address, closed, hole.address, there],
        &[there, hole.address],
    ];
    let hosts =
        lists.map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
    assert_eq!(dial::<R>(&hosts), vec![Some(Ok(there)); 5]);
}

fn row_124_many_attempts_that_are_not_answered_hold_up_nobody<R: Runtime>() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let there = listener.local_addr().expect("an address");
    let hole = BlackHole::new();
    let mut hosts = vec![hole.address.to_string(); 50];
    hosts.push(there.to_string());
    let ends = R::block_on(async {
        let mut dialling = Dialling::<R>::begin(&hosts);
        dialling.run(&[50], PATIENCE).await;
        dialling.ends
    });
    let mut expected = vec![None; 50];
    expected.push(Some(Ok(there)));
    assert_eq!(ends.expect("a runtime"), expected);
}

fn an_attempt_that_is_given_up_leaves_no_socket<R: Runtime>() {
    let hole = BlackHole::new();
    let hosts = [hole.address.to_string()];
    let before = sockets_to(hole.address);
    let ends = R::block_on(async {
        let mut dialling = Dialling::<R>::begin(&hosts);
        dialling.run(&[0], Duration::from_millis(500)).await;
        assert_eq!(sockets_to(hole.address), before + 1);
        dialling.transport.perform(Output::Abandon { dial: DialId(0) });
        dialling.run(&[0], Duration::from_millis(500)).await;
        assert_eq!(sockets_to(hole.address), before);
        dialling.ends
    });
    assert_eq!(ends.expect("a runtime"), [None]);
}

/// Sockets of this process on their way to an address.
fn sockets_to(address: SocketAddr) -> usize {
    let files = fs::read_dir("/proc/self/fd").expect("Linux lists open files").flatten();
    let targets = files.filter_map(|file| fs::read_link(file.path()).ok());
    let open: HashSet<String> = targets.map(|target| target.to_string_lossy().into()).collect();
    let list = fs::read_to_string("/proc/net/tcp").expect("Linux lists its sockets");
    let port = format!(":{:04X}", address.port());
    let sockets = list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let is_ours = |socket: &Vec<&str>| match socket[..] {
        [_, _, remote, _, _, _, _, _, _, inode, ..] => {
            remote.ends_with(&port) && open.contains(&format!("socket:[{inode}]"))
        }
        _ => false,
    };
    sockets.filter(is_ours).count()
}

/// What a destination does with a connection, and whether it keeps it until the test ends.
type Manner = fn(TcpStream) -> Option<TcpStream>;

/// A destination that treats each connection like this.
fn destination(manner: Manner) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            kept.extend(manner(stream));
        }
    });
    address
}

/// Reads C0 and C1; who is gone already sends nothing.
fn hear(stream: &mut TcpStream) {
    let _ = stream.read_exact(&mut [0; 1_537]);
}

fn row_124_destinations_that_are_none() {
    let silent = destination(Some);
    let begins = destination(|mut stream| {
        hear(&mut stream);
        stream.write_all(&[3; 800]).is_ok().then_some(stream)
    });
    let leaves = destination(|mut stream| {
        hear(&mut stream);
        None
    });
    let resets = destination(|mut stream| {
        hear(&mut stream);
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        None
    });
    let speaks_http = destination(|mut stream| {
        hear(&mut stream);
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").is_ok().then_some(stream)
    });
    let hole = BlackHole::new();
    let good = Server::start();
    let cases = [
        (free_address().to_string(), "nobody listens there"),
        (hole.address.to_string(), "the destination does not answer"),
        ("nowhere.invalid".into(), ""),
        // A label may have 63 bytes (RFC 1035, section 2.3.4): no resolver is asked.
        (format!("{}.example", "a".repeat(64)), "the name of its host has no address"),
        (silent.to_string(), "the destination did not complete the handshake in time"),
        (begins.to_string(), "the destination did not complete the handshake in time"),
        (leaves.to_string(), "the destination closed the connection"),
        (resets.to_string(), ""),
        (speaks_http.to_string(), ""),
    ];
    let mut command = Command::new(binary());
    command.args(["demo", "--rtmp", "127.0.0.1:0", "--http", "off"]);
    let destinations = cases.iter().map(|(to, _)| to.clone()).chain([good.address().to_string()]);
    for to in destinations {
        command.args(["--forward", &to]);
    }
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    let server = Program::start(command);
    good.program().wait_for(&["publish live/demo began"]);
    for (to, words) in &cases {
        let to = format!("rtmp://{to}/live/demo: ");
        server.wait_for(&["forward live/demo to", &to, words, "; again in "]);
    }
    // The good one has noticed nothing.
    let log = good.program().log();
    assert_eq!(log.matches("publish live/demo began").count(), 1, "{log}");
    assert!(!log.contains("publish live/demo ended"), "{log}");
    server.signal("TERM");
    let (status, log) = server.finish();
    assert!(status.success(), "{log}");
    good.program().wait_for(&["publish live/demo ended"]);
}
