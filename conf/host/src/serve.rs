//! `millstream serve`: the shards of a server, from its flags to its orderly end.

use crate::clip::Clip;
use crate::demo;
use crate::limits::raise_open_files;
use crate::log::{Log, events_to_log};
use crate::runtime::Runtime;
use crate::signals;
use crate::stop::Stop;
use crate::transport::{
    BindError, EventSink, Links, ListenOptions, Listener, ShutdownHandle, SocketTransport, bind,
};
use crate::{complain, say};
use millstream_conf::banner::Banner;
use millstream_conf::cli::{HttpListeners, Listen, ServeArgs};
use millstream_console::{CONTENT_SECURITY_POLICY, FILES, File};
use millstream_core::config::{self, Config, Page};
use millstream_core::drive::{Budget, Drive, Service, Transport};
use millstream_core::server::Server;
use millstream_core::shard::{Placement, ShardId};
use millstream_core::time::WallClock;
use millstream_sim::trace::{Setup, Traced};
use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, BufWriter};
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a shutdown may take before the program ends all the same.
const SHUTDOWN_TIME: Duration = Duration::from_secs(10);

/// Descriptors that are not connections: listeners, log, runtime.
const OWN_FILES: u64 = 32;

/// A server with its sockets, ready to run.
#[derive(Debug)]
pub struct Shard<R: Runtime> {
    drive: Drive,
    server: Server,
    setup: Setup,
    trace: Option<fs::File>,
    transport: SocketTransport<R>,
}

impl<R: Runtime> Shard<R> {
    /// A shard that accepts RTMP from `listeners`.
    ///
    /// # Errors
    /// A listener could not be registered with the runtime.
    ///
    /// # Panics
    /// Outside of the runtime, for runtimes that demand to be entered.
    pub fn new(
        config: Arc<Config>,
        listeners: Vec<TcpListener>,
        events: EventSink,
    ) -> io::Result<Self> {
        let rtmp = |socket| Listener { service: Service::Rtmp, socket };
        let listeners = listeners.into_iter().map(rtmp).collect();
        Self::new_in(config, Placement::SINGLE, seed(), Links::new(1), listeners, events)
    }

    /// One of the shards of `links`; all have the same `seed`.
    ///
    /// # Errors
    /// A listener could not be registered with the runtime.
    ///
    /// # Panics
    /// Outside of the runtime, for runtimes that demand to be entered.
    pub fn new_in(
        config: Arc<Config>,
        placement: Placement,
        seed: u64,
        links: Links,
        listeners: Vec<Listener>,
        events: EventSink,
    ) -> io::Result<Self> {
        let mut transport = SocketTransport::new_shard(placement.own, links, listeners, events)?;
        let (start, wall) = (transport.now(), wall_clock());
        let setup = Setup { config: Config::clone(&config), placement, seed, start, wall };
        let server = Server::new_shard(config, placement, seed, start, wall);
        Ok(Self { drive: Drive::new(Budget::default()), server, setup, trace: None, transport })
    }

    /// Writes a full trace to `file`: all that passes the transport and the links to other shards,
    /// for `millstream replay`.
    #[must_use]
    pub fn with_trace(mut self, file: fs::File) -> Self {
        self.trace = Some(file);
        self
    }

    /// The addresses of the listeners, with their real ports.
    #[must_use]
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        self.transport.local_addresses()
    }

    /// What ends `run` in order.
    #[must_use]
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        self.transport.shutdown_handle()
    }

    /// Serves until a shutdown is complete; for [`Runtime::run_shard`].
    pub async fn run(self) {
        let Self { mut drive, mut server, setup, trace, mut transport } = self;
        let transport = match trace {
            None => {
                turns(&mut drive, &mut server, &mut transport).await;
                transport
            }
            Some(file) => {
                let mut traced = Traced::with_setup(transport, BufWriter::new(file), &setup);
                turns(&mut drive, &mut server, &mut traced).await;
                let (transport, written) = traced.finish();
                if let Err(error) = written {
                    tracing::warn!("the trace ends early, it cannot be written: {error}");
                }
                transport
            }
        };
        transport.finish().await;
    }
}

async fn turns(drive: &mut Drive, server: &mut Server, transport: &mut impl Transport) {
    std::future::poll_fn(|cx| drive.poll(server, transport, cx)).await;
}

/// Who publishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Program {
    /// Peers alone.
    Serve,
    /// The server itself too: the built-in clip.
    Demo,
}

/// Runs the server as `args` say.
#[must_use]
pub fn run<R: Runtime>(args: &ServeArgs, program: Program) -> ExitCode {
    let config = args.config();
    let Opened { listeners, traces, warning } = match open(args) {
        Ok(opened) => opened,
        Err(error) => {
            complain(&error);
            return ExitCode::FAILURE;
        }
    };
    let _log = Log::start(args.log_format, args.log);
    warn_of_few_files(&config);
    if let Some(warning) = warning {
        tracing::warn!("{warning}");
    }
    match serve::<R>(args, program, config, listeners, traces) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("ended by an error of its own: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the main thread waits for; it serves nobody itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    /// A signal that ends the program.
    Signal,
    /// A shard has ended: after a shutdown, or by a bug.
    Ended { is_well: bool },
}

fn serve<R: Runtime>(
    args: &ServeArgs,
    program: Program,
    mut config: Config,
    listeners: Vec<Vec<Listener>>,
    traces: Vec<fs::File>,
) -> Result<(), Box<dyn std::error::Error>> {
    let (tell, told) = channel();
    let signal = tell.clone();
    signals::start(move || signal.send(Told::Signal).is_ok())?;
    let own = listeners.first().map_or(&[][..], |listeners| listeners);
    config.listeners = own.iter().map(bound).collect::<io::Result<_>>()?;
    config.pages = FILES.iter().map(page).collect();
    let config = Arc::new(config);
    let count = u16::try_from(listeners.len()).ok().and_then(NonZeroU16::new);
    let count = count.unwrap_or(NonZeroU16::MIN);
    let links = Links::new(count.get());
    let seed = seed();
    let mut traces = traces.into_iter();
    let mut shards = Vec::new();
    for (own, listeners) in (0..).map(ShardId).zip(listeners) {
        let placement = Placement { own, count };
        let links = links.clone();
        let events = Box::new(events_to_log(args.log_format, placement));
        let config = config.clone();
        let trace = traces.next();
        let make = move || {
            let shard = Shard::<R>::new_in(config, placement, seed, links, listeners, events)?;
            Ok(match trace {
                Some(file) => shard.with_trace(file),
                None => shard,
            })
        };
        shards.push(start_shard(make, tell.clone())?);
    }
    let addresses = |service| -> Vec<SocketAddr> {
        let listeners = config.listeners.iter().filter(|listener| listener.service == service);
        listeners.map(|listener| listener.address).collect()
    };
    let (addresses, http) = (addresses(Service::Rtmp), addresses(Service::Http));
    let demo = (program == Program::Demo).then_some(demo::STREAM);
    say(&Banner { program: R::PROGRAM, listeners: &addresses, http: &http, demo }.render());
    let publisher = Stop::default();
    if let (Program::Demo, Some(&address)) = (program, addresses.first()) {
        start_demo::<R>(address, publisher.clone())?;
    }
    if !matches!(told.recv(), Ok(Told::Signal)) {
        return Err("a shard has ended by a bug".into());
    }
    tracing::info!("shutting down; a second signal ends at once");
    publisher.request();
    for shard in &shards {
        shard.shutdown.shut_down();
    }
    wait_for_end(&told, shards.len())
}

/// Waits for the end of all shards, but not for ever.
fn wait_for_end(
    told: &Receiver<Told>,
    mut running: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let end = Instant::now() + SHUTDOWN_TIME;
    while running > 0 {
        match told.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(Told::Ended { is_well: true }) => running -= 1,
            Ok(Told::Ended { is_well: false }) => return Err("a shard has ended by a bug".into()),
            Ok(Told::Signal) => {
                tracing::info!("ended at once");
                return Ok(());
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                tracing::warn!("connections were still open after {} s", SHUTDOWN_TIME.as_secs());
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Publishes the clip of the demo from a thread of its own.
fn start_demo<R: Runtime>(
    address: SocketAddr,
    stop: Stop,
) -> Result<(), Box<dyn std::error::Error>> {
    let clip = Clip::demo()?;
    thread::Builder::new().name("demo".into()).spawn(move || {
        let publishing = async move { stop.or(demo::run::<R>(address, clip)).await };
        if let Err(error) = R::block_on(publishing) {
            tracing::warn!("the demo is not published: {error}");
        }
    })?;
    Ok(())
}

/// What the server needs of the machine.
struct Opened {
    /// Of each shard.
    listeners: Vec<Vec<Listener>>,
    traces: Vec<fs::File>,
    /// What does not work, but need not.
    warning: Option<String>,
}

/// Opens the listeners of each shard, and the files of the trace.
fn open(args: &ServeArgs) -> Result<Opened, String> {
    let workers = args.workers();
    let rtmp = ListenOptions::default();
    let rtmp = bind_all(&args.listeners(), rtmp, workers).map_err(|error| error.to_string())?;
    let HttpListeners { listen, is_default } = args.http_listeners();
    let http = ListenOptions { flag: "--http", ..ListenOptions::default() };
    let (http, warning) = match bind_all(&listen, http, workers) {
        Ok(http) => (http, None),
        Err(error) if is_default => (Vec::new(), Some(format!("no HTTP: {error}"))),
        Err(error) => return Err(error.to_string()),
    };
    let mut http = http.into_iter();
    let with = |service| move |socket| Listener { service, socket };
    let listeners = rtmp.into_iter().map(|rtmp| {
        let http = http.next().unwrap_or_default().into_iter();
        let rtmp = rtmp.into_iter().map(with(Service::Rtmp));
        rtmp.chain(http.map(with(Service::Http))).collect()
    });
    let listeners = listeners.collect();
    let create = |path: &Path| {
        create_secret(path)
            .map_err(|error| format!("{} cannot be written: {error}", path.display()))
    };
    let paths = args.trace.iter().flat_map(|path| (0..workers).map(|own| trace_of(path, own)));
    let traces = paths.map(|path| create(&path)).collect::<Result<_, _>>()?;
    Ok(Opened { listeners, traces, warning })
}

/// A file of the console as the server serves it.
fn page(file: &File) -> Page {
    const FIELDS: [(&str, &str); 1] = [("Content-Security-Policy", CONTENT_SECURITY_POLICY)];
    let File { path, content_type, bytes, etag } = *file;
    Page { path, content_type, bytes, etag, fields: &FIELDS }
}

/// A listener as the configuration names it.
fn bound(listener: &Listener) -> io::Result<config::Listener> {
    let address = listener.socket.local_addr()?;
    Ok(config::Listener { address, service: listener.service })
}

/// The file of one shard's trace: `x.trace` of the first, `x.trace.1` of the next.
pub(crate) fn trace_of(path: &Path, own: u16) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    if own > 0 {
        name.push(format!(".{own}"));
    }
    name.into()
}

/// Replaces a file by an empty one that nobody else may read: a trace holds stream keys.
fn create_secret(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The listeners of each shard, on the same addresses: the kernel spreads connections over them.
fn bind_all(
    listen: &[Listen],
    options: ListenOptions,
    workers: u16,
) -> Result<Vec<Vec<TcpListener>>, BindError> {
    // Only alone can it be seen that another program has an address; so the first try is alone.
    let alone = bind(listen, options)?;
    if workers <= 1 {
        return Ok(vec![alone]);
    }
    let addresses: Vec<Listen> = listen
        .iter()
        .zip(&alone)
        .map(|(listen, listener)| listen.with_port(listener.local_addr().map_or(0, |at| at.port())))
        .collect();
    drop(alone);
    let options = ListenOptions { reuse_port: true, ..options };
    (0..workers).map(|_| bind(&addresses, options)).collect()
}

/// A shard that runs.
#[derive(Debug)]
struct Running {
    shutdown: ShutdownHandle,
}

/// Runs a shard on a thread of its own, with a runtime of its own.
fn start_shard<R: Runtime>(
    make: impl FnOnce() -> io::Result<Shard<R>> + Send + 'static,
    tell: Sender<Told>,
) -> io::Result<Running> {
    let (started, running) = channel::<io::Result<Running>>();
    thread::Builder::new().name("shard".into()).spawn(move || {
        let mut ending = Ending { tell, is_well: false };
        let outcome = R::run_shard(async move {
            let shard = match make() {
                Ok(shard) => shard,
                Err(error) => return drop(started.send(Err(error))),
            };
            let _ = started.send(Ok(Running { shutdown: shard.shutdown_handle() }));
            shard.run().await;
        });
        if let Err(error) = &outcome {
            tracing::error!("a shard has ended: {error}");
        }
        ending.is_well = outcome.is_ok();
    })?;
    let gone = |_| io::Error::other("the thread of a shard ended before it started");
    running.recv().map_err(gone)?
}

/// Tells the end of a thread, by a panic too.
struct Ending {
    tell: Sender<Told>,
    is_well: bool,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.tell.send(Told::Ended { is_well: self.is_well });
    }
}

fn warn_of_few_files(config: &Config) {
    let wanted = u64::from(config.limits.connections_max) + OWN_FILES;
    if let Some(files) = raise_open_files()
        && files < wanted
    {
        tracing::warn!(
            "only {files} files may be open, fewer than --max-connections {}; raise `ulimit -n`",
            config.limits.connections_max
        );
    }
}

/// Different in each process, so that ids and handshakes are.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn wall_clock() -> WallClock {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallClock { unix_millis: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX) }
}
