//! One connection, server side: requests in, responses out, one after the other.
//!
//! | state | what is awaited | next |
//! |---|---|---|
//! | `Head` | the end of a head, by the deadline of the request once it has begun | `Body` |
//! | `Body` | the end of the body, by the same deadline | `Asked` |
//! | `Asked` | `respond`; input is left where it is | `Sending` |
//! | `Sending` | `handle_sent`: all has gone out; input is discarded if the connection ends then | `Head` or `Closed` |
//! | `Closed` | nothing: input is discarded | |
//!
//! An error leads to `Closed` from `Head` and `Body`, and is told to the peer before.

use super::body::BodyReader;
use super::head::HeadReader;
use super::response::{Closes, write_refusal};
use super::{HttpError, HttpLimits, Request, Response, Sending};
use crate::time::{Deadline, Instant, TimerKind, WallClock};
use alloc::boxed::Box;
use bytes::BytesMut;

/// One connection, server side. See the module's documentation.
#[derive(Debug)]
pub struct Wire {
    deadline: Option<Deadline>,
    limits: HttpLimits,
    state: State,
}

#[derive(Debug)]
enum State {
    Head(HeadReader),
    Body(Box<(Request, BodyReader)>),
    Asked,
    Sending { keeps: bool },
    Closed,
}

impl Wire {
    /// A connection that was opened at `now`.
    #[must_use]
    pub fn new(limits: HttpLimits, now: Instant) -> Self {
        let at = now.after(limits.request_timeout);
        Self {
            // Who connects wants something: the first request has no idle time before it.
            deadline: Some(Deadline { at, reason: TimerKind::Request }),
            limits,
            state: State::Head(HeadReader::new()),
        }
    }

    /// Takes what it can of `input`; gives the next request. What follows a request stays in
    /// `input` until that request was answered and [`Wire::handle_sent`] was called.
    ///
    /// # Errors
    /// The peer's fault, told to it in `out`. The connection has to be closed; it reads no more.
    pub fn receive(
        &mut self,
        now: Instant,
        wall: WallClock,
        input: &mut &[u8],
        out: &mut BytesMut,
    ) -> Result<Option<Request>, HttpError> {
        let result = self.read(now, input, out);
        if let Err(error) = result {
            self.refuse(error, wall, out);
        }
        result
    }

    fn read(
        &mut self,
        now: Instant,
        input: &mut &[u8],
        out: &mut BytesMut,
    ) -> Result<Option<Request>, HttpError> {
        if let State::Head(reader) = &mut self.state {
            if input.is_empty() {
                return Ok(None);
            }
            if self.deadline.is_none_or(|deadline| deadline.reason == TimerKind::KeepAlive) {
                let at = now.after(self.limits.request_timeout);
                self.deadline = Some(Deadline { at, reason: TimerKind::Request });
            }
            let Some(head) = reader.read(&self.limits, input)? else { return Ok(None) };
            let (request, framed) = Request::parse(&self.limits, &head)?;
            if framed.expects_continue && input.is_empty() {
                out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            }
            self.state = State::Body(Box::new((request, BodyReader::new(framed.body))));
        }
        let (request, body) = match &mut self.state {
            State::Body(parts) => (&mut parts.0, &mut parts.1),
            State::Closed | State::Sending { keeps: false } => {
                *input = &[];
                return Ok(None);
            }
            State::Head(_) | State::Asked | State::Sending { keeps: true } => return Ok(None),
        };
        let Some(bytes) = body.read(&self.limits, input)? else { return Ok(None) };
        request.body = bytes;
        self.deadline = None;
        match core::mem::replace(&mut self.state, State::Asked) {
            State::Body(parts) => Ok(Some(parts.0)),
            State::Head(_) | State::Asked | State::Sending { .. } | State::Closed => Ok(None),
        }
    }

    /// Answers `request`, the one that was given last; what is to be sent behind `out` is returned.
    /// Does nothing if no request waits for an answer.
    pub fn respond(
        &mut self,
        request: &Request,
        response: Response,
        wall: WallClock,
        out: &mut BytesMut,
    ) -> Sending {
        if !matches!(self.state, State::Asked) {
            return Sending::default();
        }
        let is_endless = matches!(response.body, super::Body::Endless);
        let keeps = request.keeps_alive() && !is_endless;
        self.state = State::Sending { keeps };
        response.write(request, (!keeps).then_some(Closes), wall, out)
    }

    /// All of the response has been sent: the next request may come. True if the connection has
    /// to be closed instead.
    pub fn handle_sent(&mut self, now: Instant) -> bool {
        match self.state {
            State::Sending { keeps: true } => {
                self.state = State::Head(HeadReader::new());
                let at = now.after(self.limits.idle_timeout);
                self.deadline = Some(Deadline { at, reason: TimerKind::KeepAlive });
                false
            }
            State::Sending { keeps: false } | State::Closed => {
                self.state = State::Closed;
                true
            }
            State::Head(_) | State::Body(_) | State::Asked => false,
        }
    }

    /// The response that is sent, or the next one, is the last one of the connection.
    pub fn set_last(&mut self) {
        if let State::Sending { keeps } = &mut self.state {
            *keeps = false;
        }
    }

    /// When to call [`Wire::handle_timeout`].
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Deadline> {
        self.deadline
    }

    /// Gives the peer up that has not sent its request in time.
    ///
    /// # Errors
    /// It was given up, and told if it had begun a request.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        wall: WallClock,
        out: &mut BytesMut,
    ) -> Result<(), HttpError> {
        let Some(deadline) = self.deadline.filter(|deadline| deadline.at <= now) else {
            return Ok(());
        };
        let is_idle = matches!(&self.state, State::Head(reader) if reader.len() == 0);
        let error = if is_idle || deadline.reason == TimerKind::KeepAlive {
            HttpError::Idle
        } else {
            HttpError::Timeout
        };
        self.refuse(error, wall, out);
        Err(error)
    }

    /// True between requests, and before the first one: nothing is owed to the peer.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        matches!(&self.state, State::Head(reader) if reader.len() == 0)
    }

    /// True from a request to its answer.
    #[must_use]
    pub const fn is_asked(&self) -> bool {
        matches!(self.state, State::Asked)
    }

    /// True from an answer until all of it was sent.
    #[must_use]
    pub const fn is_sending(&self) -> bool {
        matches!(self.state, State::Sending { .. })
    }

    /// Bytes of an incomplete request.
    #[must_use]
    pub fn buffered(&self) -> usize {
        match &self.state {
            State::Head(reader) => reader.len(),
            State::Body(parts) => parts.1.len(),
            State::Asked | State::Sending { .. } | State::Closed => 0,
        }
    }

    fn refuse(&mut self, error: HttpError, wall: WallClock, out: &mut BytesMut) {
        self.state = State::Closed;
        self.deadline = None;
        if let Some(status) = error.status() {
            write_refusal(status, error.words(), wall, out);
        }
    }
}
