//! The command line: `serve` (the default), `demo`, `bench`, `inspect`, `replay`, `case` and `sim`.

mod bench;
mod inspect;
mod listen;
mod replay;
mod sim;

pub use bench::{
    Bench, BenchChurn, BenchCompare, BenchLoad, BenchNullPlay, BenchNullServe, BenchPlay,
    BenchPublish,
};
pub use inspect::Inspect;
pub use listen::Listen;
pub use replay::{Case, CaseAdd, Replay};
pub use sim::{Sim, SimExplain, SimRun, SimScenario, SimShrink, SimSwarm};

use crate::quantity::parse_duration;
use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use millstream_core::config::forward::ForwardError;
use millstream_core::config::{
    Config, Forward, PithyPrint, PublishPolicy, SendDelay, TimeJitter, Vhost,
};
use std::path::PathBuf;
use std::time::Duration;

/// The arguments of one run. Use `Cli::parse` or `Cli::try_parse_from`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "millstream",
    version,
    about = "A live-streaming server: publish by RTMP, play by RTMP.",
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

const EXAMPLES: &str = "\
Examples:
  millstream                              serve on port 1935
  millstream --rtmp 127.0.0.1:2000        serve on one address only
  millstream demo                         serve, and publish a built-in clip to live/demo
  millstream bench play rtmp://127.0.0.1/live/demo --players 100 --for 20s
  millstream inspect x.m3u8               tracks, times, gaps and faults of a file, and a verdict
  millstream replay x.pcap                what was said in a capture, and what this server answers
  millstream sim swarm --for 60s          break things on purpose; a failure says how to repeat it";

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve (this is what happens without a command)
    Serve(ServeArgs),
    /// Serve, and publish a built-in clip to live/demo for ever
    Demo(ServeArgs),
    /// Put load on an RTMP server and measure what its players and publishers see
    #[command(subcommand)]
    Bench(Bench),
    /// Look into a media file (FLV, MPEG-TS, HLS playlist, capture) and say whether it is well
    Inspect(Inspect),
    /// Replay a capture or a trace: its clients talk to this server, on a virtual clock
    Replay(Replay),
    /// Keep captures as permanent tests
    #[command(subcommand)]
    Case(Case),
    /// Simulate clients, links and faults around this server, all drawn from a seed
    #[command(subcommand)]
    Sim(Sim),
}

impl Cli {
    /// What to do; `serve` when no command was given.
    #[must_use]
    pub fn into_command(self) -> Command {
        self.command.unwrap_or(Command::Serve(self.serve))
    }
}

/// The flags of a server.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    // The brackets of an IPv6 address are no link, so the text is not a doc comment.
    #[arg(help = "Listen for RTMP on ADDR: a port (1935), an address with port (127.0.0.1:1935, \
        [::1]:1935), or port 0 for a free one; may be given several times [default: 1935 on all \
        addresses]")]
    #[expect(missing_docs, reason = "see above")]
    #[arg(long, value_name = "ADDR", value_parser = Listen::parse)]
    pub rtmp: Vec<Listen>,

    // As above.
    #[arg(help = "Serve HTTP on ADDR: HLS, HTTP-FLV and HTTP-TS; given as for --rtmp, several \
        times too, or \"off\" [default: 8080 on the address of the first --rtmp, or a free port \
        where that asks for one]")]
    #[expect(missing_docs, reason = "see above")]
    #[arg(long, value_name = "ADDR", value_parser = HttpFlag::parse)]
    pub http: Vec<HttpFlag>,

    /// Merge media for up to MS milliseconds when the server is busy; 0 sends each frame at once;
    /// fixed:MS merges always
    #[arg(long, value_name = "MS", value_parser = parse_send_delay)]
    pub send_delay: Option<SendDelayFlag>,

    /// Threads that serve, one core each [default: one for each core]
    #[arg(long, value_name = "NUMBER", value_parser = RangedU64ValueParser::<u16>::new().range(1..=1_024))]
    pub workers: Option<u16>,

    /// Bytes of one outgoing RTMP chunk
    #[arg(long, value_name = "BYTES", value_parser = RangedU64ValueParser::<u32>::new().range(128..=0xFF_FFFF))]
    pub chunk_size: Option<u32>,

    /// What happens when a stream that has a publisher gets another one: the new one is refused
    /// (busy), or takes the stream over
    #[arg(long, value_name = "POLICY", default_value = "busy")]
    pub publish: PublishFlag,

    /// Mend the timestamps of publishers: close jumps and let players start at zero (full), only
    /// let players start at zero (zero), or leave them alone (off)
    #[arg(long, value_name = "HOW", default_value = "full")]
    pub time_jitter: TimeJitterFlag,

    // The brackets are no link.
    #[arg(help = "Publish each stream to another server too: rtmp://HOST[:PORT]/APP[/STREAM], \
        with {vhost}, {app} and {stream} for the names of the stream, or HOST[:PORT] for the same \
        names; may be given several times")]
    #[expect(missing_docs, reason = "see above")]
    #[arg(long, value_name = "URL", value_parser = parse_forward)]
    pub forward: Vec<Forward>,

    /// Seconds that players stay attached when their publisher has gone
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub grace: Option<Duration>,

    /// Let players start at the next keyframe, not at the newest one
    #[arg(long)]
    pub no_gop_cache: bool,

    /// Connections at the same time
    #[arg(long, value_name = "NUMBER", value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000))]
    pub max_connections: Option<u32>,

    /// Seconds between two progress lines of a publisher or player
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub pithy_print: Option<Duration>,

    /// The form of log lines
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub log_format: LogFormat,

    /// The least important log lines that are written
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log: LogLevel,

    /// Write all that passes the sockets to FILE, for `millstream replay FILE`; one worker, or with
    /// --workers a file for each: FILE, FILE.1 ... A trace holds all bytes of all peers: keep it as secret as the stream keys in it
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
}

impl ServeArgs {
    /// Where to listen; port 1935 on all addresses when no flag says otherwise.
    #[must_use]
    pub fn listeners(&self) -> Vec<Listen> {
        if self.rtmp.is_empty() { vec![Listen::Any { port: 1935 }] } else { self.rtmp.clone() }
    }

    /// Where to listen for HTTP, and what it means when that is not possible.
    #[must_use]
    pub fn http_listeners(&self) -> HttpListeners {
        if self.http.is_empty() {
            let listen = match self.listeners().first() {
                Some(Listen::At(at)) if at.port() == 0 => Listen::At(*at),
                Some(Listen::Any { port: 0 }) => Listen::Any { port: 0 },
                Some(first) => first.with_port(HTTP_PORT),
                None => Listen::Any { port: HTTP_PORT },
            };
            return HttpListeners { listen: vec![listen], is_default: true };
        }
        let listen = self.http.iter().filter_map(|flag| match flag {
            HttpFlag::At(listen) => Some(*listen),
            HttpFlag::Off => None,
        });
        HttpListeners { listen: listen.collect(), is_default: false }
    }

    /// Threads that serve; one for each core when no flag says otherwise, and one for a trace.
    #[must_use]
    pub fn workers(&self) -> u16 {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        match (self.workers, &self.trace) {
            (Some(workers), _) => workers,
            (None, Some(_)) => 1,
            (None, None) => u16::try_from(cores()).unwrap_or(1),
        }
    }

    /// The configuration of the server.
    #[must_use]
    pub fn config(&self) -> Config {
        let mut vhost = Vhost {
            forwards: self.forward.clone(),
            gop_cache: !self.no_gop_cache,
            publish_policy: match self.publish {
                PublishFlag::Busy => PublishPolicy::Busy,
                PublishFlag::Takeover => PublishPolicy::Takeover,
            },
            time_jitter: match self.time_jitter {
                TimeJitterFlag::Full => TimeJitter::Full,
                TimeJitterFlag::Zero => TimeJitter::Zero,
                TimeJitterFlag::Off => TimeJitter::Off,
            },
            ..Vhost::default()
        };
        if let Some(SendDelayFlag(send_delay)) = self.send_delay {
            vhost.send_delay = send_delay;
        }
        if let Some(grace) = self.grace {
            vhost.grace = grace;
        }
        let mut config = Config::with_default_vhost(vhost);
        if let Some(bytes) = self.chunk_size {
            config.chunk_size = bytes;
        }
        if let Some(interval) = self.pithy_print {
            config.pithy_print = PithyPrint::every(interval);
        }
        if let Some(connections) = self.max_connections {
            config.limits.connections_max = connections;
        }
        config
    }
}

/// The port of HTTP when no flag says otherwise.
const HTTP_PORT: u16 = 8_080;

/// Where to listen for HTTP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpListeners {
    /// The addresses.
    pub listen: Vec<Listen>,
    /// Nobody asked for it: the server starts without it if another program has the port.
    pub is_default: bool,
}

/// The value of `--http`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HttpFlag {
    /// An address.
    At(Listen),
    /// None.
    Off,
}

impl HttpFlag {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "off" { Ok(Self::Off) } else { Listen::parse(text).map(Self::At) }
    }
}

/// The value of `--send-delay`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SendDelayFlag(pub SendDelay);

/// The value of `--publish`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum PublishFlag {
    /// The second publisher is refused.
    Busy,
    /// The second publisher takes the stream over.
    Takeover,
}

/// The value of `--time-jitter`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum TimeJitterFlag {
    /// Close jumps; players start at zero.
    Full,
    /// Players start at zero.
    Zero,
    /// Leave timestamps alone.
    Off,
}

/// The form of log lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LogFormat {
    /// One line of words.
    Human,
    /// One JSON object a line.
    Json,
}

/// How important a log line is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum)]
pub enum LogLevel {
    /// What would wake a person.
    Warn,
    /// Life cycles of publishers and players.
    Info,
    /// Changes of state too.
    Debug,
    /// Everything.
    Trace,
}

fn parse_send_delay(text: &str) -> Result<SendDelayFlag, String> {
    let (fixed, number) = match text.strip_prefix("fixed:") {
        Some(number) => (true, number),
        None => (false, text),
    };
    let millis: u64 = number.parse().ok().filter(|millis| *millis <= 10_000).ok_or_else(|| {
        "expected milliseconds from 0 to 10000, such as 100, or fixed:100".to_owned()
    })?;
    let delay = Duration::from_millis(millis);
    let fixed = fixed || millis == 0;
    Ok(SendDelayFlag(if fixed { SendDelay::Fixed(delay) } else { SendDelay::Adaptive(delay) }))
}

fn parse_forward(text: &str) -> Result<Forward, String> {
    Forward::parse(text).map_err(|error| {
        let words = match error {
            ForwardError::Host => "expected a host name or address, then rtmp://HOST/APP or more",
            ForwardError::Placeholder => "only {vhost}, {app} and {stream} stand in braces",
            ForwardError::Port => "the port is a number from 1 to 65535",
            ForwardError::Scheme => "streams are forwarded by plain RTMP: rtmp://HOST/APP/STREAM",
            _ => "expected rtmp://HOST/APP/STREAM, or HOST",
        };
        words.to_owned()
    })
}

/// A day bounds every interval: longer ones are slips of the finger.
fn parse_seconds(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text).map_err(|_| "expected seconds, such as 10".to_owned())?;
    if time > Duration::from_secs(86_400) {
        return Err("expected seconds, at most 86400 (a day)".to_owned());
    }
    Ok(time)
}

#[cfg(test)]
mod tests;
