//! Streams that come back through servers which pass no route on, such as nginx.
//!
//! Such a server publishes a stream at the moment in which it gets it, under the same name, from the
//! address that it is pushed to. If it were let in, it would take the place of the publisher whose
//! stream it repeats, or find the place free when that one ends, and then hear itself for ever.

use crate::id::SourceId;
use crate::server::Server;
use crate::server::conn::Conn;
use core::net::IpAddr;

/// How programs that encode begin to call themselves (`flashVer`): they may live behind the address
/// of a server, and they repeat nobody.
const ENCODER: &str = "FMLE/";

impl Conn {
    /// The address of the peer, unless it calls itself an encoder.
    pub(in crate::server) fn server_address(&self) -> Option<IpAddr> {
        let is_encoder = self.program.as_ref().is_some_and(|name| name.starts_with(ENCODER));
        (!is_encoder).then(|| self.peer.ip().to_canonical())
    }
}

impl Server {
    /// A stream is on its way to this server, so what that one publishes under its name is no news.
    pub(in crate::server) fn is_echo(&self, source: SourceId, server: Option<IpAddr>) -> bool {
        let (Some(server), Some(stream)) = (server, self.stream(source)) else { return false };
        let forwards = stream.forwards.iter().filter_map(|id| self.forwards.forwards.get(id));
        let conns = forwards.filter_map(|forward| self.conn(forward.state.conn()?));
        conns.into_iter().any(|conn| conn.peer.ip().to_canonical() == server)
    }
}
