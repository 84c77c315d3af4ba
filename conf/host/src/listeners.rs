//! The listeners of a server: bound at its start, and changed by reloads.
//!
//! A reload binds what is new before anything is closed, so that it can be refused. Only where an
//! old listener is in the way of a new one on its port, it goes first; and comes back if the new one
//! cannot be bound all the same.

use crate::transport::{BindError, ListenOptions, Listener, bind_one};
use millstream_conf::cli::Listen;
use millstream_conf::settings::problem::{Look, Problems};
use millstream_conf::settings::{HttpListeners, Loaded, Settings};
use millstream_core::config;
use millstream_core::drive::Service;
use millstream_core::id::ListenerId;
use std::io;
use std::net::{SocketAddr, TcpListener};

/// A listener that is open, on all shards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bound {
    /// With its real port.
    pub(crate) address: SocketAddr,
    pub(crate) id: ListenerId,
    /// It is for all of IPv6, and leaves IPv4 to others.
    pub(crate) is_v6_only: bool,
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
    pub(crate) is_v6_only: bool,
    pub(crate) listen: Listen,
    pub(crate) service: Service,
}

impl Wanted {
    /// Whether it is open already.
    pub(crate) fn is(&self, bound: &Bound) -> bool {
        self.service == bound.service
            && self.listen == bound.listen
            && self.is_v6_only == bound.is_v6_only
    }
}

/// Where settings want the server to listen.
pub(crate) fn wanted(settings: &Settings) -> Vec<Wanted> {
    let HttpListeners { listen: http, is_default } = settings.http_listeners();
    let all: Vec<Listen> = settings.listen.iter().chain(&http).copied().collect();
    let wanted = |listen: &Listen, service, is_optional| Wanted {
        is_optional,
        is_v6_only: listen.is_v6_only(&all),
        listen: *listen,
        service,
    };
    let rtmp = settings.listen.iter().map(|listen| wanted(listen, Service::Rtmp, false));
    rtmp.chain(http.iter().map(|listen| wanted(listen, Service::Http, is_default))).collect()
}

/// Listeners on their way from one configuration to another.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) fresh: Vec<Fresh>,
    /// Listeners that are not wanted any more, and have to go before the rest can be bound.
    pub(crate) in_the_way: Vec<Bound>,
    /// Listeners that are open and stay so.
    kept: Vec<Bound>,
    /// What is bound when they have gone.
    late: Vec<Wanted>,
    taken: Vec<ListenerId>,
    /// What may be done without, and could not be bound.
    pub(crate) warning: Option<String>,
    workers: u16,
}

/// Binds what is wanted and not bound yet, for so many shards: all of it that nothing is in the way
/// of, or nothing.
pub(crate) fn open(wanted: &[Wanted], bound: &[Bound], workers: u16) -> Result<Opening, BindError> {
    let mut opening = Opening {
        fresh: Vec::new(),
        in_the_way: Vec::new(),
        kept: Vec::new(),
        late: Vec::new(),
        taken: bound.iter().map(|bound| bound.id).collect(),
        warning: None,
        workers,
    };
    let is_new = |wanted: &&Wanted| !bound.iter().any(|bound| wanted.is(bound));
    let goes = |bound: &&Bound| !wanted.iter().any(|wanted| wanted.is(bound));
    opening.kept = bound.iter().filter(|bound| !goes(bound)).copied().collect();
    for new in wanted.iter().filter(is_new) {
        let on_its_port = bound.iter().filter(goes);
        let on_its_port = on_its_port.filter(|old| old.address.port() == new.listen.port());
        match opening.bind(new) {
            Err(error)
                if error.error.kind() == io::ErrorKind::AddrInUse
                    && on_its_port.clone().next().is_some() =>
            {
                opening.late.push(*new);
                opening.in_the_way.extend(on_its_port);
            }
            outcome => opening.settle(new, outcome)?,
        }
    }
    opening.in_the_way.sort_by_key(|bound| bound.id);
    opening.in_the_way.dedup();
    Ok(opening)
}

impl Opening {
    /// Binds the rest, now that nothing is in its way: all of it, or nothing.
    pub(crate) fn open_late(&mut self) -> Result<(), BindError> {
        for wanted in std::mem::take(&mut self.late) {
            let outcome = self.bind(&wanted);
            self.settle(&wanted, outcome)?;
        }
        Ok(())
    }

    fn bind(&mut self, wanted: &Wanted) -> Result<(), BindError> {
        let Wanted { is_optional: _, is_v6_only, listen, service } = *wanted;
        let sockets = bind_all(listen, is_v6_only, service, self.workers)?;
        let id = (0..u16::MAX).map(ListenerId).find(|id| !self.taken.contains(id));
        let id = id.unwrap_or(ListenerId(u16::MAX));
        self.taken.push(id);
        let address = sockets.first().and_then(|socket| socket.local_addr().ok());
        let address = address.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], listen.port())));
        let bound = Bound { address, id, is_v6_only, listen, service };
        self.fresh.push(Fresh { bound, sockets });
        Ok(())
    }

    /// The flag of the listener of our own that has the port of another one.
    fn owner(&self, wanted: &Wanted) -> Option<&'static str> {
        let is_any = |listen: Listen| match listen {
            Listen::Any { .. } => true,
            Listen::At(at) => at.ip().is_unspecified(),
        };
        let new = wanted.listen;
        let is_same = |bound: &&Bound| {
            let meets = bound.listen == new || is_any(bound.listen) || is_any(new);
            bound.address.port() == new.port() && meets
        };
        let fresh = self.fresh.iter().map(|fresh| &fresh.bound);
        fresh.chain(&self.kept).find(is_same).map(|bound| flag_of(bound.service))
    }

    /// What nobody has asked for may fail.
    fn settle(&mut self, wanted: &Wanted, outcome: Result<(), BindError>) -> Result<(), BindError> {
        let outcome = outcome.map_err(|error| BindError { taken_by: self.owner(wanted), ..error });
        match outcome {
            Err(error) if wanted.is_optional => {
                self.warning = Some(format!("no HTTP: {error}"));
                Ok(())
            }
            outcome => outcome,
        }
    }
}

/// Binds again what has gone in vain; told is what could not be.
pub(crate) fn open_again(gone: &[Bound], workers: u16) -> (Vec<Fresh>, Vec<BindError>) {
    let (mut fresh, mut errors) = (Vec::new(), Vec::new());
    for bound in gone {
        let listen = bound.listen.with_port(bound.address.port());
        match bind_all(listen, bound.is_v6_only, bound.service, workers) {
            Ok(sockets) => fresh.push(Fresh { bound: *bound, sockets }),
            Err(error) => errors.push(error),
        }
    }
    (fresh, errors)
}

/// A socket for each shard, on the same address: the kernel spreads connections over them.
fn bind_all(
    listen: Listen,
    is_v6_only: bool,
    service: Service,
    workers: u16,
) -> Result<Vec<TcpListener>, BindError> {
    let options = ListenOptions { flag: flag_of(service), is_v6_only, ..ListenOptions::default() };
    // Only alone can it be seen that another program has an address; so the first try is alone.
    let alone = bind_one(listen, options)?;
    if workers <= 1 {
        return Ok(vec![alone]);
    }
    let port = alone.local_addr().map_or(0, |at| at.port());
    drop(alone);
    let options = ListenOptions { reuse_port: true, ..options };
    (0..workers).map(|_| bind_one(listen.with_port(port), options)).collect()
}

/// The flag that asks for listeners.
const fn flag_of(service: Service) -> &'static str {
    match service {
        Service::Http => "--http",
        Service::Rtmp => "--rtmp",
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn a_port_that_is_given_twice_is_no_fault_of_another_program() {
        let check = |workers: u16, other: Service| {
            let free = TcpListener::bind("127.0.0.1:0").expect("a port");
            let listen = Listen::At(free.local_addr().expect("an address"));
            drop(free);
            let wanted =
                |service| Wanted { is_optional: false, is_v6_only: false, listen, service };
            let error = open(&[wanted(Service::Rtmp), wanted(other)], &[], workers)
                .expect_err("one port for two");
            assert_eq!(error.taken_by, Some("--rtmp"));
            let text = error.to_string();
            assert!(text.contains("the port is given twice, by --rtmp too"), "{text}");
        };
        check(1, Service::Rtmp);
        check(2, Service::Http);
        let other = TcpListener::bind("127.0.0.1:0").expect("a port");
        let listen = Listen::At(other.local_addr().expect("an address"));
        let service = Service::Rtmp;
        let wanted = Wanted { is_optional: false, is_v6_only: false, listen, service };
        let text = open(&[wanted], &[], 1).expect_err("it is taken").to_string();
        assert!(text.contains("another program uses this port; stop it, or choose"), "{text}");
    }
}
