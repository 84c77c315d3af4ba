//! What is right by itself, and wrong together.

use super::problem::{Problem, Severity, Span};
use super::{Origin, Origins, Settings};
use crate::cli::Listen;
use millstream_core::config::transcode::{Scope, Transcode};
use millstream_core::config::{HlsStorage, Vhost};
use millstream_core::name::DEFAULT_VHOST;
use std::collections::BTreeMap;

/// What is wrong, and what has set it.
pub(super) struct Found {
    /// What has set it: the last of what has to do with it.
    pub(super) at: Origin,
    also: Option<(Origin, &'static str)>,
    problem: Problem,
}

impl Found {
    fn new(at: &Origin, problem: Problem) -> Self {
        Self { at: at.clone(), also: None, problem }
    }

    /// As a problem of the text in which `span` finds what was set.
    pub(super) fn place(self, span: impl Fn(&Origin) -> Option<Span>) -> Problem {
        let Self { at, also, mut problem } = self;
        problem.span = span(&at).unwrap_or_default();
        problem.also = also.and_then(|(at, label)| Some((span(&at)?, label.to_owned())));
        problem.also = problem.also.filter(|(also, _)| *also != problem.span);
        // Warnings are told with those of the file, where nothing else says what they are about.
        if problem.severity == Severity::Warning {
            match at {
                Origin::Environment(name) => {
                    problem.message = format!("{name}: {}", problem.message)
                }
                Origin::Flag(flag) => problem.message = format!("{flag}: {}", problem.message),
                Origin::Default | Origin::File(_) => {}
            }
        }
        problem
    }
}

/// The place of what a file has set.
pub(super) fn in_file(origin: &Origin) -> Option<Span> {
    match origin {
        Origin::File(span) => Some(span.clone()),
        Origin::Default | Origin::Environment(_) | Origin::Flag(_) => None,
    }
}

/// Looks at settings that were read, where somebody has set what is wrong.
pub(super) fn check(settings: &Settings, origins: &Origins) -> Vec<Found> {
    let mut found = Vec::new();
    overlapping_listeners(settings, origins, &mut found);
    off_with_addresses(settings, origins, &mut found);
    for (name, vhost) in &settings.config.vhosts {
        hls(name, vhost, origins, &mut found);
        own_sources(name, vhost, settings, origins, &mut found);
    }
    shared_paths(settings, origins, &mut found);
    found
}

fn overlapping_listeners(settings: &Settings, origins: &Origins, found: &mut Vec<Found>) {
    let listen = settings.listen.iter().enumerate().map(|(index, at)| ("listen", index, *at));
    let http = settings.http_listen.iter().enumerate();
    let http = http.map(|(index, at)| ("http.listen", index, *at));
    let all: Vec<(&str, usize, Listen)> = listen.chain(http).collect();
    for (index, (path, second, at)) in all.iter().enumerate() {
        let earlier = all.iter().take(index).find(|(_, _, other)| overlap(*other, *at));
        let Some((other_path, first, _)) = earlier else { continue };
        let set = (set_by(origins, path, *second), set_by(origins, other_path, *first));
        let problem = Problem::new(0..0, format!("two listeners share port {}", at.port()));
        found.extend(match set {
            (Some(second), Some(first)) => Some(of_two(
                (second, first),
                problem.label("the second").help("leave one of them out, or give it another port"),
            )),
            // The other one is as usual.
            (Some(at), None) => Some(Found::new(at, has_it_as_usual(problem, other_path))),
            (None, Some(at)) => Some(Found::new(at, has_it_as_usual(problem, path))),
            (None, None) => None,
        });
    }
}

fn off_with_addresses(settings: &Settings, origins: &Origins, found: &mut Vec<Found>) {
    let is_both = !settings.http_enabled && !settings.http_listen.is_empty();
    if is_both && let Some(at) = set_by(origins, "http.listen", 0) {
        let problem = Problem::new(0..0, "HTTP is off and has addresses")
            .label("one of them is meant")
            .help("leave \"off\" out, or the addresses");
        found.push(Found::new(at, problem));
    }
}

fn has_it_as_usual(problem: Problem, other: &str) -> Problem {
    problem
        .label("the port of another listener")
        .help(format!("`{other}` has it when nothing is set: choose another port, or set that too"))
}

/// True when two listeners cannot both be bound.
fn overlap(one: Listen, other: Listen) -> bool {
    let of_family = |at: Listen| match at {
        Listen::Any { .. } => None,
        Listen::At(address) => Some((address.ip(), address.is_ipv4())),
    };
    one.port() == other.port()
        && one.port() != 0
        && match (of_family(one), of_family(other)) {
            (None, _) | (_, None) => true,
            (Some((ip, is_ipv4)), Some((other_ip, other_is_ipv4))) => {
                let is_any = ip.is_unspecified() || other_ip.is_unspecified();
                is_ipv4 == other_is_ipv4 && (is_any || ip == other_ip)
            }
        }
}

/// What does not fit together within the HLS of a vhost.
fn hls(name: &str, vhost: &Vhost, origins: &Origins, found: &mut Vec<Found>) {
    let at = |key: &str| set_by(origins, &format!("vhost[{name}].hls.{key}"), 0);
    if vhost.hls.window < vhost.hls.fragment
        && let Some(at) = last([at("window"), at("fragment")])
    {
        let problem = Problem::new(0..0, "the window of HLS is shorter than a fragment")
            .label("no segment would fit")
            .help("write a window of at least three fragments");
        found.push(Found::new(at, problem));
    }
    if matches!(&vhost.hls.storage, HlsStorage::Disk { path } if path.is_empty())
        && let Some(at) = last([at("storage"), at("path")])
    {
        let problem = Problem::new(0..0, "segments on disk need a path")
            .label("there is none")
            .help("write hls { storage disk; path \"...\" }");
        found.push(Found::new(at, problem));
    }
    let (path, storage) = (at("path"), at("storage"));
    let says = match (&vhost.hls.storage, path, storage) {
        (HlsStorage::Disk { .. }, Some(path), None) => Some((path, "a path puts segments on disk")),
        (HlsStorage::Memory, Some(path), Some(storage)) if rank(path) >= rank(storage) => {
            Some((path, "the path is not used: segments are in memory"))
        }
        (HlsStorage::Memory | HlsStorage::Disk { .. }, _, _) => None,
    };
    if let Some((at, message)) = says {
        let problem = Problem::new(0..0, message)
            .label("set without storage \"disk\"")
            .help("write storage \"disk\" if that is meant, or leave the path out");
        found.push(Found::new(at, problem.warning()));
    }
}

/// What is made of a stream would be published as that stream.
fn own_sources(
    name: &str,
    vhost: &Vhost,
    settings: &Settings,
    origins: &Origins,
    found: &mut Vec<Found>,
) {
    for Transcode { engines, scope, .. } in &vhost.transcodes {
        let own = engines
            .iter()
            .filter(|engine| is_own_source(&engine.output.0, scope, name, &settings.listen));
        for engine in own {
            let path = format!("vhost[{name}].transcode[{scope}].engine[{}].output", engine.name);
            if let Some(at) = set_by(origins, &path, 0) {
                let problem = Problem::new(0..0, "the output of an engine is its own source")
                    .label("this has a publisher when the engine starts")
                    .help("write another name, such as [stream]_[engine]");
                found.push(Found::new(at, problem));
            }
        }
    }
}

/// True when an output is a stream of this server, under the name that it comes from.
fn is_own_source(output: &str, scope: &Scope, vhost: &str, listen: &[Listen]) -> bool {
    let Some((authority, path)) = output.strip_prefix("rtmp://").and_then(|it| it.split_once('/'))
    else {
        return false;
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, "[port]")) => (host, None),
        Some((host, port)) if port.parse::<u16>().is_ok() => (host, port.parse().ok()),
        Some(_) | None => (authority, Some(1935)),
    };
    let is_here = matches!(host, "127.0.0.1" | "localhost" | "[::1]")
        && port.is_none_or(|port| listen.iter().any(|at| at.port() == port));
    let (path, target) = match path.split_once("?vhost=") {
        Some((before, after)) => {
            let (target, after) = after.split_at(after.find(['/', '&']).unwrap_or(after.len()));
            (format!("{before}{after}"), target)
        }
        None => (path.to_owned(), DEFAULT_VHOST),
    };
    let is_vhost = target == "[vhost]" || target.eq_ignore_ascii_case(vhost);
    let Some((app, stream)) = path.split_once('/') else { return false };
    let is_app = app == "[app]" || scope.app.as_deref() == Some(app);
    let is_stream = stream == "[stream]" || scope.stream.as_deref() == Some(stream);
    is_here && is_vhost && is_app && is_stream
}

/// Names of files do not tell vhosts apart.
fn shared_paths(settings: &Settings, origins: &Origins, found: &mut Vec<Found>) {
    let mut paths: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, vhost) in &settings.config.vhosts {
        let HlsStorage::Disk { path } = &vhost.hls.storage else { continue };
        let Some(other) = paths.insert(path.trim_end_matches('/'), name) else { continue };
        let at = |name: &str| set_by(origins, &format!("vhost[{name}].hls.path"), 0);
        if let (Some(second), Some(first)) = (at(name), at(other)) {
            let message = "two vhosts write segments to the same directory";
            let problem = Problem::new(0..0, message)
                .label("streams of the same name overwrite each other")
                .warning();
            found.push(of_two((second, first), problem));
        }
    }
}

/// A problem of the second, with the first; what overrides is the one to be told of.
fn of_two((second, first): (&Origin, &Origin), problem: Problem) -> Found {
    let is_second = rank(second) >= rank(first);
    let (at, also) = if is_second { (second, first) } else { (first, second) };
    Found { at: at.clone(), also: Some((also.clone(), "the first")), problem }
}

/// The one that overrides the other.
fn last(origins: [Option<&Origin>; 2]) -> Option<&Origin> {
    origins.into_iter().flatten().rev().max_by_key(|origin| rank(origin))
}

const fn rank(origin: &Origin) -> u8 {
    match origin {
        Origin::Default => 0,
        Origin::File(_) => 1,
        Origin::Environment(_) => 2,
        Origin::Flag(_) => 3,
    }
}

/// What has set a value, if anything has.
fn set_by<'a>(origins: &'a Origins, path: &str, index: usize) -> Option<&'a Origin> {
    origins.get(path)?.get(index).filter(|origin| **origin != Origin::Default)
}
