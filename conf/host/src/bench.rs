//! `millstream bench`: puts load on a server, and says what its players, viewers and publishers saw.
//!
//! Works against any server, on any runtime. Each client is one future; all clients of a thread
//! read into one buffer.

pub(crate) mod histogram;
pub(crate) mod mark;

mod churn;
mod compare;
mod hls;
mod http;
mod null;
mod play;
mod process;
mod publish;
mod scale;
mod table;
mod tally;
mod view;
mod viewer;

use crate::client::{ClientError, Target};
use crate::clip::Clip;
use crate::limits::raise_open_files;
use crate::runtime::{Runtime, sleep_until};
use crate::tasks::Tasks;
use crate::{complain, tell};
use millstream_conf::cli::{
    Bench, BenchChurn, BenchCompare, BenchLoad, BenchNullPlay, BenchPlay, BenchPublish, BenchScale,
    BenchView,
};
use millstream_core::session::SessionConfig;
use publish::Feed;
use std::cell::RefCell;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tally::Tally;

/// Time between the plan and the first connection, so that all threads begin together.
const LEAD_TIME: Duration = Duration::from_millis(50);

/// Runs the load tool. The exit code says whether every client started and none was lost.
#[must_use]
pub fn run<R: Runtime>(bench: &Bench) -> ExitCode {
    let outcome = match bench {
        Bench::Play(args) => run_play::<R>(args),
        Bench::Flv(args) => run_view::<R>(args, "flv"),
        Bench::Hls(args) => run_view::<R>(args, "hls"),
        Bench::Publish(args) => run_publish::<R>(args),
        Bench::Compare(args) => run_compare(args),
        Bench::Scale(args) => run_scale(args),
        Bench::Churn(args) => run_churn::<R>(args),
        Bench::NullServe(args) => null::serve(args).map(|()| Tally::default()),
        Bench::NullPlay(args) => run_null_play::<R>(args),
    };
    match outcome {
        Ok(tally) if tally.is_clean() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run_play<R: Runtime>(args: &BenchPlay) -> Result<Tally, String> {
    let target = Target::parse(&args.url)?;
    if args.publish.is_some() && target.has_number() {
        return Err("--publish publishes one stream; write a URL without {number}".to_owned());
    }
    let plan = Plan::new(target, args.players, &args.load)?;
    let feed = match &args.publish {
        Some(file) => Some(Feed::start::<R>(&plan, Arc::new(read_clip(file)?))?),
        None => None,
    };
    let plan = plan.starting_now();
    let tally = plan.run::<R, _>("players", play::play::<R>);
    if let Some(feed) = feed {
        feed.stop()?;
    }
    print(&table::Head { what: "play", url: &args.url, clients: "players" }, &args.load, &tally)?;
    Ok(tally)
}

/// Viewers by HTTP; what feeds them is published by RTMP.
fn run_view<R: Runtime>(args: &BenchView, what: &'static str) -> Result<Tally, String> {
    let target = Target::parse_http(&args.url)?;
    if args.publish.is_some() && target.has_number() {
        return Err("--publish publishes one stream; write a URL without {number}".to_owned());
    }
    let feed = match &args.publish {
        Some(file) => {
            let url = args.publish_url.clone().unwrap_or_else(|| rtmp_url(&target));
            let plan = Plan::new(Target::parse(&url)?, 1, &args.load)?;
            Some(Feed::start::<R>(&plan, Arc::new(read_clip(file)?))?)
        }
        None => None,
    };
    let plan = Plan::new(target, args.viewers, &args.load)?.starting_now();
    let tally = match what {
        "hls" => plan.run::<R, _>("viewers", hls::view::<R>),
        _ => plan.run::<R, _>("viewers", viewer::view::<R>),
    };
    if let Some(feed) = feed {
        feed.stop()?;
    }
    print(&table::Head { what, url: &args.url, clients: "viewers" }, &args.load, &tally)?;
    Ok(tally)
}

/// Where the stream of a URL by HTTP is published: on the same host, at the port of RTMP.
fn rtmp_url(target: &Target) -> String {
    let path = target.path();
    let (path, query) = path.split_once('?').unwrap_or((&path, ""));
    let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
    let question = if query.is_empty() { "" } else { "?" };
    let rtmp = Target { port: 1935, ..target.clone() };
    format!("rtmp://{}{stem}{question}{query}", rtmp.authority())
}

fn run_publish<R: Runtime>(args: &BenchPublish) -> Result<Tally, String> {
    let mut target = Target::parse(&args.url)?;
    if args.publishers > 1 && !target.has_number() {
        target.stream = match target.stream.split_once('?') {
            Some((stream, query)) => format!("{stream}-{{number}}?{query}"),
            None => format!("{}-{{number}}", target.stream),
        };
    }
    let clip = Arc::new(read_clip(&args.file)?);
    let plan = Plan::new(target, args.publishers, &args.load)?.starting_now();
    let publish = |context, number| publish::publish_one::<R>(context, number, clip.clone());
    let tally = plan.run::<R, _>("publishers", publish);
    let head = table::Head { what: "publish", url: &args.url, clients: "publishers" };
    print(&head, &args.load, &tally)?;
    Ok(tally)
}

fn run_compare(args: &BenchCompare) -> Result<Tally, String> {
    // The file is looked at first: the servers would only be seen to be silent.
    read_clip(&args.file)?;
    tell(&compare::run(args, show_line)?)?;
    Ok(Tally::default())
}

fn run_scale(args: &BenchScale) -> Result<Tally, String> {
    read_clip(&args.file)?;
    tell(&scale::run(args, show_line)?)?;
    Ok(Tally::default())
}

/// What is known already, for people only.
fn show_line(line: &str) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        let _ = write!(stderr, "{line}");
    }
}

fn run_churn<R: Runtime>(args: &BenchChurn) -> Result<Tally, String> {
    let tally = churn::run::<R>(args)?;
    let head = table::Head { what: "churn", url: &args.url, clients: "clients" };
    print(&head, &args.load(), &tally)?;
    Ok(tally)
}

fn run_null_play<R: Runtime>(args: &BenchNullPlay) -> Result<Tally, String> {
    let tally = null::play::<R>(args)?;
    let url = args.address.to_string();
    print(&table::Head { what: "null", url: &url, clients: "players" }, &args.load, &tally)?;
    Ok(tally)
}

fn print(head: &table::Head<'_>, load: &BenchLoad, tally: &Tally) -> Result<(), String> {
    tell(&if load.json { table::json(head, tally) } else { table::human(head, tally) })
}

fn read_clip(file: &Path) -> Result<Clip, String> {
    let bytes = std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Clip::read(&bytes).map_err(|error| format!("{}: {error}", file.display()))
}

/// What is to be done, by all threads.
#[derive(Clone, Debug)]
struct Plan {
    address: SocketAddr,
    clients: u32,
    config: Arc<SessionConfig>,
    live: Arc<Live>,
    rate: u32,
    start: Instant,
    target: Target,
    threads: u32,
    time: Duration,
}

/// What is told while it goes on.
#[derive(Debug, Default)]
struct Live {
    bytes: AtomicU64,
    failed: AtomicU64,
    started: AtomicU64,
    stalls: AtomicU64,
}

impl Plan {
    fn new(target: Target, clients: u32, load: &BenchLoad) -> Result<Self, String> {
        let address = target
            .resolve()
            .map_err(|error| format!("the host {} was not found: {error}", target.host))?;
        if let Some(files) = raise_open_files()
            && files < u64::from(clients) + 64
        {
            return Err(format!("only {files} files may be open; raise `ulimit -n`"));
        }
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        Ok(Self {
            address,
            clients,
            config: Arc::new(SessionConfig::default()),
            live: Arc::default(),
            rate: load.rate,
            start: Instant::now(),
            target,
            threads: load.threads.unwrap_or(cores).min(clients).max(1),
            time: load.time,
        })
    }

    fn starting_now(mut self) -> Self {
        self.start = Instant::now() + LEAD_TIME;
        self
    }

    /// When a client connects.
    fn begin_of(&self, number: u32) -> Instant {
        self.start + Duration::from_secs_f64(f64::from(number) / f64::from(self.rate))
    }

    /// When all clients end.
    fn end(&self) -> Instant {
        self.begin_of(self.clients.saturating_sub(1)) + self.time
    }

    /// Runs all clients on their threads, and tells how they fare.
    fn run<R: Runtime, F: Future<Output = ()> + 'static>(
        &self,
        clients: &str,
        client: impl Fn(Rc<Context>, u32) -> F + Sync,
    ) -> Tally {
        thread::scope(|scope| {
            let workers: Vec<_> = (0..self.threads)
                .map(|thread| {
                    let client = &client;
                    scope.spawn(move || self.run_thread::<R, _>(thread, client))
                })
                .collect();
            self.show(clients);
            let mut tally = Tally::default();
            for worker in workers {
                match worker.join() {
                    Ok(part) => tally.merge(&part),
                    Err(_) => tally.fail("a thread of the load tool ended by a bug of its own"),
                }
            }
            tally
        })
    }

    fn run_thread<R: Runtime, F: Future<Output = ()> + 'static>(
        &self,
        thread: u32,
        client: &impl Fn(Rc<Context>, u32) -> F,
    ) -> Tally {
        let context = Rc::new(Context { plan: self.clone(), tally: RefCell::default() });
        let mut tasks = Tasks::default();
        for number in (thread..self.clients).step_by(self.threads as usize) {
            tasks.add(client(context.clone(), number));
        }
        if let Err(error) = R::block_on(tasks) {
            context.tally.borrow_mut().fail(&format!("no runtime: {error}"));
        }
        context.tally.take()
    }

    /// One line that is written anew each second, for people only.
    fn show(&self, clients: &str) {
        let mut stderr = io::stderr();
        if !stderr.is_terminal() {
            return;
        }
        let mut bytes_before = 0;
        while let Some(left) = self.end().checked_duration_since(Instant::now()) {
            thread::sleep(left.min(Duration::from_secs(1)));
            let bytes = self.live.bytes.load(Ordering::Relaxed);
            let _ = write!(
                stderr,
                "\r\x1b[K{} of {} {clients}, {} failed, {}, {} stalls, {} s left ",
                self.live.started.load(Ordering::Relaxed),
                self.clients,
                self.live.failed.load(Ordering::Relaxed),
                millstream_conf::quantity::bit_rate((bytes - bytes_before) * 8),
                self.live.stalls.load(Ordering::Relaxed),
                left.as_secs(),
            );
            let _ = stderr.flush();
            bytes_before = bytes;
        }
        let _ = write!(stderr, "\r\x1b[K");
    }
}

/// What the clients of one thread share.
#[derive(Debug)]
struct Context {
    plan: Plan,
    tally: RefCell<Tally>,
}

impl Context {
    async fn wait_for_turn<R: Runtime>(&self, number: u32) {
        sleep_until::<R>(self.plan.begin_of(number)).await;
    }

    fn started(&self, setup: Duration) {
        self.plan.live.started.fetch_add(1, Ordering::Relaxed);
        let mut tally = self.tally.borrow_mut();
        tally.started += 1;
        tally.setup_micros.record(micros(setup));
    }

    fn not_started(&self, error: &ClientError) {
        self.plan.live.failed.fetch_add(1, Ordering::Relaxed);
        self.tally.borrow_mut().fail(&error.to_string());
    }

    fn lost(&self, error: &ClientError) {
        self.plan.live.failed.fetch_add(1, Ordering::Relaxed);
        self.tally.borrow_mut().lose(&error.to_string());
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Bits per second of `bytes` in `time`.
fn bit_rate(bytes: u64, time: Duration) -> u64 {
    let micros = time.as_micros().max(1);
    u64::try_from(u128::from(bytes) * 8_000_000 / micros).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn what_is_viewed_is_published_on_the_same_host() {
        let check = |url: &str, expected: &str| {
            let target = Target::parse_http(url).expect("a target");
            assert_eq!(rtmp_url(&target), expected);
        };
        check("http://h:8080/live/a.flv", "rtmp://h:1935/live/a");
        check("http://[::1]/live/a.b.m3u8?vhost=v", "rtmp://[::1]:1935/live/a.b?vhost=v");
    }
}
