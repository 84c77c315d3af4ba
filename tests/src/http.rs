//! A stranger who speaks HTTP as badly as a test wants: bytes there, answers back.
use crate::program::PATIENCE;
use crate::server::Server;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// One answer of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// All lines of the head.
    pub head: String,
    /// The body without its chunks.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection to the server's HTTP port, with a patience.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn connect(server: &Server) -> TcpStream {
    let url = server.http_url("");
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// Says all of `bytes`, and gives the answers up to the end of the connection. What the server no
/// longer takes is lost.
#[must_use]
pub fn say(server: &Server, bytes: &[u8]) -> Vec<Answer> {
    let mut stream = connect(server);
    let mut writer = stream.try_clone().expect("a socket has another handle");
    std::thread::scope(|scope| {
        scope.spawn(move || drop(writer.write_all(bytes)));
        answers(&read_all(&mut stream))
    })
}

/// The one answer to `GET target`, on a connection that ends with it.
///
/// # Panics
/// When there is none, or more than one.
#[must_use]
pub fn get(server: &Server, target: &str, fields: &str) -> Answer {
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{fields}\r\n");
    let mut answers = say(server, request.as_bytes());
    assert_eq!(answers.len(), 1, "{target}: {answers:?}");
    answers.remove(0)
}

/// All up to the end of the connection, and be it a reset.
pub fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let (mut bytes, mut part) = (Vec::new(), [0; 16_384]);
    while let Ok(len) = stream.read(&mut part)
        && len > 0
    {
        bytes.extend_from_slice(&part[..len]);
    }
    bytes
}

/// Cuts what a server said into answers to requests other than HEAD.
///
/// # Panics
/// When these are no answers, or the last one is not whole.
#[must_use]
pub fn answers(mut said: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !said.is_empty() {
        let end = said.windows(4).position(|part| part == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no head: {}", String::from_utf8_lossy(said)));
        let head = String::from_utf8(said[..end].to_vec()).expect("heads are text");
        said = &said[end + 4..];
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {head}"));
        let mut answer = Answer { status, head, body: Vec::new() };
        if let Some(len) = answer.field("content-length") {
            let len = len.parse::<usize>().expect("a number").min(said.len());
            answer.body = said[..len].to_vec();
            said = &said[len..];
        } else if answer.field("transfer-encoding") == Some("chunked") {
            (answer.body, said) = unchunked(said);
        } else if !matches!(status, 100 | 204 | 304) {
            answer.body = said.to_vec();
            said = &[];
        }
        answers.push(answer);
    }
    answers
}

/// A body without its chunks, and what follows it. One that is not whole is given as far as it goes.
fn unchunked(mut rest: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|part| part == b"\r\n") {
        let digits = std::str::from_utf8(&rest[..end]).expect("a length");
        let len = usize::from_str_radix(digits, 16).expect("a length");
        let chunk = &rest[end + 2..];
        body.extend_from_slice(&chunk[..len.min(chunk.len())]);
        rest = chunk.get(len + 2..).unwrap_or_default();
        if len == 0 {
            return (body, rest);
        }
    }
    (body, &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn answers_are_told_apart() {
        let said = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab\
            HTTP/1.1 204 No Content\r\n\r\n\
            HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n\
            HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\nno";
        let answers = answers(said.as_bytes());
        let seen: Vec<_> = answers.iter().map(|answer| (answer.status, answer.text())).collect();
        let expected =
            [(200, "ab".into()), (204, String::new()), (200, "abc".into()), (400, "no".into())];
        assert_eq!(seen, expected);
        assert_eq!(answers[3].field("Connection"), Some("close"));
    }
}
