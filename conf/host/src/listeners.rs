//! The listeners of a server: bound at its start, and changed by reloads.

use crate::transport::{BindError, ListenOptions, Listener, bind_beside};
use millstream_conf::cli::Listen;
use millstream_conf::settings::problem::{Look, Problems};
use millstream_conf::settings::{HttpListeners, Loaded, Settings};
use millstream_core::config;
use millstream_core::drive::Service;
use millstream_core::id::ListenerId;
use std::net::{SocketAddr, TcpListener};

/// A listener that is open, on all shards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bound {
    /// With its real port.
    pub(crate) address: SocketAddr,
    pub(crate) id: ListenerId,
    /// As it is written.
    pub(crate) listen: Listen,
    pub(crate) service: Service,
}

/// A listener that was just bound: a socket for each shard.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) bound: Bound,
    pub(crate) sockets: Vec<TcpListener>,
}

/// A place where settings want the server to listen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wanted {
    /// Nobody has asked for it: the server does without.
    pub(crate) is_optional: bool,
    pub(crate) listen: Listen,
    pub(crate) service: Service,
}

/// Where settings want the server to listen.
pub(crate) fn wanted(settings: &Settings) -> Vec<Wanted> {
    let HttpListeners { listen, is_default } = settings.http_listeners();
    let rtmp = settings.listen.iter().map(|listen| Wanted {
        is_optional: false,
        listen: *listen,
        service: Service::Rtmp,
    });
    let http = listen.into_iter().map(|listen| Wanted {
        is_optional: is_default,
        listen,
        service: Service::Http,
    });
    rtmp.chain(http).collect()
}

/// Binds what is wanted and not bound yet, for so many shards: all of it, or nothing. What may be
/// done without is told when it cannot be bound.
pub(crate) fn bind_new(
    wanted: &[Wanted],
    bound: &[Bound],
    workers: u16,
) -> Result<(Vec<Fresh>, Option<String>), BindError> {
    let beside: Vec<Listen> = wanted.iter().map(|wanted| wanted.listen).collect();
    let mut taken: Vec<ListenerId> = bound.iter().map(|bound| bound.id).collect();
    let (mut fresh, mut warning) = (Vec::new(), None);
    for &Wanted { is_optional, listen, service } in wanted {
        if bound.iter().any(|known| known.service == service && known.listen == listen) {
            continue;
        }
        let flag = match service {
            Service::Http => "--http",
            Service::Rtmp => "--rtmp",
        };
        let options = ListenOptions { flag, ..ListenOptions::default() };
        let sockets = match bind_all(listen, &beside, options, workers) {
            Ok(sockets) => sockets,
            Err(error) if is_optional => {
                warning = Some(format!("no HTTP: {error}"));
                continue;
            }
            Err(error) => return Err(error),
        };
        let id = (0..u16::MAX).map(ListenerId).find(|id| !taken.contains(id));
        let id = id.unwrap_or(ListenerId(u16::MAX));
        taken.push(id);
        let address = sockets.first().and_then(|socket| socket.local_addr().ok());
        let address = address.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], listen.port())));
        fresh.push(Fresh { bound: Bound { address, id, listen, service }, sockets });
    }
    Ok((fresh, warning))
}

/// A socket for each shard, on the same address: the kernel spreads connections over them.
fn bind_all(
    listen: Listen,
    beside: &[Listen],
    options: ListenOptions,
    workers: u16,
) -> Result<Vec<TcpListener>, BindError> {
    // Only alone can it be seen that another program has an address; so the first try is alone.
    let alone = bind_beside(&[listen], beside, options)?;
    if workers <= 1 {
        return Ok(alone);
    }
    let port = alone.first().and_then(|socket| socket.local_addr().ok()).map_or(0, |at| at.port());
    drop(alone);
    let options = ListenOptions { reuse_port: true, ..options };
    let mut sockets = Vec::new();
    for _ in 0..workers {
        sockets.extend(bind_beside(&[listen.with_port(port)], beside, options)?);
    }
    Ok(sockets)
}

/// The listeners of one shard out of those of all.
pub(crate) fn take_shard(fresh: &mut [Fresh]) -> Vec<(ListenerId, Listener)> {
    let of_shard = |fresh: &mut Fresh| {
        let Bound { id, service, .. } = fresh.bound;
        fresh.sockets.pop().map(|socket| (id, Listener { service, socket }))
    };
    fresh.iter_mut().filter_map(of_shard).collect()
}

/// The listeners as the core knows them.
pub(crate) fn for_core(bound: &[Bound]) -> Vec<config::Listener> {
    let known = |bound: &Bound| config::Listener { address: bound.address, service: bound.service };
    bound.iter().map(known).collect()
}

/// An address that could not be bound, with the line that wants it.
pub(crate) fn explain(loaded: &Loaded, error: &BindError) -> Option<Problems> {
    let lists =
        [("listen", &loaded.settings.listen), ("http.listen", &loaded.settings.http_listen)];
    lists.into_iter().find_map(|(path, list)| {
        let index = list.iter().position(|listen| *listen == error.listen)?;
        loaded.problem_at(path, index, &error.to_string())
    })
}

/// As a text for the terminal.
pub(crate) fn complaint(loaded: &Loaded, error: &BindError) -> String {
    match explain(loaded, error) {
        Some(problems) => problems.render(Look::Plain),
        None => error.to_string(),
    }
}
