//! `millstream serve`: one shard, from its flags to its orderly end.

use crate::clip::Clip;
use crate::demo;
use crate::limits::raise_open_files;
use crate::log::{Log, events_to_log};
use crate::signals::Signals;
use crate::transport::{EventSink, ListenOptions, ShutdownHandle, TokioTransport, bind};
use crate::{complain, say};
use millstream_conf::banner::Banner;
use millstream_conf::cli::ServeArgs;
use millstream_core::config::Config;
use millstream_core::drive::{Budget, Drive, Transport as _};
use millstream_core::server::Server;
use millstream_core::time::WallClock;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
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
    transport: TokioTransport,
}

impl Shard {
    /// A shard that accepts from `listeners`.
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
        let mut transport = TokioTransport::new(listeners, events)?;
        let server = Server::new(config, seed(), transport.now(), wall_clock());
        Ok(Self { drive: Drive::new(Budget::default()), server, transport })
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
    pub async fn run(mut self) {
        let Self { drive, server, transport } = &mut self;
        let turns = std::future::poll_fn(|cx| drive.poll(server, transport, cx));
        // The loop has its own budget; the runtime's would only cut turns in two.
        tokio::task::unconstrained(turns).await;
        self.transport.finish().await;
    }
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
    let config = args.config();
    let listeners = match bind(&args.listeners(), ListenOptions::default()) {
        Ok(listeners) => listeners,
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::FAILURE;
        }
    };
    let _log = Log::start(args.log_format, args.log);
    warn_of_few_files(&config);
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("the runtime did not start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(serve(args, program, config, listeners));
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("ended by an error of its own: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The runtime of one shard. Sockets are looked at after each turn of the loop: the loop itself
/// serves many connections in one turn.
pub(crate) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().event_interval(1).build()
}

async fn serve(
    args: &ServeArgs,
    program: Program,
    config: Config,
    listeners: Vec<TcpListener>,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut signals = Signals::new()?;
    let events = Box::new(events_to_log(args.log_format));
    let shard = Shard::new(Arc::new(config), listeners, events)?;
    let shutdown = shard.shutdown_handle();
    let addresses = shard.local_addresses();
    let demo = (program == Program::Demo).then_some(demo::STREAM);
    let banner = Banner { program: PROGRAM, listeners: &addresses, demo };
    say(&banner.render());
    let mut task = tokio::spawn(shard.run());
    let publisher = match (program, addresses.first()) {
        (Program::Demo, Some(&address)) => Some(tokio::spawn(demo::run(address, Clip::demo()?))),
        _ => None,
    };
    tokio::select! {
        ended = &mut task => return Ok(ended?),
        () = signals.next() => {}
    }
    tracing::info!("shutting down; a second signal ends at once");
    if let Some(publisher) = publisher {
        publisher.abort();
    }
    shutdown.shut_down();
    let outcome: Result<(), JoinError> = tokio::select! {
        ended = &mut task => ended,
        () = signals.next() => {
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
