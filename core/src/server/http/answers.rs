//! What is served where.
//!
//! | path | what |
//! |---|---|
//! | `/APP/STREAM.flv`, `/APP/STREAM.ts` | a stream as one endless body |
//! | `/APP/STREAM.m3u8` | what there is of it, in segments |
//! | `/APP/STREAM-NUMBER.ts` | a segment; without that, the stream `STREAM-NUMBER` |
//! | `/api/v1/...`, `/metrics` | what the server is like |
//! | others | the pages of the configuration |

use super::super::Server;
use super::super::conn::Conn;
use super::Awaited;
use super::documents::document;
use super::playlists::{not_there, segment_of};
use super::viewers::not_published;
use crate::api::{self, Failure};
use crate::event::RefuseReason;
use crate::http::{Cache, Cors, EntityTag, Method, Request, Response, Status};
use crate::name::{DEFAULT_VHOST, StreamName};
use crate::shard::HlsPart;
use bytes::Bytes;

impl Server {
    /// Answers a request, or lets it wait.
    pub(super) fn http_serve(&mut self, conn: &mut Conn, request: Request) {
        let Some(path) = request.target.path() else {
            return self.http_respond(conn, &request, nothing_here());
        };
        if request.target.as_sent().starts_with(api::PREFIX) || path == api::METRICS {
            return self.serve_document(conn, request);
        }
        match request.method {
            Method::Options => {
                let response = Response::options(&request);
                return self.http_respond(conn, &request, response);
            }
            Method::Get | Method::Head => {}
            Method::Delete | Method::Patch | Method::Post | Method::Put => {
                return self.http_respond(conn, &request, Response::read_only());
            }
        }
        let Some((path, kind)) = split_kind(path) else {
            let response = self.page(path).unwrap_or_else(nothing_here);
            return self.http_respond(conn, &request, response);
        };
        let segment = segment_of(path).filter(|_| kind == Kind::Ts);
        let path = segment.map_or(path, |(path, _)| path);
        let name = match self.http_stream_name(&request, path) {
            Ok(name) => name,
            Err(response) => return self.http_respond(conn, &request, response),
        };
        match (kind, segment) {
            (Kind::Flv, _) => self.view_flv(conn, request, name),
            (Kind::Playlist, _) => self.serve_part(conn, request, name, HlsPart::Playlist),
            (Kind::Ts, Some((_, sequence))) => {
                self.serve_part(conn, request, name, HlsPart::Segment(sequence));
            }
            (Kind::Ts, None) => self.view_ts(conn, request, name),
        }
    }

    /// A request has waited long enough.
    pub(super) fn give_up(&mut self, conn: &mut Conn) {
        let asked = conn.http.as_mut().and_then(|http| http.asked.take());
        if let Some(asked) = asked {
            let response = match &asked.waits_for {
                Awaited::Part(_, name, part) => {
                    self.hls_forget(conn.id, name);
                    not_there(*part)
                }
                Awaited::Stream => not_published(),
                Awaited::Survey(_) => document(Failure::Unavailable.answer()),
            };
            self.http_respond(conn, &asked.request, response);
        }
    }

    /// The stream at `/APP/STREAM` that a request may play.
    #[expect(clippy::result_large_err, reason = "a response is moved once for each request")]
    pub(super) fn http_stream_name(
        &self,
        request: &Request,
        path: &str,
    ) -> Result<StreamName, Response> {
        let parts = path.strip_prefix('/').and_then(|path| path.rsplit_once('/'));
        let (app, stream) = parts.ok_or_else(nothing_here)?;
        let asked = request.target.value("vhost");
        let vhost = match (&asked, request.host()) {
            (Some(vhost), _) => vhost,
            (None, Some(host)) => host,
            (None, None) => DEFAULT_VHOST,
        };
        let page_url = request.field("referer").unwrap_or_default();
        let found =
            self.admit(&vhost.to_ascii_lowercase(), Some(page_url), |vhost| &vhost.refer.play);
        let found = found.map_err(|reason| {
            if reason != RefuseReason::Refer {
                return nothing_here();
            }
            Response::words(Status::Forbidden, "Clients of this page may not play here.")
        })?;
        let name = |vhost: &str| {
            // A publisher may have written it with spaces, and so may who plays it.
            StreamName::read(vhost, app, stream, self.name_limits()).map_err(|_| nothing_here())
        };
        // Unknown names are one world with the default vhost, if they are names at all.
        asked.map_or(Ok(()), |asked| name(&asked).map(drop))?;
        name(&found)
    }

    fn page(&self, path: &str) -> Option<Response> {
        let page = self.config.pages.iter().find(|page| page.path == path)?;
        Some(Response {
            cache: Cache::Ask,
            etag: EntityTag::new(page.etag.trim_matches('"')),
            fields: page.fields,
            ..Response::new(Status::Ok, page.content_type, Bytes::from_static(page.bytes))
        })
    }
}

/// What the end of a path stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Flv,
    Playlist,
    Ts,
}

fn split_kind(path: &str) -> Option<(&str, Kind)> {
    let kinds = [(".flv", Kind::Flv), (".m3u8", Kind::Playlist), (".ts", Kind::Ts)];
    kinds.into_iter().find_map(|(end, kind)| Some((path.strip_suffix(end)?, kind)))
}

pub(super) fn nothing_here() -> Response {
    Response { cors: Cors::Any, ..Response::words(Status::NotFound, "There is nothing here.") }
}
