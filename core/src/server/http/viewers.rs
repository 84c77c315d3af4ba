//! Viewers: players that are sent an endless body.

use super::super::Server;
use super::super::conn::{Action, Conn};
use super::answers::nothing_here;
use super::{Asked, Awaited, LAST_CHUNK};
use crate::event::{CloseReason, Event};
use crate::http::{Body, Cors, Framing, Method, Request, Response, Status, Version};
use crate::id::{ConsumerId, MessageStreamId};
use crate::name::StreamName;
use crate::source::Source;
use crate::source::consumer::{Consumer, Container};
use alloc::boxed::Box;
use bytes::Bytes;

impl Server {
    /// A request for a stream as one endless body. It is answered once the stream shows itself.
    pub(super) fn view_flv(&mut self, conn: &mut Conn, request: Request, name: StreamName) {
        let container = Container::Flv(framing(&request));
        let vhost = self.config.vhost(name.vhost());
        if vhost.is_some_and(|vhost| vhost.http_flv) {
            self.view(conn, request, name, container);
        } else {
            self.http_respond(conn, &request, nothing_here());
        }
    }

    /// As `view_flv`, but as a transport stream.
    pub(super) fn view_ts(&mut self, conn: &mut Conn, request: Request, name: StreamName) {
        let container = Container::Ts(framing(&request));
        let vhost = self.config.vhost(name.vhost());
        if vhost.is_some_and(|vhost| vhost.http_ts) {
            self.view(conn, request, name, container);
        } else {
            self.http_respond(conn, &request, nothing_here());
        }
    }

    fn view(&mut self, conn: &mut Conn, request: Request, name: StreamName, container: Container) {
        let Some(source) = self.find_or_create(&name) else {
            let words = "The server has as many streams as it may: try again later.";
            self.http_respond(conn, &request, Response::words(Status::ServiceUnavailable, words));
            return;
        };
        let (now, id) = (self.now, conn.id);
        let Some(stream) = self.stream_mut(source) else { return };
        let live = stream.source.publisher().is_some();
        let consumer = stream.source.attach_viewer(now, id, container);
        if let Some(http) = &mut conn.http {
            let request = Box::new(request);
            http.asked = Some(Asked { give_up_at: None, request, waits_for: Awaited::Stream });
        }
        self.add_role(conn, MessageStreamId(0), Some(source), Action::PlayCopy(consumer));
        self.arm_patience(source, self.config.limits.http_play_wait);
        self.event(Event::Played { conn: id, source, name, live });
        self.queue_write(id);
    }

    /// Readies what a viewer gets next; true when there is something.
    pub(super) fn prepare_viewer(&mut self, conn: &mut Conn) -> bool {
        let role = conn.roles.first().copied();
        let Some((source, consumer)) =
            role.and_then(|role| Some((role.source?, role.action.player()?)))
        else {
            return false;
        };
        let (now, awaits) = (self.now, conn.http.as_ref().is_some_and(|http| http.asked.is_some()));
        let Some(stream) = self.stream_mut(source) else { return false };
        if awaits && is_ts(&stream.source, consumer) && stream.measure.is_beyond_ts(now) {
            return self.refuse_viewer(conn, beyond_ts());
        }
        if !stream.source.prepare(consumer) {
            return false;
        }
        let asked = conn.http.as_mut().and_then(|http| http.asked.take());
        if let Some(Asked { request, .. }) = asked {
            let container = stream.source.consumer(consumer).and_then(Consumer::container);
            self.http_respond(conn, &request, endless(container));
            if request.method == Method::Head {
                self.end_role(conn, MessageStreamId(0));
                return true;
            }
        }
        let Conn { http, replies, roles, .. } = conn;
        let (Some(http), Some(stream)) = (http, self.stream_mut(source)) else { return false };
        let before = replies.len();
        stream.source.take_private(consumer, replies);
        http.pieces.extend(stream.source.take_pieces(consumer));
        let pieces = http.pieces.iter().map(Bytes::len).fold(0, usize::saturating_add);
        let len = replies.len().saturating_sub(before).saturating_add(pieces);
        stream.measure.sent.count(now, len as u64);
        if let Some(role) = roles.first_mut() {
            role.bytes = role.bytes.saturating_add(len as u64);
        }
        true
    }

    /// A viewer that waits will get nothing; true when there is an answer to write.
    fn refuse_viewer(&mut self, conn: &mut Conn, response: Response) -> bool {
        let asked = conn.http.as_mut().and_then(|http| http.asked.take());
        let Some(Asked { request, .. }) = asked else { return false };
        self.end_role(conn, MessageStreamId(0));
        self.http_respond(conn, &request, response);
        true
    }

    /// The stream of a viewer has ended, or has not come in time.
    pub(in crate::server) fn end_viewer(&mut self, conn: &mut Conn) {
        if !self.refuse_viewer(conn, not_published()) {
            end_body(conn);
            self.begin_close(conn, CloseReason::StreamEnded);
        }
    }
}

/// An endless body ends where a reader expects it.
pub(in crate::server) fn end_body(conn: &mut Conn) {
    if let Some(http) = &mut conn.http
        && http.endless.take() == Some(Framing::Chunks)
    {
        http.pieces.push_back(Bytes::from_static(LAST_CHUNK));
    }
}

/// Nobody publishes what was asked for.
pub(super) fn not_published() -> Response {
    let words = "Nobody publishes this stream.";
    Response { cors: Cors::Any, ..Response::words(Status::NotFound, words) }
}

/// What was asked for is published, but a transport stream of it would be empty.
fn beyond_ts() -> Response {
    let words = "MPEG-TS carries none of the codecs of this stream.";
    Response { cors: Cors::Any, ..Response::words(Status::NotFound, words) }
}

fn is_ts(source: &Source, consumer: ConsumerId) -> bool {
    let container = source.consumer(consumer).and_then(Consumer::container);
    matches!(container, Some(Container::Ts(_)))
}

const fn framing(request: &Request) -> Framing {
    match request.version {
        Version::Http10 => Framing::Close,
        Version::Http11 => Framing::Chunks,
    }
}

fn endless(container: Option<Container>) -> Response {
    let content_type = match container {
        Some(Container::Ts(_)) => "video/mp2t",
        Some(Container::Flv(_)) | None => "video/x-flv",
    };
    Response { cors: Cors::Any, ..Response::new(Status::Ok, content_type, Body::Endless) }
}
