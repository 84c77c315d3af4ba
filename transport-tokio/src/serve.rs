//! `millstream serve`: the shards of a server, from its flags to its orderly end.

use crate::clip::Clip;
use crate::demo;
use crate::limits::raise_open_files;
use crate::listeners::{self, Bound, Fresh};
use crate::log::{Log, events_to_log};
use crate::reload::{self, Reloader};
use crate::signals::{Signal, Signals};
use crate::transport::{
    EventSink, Links, Listener, ShutdownHandle, TokioTransport,
};
use crate::{complain, say};
use millstream_conf::banner::Banner;
use millstream_conf::cli::ServeArgs;
use millstream_conf::program::render;
use millstream_conf::settings::problem::Look;
use millstream_conf::settings::{Loaded, Source};
use millstream_core::config::Config;
use millstream_core::drive::{Budget, Drive, Service, Transport};
use millstream_core::server::Server;
use millstream_core::shard::{Placement, ShardId};
use millstream_core::time::WallClock;
use millstream_sim::trace::{Setup, Traced};
use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, BufWriter};
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU16;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::oneshot;
use tokio::task::JoinError;

/// How long a shutdown may take before the program ends all the same.
const SHUTDOWN_TIME: Duration = Duration::from_secs(10);

/// Descriptors that are not connections: listeners, log, runtime.
const OWN_FILES: u64 = 32;

/// A server with its sockets, ready to run.
#[derive(Debug)]
pub struct Shard {
    drive: Drive,
    server: Server,
    setup: Setup,
    trace: Option<File>,
    transport: TokioTransport,
}

impl Shard {
    /// A shard that accepts RTMP from `listeners`.
    ///
    /// # Errors
    /// A listener could not be registered with the runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time.
    pub fn new(
        config: Arc<Config>,
        listeners: Vec<TcpListener>,
        events: EventSink,
    ) -> io::Result<Self> {
        let rtmp = |socket| Listener { service: Service::Rtmp, socket };
        let listeners = listeners.into_iter().map(rtmp).collect();
        Self::new_in(config, Placement::SINGLE, Links::new(1), listeners, events)
    }

    /// One of the shards of `links`.
    ///
    /// # Errors
    /// A listener could not be registered with the runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time.
    pub fn new_in(
        config: Arc<Config>,
        placement: Placement,
        links: Links,
        listeners: Vec<Listener>,
        events: EventSink,
    ) -> io::Result<Self> {
        let mut transport = TokioTransport::new_shard(placement.own, links, listeners, events)?;
        let (seed, start, wall) = (seed(), transport.now(), wall_clock());
        let setup = Setup { config: Config::clone(&config), seed, start, wall };
        let server = Server::new_shard(config, placement, seed, start, wall);
        Ok(Self { drive: Drive::new(Budget::default()), server, setup, trace: None, transport })
    }

    /// Writes a full trace to `file`: all that passes the transport, for `millstream replay`.
    /// Meant for a shard that is alone: what shards tell each other is not recorded.
    #[must_use]
    pub fn with_trace(mut self, file: File) -> Self {
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

    /// Serves until a shutdown is complete. To be run as a task of its own: wakes within one
    /// runtime are then free of system calls.
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

/// The loop. It has its own budget; the runtime's would only cut turns in two.
async fn turns(drive: &mut Drive, server: &mut Server, transport: &mut impl Transport) {
    let turns = std::future::poll_fn(|cx| drive.poll(server, transport, cx));
    tokio::task::unconstrained(turns).await;
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
pub fn run(args: &ServeArgs, program: Program) -> ExitCode {
    let start = match Start::new(args) {
        Ok(start) => start,
        Err(error) => {
            complain(&error);
            return ExitCode::FAILURE;
        }
    };
    let settings = &start.loaded.settings;
    let _log = Log::start(settings.log_format, settings.log_level);
    for line in start.loaded.warnings.lines() {
        tracing::warn!("{line}");
    }
    warn_of_few_files(&settings.config);
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("the runtime did not start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(serve(start, program));
    runtime.shutdown_background();
    match outcome {
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
    source: Source,
    trace: Option<File>,
    workers: u16,
}

impl Start {
    fn new(args: &ServeArgs) -> Result<Self, String> {
        let source = args.source();
        let loaded = source.load().map_err(|problems| render(&problems, Look::Plain))?;
        let workers = args.workers(&loaded.settings)?;
        let wanted = listeners::wanted(&loaded.settings);
        let fresh = listeners::bind_new(&wanted, &[], workers)
            .map_err(|error| listeners::complaint(&loaded, &error))?;
        let create = |path: &Path| {
            create_secret(path)
                .map_err(|error| format!("{} cannot be written: {error}", path.display()))
        };
        let trace = args.trace.as_deref().map(create).transpose()?;
        Ok(Self { fresh, loaded, source, trace, workers })
    }
}

/// The runtime of one shard. Sockets are looked at after each turn of the loop: the loop itself
/// serves many connections in one turn.
pub(crate) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().event_interval(1).build()
}

async fn serve(start: Start, program: Program) -> Result<(), Box<dyn std::error::Error>> {
    let mut signals = Signals::new()?;
    let Start { mut fresh, loaded, source, trace, workers } = start;
    let bound: Vec<Bound> = fresh.iter().map(|fresh| fresh.bound).collect();
    let mut config = loaded.settings.config.clone();
    config.listeners = listeners::for_core(&bound);
    let config = Arc::new(config);
    let count = NonZeroU16::new(workers).unwrap_or(NonZeroU16::MIN);
    let links = Links::new(count.get());
    let shards: Vec<_> = (0..count.get())
        .map(|own| {
            let placement = Placement { own: ShardId(own), count };
            let links = links.clone();
            let events = Box::new(events_to_log(loaded.settings.log_format, placement));
            let config = config.clone();
            let listeners = listeners::take_shard(&mut fresh);
            let listeners = listeners.into_iter().map(|(_, listener)| listener).collect();
            move || Shard::new_in(config, placement, links, listeners, events)
        })
        .collect();
    let mut shards = shards.into_iter();
    let first = shards.next().ok_or("no shard")?;
    let mut shard = first()?;
    if let Some(file) = trace {
        shard = shard.with_trace(file);
    }
    let mut shutdown = vec![shard.shutdown_handle()];
    let mut threads = Vec::new();
    for make in shards {
        let (handle, thread) = start_thread(make)?;
        shutdown.push(handle);
        threads.push(thread);
    }
    let rtmp = bound.iter().filter(|bound| bound.service == Service::Rtmp);
    let addresses: Vec<SocketAddr> = rtmp.map(|bound| bound.address).collect();
    let demo = (program == Program::Demo).then_some(demo::STREAM);
    let banner = Banner { program: PROGRAM, listeners: &addresses, demo };
    let shards = shutdown.clone();
    let mut reloader = Reloader { bound, count: 0, loaded, shards, source, workers };
    reloader.write_state("started");
    say(&banner.render());
    let mut task = tokio::spawn(shard.run());
    let publisher = match (program, addresses.first()) {
        (Program::Demo, Some(&address)) => Some(tokio::spawn(demo::run(address, Clip::demo()?))),
        _ => None,
    };
    loop {
        let signal = tokio::select! {
            ended = &mut task => return Ok(ended?),
            signal = signals.next() => signal,
        };
        if signal == Signal::End {
            break;
        }
        reloader.reload().await;
        // Signals that come meanwhile are one.
        tokio::time::sleep(reload::INTERVAL_MIN).await;
    }
    reloader.remove_state();
    tracing::info!("shutting down; a second signal ends at once");
    if let Some(publisher) = publisher {
        publisher.abort();
    }
    for shard in &shutdown {
        shard.shut_down();
    }
    let ended = async move {
        task.await?;
        for thread in threads {
            // A thread that is gone has dropped its end; that is what is waited for.
            let _ = thread.await;
        }
        Ok(())
    };
    let mut ended = std::pin::pin!(ended);
    let outcome: Result<(), JoinError> = tokio::select! {
        ended = &mut ended => ended,
        () = signals.end() => {
            tracing::info!("ended at once");
            Ok(())
        }
        () = tokio::time::sleep(SHUTDOWN_TIME) => {
            tracing::warn!("connections were still open after {} s", SHUTDOWN_TIME.as_secs());
            Ok(())
        }
    };
    Ok(outcome?)
}

/// Replaces a file by an empty one that nobody else may read: a trace holds stream keys.
fn create_secret(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Runs a shard on a thread of its own, with a runtime of its own.
fn start_thread(
    make: impl FnOnce() -> io::Result<Shard> + Send + 'static,
) -> io::Result<(ShutdownHandle, oneshot::Receiver<()>)> {
    let (ended, thread) = oneshot::channel::<()>();
    let (started, handle) = std::sync::mpsc::channel::<io::Result<ShutdownHandle>>();
    std::thread::Builder::new().name("shard".into()).spawn(move || {
        let _ended = ended;
        let run = || -> io::Result<(tokio::runtime::Runtime, Shard)> {
            let runtime = runtime()?;
            let shard = runtime.block_on(async { make() })?;
            Ok((runtime, shard))
        };
        match run() {
            Ok((runtime, shard)) => {
                let _ = started.send(Ok(shard.shutdown_handle()));
                runtime.block_on(async { tokio::spawn(shard.run()).await.is_ok() });
                runtime.shutdown_background();
            }
            Err(error) => {
                let _ = started.send(Err(error));
            }
        }
    })?;
    let gone = |_| io::Error::other("the thread of a shard ended before it started");
    Ok((handle.recv().map_err(gone)??, thread))
}

const PROGRAM: &str = concat!("millstream ", env!("CARGO_PKG_VERSION"));

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
