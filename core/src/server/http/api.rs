//! The documents of the API, for which all shards are asked.

use super::super::Server;
use super::super::conn::Conn;
use super::{Asked, Awaited};
use crate::api::{self, Answer, Endpoint, Failure, Scheme, Snapshot};
use crate::drive::Service;
use crate::http::{Request, Response};
use crate::id::ConnId;
use alloc::boxed::Box;
use alloc::vec::Vec;
use bytes::Bytes;
use core::time::Duration;

/// How long the other shards may take to answer.
const SURVEY_TIME: Duration = Duration::from_secs(5);

impl Server {
    /// Answers a request for a document, or lets it wait for the other shards. The connection that
    /// asks is not among the clients that it is told of.
    pub(super) fn http_api(&mut self, conn: &mut Conn, request: Request) {
        let asked = match document(&request) {
            Ok(asked) => asked,
            Err(failure) => return self.http_respond(conn, &request, response(failure.answer())),
        };
        match self.survey(conn.id, asked.scope()) {
            Some(snapshot) => self.answer_document(conn, &request, &snapshot),
            None => {
                let give_up_at = Some(self.now.after(SURVEY_TIME));
                if let Some(http) = &mut conn.http {
                    let request = Box::new(request);
                    http.asked = Some(Asked { give_up_at, request, waits_for: Awaited::Survey });
                }
            }
        }
    }

    /// All shards have told what they are like.
    pub(in crate::server) fn surveyed(&mut self, asker: ConnId, snapshot: &Snapshot) {
        self.with_conn(asker, |server, conn| {
            let Some(http) = &mut conn.http else { return };
            // It may have given up and ask for something else now.
            let waits = |asked: &mut Asked| matches!(asked.waits_for, Awaited::Survey);
            if let Some(asked) = http.asked.take_if(waits) {
                server.answer_document(conn, &asked.request, snapshot);
            }
        });
    }

    fn answer_document(&mut self, conn: &mut Conn, request: &Request, snapshot: &Snapshot) {
        let answer = match document(request) {
            Ok(asked) => asked.answer(snapshot, &self.endpoints()),
            Err(failure) => failure.answer(),
        };
        self.http_respond(conn, request, response(answer));
    }

    fn endpoints(&self) -> Vec<Endpoint> {
        let listeners = self.config.listeners.iter().map(|listener| Endpoint {
            scheme: match listener.service {
                Service::Http => Scheme::Http,
                Service::Rtmp => Scheme::Rtmp,
            },
            port: listener.address.port(),
        });
        listeners.collect()
    }
}

/// The shards did not answer in time.
pub(super) fn unavailable() -> Response {
    response(Failure::Unavailable.answer())
}

fn document(request: &Request) -> Result<api::Request, Failure> {
    let path = request.target.path().ok_or(Failure::NotFound)?;
    api::Request::parse(path, request.target.query())
}

fn response(answer: Answer) -> Response {
    Response::new(answer.status, answer.content_type, Bytes::from(answer.body))
}
