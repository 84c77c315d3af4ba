//! One that plays by HTTP: a request, a head, and FLV in chunks without end.

use millstream_core::flv::classify;
use millstream_core::flv::file::FlvReader;
use millstream_core::frame::{Frame, FrameClass};
use std::collections::VecDeque;

/// Bytes of the longest tag that is taken.
const TAG_LEN_MAX: u32 = 4 << 20;

#[derive(Debug)]
pub(super) struct Viewer {
    chunks: Chunks,
    flv: FlvReader,
    /// The head, until it is whole.
    head: Option<Vec<u8>>,
    /// What follows is for nobody.
    is_over: bool,
}

/// What a viewer has read.
#[derive(Debug)]
pub(super) enum Seen {
    /// The stream is there: media follow.
    Started,
    /// A tag.
    Frame(Frame),
    /// There is no stream, or it is over.
    Over,
}

/// A body in chunks (RFC 9112, section 7.1).
#[derive(Debug, Default)]
struct Chunks {
    line: Vec<u8>,
    /// Bytes of the chunk to come, its line end included.
    left: usize,
}

/// The request for a stream.
pub(super) fn request(host: &str, stream: &str) -> String {
    format!("GET /live/{stream}.flv HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

impl Viewer {
    pub(super) const fn new() -> Self {
        let chunks = Chunks { line: Vec::new(), left: 0 };
        let flv = FlvReader::new(TAG_LEN_MAX);
        Self { chunks, flv, head: Some(Vec::new()), is_over: false }
    }

    /// Takes bytes of the server.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<VecDeque<Seen>, String> {
        let mut seen = VecDeque::new();
        let mut rest = if self.is_over { &[][..] } else { bytes };
        if let Some(head) = &mut self.head {
            let begun = head.len();
            head.extend_from_slice(rest);
            let end = head.windows(4).position(|part| part == b"\r\n\r\n").map(|at| at + 4);
            let Some(end) = end else { return Ok(seen) };
            let text = String::from_utf8_lossy(&head[..end]).into_owned();
            rest = &rest[end - begun..];
            self.head = None;
            if !text.starts_with("HTTP/1.1 200 ") {
                let is_refusal =
                    ["403", "404", "503"].iter().any(|status| text[9..].starts_with(status));
                seen.push_back(Seen::Over);
                self.is_over = true;
                return if is_refusal {
                    Ok(seen)
                } else {
                    Err(format!("it was answered {text:?}"))
                };
            }
            seen.push_back(Seen::Started);
        }
        let is_over = self.chunks.take(rest, |mut part| {
            while let Some(tag) = self.flv.read(&mut part).map_err(|error| format!("{error:?}"))? {
                let class = classify(tag.kind, &tag.payload).unwrap_or(FrameClass::Control);
                let (kind, timestamp, payload) = (tag.kind, tag.timestamp, tag.payload);
                seen.push_back(Seen::Frame(Frame { kind, class, timestamp, payload }));
            }
            Ok(())
        })?;
        if is_over {
            self.is_over = true;
            if !self.flv.is_between_tags() {
                return Err("the body ends within a tag".to_owned());
            }
            seen.push_back(Seen::Over);
        }
        Ok(seen)
    }
}

impl Chunks {
    /// Gives what the chunks hold to `body`; true after the last one.
    fn take(
        &mut self,
        bytes: &[u8],
        mut body: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<bool, String> {
        let mut rest = bytes;
        while let Some((first, after)) = rest.split_first() {
            if self.left > 0 {
                let (part, after) = rest.split_at(self.left.min(rest.len()));
                // The last two bytes of a chunk are the end of its line.
                let data = part.len().min(self.left.saturating_sub(2));
                body(&part[..data])?;
                if part[data..].iter().any(|byte| !b"\r\n".contains(byte)) {
                    return Err("a chunk has no end".to_owned());
                }
                self.left -= part.len();
                rest = after;
                continue;
            }
            rest = after;
            if *first != b'\n' {
                self.line.push(*first);
                continue;
            }
            let line = String::from_utf8_lossy(&self.line).into_owned();
            self.line.clear();
            let len = line.strip_suffix('\r').and_then(|hex| usize::from_str_radix(hex, 16).ok());
            let len = len.ok_or_else(|| format!("{line:?} is no begin of a chunk"))?;
            if len == 0 {
                return Ok(true);
            }
            self.left = len + 2;
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn chunks_are_read_however_they_are_cut() {
        let bytes = b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n";
        for cut in 1..bytes.len() {
            let mut chunks = Chunks::default();
            let mut body = Vec::new();
            let mut is_over = false;
            for part in bytes.chunks(cut) {
                if is_over {
                    break;
                }
                let take = |part: &[u8]| {
                    body.extend_from_slice(part);
                    Ok(())
                };
                is_over = chunks.take(part, take).unwrap();
            }
            assert_eq!((is_over, &body[..]), (true, &b"abc0123456789"[..]), "{cut}");
        }
        let nothing = |_: &[u8]| Ok(());
        assert!(Chunks::default().take(b"x\r\n", nothing).is_err());
        assert!(Chunks::default().take(b"1\r\nabc", nothing).is_err());
    }

    #[test]
    fn answers_other_than_a_stream_are_told_apart() {
        let take = |bytes: &[u8]| Viewer::new().take(bytes);
        assert!(matches!(
            take(b"HTTP/1.1 404 Not Found\r\n\r\n").as_ref().map(|seen| seen.front()),
            Ok(Some(Seen::Over))
        ));
        assert!(take(b"HTTP/1.1 500 No\r\n\r\n").is_err());
        assert!(take(b"HTTP/1.1 200 OK\r\n").is_ok_and(|seen| seen.is_empty()));
    }
}
