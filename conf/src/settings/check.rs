//! What is right by itself, and wrong together.

use super::problem::{Problem, Span};
use super::{Origin, Origins, Settings};
use crate::cli::Listen;
use millstream_core::config::HlsStorage;
use std::collections::BTreeMap;

/// Looks at settings that were read; problems stand where a file has set what is wrong.
pub(super) fn check(settings: &Settings, origins: &Origins, problems: &mut Vec<Problem>) {
    overlapping_listeners(settings, origins, problems);
    for (name, vhost) in &settings.config.vhosts {
        let at = |key: &str| place(origins, &format!("vhost[{name}].{key}"), 0);
        if vhost.hls.window < vhost.hls.fragment
            && let Some(span) = at("hls.window").or_else(|| at("hls.fragment"))
        {
            problems.push(
                Problem::new(span, "the window of HLS is shorter than a fragment")
                    .label("no segment would fit")
                    .help("write a window of at least three fragments"),
            );
        }
    }
    shared_paths(settings, origins, problems);
}

fn overlapping_listeners(settings: &Settings, origins: &Origins, problems: &mut Vec<Problem>) {
    let listen = settings.listen.iter().enumerate().map(|(index, at)| ("listen", index, *at));
    let http = settings.http_listen.iter().enumerate();
    let http = http.map(|(index, at)| ("http.listen", index, *at));
    let all: Vec<(&str, usize, Listen)> = listen.chain(http).collect();
    for (index, (path, second, at)) in all.iter().enumerate() {
        let earlier = all.iter().take(index).find(|(_, _, other)| overlap(*other, *at));
        let Some((other_path, first, _)) = earlier else { continue };
        let places = (place(origins, path, *second), place(origins, other_path, *first));
        let message = format!("two listeners share port {}", at.port());
        match places {
            (Some(span), Some(also)) => problems.push(
                Problem::new(span, message)
                    .label("the second")
                    .also(also, "the first")
                    .help("leave one of them out, or give it another port"),
            ),
            // The other one is as usual.
            (Some(span), None) => problems.push(has_it_as_usual(span, message, other_path)),
            (None, Some(span)) => problems.push(has_it_as_usual(span, message, path)),
            (None, None) => {}
        }
    }
}

fn has_it_as_usual(span: Span, message: String, other: &str) -> Problem {
    Problem::new(span, message)
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

/// Names of files do not tell vhosts apart.
fn shared_paths(settings: &Settings, origins: &Origins, problems: &mut Vec<Problem>) {
    let mut paths: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, vhost) in &settings.config.vhosts {
        let HlsStorage::Disk { path } = &vhost.hls.storage else { continue };
        let Some(other) = paths.insert(path.trim_end_matches('/'), name) else { continue };
        let at = |name: &str| place(origins, &format!("vhost[{name}].hls.path"), 0);
        if let (Some(span), Some(also)) = (at(name), at(other)) {
            problems.push(
                Problem::new(span, "two vhosts write segments to the same directory")
                    .label("streams of the same name overwrite each other")
                    .also(also, "the first")
                    .warning(),
            );
        }
    }
}

fn place(origins: &Origins, path: &str, index: usize) -> Option<Span> {
    match origins.get(path)?.get(index)? {
        Origin::File(span) => Some(span.clone()),
        Origin::Default | Origin::Environment(_) | Origin::Flag(_) => None,
    }
}
