//! An HTTP/1.1 client, as far as viewers need one: one request at a time, on a kept connection.

mod body;

use crate::client::ClientError;
use crate::runtime::{Runtime, Stream as _};
use body::Body;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

/// Bytes of one read.
const SCRATCH_LEN: usize = 64 << 10;

/// Bytes of the head of an answer.
const HEAD_LEN_MAX: usize = 16 << 10;

/// Fields of the head of an answer.
const FIELDS_MAX: usize = 64;

thread_local! {
    /// All viewers of a thread read into one buffer.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_LEN]);
}

/// One connection.
pub(super) struct HttpClient<R: Runtime> {
    stream: R::Stream,
    /// What came behind the head of an answer in the same read.
    ahead: Vec<u8>,
    body: Body,
    received: u64,
}

/// The head of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    /// The connection may take a further request.
    pub(super) keeps: bool,
    pub(super) etag: Option<String>,
    body: Body,
}

impl<R: Runtime> HttpClient<R> {
    pub(super) async fn connect(address: SocketAddr) -> Result<Self, ClientError> {
        let stream = R::connect(address).await?;
        stream.socket().set_tcp_nodelay(true)?;
        Ok(Self { stream, ahead: Vec::new(), body: Body::Len(0), received: 0 })
    }

    /// Sends a request; gives the head of the answer. The body has to be read before the next one.
    pub(super) async fn ask(&mut self, request: &str) -> Result<Head, ClientError> {
        let mut unsent = request.as_bytes();
        poll_fn(|cx| {
            while !unsent.is_empty() {
                let taken = ready!(self.stream.poll_write(cx, &[IoSlice::new(unsent)]))?;
                unsent = unsent.get(taken..).unwrap_or_default();
            }
            Poll::Ready(Ok::<_, ClientError>(()))
        })
        .await?;
        self.ahead.clear();
        let head = poll_fn(|cx| self.poll_head(cx)).await?;
        self.body = head.body;
        Ok(head)
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, ClientError>> {
        loop {
            ready!(SCRATCH.with_borrow_mut(|scratch| {
                let len = ready!(self.stream.poll_read(cx, scratch))?;
                if len == 0 {
                    return Poll::Ready(Err(ClientError::Closed));
                }
                self.received += len as u64;
                self.ahead.extend_from_slice(scratch.get(..len).unwrap_or_default());
                Poll::Ready(Ok(()))
            }))?;
            if let Some((head, len)) = parse_head(&self.ahead)? {
                self.ahead.drain(..len);
                return Poll::Ready(Ok(head));
            }
            if self.ahead.len() > HEAD_LEN_MAX {
                return Poll::Ready(Err(ClientError::Unreadable("its head has no end")));
            }
        }
    }

    /// Gives what came of the body; true once it is whole. `Pending`: the waker is called when
    /// there is more.
    pub(super) fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        take: &mut impl FnMut(&[u8]) -> Result<(), ClientError>,
    ) -> Poll<Result<bool, ClientError>> {
        if self.body.is_whole() {
            return Poll::Ready(Ok(true));
        }
        if !self.ahead.is_empty() {
            let ahead = std::mem::take(&mut self.ahead);
            return Poll::Ready(self.feed(&ahead, take));
        }
        SCRATCH.with_borrow_mut(|scratch| {
            let len = ready!(self.stream.poll_read(cx, scratch))?;
            self.received += len as u64;
            match (len, self.body) {
                (0, Body::Close) => Poll::Ready(Ok(true)),
                (0, _) => Poll::Ready(Err(ClientError::Closed)),
                (len, _) => Poll::Ready(self.feed(scratch.get(..len).unwrap_or_default(), take)),
            }
        })
    }

    fn feed(
        &mut self,
        mut bytes: &[u8],
        take: &mut impl FnMut(&[u8]) -> Result<(), ClientError>,
    ) -> Result<bool, ClientError> {
        while let Some(piece) = self.body.read(&mut bytes)? {
            take(piece)?;
        }
        Ok(self.body.is_whole())
    }

    /// Reads the whole body.
    pub(super) async fn read_body(
        &mut self,
        mut take: impl FnMut(&[u8]) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        while !poll_fn(|cx| self.poll_body(cx, &mut take)).await? {}
        Ok(())
    }

    /// Bytes received in all.
    pub(super) const fn received(&self) -> u64 {
        self.received
    }
}

impl Head {
    /// Fails unless the answer is what was asked for.
    pub(super) fn require_ok(&self) -> Result<(), ClientError> {
        if self.status == 200 {
            return Ok(());
        }
        Err(ClientError::Rejected(format!("status {}", self.status)))
    }
}

/// The head of an answer and its bytes, once it is there.
fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, ClientError> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut response = httparse::Response::new(&mut fields);
    let unreadable = ClientError::Unreadable("its answer is not HTTP");
    let len = match response.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(unreadable),
    };
    let status = response.code.ok_or(unreadable)?;
    let field = |name: &str| {
        let mut fields = response.headers.iter();
        let value = fields.find(|field| field.name.eq_ignore_ascii_case(name))?.value;
        std::str::from_utf8(value).ok().map(str::trim)
    };
    let has = |name, word: &str| field(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
    let body = match field("content-length").map(str::parse) {
        _ if matches!(status, 204 | 304) => Body::Len(0),
        _ if has("transfer-encoding", "chunked") => Body::chunks(),
        Some(Ok(len)) => Body::Len(len),
        Some(Err(_)) => return Err(ClientError::Unreadable("its Content-Length is no number")),
        None => Body::Close,
    };
    let is_kept = response.version == Some(1) && !has("connection", "close");
    let keeps = (is_kept || has("connection", "keep-alive")) && body != Body::Close;
    let etag = field("etag").map(str::to_owned);
    Ok(Some((Head { status, keeps, etag, body }, len)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn heads_tell_how_their_body_ends() {
        let check = |head: &str, body: Body, keeps: bool| {
            let bytes = format!("{head}\r\n\r\nrest");
            let (head, len) = parse_head(bytes.as_bytes()).expect("HTTP").expect("whole");
            assert_eq!((head.body, head.keeps), (body, keeps), "{bytes}");
            assert_eq!(&bytes[len..], "rest");
            for cut in 0..len {
                assert!(matches!(parse_head(&bytes.as_bytes()[..cut]), Ok(None)), "{cut}");
            }
        };
        check("HTTP/1.1 200 OK\r\nContent-Length: 7", Body::Len(7), true);
        check("HTTP/1.1 200 OK\r\ncontent-length: 7\r\nConnection: close", Body::Len(7), false);
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", Body::chunks(), true);
        check("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 7", Body::Len(0), true);
        check("HTTP/1.1 200 OK", Body::Close, false);
        check("HTTP/1.0 200 OK\r\nContent-Length: 7", Body::Len(7), false);
        check("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive", Body::Len(0), true);
        for nonsense in ["\x03\0\0", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"] {
            assert!(matches!(parse_head(nonsense.as_bytes()), Err(ClientError::Unreadable(_))));
        }
    }
}
