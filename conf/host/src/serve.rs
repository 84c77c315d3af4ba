//! `millstream serve`: the shards of a server, from its flags to its orderly end.

use crate::clip::Clip;
use crate::demo;
use crate::encoders::Lookout;
use crate::limits::raise_open_files;
use crate::listeners::{self, Bound, Fresh, Opening};
use crate::log::{self, Log, events_to_log};
use crate::reload::{self, PidFile, Reloader};
use crate::runtime::Runtime;
use crate::signals::{self, Asks};
use crate::stop::Stop;
use crate::transport::{EventSink, Links, Listener, ShutdownHandle, SocketTransport};
use crate::{complain, say};
use millstream_conf::banner::Banner;
use millstream_conf::cli::ServeArgs;
use millstream_conf::program::render;
use millstream_conf::settings::problem::{Look, Problems};
use millstream_conf::settings::{Loaded, Settings, Source};
use millstream_console::{CONTENT_SECURITY_POLICY, FILES, File};
use millstream_core::config::{Config, Page};
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
        transport.set_player_idle_timeout(config.limits.player_idle_timeout);
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
    let mut start = match Start::new(args) {
        Ok(start) => start,
        Err(error) => {
            complain(&error);
            return ExitCode::FAILURE;
        }
    };
    let settings = &start.loaded.settings;
    let log = Arc::new(Log::start(settings, start.log_file.take()));
    for line in start.loaded.warnings.lines() {
        tracing::warn!("{line}");
    }
    warn_of_few_files(&settings.config);
    if let Some(warning) = &start.warning {
        tracing::warn!("{warning}");
    }
    match serve::<R>(start, program, log) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("ended by an error of its own: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What was found and opened before the server runs.
struct Start {
    fresh: Vec<Fresh>,
    loaded: Loaded,
    log_file: Option<fs::File>,
    pid_file: Option<PidFile>,
    source: Source,
    traces: Vec<fs::File>,
    /// What does not work, but need not.
    warning: Option<String>,
    workers: u16,
}

impl Start {
    fn new(args: &ServeArgs) -> Result<Self, String> {
        let source = args.source();
        let told = |problems: Vec<Problems>| format!("\n{}", render(&problems, Look::Plain));
        let loaded = source.load().map_err(told)?;
        let workers = args.workers(&loaded.settings);
        let wanted = listeners::wanted(&loaded.settings);
        let Opening { fresh, warning, .. } = listeners::open(&wanted, &[], workers)
            .map_err(|error| listeners::complaint(&loaded, &error))?;
        let pid_file =
            reload::take_pid_file(&loaded).map_err(|problems| problems.render(Look::Plain))?;
        let log_file = log::open(&loaded.settings)
            .map_err(|error| error.explain(&loaded).render(Look::Plain))?;
        let create = |path: &Path| {
            create_secret(path)
                .map_err(|error| format!("{} cannot be written: {error}", path.display()))
        };
        let paths = args.trace.iter().flat_map(|path| (0..workers).map(|own| trace_of(path, own)));
        let traces = paths.map(|path| create(&path)).collect::<Result<_, _>>()?;
        Ok(Self { fresh, loaded, log_file, pid_file, source, traces, warning, workers })
    }
}

/// What the main thread waits for; it serves nobody itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    /// A signal that asks for another look at the configuration.
    Reload,
    /// A signal that ends the program.
    Signal,
    /// A shard has ended: after a shutdown, or by a bug.
    Ended { is_well: bool },
}

fn serve<R: Runtime>(
    start: Start,
    program: Program,
    log: Arc<Log>,
) -> Result<(), Box<dyn std::error::Error>> {
    let (tell, told) = channel();
    let signal = tell.clone();
    signals::start(move |asks| {
        let news = match asks {
            Asks::End => Told::Signal,
            Asks::Reload => Told::Reload,
        };
        signal.send(news).is_ok()
    })?;
    let Start { mut fresh, loaded, pid_file, source, traces, workers, .. } = start;
    let bound: Vec<Bound> = fresh.iter().map(|fresh| fresh.bound).collect();
    let config = Arc::new(config_of(&loaded.settings, &bound));
    let count = NonZeroU16::new(workers).unwrap_or(NonZeroU16::MIN);
    let links = Links::new(count.get());
    let seed = seed();
    let mut traces = traces.into_iter();
    let mut shards = Vec::new();
    for own in (0..count.get()).map(ShardId) {
        let placement = Placement { own, count };
        let links = links.clone();
        let events = Box::new(events_to_log(&log, placement));
        let config = config.clone();
        let listeners = listeners::take_shard(&mut fresh);
        let listeners = listeners.into_iter().map(|(_, listener)| listener).collect();
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
        let bound = bound.iter().filter(|bound| bound.service == service);
        bound.map(|bound| bound.address).collect()
    };
    let (addresses, http) = (addresses(Service::Rtmp), addresses(Service::Http));
    let lookout = Lookout::default();
    let mut reloader =
        Reloader { bound, count: 0, loaded, log, lookout, pid_file, shards, source, workers };
    reloader.write_state("started".into(), String::new());
    let demo = (program == Program::Demo).then_some(demo::STREAM);
    say(&Banner { program: R::PROGRAM, listeners: &addresses, http: &http, demo }.render());
    let publisher = Stop::default();
    if let (Program::Demo, Some(&address)) = (program, addresses.first()) {
        start_demo::<R>(address, publisher.clone())?;
    }
    reloader.lookout.look(&reloader.loaded);
    wait_for_signal(&told, &mut reloader)?;
    reloader.remove_state();
    tracing::info!("shutting down; a second signal ends at once");
    publisher.request();
    for shard in &reloader.shards {
        shard.shut_down();
    }
    wait_for_end(&told, reloader.shards.len())
}

/// Reloads the configuration whenever that is asked for, until a signal ends the program.
fn wait_for_signal(
    told: &Receiver<Told>,
    reloader: &mut Reloader,
) -> Result<(), Box<dyn std::error::Error>> {
    // What is asked while a reload runs, and in a while after it, is one more reload.
    let mut is_asked = false;
    loop {
        let news = if is_asked { told.try_recv().ok() } else { told.recv().ok() };
        match news {
            Some(Told::Reload) => is_asked = true,
            Some(Told::Signal) => return Ok(()),
            None if is_asked => {
                is_asked = false;
                reloader.reload();
                thread::sleep(reload::INTERVAL_MIN);
            }
            Some(Told::Ended { .. }) | None => return Err("a shard has ended by a bug".into()),
        }
    }
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
            Ok(Told::Reload) => {}
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

/// A file of the console as the server serves it.
fn page(file: &File) -> Page {
    const FIELDS: [(&str, &str); 1] = [("Content-Security-Policy", CONTENT_SECURITY_POLICY)];
    let File { path, content_type, bytes, etag } = *file;
    Page { path, content_type, bytes, etag, fields: &FIELDS }
}

/// What the core is told of settings: with the listeners as they were bound, and the console.
pub(crate) fn config_of(settings: &Settings, bound: &[Bound]) -> Config {
    let mut config = settings.config.clone();
    config.listeners = listeners::for_core(bound);
    config.pages = pages();
    config
}

/// The console as the server serves it.
pub(crate) fn pages() -> Arc<[Page]> {
    FILES.iter().map(page).collect()
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

/// Runs a shard on a thread of its own, with a runtime of its own.
fn start_shard<R: Runtime>(
    make: impl FnOnce() -> io::Result<Shard<R>> + Send + 'static,
    tell: Sender<Told>,
) -> io::Result<ShutdownHandle> {
    let (started, running) = channel::<io::Result<ShutdownHandle>>();
    thread::Builder::new().name("shard".into()).spawn(move || {
        let mut ending = Ending { tell, is_well: false };
        let outcome = R::run_shard(async move {
            let shard = match make() {
                Ok(shard) => shard,
                Err(error) => return drop(started.send(Err(error))),
            };
            let _ = started.send(Ok(shard.shutdown_handle()));
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
