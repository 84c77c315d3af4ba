use super::layout;
use super::packets;
use super::scrub::Scrubber;
use super::{Case, CaseError};
use crate::capture::Capture;
use crate::replay::Replay;
use crate::tcp::{Action, Conversation, ConversationEvent, Direction};
use bytes::{Bytes, BytesMut};
use millstream_core::amf::{Text, Value, amf0};
use millstream_core::chunk::{
    ChunkSize, ChunkStreamId, Message, MessageHeader, write_header_absolute, write_message,
};
use millstream_core::id::MessageStreamId;
use millstream_core::message::ControlMessage;
use millstream_core::time::Timestamp;
use pretty_assertions::assert_eq;
use quickcheck::quickcheck;
use std::path::Path;

fn capture(name: &str) -> Capture {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/captures");
    Capture::read(&std::fs::read(folder.join(name)).unwrap()).unwrap()
}

fn header(csid: u32, type_id: u8, timestamp: u32) -> MessageHeader {
    let csid = ChunkStreamId::new(csid).unwrap();
    MessageHeader { csid, type_id, stream_id: MessageStreamId(1), timestamp: Timestamp(timestamp) }
}

quickcheck! {
    fn every_byte_of_every_message_is_found(
        messages: Vec<(u16, Vec<u8>, u32)>,
        chunk_size: u8
    ) -> bool {
        let mut bytes = BytesMut::zeroed(3_073);
        let size = ChunkSize::new(u32::from(chunk_size).max(1)).unwrap();
        ControlMessage::SetChunkSize(size).write(ChunkSize::DEFAULT, &mut bytes);
        for (csid, payload, timestamp) in &messages {
            let header = header(u32::from(*csid).max(2), 18, *timestamp);
            write_message(header, payload, size, &mut bytes);
        }
        // The reader may have to see the byte after a message.
        write_message(header(3, 18, 0), b"end", size, &mut bytes);
        let found = layout::messages(&bytes).unwrap();
        let payloads = found.iter().skip(1).map(|placed| placed.message.payload.to_vec());
        let places = found.iter().skip(1).map(|placed| {
            placed.places.iter().map(|at| bytes[*at]).collect::<Vec<_>>()
        });
        let expected = || {
            messages.iter().map(|it| it.1.clone()).chain([b"end".to_vec()])
        };
        payloads.eq(expected()) && places.eq(expected())
    }
}

#[test]
fn interleaved_messages_are_told_apart() {
    let mut bytes = BytesMut::zeroed(3_073);
    let (long, short) = (vec![b'l'; 300], vec![b's'; 200]);
    write_header_absolute(header(4, 9, 0), long.len() as u32, &mut bytes);
    bytes.extend_from_slice(&long[..128]);
    write_header_absolute(header(70, 8, 0), short.len() as u32, &mut bytes);
    bytes.extend_from_slice(&short[..128]);
    bytes.extend_from_slice(&[0xC4]);
    bytes.extend_from_slice(&long[128..256]);
    bytes.extend_from_slice(&[0xC0, 6]);
    bytes.extend_from_slice(&short[128..]);
    bytes.extend_from_slice(&[0xC4]);
    bytes.extend_from_slice(&long[256..]);
    let found = layout::messages(&bytes).unwrap();
    let letters: Vec<Vec<u8>> =
        found.iter().map(|placed| placed.places.iter().map(|at| bytes[*at]).collect()).collect();
    assert_eq!(letters, [short, long]);
}

/// A command with these arguments after its null object, overwritten.
fn scrubbed(name: &'static str, arguments: &[Value]) -> Vec<Value> {
    let mut payload = BytesMut::new();
    amf0::write_string(name.as_bytes(), &mut payload);
    amf0::write_number(1.0, &mut payload);
    for argument in arguments {
        amf0::write(argument, &mut payload);
    }
    let payload = payload.freeze();
    let mut bytes = payload.to_vec();
    let message = Message { header: header(3, 20, 0), payload };
    Scrubber::default().scrub(&message, &mut bytes);
    let limits = millstream_core::amf::AmfLimits { depth_max: 9, nodes_max: 999 };
    let mut reader = amf0::Reader::new(Bytes::from(bytes), limits);
    let mut values = Vec::new();
    while let Some(value) = reader.read().unwrap() {
        values.push(value);
    }
    values.split_off(2)
}

#[test]
fn texts_keep_their_form_and_lose_their_content() {
    let text = |text: &str| Value::String(Text(Bytes::copy_from_slice(text.as_bytes())));
    let check = |key: &'static str, before: &str, after: &str| {
        let object = |it: &str| Value::Object(vec![(key.into(), text(it))]);
        assert_eq!(scrubbed("connect", &[object(before)]), [object(after)], "{key} {before}");
    };
    check("app", "live", "live");
    check("app", "live?key=abc&u=me", "live?key=xxx&u=xx");
    check(
        "tcUrl",
        "rtmp://media.example.com:1935/live?abc",
        "rtmp://hhhhh.hhhhhhh.hhh:1935/live?xxx",
    );
    check("tcUrl", "rtmp://203.0.113.7/live", "rtmp://111.1.111.1/live");
    check("tcUrl", "rtmp://user:word@host/live", "rtmp://xxxx:xxxx@hhhh/live");
    check("tcUrl", "rtmp://localhost:1935/live", "rtmp://localhost:1935/live");
    check("pageUrl", "https://a.b/private", "https://h.h/xxxxxxx");
    check("flashVer", "FMLE/3.0", "FMLE/3.0");
    check("user", "Zoë 7", "xxxx x");
    let arguments = ["secret", "live"].map(text);
    assert_eq!(scrubbed("publish", &arguments), ["xxxxxx", "live"].map(text));
}

#[test]
fn a_capture_file_is_read_as_it_was_written() {
    let event = |at_micros, direction, action| ConversationEvent { at_micros, direction, action };
    let (client, server) = (Direction::ClientToServer, Direction::ServerToClient);
    let long = Bytes::from(vec![7; 100_000]);
    let conversation = Conversation {
        client: "[2001:db8::1]:5555".parse().unwrap(),
        server: "203.0.113.9:1935".parse().unwrap(),
        opened_at_micros: 5_000_000,
        from_start: true,
        events: vec![
            event(5_000_100, client, Action::Bytes(long.clone())),
            event(5_000_200, server, Action::Bytes(Bytes::from_static(b"answer"))),
            event(6_000_300, client, Action::Gap { len: 10 }),
            event(6_000_300, client, Action::Bytes(Bytes::from_static(b"after"))),
            event(6_000_400, server, Action::Fin),
            event(6_000_500, client, Action::Reset),
        ],
    };
    let read = Capture::read(&packets::write(std::slice::from_ref(&conversation))).unwrap();
    assert_eq!(read.warnings, []);
    let [read] = read.conversations.as_slice() else { panic!("{:?}", read.conversations) };
    assert_eq!(read.client.to_string(), "192.0.2.1:40000");
    assert_eq!(read.server.to_string(), "198.51.100.1:1935");
    let shift = read.opened_at_micros - conversation.opened_at_micros;
    let sum = |events: &[ConversationEvent], shift: u64| {
        let mut sum: Vec<(u64, Direction, Action)> = Vec::new();
        for event in events {
            let at = event.at_micros - shift;
            match (sum.last_mut(), &event.action) {
                // Long bytes are several packets.
                (Some((time, side, Action::Bytes(all))), Action::Bytes(more))
                    if *time == at && *side == event.direction =>
                {
                    *all = Bytes::from([&all[..], &more[..]].concat());
                }
                _ => sum.push((at, event.direction, event.action.clone())),
            }
        }
        sum
    };
    assert_eq!(sum(&read.events, shift), sum(&conversation.events, 0));
}

#[test]
fn a_case_tells_the_same_story_without_its_names() {
    let capture = capture("obs-29.0.2_publish-query_srs7.pcap");
    let case = Case::of(&capture).unwrap();
    for secret in ["obskey2", "abc", "Lavf"] {
        let is_there = |bytes: &[u8]| bytes.windows(secret.len()).any(|it| it == secret.as_bytes());
        assert!(!is_there(&case.pcap) || secret == "abc", "{secret}");
        assert!(!is_there(case.timeline.as_bytes()), "{secret}");
    }
    let before = Replay::of(&capture);
    let explanations = |replay: &Replay| {
        let differences = &replay.connections[0].differences;
        differences.iter().map(|it| (it.text(), it.explanation)).collect::<Vec<_>>()
    };
    let after = Replay::of(&Capture::read(&case.pcap).unwrap());
    assert_eq!(explanations(&before), explanations(&after));
    assert_eq!(after.timeline(), case.timeline);
}

#[test]
fn a_capture_without_rtmp_is_no_case() {
    let capture = capture("curl_http-get-to-rtmp_nginxrtmp.pcap");
    assert_eq!(Case::of(&capture).unwrap_err(), CaseError::NoRtmp);
}
