//! A client that comes from a page, as Flash players did, and says all at once.
use bytes::{BufMut as _, Bytes, BytesMut};
use millstream_core::amf::{Text, Value, amf0};
use millstream_core::chunk::{ChunkSize, ChunkStreamId, MessageHeader, write_message};
use millstream_core::id::MessageStreamId;
use millstream_core::session::Intent;
use millstream_core::time::Timestamp;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// What a client asks for, and from where.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// Play or publish.
    pub intent: Intent,
    /// The page; none for a client without one.
    pub url: Option<&'a str>,
    /// The stream.
    pub stream: &'a str,
    /// The vhost.
    pub vhost: &'a str,
}

/// What the server says to it: the chunk sizes that it announces, and the last word.
///
/// # Panics
/// It says nothing for a long time.
#[must_use]
pub fn answer_to_page(address: SocketAddr, page: Page<'_>) -> (Vec<u32>, String) {
    let Ok(mut socket) = TcpStream::connect(address) else {
        return (Vec::new(), "nobody listens".into());
    };
    socket.set_read_timeout(Some(crate::program::PATIENCE)).expect("a timeout");
    let mut said = Vec::new();
    let mut bytes = [0; 4_096];
    // A server that refuses at once may have closed before all is sent.
    drop(socket.write_all(&words(page)));
    loop {
        match socket.read(&mut bytes) {
            Ok(0) => break,
            Ok(len) => said.extend_from_slice(&bytes[..len]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error} after {}", said.escape_ascii()),
        }
        if last_code(&said).is_some() {
            break;
        }
    }
    (chunk_sizes(&said), last_code(&said).unwrap_or_else(|| "closed".into()))
}

fn words(page: Page<'_>) -> Vec<u8> {
    let text = |text: &str| Value::String(Text(Bytes::copy_from_slice(text.as_bytes())));
    let tc_url = format!("rtmp://{}/live", page.vhost);
    let mut properties = vec![("app".into(), text("live")), ("tcUrl".into(), text(&tc_url))];
    if let Some(url) = page.url {
        properties.push(("pageUrl".into(), text(url)));
    }
    let mut out = vec![0; 1 + 2 * 1_536];
    out[0] = 3;
    let mut say = |stream: u32, name: &str, transaction: f64, arguments: &[Value]| {
        let mut payload = BytesMut::new();
        amf0::write(&text(name), &mut payload);
        amf0::write(&Value::Number(transaction), &mut payload);
        for argument in arguments {
            amf0::write(argument, &mut payload);
        }
        let header = MessageHeader {
            csid: ChunkStreamId::COMMAND,
            type_id: 20,
            stream_id: MessageStreamId(stream),
            timestamp: Timestamp(0),
        };
        let mut chunks = BytesMut::new();
        write_message(header, &payload, ChunkSize::DEFAULT, &mut chunks);
        out.put_slice(&chunks);
    };
    say(0, "connect", 1.0, &[Value::Object(properties)]);
    say(0, "createStream", 2.0, &[Value::Null]);
    match page.intent {
        Intent::Play => say(1, "play", 3.0, &[Value::Null, text(page.stream)]),
        Intent::Publish => say(1, "publish", 3.0, &[Value::Null, text(page.stream), text("live")]),
    }
    out
}

/// The code of the first status that ends the asking.
fn last_code(said: &[u8]) -> Option<String> {
    let is_code = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'.';
    let starts = (0..said.len()).filter(|at| said[*at..].starts_with(b"Net"));
    let codes = starts.map(|at| said[at..].iter().copied().take_while(is_code).collect::<Vec<_>>());
    let ends = [".Start", ".BadName", ".Failed", ".Rejected", ".InvalidApp", ".StreamNotFound"];
    let mut codes = codes.filter_map(|code| String::from_utf8(code).ok());
    codes.find(|code| ends.iter().any(|end| code.ends_with(end)))
}

/// What all messages say that set the chunk size: they are in one chunk each.
fn chunk_sizes(said: &[u8]) -> Vec<u32> {
    const HEADER: &[u8] = &[0, 0, 4, 1, 0, 0, 0, 0];
    let starts = (0..said.len()).filter(|at| said[*at..].starts_with(HEADER));
    let sizes = starts.filter_map(|at| said[at + HEADER.len()..].first_chunk().copied());
    sizes.map(u32::from_be_bytes).collect()
}
