//! Connections that speak HTTP: one request at a time, answered at once or later.
//!
//! What is sent lies in the connection's replies, then in `pieces`: memory that others share. Only
//! when both are empty does the connection go on: with its next request, or with what its viewer
//! gets next.

mod answers;
mod documents;
mod playlists;
mod viewers;

pub(super) use viewers::end_body;

use super::Server;
use super::conn::Conn;
use crate::api;
use crate::drive::{Output, Slices};
use crate::event::{CloseReason, Event};
use crate::http::{Framing, HttpError, HttpLimits, Request, Response, Wire};
use crate::id::ConnId;
use crate::name::{StreamName, escape};
use crate::shard::{Fetch, HlsPart};
use crate::time::{Deadline, Instant, TimerKind};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use bytes::{Buf, Bytes};

/// Bytes of a path in an event.
const PATH_LEN_MAX: usize = 256;

/// What ends a body of chunks.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// What is kept of a connection that speaks HTTP.
pub(super) struct Http {
    /// A request without an answer.
    asked: Option<Asked>,
    /// An endless body is being sent.
    endless: Option<Framing>,
    /// The peer sends no more: what it has asked for is answered, then the connection ends.
    has_ended: bool,
    /// Bytes behind the replies.
    pieces: VecDeque<Bytes>,
    wire: Wire,
}

/// A request that waits.
struct Asked {
    /// Then it is answered with what there is.
    give_up_at: Option<Instant>,
    request: Box<Request>,
    waits_for: Awaited,
}

/// What a request waits for.
enum Awaited {
    /// What the home of a stream is to give.
    Part(Fetch, StreamName, HlsPart),
    /// The stream that a viewer asks for.
    Stream,
    /// What all shards are like.
    Survey(api::Request),
}

impl Http {
    pub(super) fn new(limits: HttpLimits, now: Instant) -> Self {
        Self {
            asked: None,
            endless: None,
            has_ended: false,
            pieces: VecDeque::new(),
            wire: Wire::new(limits, now),
        }
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        let given_up = self.asked.as_ref().and_then(|asked| asked.give_up_at);
        let given_up = given_up.map(|at| Deadline { at, reason: TimerKind::SourceLinger });
        given_up.into_iter().chain(self.wire.poll_timeout()).min_by_key(|deadline| deadline.at)
    }

    pub(super) fn buffered(&self) -> usize {
        self.wire.buffered()
    }

    fn is_sending(&self) -> bool {
        !self.pieces.is_empty()
    }

    /// What is left of `len` written bytes behind the replies.
    fn advance(&mut self, mut len: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            if len < piece.len() {
                piece.advance(len);
                return;
            }
            len = len.saturating_sub(piece.len());
            self.pieces.pop_front();
        }
        if self.pieces.is_empty() {
            // Most connections send from their replies alone.
            self.pieces = VecDeque::new();
        }
    }
}

impl Server {
    pub(super) fn http_receive(&mut self, conn: &mut Conn, bytes: &[u8]) {
        let Some(http) = &conn.http else { return };
        let is_busy = http.wire.is_asked() || http.wire.is_sending();
        if is_busy && http.endless.is_none() {
            self.http_stash(conn, bytes);
        } else {
            self.http_advance(conn, bytes);
        }
    }

    /// The peer sends no more. True if answers are owed to it, which it may still read (RFC 9112,
    /// section 9.6); a viewer of an endless body that closes its half has left.
    pub(super) fn http_half_closed(&mut self, id: ConnId) -> bool {
        let mut is_owed = false;
        self.with_conn(id, |server, conn| {
            let is_free = conn.closing.is_none() && conn.roles.is_empty();
            let Some(http) = conn.http.as_mut().filter(|_| is_free) else { return };
            let is_busy = http.wire.is_asked() || http.wire.is_sending();
            is_owed = is_busy && http.endless.is_none();
            http.has_ended |= is_owed;
            if is_owed && conn.reads {
                conn.reads = false;
                server.outputs.push_back(Output::SetReading { conn: id, enabled: false });
            }
        });
        is_owed
    }

    /// Keeps what comes before the answer to the request before; not without end.
    fn http_stash(&mut self, conn: &mut Conn, bytes: &[u8]) {
        conn.stash.extend_from_slice(bytes);
        if conn.stash.len() > self.config.limits.http_head_len_max && conn.reads {
            conn.reads = false;
            self.outputs.push_back(Output::SetReading { conn: conn.id, enabled: false });
        }
    }

    fn http_advance(&mut self, conn: &mut Conn, bytes: &[u8]) {
        let mut input = bytes;
        let wall = self.wall_clock();
        while conn.closing.is_none() {
            let Some(http) = &mut conn.http else { return };
            match http.wire.receive(self.now, wall, &mut input, &mut conn.replies) {
                Ok(Some(request)) => self.http_serve(conn, request),
                Ok(None) => break,
                Err(error) => self.http_fail(conn, error),
            }
        }
        if conn.closing.is_none() && !input.is_empty() {
            self.http_stash(conn, input);
        }
        if !conn.replies.is_empty() {
            self.queue_write(conn.id);
        }
    }

    fn http_fail(&mut self, conn: &mut Conn, error: HttpError) {
        if let Some(status) = error.status() {
            // There is no request that could be named.
            let path = Arc::from("");
            let event = Event::Answered { conn: conn.id, method: None, path, status, body_len: 0 };
            self.event(event);
        }
        self.begin_close(conn, CloseReason::Http(error));
    }

    /// Answers a request; what follows the head is sent behind the replies.
    pub(super) fn http_respond(&mut self, conn: &mut Conn, request: &Request, response: Response) {
        let wall = self.wall_clock();
        let id = conn.id;
        if conn.program.is_none() {
            let program = request.field("user-agent").unwrap_or_default();
            let program = escape(program, PATH_LEN_MAX);
            conn.program = (!program.is_empty()).then(|| Arc::from(program));
        }
        let Some(http) = &mut conn.http else { return };
        let sending = http.wire.respond(request, response, wall, &mut conn.replies);
        let body_len = sending.pieces.iter().map(|piece| piece.len() as u64);
        let body_len = body_len.fold(0, u64::saturating_add);
        http.pieces.extend(sending.pieces);
        http.endless = sending.endless;
        self.queue_write(id);
        if let Some(status) = sending.status {
            let path = request.target.path().unwrap_or("?");
            let path = Arc::from(escape(path.as_bytes(), PATH_LEN_MAX));
            let method = Some(request.method);
            self.event(Event::Answered { conn: id, method, path, status, body_len });
        }
    }

    /// Readies the next write; true when there is something to write.
    pub(super) fn http_prepare(&mut self, conn: &mut Conn) -> bool {
        loop {
            let Some(http) = &mut conn.http else { return false };
            if !conn.replies.is_empty() || http.is_sending() {
                return true;
            }
            if conn.closing.is_some() {
                return false;
            }
            if !conn.roles.is_empty() {
                return self.prepare_viewer(conn);
            }
            if !http.wire.is_sending() {
                if http.has_ended && !http.wire.is_asked() {
                    self.begin_close(conn, CloseReason::Peer);
                }
                return false;
            }
            if http.wire.handle_sent(self.now) {
                self.begin_close(conn, CloseReason::Answered);
                return false;
            }
            let stash = core::mem::take(&mut conn.stash);
            self.http_advance(conn, &stash);
            let has_ended = conn.http.as_ref().is_some_and(|http| http.has_ended);
            if !conn.reads && !has_ended && conn.stash.is_empty() {
                conn.reads = true;
                self.outputs.push_back(Output::SetReading { conn: conn.id, enabled: true });
            }
        }
    }

    /// `len` bytes were sent.
    pub(super) fn http_wrote(conn: &mut Conn, len: usize) {
        let replies = len.min(conn.replies.len());
        conn.replies.advance(replies);
        if conn.replies.is_empty() {
            conn.replies = bytes::BytesMut::new();
        }
        if let Some(http) = &mut conn.http {
            http.advance(len.saturating_sub(replies));
        }
    }

    /// The connection is gone.
    pub(super) fn http_forget(&mut self, conn: &mut Conn) {
        let asked = conn.http.as_mut().and_then(|http| http.asked.take());
        if let Some(Awaited::Part(_, name, _)) = asked.map(|asked| asked.waits_for) {
            self.hls_forget(conn.id, &name);
        }
    }

    pub(super) fn http_timeout(&mut self, conn: &mut Conn) {
        let wall = self.wall_clock();
        let now = self.now;
        let Some(http) = &mut conn.http else { return };
        if let Err(error) = http.wire.handle_timeout(now, wall, &mut conn.replies) {
            self.http_fail(conn, error);
            return;
        }
        let given_up = http.asked.as_ref().and_then(|asked| asked.give_up_at);
        if given_up.is_some_and(|at| at <= now) {
            self.give_up(conn);
        }
    }
}

/// Appends what is to be sent; gives its bytes.
pub(super) fn slices<'a>(conn: &'a Conn, http: &'a Http, out: &mut Slices<'a>) -> usize {
    let mut len = 0_usize;
    let replies = Some(&conn.replies[..]).filter(|replies| !replies.is_empty());
    for slice in replies.into_iter().chain(http.pieces.iter().map(|piece| &piece[..])) {
        if out.push(slice).is_err() {
            break;
        }
        len = len.saturating_add(slice.len());
    }
    len
}
