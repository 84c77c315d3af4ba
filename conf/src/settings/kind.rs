//! Values of settings: how each kind is read and written.
#![expect(clippy::wildcard_enum_match_arm, reason = "a kind takes the values that it knows")]

use crate::cli::Listen;
use crate::quantity::{SIZE_UNITS, parse_size};
use kdl::KdlValue;
use millstream_core::config::forward::{Forward, ForwardError};
use millstream_core::config::transcode::Fps;
use millstream_core::config::{Network, SendDelay};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

/// What may be written as the value of a setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A port, or an address with its port.
    Address,
    /// An address, or `off`.
    AddressOrOff,
    /// `800kbps`.
    Bitrate,
    /// A destination of forwarding.
    Destination,
    /// A domain, without scheme and path.
    Domain,
    /// A duration from so many milliseconds to so many seconds.
    Duration(u64, u64),
    /// Pictures per second.
    Fps,
    /// The time between two reports: zero says that there are none.
    Interval,
    /// Addresses of peers.
    Network,
    /// A whole number from the first to the second.
    Number(u64, u64),
    /// Width and height of a picture.
    Picture,
    /// `100ms` or `fixed:100ms`.
    SendDelay,
    /// Text that may hold a key, and is not shown.
    Secret,
    /// An amount of bytes from the first to the second.
    Size(u64, u64),
    /// `#true` or `#false`.
    Switch,
    /// Any text but an empty one.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// The value of a setting.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names are those of the kinds")]
pub enum Value {
    Address(Listen),
    Bitrate(u64),
    Destination(Forward),
    Duration(Duration),
    Fps(Fps),
    Network(Network),
    Number(u64),
    Picture(u16, u16),
    Secret(Arc<str>),
    SendDelay(SendDelay),
    Size(u64),
    Switch(bool),
    Text(Arc<str>),
    Word(&'static str),
}

/// Why a text is no value of a kind: what was expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expected {
    /// What is wrong with it.
    pub label: String,
    /// What to write.
    pub help: String,
}

/// A day bounds every interval: longer ones are slips of the finger.
pub const DAY: u64 = 86_400;

/// Reports that come more often than this are of use to nobody, and fill disks.
pub const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// The interval of what never happens: no server runs for a hundred years.
pub const NEVER: Duration = Duration::from_secs(36_500 * DAY);

impl Kind {
    /// Reads a value of a file.
    ///
    /// # Errors
    /// Says what was expected.
    pub fn read(self, value: &KdlValue) -> Result<Value, Expected> {
        match (self, value) {
            (Self::Switch, KdlValue::Bool(on)) => Ok(Value::Switch(*on)),
            (Self::Number(..), KdlValue::Integer(number)) => self.number(*number),
            (Self::Number(..), KdlValue::String(text)) if text.parse::<i128>().is_ok() => {
                Err(self.expected("this is text"))
            }
            (Self::Fps, KdlValue::Integer(number)) => self.read_text(&number.to_string()),
            (Self::Fps, KdlValue::Float(number)) => self.read_text(&number.to_string()),
            (Self::Size(..), KdlValue::Integer(bytes)) => self.read_text(&bytes.to_string()),
            (Self::AddressOrOff, KdlValue::Bool(false)) => Ok(Value::Word("off")),
            (Self::Address | Self::AddressOrOff, KdlValue::Integer(port)) => {
                self.read_text(&port.to_string())
            }
            (Self::SendDelay, KdlValue::Integer(0)) => self.read_text("0ms"),
            (Self::Duration(..) | Self::Interval, KdlValue::Integer(0)) => self.read_text("0s"),
            (_, KdlValue::String(text)) => self.read_text(text),
            (_, KdlValue::Integer(number)) => {
                let units = match self {
                    Self::Duration(..) | Self::Interval | Self::SendDelay => {
                        format!("write \"{number}s\" for seconds, \"{number}ms\" for milliseconds")
                    }
                    Self::Bitrate => format!("write \"{number}kbps\""),
                    _ => return Err(self.expected("this is a number")),
                };
                Err(Expected { label: "this has no unit".into(), help: units })
            }
            (Self::Number(..), KdlValue::Float(_)) => Err(self.expected("this is no whole number")),
            (_, KdlValue::Float(_)) => Err(self.expected("this is a number")),
            (_, KdlValue::Bool(_)) => Err(self.expected("this is a switch")),
            (_, KdlValue::Null) => Err(self.expected("this is nothing")),
        }
    }

    /// Reads a value of the environment, or of a text in a file.
    ///
    /// # Errors
    /// Says what was expected.
    pub fn read_text(self, text: &str) -> Result<Value, Expected> {
        let wrong = |label: &str| self.expected(label);
        if text.chars().any(char::is_control) {
            return Err(wrong("this holds control characters"));
        }
        match self {
            Self::AddressOrOff if text == "off" => Ok(Value::Word("off")),
            Self::Address | Self::AddressOrOff => Listen::parse(text)
                .map(Value::Address)
                .map_err(|help| Expected { label: "this is no address".into(), help }),
            Self::Bitrate => {
                parse_bitrate(text).map(Value::Bitrate).ok_or_else(|| wrong("this is no bitrate"))
            }
            Self::Destination => Forward::parse(text).map(Value::Destination).map_err(|error| {
                wrong(match error {
                    _ if has_user(text) => "user and password are not supported here",
                    ForwardError::Host => "the host is not legal",
                    ForwardError::Name => "this is no legal vhost, app and stream",
                    ForwardError::Query => "only ?vhost=NAME may follow a host without an app",
                    ForwardError::Placeholder => "only {vhost}, {app} and {stream} stand for names",
                    ForwardError::Port => "a port is 1 to 65535",
                    ForwardError::Scheme => "the scheme is not rtmp",
                    _ => "this is no destination",
                })
            }),
            Self::Domain => domain(text).ok_or_else(|| wrong("this is no domain")),
            Self::Duration(min, max) => self
                .time(text, Duration::from_millis(min), Duration::from_secs(max))
                .map(Value::Duration),
            Self::Fps => parse_fps(text).map(Value::Fps).ok_or_else(|| wrong("this is no rate")),
            Self::Interval => match parse_duration(text) {
                Some(Duration::ZERO) => Ok(Value::Duration(NEVER)),
                _ => self.time(text, INTERVAL_MIN, Duration::from_secs(DAY)).map(Value::Duration),
            },
            Self::Network => Network::parse(text).map(Value::Network).ok_or_else(|| {
                network_around(text).map_or_else(
                    || wrong("these are no addresses"),
                    |network| Expected {
                        label: "this is an address within a network".into(),
                        help: format!("write \"{network}\" for all of it"),
                    },
                )
            }),
            Self::Number(..) => match text.parse() {
                Ok(number) => self.number(number),
                Err(_) => Err(wrong("this is no number")),
            },
            Self::Picture => parse_picture(text).ok_or_else(|| wrong("this is no size")),
            Self::SendDelay => parse_send_delay(text).ok_or_else(|| wrong("this is no delay")),
            Self::Secret if !text.is_empty() => Ok(Value::Secret(text.into())),
            Self::Text if !text.is_empty() => Ok(Value::Text(text.into())),
            Self::Secret | Self::Text => Err(wrong("this is empty")),
            Self::Size(min, max) => {
                let bytes = parse_size(text).ok_or_else(|| wrong("this is no size"))?;
                if !(min..=max).contains(&bytes) {
                    return Err(wrong("this is out of range"));
                }
                Ok(Value::Size(bytes))
            }
            Self::Switch => match text {
                "on" | "true" => Ok(Value::Switch(true)),
                "off" | "false" => Ok(Value::Switch(false)),
                _ => Err(wrong("this is neither on nor off")),
            },
            Self::Word(words) => {
                let found = words.iter().find(|word| **word == text);
                found.map(|word| Value::Word(word)).ok_or_else(|| {
                    let mut expected = wrong("this is none of its words");
                    if let Some(near) = nearest(text, words.iter().copied()) {
                        expected.help = format!("did you mean `{near}`? ({})", expected.help);
                    }
                    expected
                })
            }
        }
    }

    fn number(self, number: i128) -> Result<Value, Expected> {
        let Self::Number(min, max) = self else { return Err(self.expected("this is a number")) };
        match u64::try_from(number) {
            Ok(number) if (min..=max).contains(&number) => Ok(Value::Number(number)),
            _ => Err(self.expected("this is out of range")),
        }
    }

    fn time(self, text: &str, min: Duration, max: Duration) -> Result<Duration, Expected> {
        match parse_duration(text) {
            None => Err(self.expected("this is no duration")),
            Some(time) if time < min => Err(self.expected("this is too short")),
            Some(time) if time > max => Err(self.expected("this is too long")),
            Some(time) => Ok(time),
        }
    }

    fn expected(self, label: &str) -> Expected {
        Expected { label: label.into(), help: format!("expected {}", self.describe()) }
    }

    /// What is expected, in words.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Address => "a port, or an address with its port: 1935, \":1935\", \
                \"127.0.0.1:1935\", \"[::1]:1935\""
                .into(),
            Self::AddressOrOff => format!("{}, or off", Self::Address.describe()),
            Self::Bitrate => "a bitrate: \"800kbps\", \"2.5Mbps\"".into(),
            Self::Destination => "a destination: \"host:port\", \
                \"rtmp://host:port/app/stream\", with {vhost}, {app} and {stream} for names"
                .into(),
            Self::Domain => "a domain: \"example.com\" (its subdomains are meant too)".into(),
            Self::Duration(0, max) => format!(
                "a duration: \"10s\", \"500ms\", \"2m\", \"1h\", at most \"{}\"",
                duration_text(Duration::from_secs(max))
            ),
            Self::Duration(min, max) => format!(
                "a duration from \"{}\" to \"{}\": \"10s\", \"500ms\", \"2m\", \"1h\"",
                duration_text(Duration::from_millis(min)),
                duration_text(Duration::from_secs(max))
            ),
            Self::Fps => "pictures per second: 25, 29.97".into(),
            Self::Interval => format!(
                "a duration from \"{}\" to \"{}\": \"10s\", \"2m\", \"1h\"; \"0s\" is never",
                duration_text(INTERVAL_MIN),
                duration_text(Duration::from_secs(DAY))
            ),
            Self::Network => "all, private, an address or a network: \"192.168.0.7\", \
                \"10.0.0.0/8\", \"fd00::/8\""
                .into(),
            Self::Number(min, max) => format!("a whole number from {min} to {max}"),
            Self::Picture => "width and height, both even: \"1280x720\"".into(),
            Self::SendDelay => "a delay of at most \"10s\": \"100ms\" merges when the server is \
                busy, \"0ms\" too but for 9 ms at most, \"fixed:100ms\" always, \
                \"fixed:0ms\" never"
                .into(),
            Self::Secret | Self::Text => "text".into(),
            Self::Size(min, max) => format!(
                "an amount of bytes from \"{}\" to \"{}\": \"64KiB\", \"8MiB\"",
                size_text(min),
                size_text(max)
            ),
            Self::Switch => "#true or #false (or on, off)".into(),
            Self::Word(words) => format!("one of {}", words.join(", ")),
        }
    }
}

impl Value {
    /// As it stands in a file.
    #[must_use]
    pub fn write(&self) -> String {
        match self {
            Self::Address(Listen::Any { port }) => quoted(&format!(":{port}")),
            Self::Address(Listen::At(address)) => quoted(&address.to_string()),
            Self::Bitrate(bits) => quoted(&bitrate_text(*bits)),
            Self::Destination(forward) => quoted(&destination_text(forward)),
            Self::Duration(time) => quoted(&duration_text(*time)),
            Self::Fps(fps) => {
                let text = fps.to_string();
                text.strip_suffix(".00").unwrap_or(&text).to_owned()
            }
            Self::Network(network) => quoted(&network.to_string()),
            Self::Number(number) => number.to_string(),
            Self::Picture(width, height) => quoted(&format!("{width}x{height}")),
            Self::SendDelay(SendDelay::Adaptive(max)) => quoted(&duration_text(*max)),
            Self::SendDelay(SendDelay::Fixed(delay)) => {
                quoted(&format!("fixed:{}", duration_text(*delay)))
            }
            Self::Secret(text) | Self::Text(text) => quoted(text),
            Self::Size(bytes) => quoted(&size_text(*bytes)),
            Self::Switch(on) => format!("#{on}"),
            Self::Word(word) => quoted(word),
        }
    }

    /// As it is shown: what may be a key is left out.
    #[must_use]
    pub fn show(&self) -> String {
        match self {
            Self::Secret(text) => quoted(&without_key(text)),
            Self::Destination(forward) => quoted(&without_key(&destination_text(forward))),
            Self::Address(_)
            | Self::Bitrate(_)
            | Self::Duration(_)
            | Self::Fps(_)
            | Self::Network(_)
            | Self::Number(_)
            | Self::Picture(..)
            | Self::SendDelay(_)
            | Self::Size(_)
            | Self::Switch(_)
            | Self::Text(_)
            | Self::Word(_) => self.write(),
        }
    }
}

/// The word that was probably meant.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('_', "-");
    let near = known.map(|known| (strsim::damerau_levenshtein(&word, known), known));
    let best = near.min_by_key(|(distance, _)| *distance)?;
    let may_differ = if word.chars().count() < 5 { 1 } else { 2 };
    (best.0 <= may_differ).then_some(best.1)
}

/// A text in quotes, as KDL wants it.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            char if char.is_control() || matches!(char, '\u{2028}' | '\u{2029}') => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out.push('"');
    out
}

/// True when a destination names somebody before its host.
pub(crate) fn has_user(destination: &str) -> bool {
    let rest = destination.split_once("://").map_or(destination, |(_, rest)| rest);
    rest.split(['/', '?']).next().is_some_and(|authority| authority.contains('@'))
}

/// The network that an address with a length is in, as in `10.0.0.1/8`.
fn network_around(text: &str) -> Option<Network> {
    let (address, len) = text.split_once('/')?;
    let (address, len) = (address.parse().ok()?, len.parse::<u32>().ok()?);
    let first: IpAddr = match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.checked_sub(len)?).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.checked_sub(len)?).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    };
    Network::parse(&format!("{first}/{len}"))
}

/// A URL without what may be a key: the query, and what follows its app.
fn without_key(url: &str) -> String {
    let (url, query) = url.split_once('?').map_or((url, ""), |(url, _)| (url, "?..."));
    let path_at = url.find("://").map_or(0, |at| at + 3);
    let (head, path) = url.split_at(path_at);
    let mut parts = path.splitn(3, '/');
    let (host, app) = (parts.next().unwrap_or_default(), parts.next());
    let mut out = format!("{head}{host}");
    if let Some(app) = app {
        let _ = write!(out, "/{app}");
    }
    // What stands for the name of a stream is no key.
    match parts.next() {
        Some(stream @ ("{stream}" | "[stream]" | "[stream]_[engine]")) => {
            let _ = write!(out, "/{stream}");
        }
        Some(_) => out.push_str("/..."),
        None => {}
    }
    out + query
}

fn destination_text(forward: &Forward) -> String {
    let host = match forward.host.contains(':') {
        true => format!("[{}]", forward.host),
        false => forward.host.to_string(),
    };
    let port = match forward.port {
        Forward::PORT => String::new(),
        port => format!(":{port}"),
    };
    match (&forward.app, &forward.stream, &forward.vhost) {
        (None, None, None) => format!("{host}{port}"),
        (None, None, Some(vhost)) => format!("{host}{port}?vhost={vhost}"),
        (app, stream, _) => {
            let app = app.as_deref().unwrap_or("{app}");
            let stream = stream.as_ref().map_or(String::new(), |stream| format!("/{stream}"));
            format!("rtmp://{host}{port}/{app}{stream}")
        }
    }
}

/// `20s`, `1.5s`, `500ms`, `250us`, `2m`, `1h`.
fn parse_duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 5] =
        [("us", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000)];
    let (number, unit) = split_unit(text)?;
    let (_, micros) = UNITS.iter().find(|(name, _)| *name == unit)?;
    scaled(number, *micros).map(Duration::from_micros)
}

fn duration_text(time: Duration) -> String {
    if time == NEVER {
        return "0s".into();
    }
    let micros = time.as_micros();
    for (unit, size) in [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000)] {
        if micros.is_multiple_of(size) && micros >= size {
            return format!("{}{unit}", micros / size);
        }
    }
    if micros == 0 { "0s".into() } else { format!("{micros}us") }
}

fn parse_bitrate(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 6] = [
        ("bps", 1),
        ("kbps", 1_000),
        ("Mbps", 1_000_000),
        ("b/s", 1),
        ("kb/s", 1_000),
        ("Mb/s", 1_000_000),
    ];
    let (number, unit) = split_unit(text)?;
    let (_, size) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    scaled(number, *size).filter(|bits| (1_000..=1_000_000_000).contains(bits))
}

fn bitrate_text(bits: u64) -> String {
    match bits {
        bits if bits % 1_000_000 == 0 => format!("{}Mbps", bits / 1_000_000),
        bits if bits % 1_000 == 0 => format!("{}kbps", bits / 1_000),
        bits => format!("{bits}bps"),
    }
}

fn size_text(bytes: u64) -> String {
    let units = SIZE_UNITS.iter().rev().filter(|(name, _)| name.ends_with("iB"));
    for (unit, size) in units {
        if bytes >= *size && bytes.is_multiple_of(*size) {
            return format!("{}{unit}", bytes / size);
        }
    }
    format!("{bytes}B")
}

fn parse_fps(text: &str) -> Option<Fps> {
    let hundredths = scaled(text, 100)?;
    u32::try_from(hundredths).ok().filter(|fps| (1..=100_000).contains(fps)).map(Fps)
}

fn parse_picture(text: &str) -> Option<Value> {
    let (width, height) = text.split_once('x')?;
    let side = |text: &str| {
        let side = text.parse::<u16>().ok()?;
        (side % 2 == 0 && (2..=16_384).contains(&side)).then_some(side)
    };
    Some(Value::Picture(side(width)?, side(height)?))
}

fn parse_send_delay(text: &str) -> Option<Value> {
    let (is_fixed, text) = match text.strip_prefix("fixed:") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let delay = parse_duration(text).filter(|delay| *delay <= Duration::from_secs(10))?;
    Some(Value::SendDelay(match is_fixed {
        true => SendDelay::Fixed(delay),
        false => SendDelay::Adaptive(delay),
    }))
}

fn domain(text: &str) -> Option<Value> {
    let text = text.trim_matches('.');
    let is_legal = |char: char| char.is_alphanumeric() || matches!(char, '-' | '.' | '_' | ':');
    let is_domain = !text.is_empty() && text.len() <= 253 && text.chars().all(is_legal);
    is_domain.then(|| Value::Text(text.to_lowercase().into()))
}

fn split_unit(text: &str) -> Option<(&str, &str)> {
    let at = text.find(|char: char| !char.is_ascii_digit() && char != '.')?;
    Some(text.split_at(at))
}

/// A decimal number times `size`, if that is whole.
pub(crate) fn scaled(number: &str, size: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || number.ends_with('.') || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let mut tail = 0_u64;
    if !fraction.is_empty() {
        let digits = u32::try_from(fraction.len()).ok()?;
        let scale = 10_u64.checked_pow(digits)?;
        let product = fraction.parse::<u64>().ok()?.checked_mul(size)?;
        if !product.is_multiple_of(scale) {
            return None;
        }
        tail = product / scale;
    }
    whole.parse::<u64>().ok()?.checked_mul(size)?.checked_add(tail)
}
