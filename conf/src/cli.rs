//! The command line: `serve` (the default), `demo`, `bench`, `inspect`, `replay`, `case` and `sim`.

mod bench;
mod configuration;
mod inspect;
mod listen;
mod replay;
mod sim;

pub use bench::{
    Bench, BenchChurn, BenchCompare, BenchLoad, BenchNullPlay, BenchNullServe, BenchPlay,
    BenchPublish, BenchScale, BenchView,
};
pub use configuration::{Check, ConfigCommand, ConfigDoc, ConfigShow, Convert, Reload};
pub use inspect::Inspect;
pub use listen::Listen;
pub use replay::{Case, CaseAdd, Replay};
pub use sim::{Sim, SimExplain, SimRun, SimScenario, SimShrink, SimSwarm};

use crate::quantity::parse_duration;
use crate::settings::kind::{INTERVAL_MIN, NEVER, Value, has_user};
use crate::settings::{Override, Settings, Source};
use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use millstream_core::config::forward::ForwardError;
use millstream_core::config::{Forward, SendDelay};
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
  millstream -c millstream.kdl            serve as a file says; `millstream config doc` tells what it may say
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
    /// Look at a configuration: tell all that is wrong with it
    Check(Check),
    /// Show settings, or the reference of all
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Turn a configuration of SRS into one of this server
    Convert(Convert),
    /// Let a running server read its configuration again
    Reload(Reload),
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
    /// Read the configuration from FILE; flags override it
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub config: Option<PathBuf>,

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

    /// Merge media for up to MS milliseconds when the server is busy (0: for up to 9, when writing
    /// to all players takes as long); fixed:MS merges always, fixed:0 never
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
    #[arg(long, value_name = "POLICY")]
    pub publish: Option<PublishFlag>,

    /// Mend the timestamps of publishers: close jumps and let players start at zero (full), only
    /// let players start at zero (zero), or leave them alone (off)
    #[arg(long, value_name = "HOW")]
    pub time_jitter: Option<TimeJitterFlag>,

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

    /// Connections that a worker has at the same time
    #[arg(long, value_name = "NUMBER", value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000))]
    pub max_connections: Option<u32>,

    /// Seconds between two progress lines of a publisher or player; 0 for none
    #[arg(long, value_name = "SECONDS", value_parser = parse_interval)]
    pub pithy_print: Option<Duration>,

    /// The form of log lines
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,

    /// Append the log to FILE, not to the standard error
    #[arg(long, value_name = "FILE")]
    pub log_file: Option<String>,

    /// The least important log lines that are written
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<LogLevel>,

    /// Write the id of the process to FILE; `millstream reload` finds the server by it
    #[arg(long, value_name = "FILE")]
    pub pid: Option<String>,

    /// Write all that passes the sockets to FILE, for `millstream replay FILE`; one worker, or with
    /// --workers a file for each: FILE, FILE.1 ... A trace holds all bytes of all peers: keep it as secret as the stream keys in it
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
}

impl ServeArgs {
    /// Where the settings of the server come from: the file, the environment, these flags.
    #[must_use]
    pub fn source(&self) -> Source {
        Source::of_process(self.config.clone(), self.overrides())
    }

    /// What these flags set.
    #[must_use]
    pub fn overrides(&self) -> Vec<Override> {
        let one = |flag, path, value: Option<Value>| {
            value.map(|value| Override { flag, path, values: vec![value] })
        };
        let number = |number: Option<u64>| number.map(Value::Number);
        let flags = [
            (!self.rtmp.is_empty()).then(|| Override {
                flag: "--rtmp",
                path: "listen",
                values: self.rtmp.iter().copied().map(Value::Address).collect(),
            }),
            (!self.http.is_empty()).then(|| Override {
                flag: "--http",
                path: "http.listen",
                values: self.http.iter().map(|flag| flag.value()).collect(),
            }),
            (!self.forward.is_empty()).then(|| Override {
                flag: "--forward",
                path: "vhost.forward",
                values: self.forward.iter().cloned().map(Value::Destination).collect(),
            }),
            one(
                "--send-delay",
                "vhost.send-delay",
                self.send_delay.map(|SendDelayFlag(delay)| Value::SendDelay(delay)),
            ),
            one("--workers", "workers", number(self.workers.map(u64::from))),
            one("--chunk-size", "chunk-size", number(self.chunk_size.map(u64::from))),
            one("--publish", "vhost.publish", self.publish.map(word)),
            one("--time-jitter", "vhost.time-jitter", self.time_jitter.map(word)),
            one("--grace", "vhost.grace", self.grace.map(Value::Duration)),
            one(
                "--no-gop-cache",
                "vhost.gop-cache",
                self.no_gop_cache.then_some(Value::Switch(false)),
            ),
            one(
                "--max-connections",
                "max-connections",
                number(self.max_connections.map(u64::from)),
            ),
            one("--pithy-print", "pithy-print.every", self.pithy_print.map(Value::Duration)),
            one(
                "--log-file",
                "log.file",
                self.log_file.as_deref().map(|path| Value::Text(path.into())),
            ),
            one("--log-format", "log.format", self.log_format.map(word)),
            one("--log", "log.level", self.log.map(word)),
            one("--pid", "pid", self.pid.as_deref().map(|path| Value::Text(path.into()))),
        ];
        flags.into_iter().flatten().collect()
    }

    /// Threads that serve: one for each core when `settings` do not say, and one for a trace.
    #[must_use]
    pub fn workers(&self, settings: &Settings) -> u16 {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        match (settings.workers, &self.trace) {
            (Some(workers), _) => workers,
            (None, Some(_)) => 1,
            (None, None) => u16::try_from(cores()).unwrap_or(1),
        }
    }
}

/// The word of a flag, which is the word of its setting too.
fn word(flag: impl Word) -> Value {
    Value::Word(flag.word())
}

trait Word {
    fn word(self) -> &'static str;
}

impl Word for PublishFlag {
    fn word(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Takeover => "takeover",
        }
    }
}

impl Word for TimeJitterFlag {
    fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Zero => "zero",
            Self::Off => "off",
        }
    }
}

impl Word for LogFormat {
    fn word(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Json => "json",
        }
    }
}

impl Word for LogLevel {
    fn word(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
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

    const fn value(self) -> Value {
        match self {
            Self::At(listen) => Value::Address(listen),
            Self::Off => Value::Word("off"),
        }
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
    Ok(SendDelayFlag(if fixed { SendDelay::Fixed(delay) } else { SendDelay::Adaptive(delay) }))
}

fn parse_forward(text: &str) -> Result<Forward, String> {
    Forward::parse(text).map_err(|error| {
        let words = match error {
            _ if has_user(text) => "user and password are not supported here",
            ForwardError::Host => "expected a host name or address, then rtmp://HOST/APP or more",
            ForwardError::Name => "that is no legal vhost, app and stream",
            ForwardError::Query => "only ?vhost=NAME may follow a host without an app",
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

/// Seconds between two reports; zero says that there are none.
fn parse_interval(text: &str) -> Result<Duration, String> {
    match parse_seconds(text)? {
        Duration::ZERO => Ok(NEVER),
        time if time < INTERVAL_MIN => {
            Err("expected seconds from 1 to 86400 (a day), or 0 for never".to_owned())
        }
        time => Ok(time),
    }
}

#[cfg(test)]
mod tests;
