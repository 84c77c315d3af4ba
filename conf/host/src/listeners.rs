//! The listeners of a server: bound at its start, and changed by reloads.

use crate::transport::{BindError, ListenOptions, Listener, bind_beside};
use millstream_conf::cli::Listen;
use millstream_conf::settings::problem::{Look, Problems};
use millstream_conf::settings::{Loaded, Settings};
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

/// Where settings want the server to listen.
pub(crate) fn wanted(settings: &Settings) -> Vec<(Service, Listen)> {
    let rtmp = settings.listen.iter().map(|listen| (Service::Rtmp, *listen));
    let http = settings.http_listen.iter().map(|listen| (Service::Http, *listen));
    rtmp.chain(http).collect()
}

/// Binds what is wanted and not bound yet, for so many shards: all of it, or nothing. The kernel
/// spreads connections over the shards.
pub(crate) fn bind_new(
    wanted: &[(Service, Listen)],
    bound: &[Bound],
    workers: u16,
) -> Result<Vec<Fresh>, BindError> {
    let beside: Vec<Listen> = wanted.iter().map(|(_, listen)| *listen).collect();
    let is_bound = |(service, listen): &&(Service, Listen)| {
        bound.iter().any(|known| known.service == *service && known.listen == *listen)
    };
    let new: Vec<(Service, Listen)> =
        wanted.iter().filter(|wanted| !is_bound(wanted)).copied().collect();
    let mut listen: Vec<Listen> = new.iter().map(|(_, listen)| *listen).collect();
    // Only alone can it be seen that another program has an address; so the first try is alone.
    let alone = bind_beside(&listen, &beside, ListenOptions::default())?;
    let mut sockets: Vec<Vec<TcpListener>> = Vec::new();
    if workers <= 1 {
        sockets.extend(alone.into_iter().map(|socket| vec![socket]));
    } else {
        for (listen, socket) in listen.iter_mut().zip(&alone) {
            *listen = listen.with_port(socket.local_addr().map_or(0, |at| at.port()));
        }
        drop(alone);
        sockets.resize_with(listen.len(), Vec::new);
        for _ in 0..workers {
            let options = ListenOptions { reuse_port: true };
            let shard = bind_beside(&listen, &beside, options)?;
            for (sockets, socket) in sockets.iter_mut().zip(shard) {
                sockets.push(socket);
            }
        }
    }
    let mut taken: Vec<ListenerId> = bound.iter().map(|bound| bound.id).collect();
    let mut fresh = Vec::new();
    for ((service, listen), sockets) in new.into_iter().zip(sockets) {
        let id = (0..u16::MAX).map(ListenerId).find(|id| !taken.contains(id));
        let id = id.unwrap_or(ListenerId(u16::MAX));
        taken.push(id);
        let address = sockets.first().and_then(|socket| socket.local_addr().ok());
        let address = address.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], listen.port())));
        fresh.push(Fresh { bound: Bound { address, id, listen, service }, sockets });
    }
    Ok(fresh)
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
