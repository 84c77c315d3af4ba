//! Requests to the API: answered once all shards have told what they are like.

use super::super::Server;
use super::super::conn::Conn;
use super::{Asked, Awaited};
use crate::api::{self, Answer, Endpoint, Failure, Scheme, Snapshot};
use crate::config::access::words_for;
use crate::drive::Service;
use crate::http::{Request, Response, Status};
use crate::id::ConnId;
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

/// Shards answer in a turn of theirs; one that does not is missing.
const SURVEY_WAIT: Duration = Duration::from_secs(2);

impl Server {
    /// A request for a document.
    pub(super) fn serve_document(&mut self, conn: &mut Conn, request: Request) {
        if let Some(failure) = self.refuse_document(conn, &request) {
            return self.http_respond(conn, &request, document(failure.answer()));
        }
        let target = request.target.as_sent();
        let wanted = match api::Request::parse(request.method.as_str(), target) {
            Ok(wanted) => wanted,
            Err(failure) => {
                let mut response = document(failure.answer());
                if response.status == Status::MethodNotAllowed {
                    response.fields = &[("Allow", "GET, HEAD")];
                }
                return self.http_respond(conn, &request, response);
            }
        };
        if let Some(snapshot) = self.survey(conn.id, wanted.scope()) {
            let response = self.describe(&wanted, &snapshot);
            return self.http_respond(conn, &request, response);
        }
        let give_up_at = Some(self.now.after(SURVEY_WAIT));
        if let Some(http) = &mut conn.http {
            let (request, waits_for) = (Box::new(request), Awaited::Survey(wanted));
            http.asked = Some(Asked { give_up_at, request, waits_for });
        }
    }

    /// Why a peer gets no document, if it does not.
    fn refuse_document(&self, conn: &Conn, request: &Request) -> Option<Failure> {
        let access = &self.config.api;
        if !access.enabled {
            return Some(Failure::NotFound);
        }
        let peer = conn.peer.ip();
        if !access.allows(peer, request.last_field("x-forwarded-for")) {
            return Some(Failure::Forbidden(words_for(peer)));
        }
        // What asks without a host is no browser.
        let is_known = |host: &str| {
            access.knows(host) || self.config.vhosts.contains_key(&*host.to_ascii_lowercase())
        };
        (!request.host().is_none_or(is_known)).then_some(Failure::Host)
    }

    /// All shards have answered.
    pub(in crate::server) fn surveyed(&mut self, asker: ConnId, snapshot: &Snapshot) {
        self.with_conn(asker, |server, conn| {
            let Some(http) = &mut conn.http else { return };
            let waits = |asked: &mut Asked| matches!(asked.waits_for, Awaited::Survey(_));
            let Some(asked) = http.asked.take_if(waits) else { return };
            if let Awaited::Survey(wanted) = &asked.waits_for {
                let response = server.describe(wanted, snapshot);
                server.http_respond(conn, &asked.request, response);
            }
        });
    }

    fn describe(&self, wanted: &api::Request, snapshot: &Snapshot) -> Response {
        let endpoints: Vec<Endpoint> = self
            .config
            .listeners
            .iter()
            .map(|listener| Endpoint {
                scheme: match listener.service {
                    Service::Http => Scheme::Http,
                    Service::Rtmp => Scheme::Rtmp,
                },
                port: listener.address.port(),
            })
            .collect();
        document(wanted.answer(snapshot, &endpoints))
    }
}

/// An answer of the API as a response.
pub(super) fn document(answer: Answer) -> Response {
    let status = match answer.status {
        200 => Status::Ok,
        400 => Status::BadRequest,
        403 => Status::Forbidden,
        404 => Status::NotFound,
        405 => Status::MethodNotAllowed,
        503 => Status::ServiceUnavailable,
        _ => Status::InternalServerError,
    };
    Response::new(status, answer.content_type, Bytes::from(answer.body))
}
