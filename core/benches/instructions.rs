//! The work whose instructions are counted: one name and a number of rounds, and it is done.
//!
//! `tests/tests/instructions.rs` runs this program under valgrind with two numbers of rounds; the
//! difference is what a round costs, whatever the preparation costs. Nothing here depends on time,
//! on chance or on addresses.

#[path = "../tests/allocations/hall.rs"]
#[expect(dead_code, reason = "the tests of allocations use the rest")]
mod hall;

use bytes::{Bytes, BytesMut};
use hall::Hall;
use millstream_core::amf::{AmfLimits, Text, Value, amf0};
use millstream_core::chunk::{
    ChunkLimits, ChunkReader, ChunkSize, ChunkStreamId, MessageHeader, write_message,
};
use millstream_core::frame::{FrameClass, FrameKind};
use millstream_core::id::MessageStreamId;
use millstream_core::tape::Tape;
use millstream_core::time::Timestamp;
use millstream_core::ts::mux::TsMuxer;
use millstream_core::ts::sample::Sample;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;

/// Bytes of the message that is read and written.
const MESSAGE_LEN: usize = 10_000;

/// What chunks are cut by.
const CHUNK_LEN: u32 = 4_096;

/// What an H.264 encoder says before its first frame: 640 x 360, main profile.
const AVC_RECORD: &[u8] = b"\x01\x4d\x40\x1f\xff\xe1\x00\x1a\x67\x4d\x40\x1f\xa6\x11\x02\x80\xbf\xe5\
    \xc0\x44\x00\x00\x03\x00\x04\x00\x00\x03\x00\xc8\x3c\x60\xc8\x46\x01\x00\x05\x68\xe8\x43\x32\xc8";

/// Players in a flush.
const PLAYERS: u32 = 100;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, rounds] = arguments.as_slice() else { return ExitCode::from(2) };
    let Ok(rounds) = rounds.parse() else { return ExitCode::from(2) };
    match name.as_str() {
        "chunk_write" => chunk_write(rounds),
        "chunk_read" => chunk_read(rounds),
        "tape_push" => tape_push(rounds),
        "cursor_flush" => cursor_flush(rounds),
        "amf0_connect" => amf0_connect(rounds),
        "reload" => reload(rounds),
        "turn_of_20" => turn(20, rounds),
        "turn_of_2000" => turn(2_000, rounds),
        "ts_mux" => ts_mux(rounds),
        _ => return ExitCode::from(2),
    }
    ExitCode::SUCCESS
}

/// A message of 10 KB becomes chunks.
fn chunk_write(rounds: u32) {
    let payload = vec![0x55; MESSAGE_LEN];
    let mut out = BytesMut::with_capacity(2 * MESSAGE_LEN);
    for round in 0..rounds {
        out.clear();
        write_message(header(round), black_box(&payload), chunk_size(), &mut out);
        black_box(&out);
    }
}

/// A message of 10 KB is put together from its chunks.
fn chunk_read(rounds: u32) {
    let mut bytes = BytesMut::new();
    write_message(header(0), &[0x55; MESSAGE_LEN], chunk_size(), &mut bytes);
    let mut reader = ChunkReader::new(chunk_limits());
    reader.set_chunk_size(chunk_size());
    for _ in 0..rounds {
        let mut input = black_box(&bytes[..]);
        let message = reader.read(&mut input).expect("legal chunks");
        assert_eq!(message.expect("a whole message").payload.len(), MESSAGE_LEN);
    }
}

/// A frame of 10 KB goes onto the tape; old ones fall off.
fn tape_push(rounds: u32) {
    let payload = vec![0x55; MESSAGE_LEN];
    let mut tape = Tape::new(ChunkSize::new(60_000).expect("a legal size"));
    for round in 0..rounds {
        let time = Timestamp(round * 40);
        if tape.push(FrameKind::Video, FrameClass::Coded, time, black_box(&payload)) {
            tape.trim(tape.end().saturating_sub(1 << 20));
        }
    }
    black_box(tape.end());
}

/// A frame comes, and each of 100 players is written to.
fn cursor_flush(rounds: u32) {
    let mut hall = Hall::new(PLAYERS);
    let before = hall.wires().writes;
    hall.publish(0..rounds);
    assert_eq!(hall.wires().writes - before, u64::from(rounds * PLAYERS));
    black_box(hall.wires().bytes);
}

/// Something comes from one of so many connections; all others are idle.
fn turn(connections: u32, rounds: u32) {
    let mut hall = Hall::new(connections - 1);
    for _ in 0..rounds {
        hall.acknowledge_from(0);
        hall.run();
    }
    black_box(hall.wires().bytes);
}

/// A shard with a publisher and its players goes on with another configuration.
fn reload(rounds: u32) {
    let mut hall = Hall::new(PLAYERS);
    let before = hall.wires().writes;
    let [mut one, mut other] = [Hall::config(), Hall::config()];
    for number in 0..10 {
        one.vhosts.insert(format!("{number}.example").into(), Arc::default());
    }
    other.chunk_size = 4_096;
    let configs = [Arc::new(one), Arc::new(other)];
    for config in configs.iter().cycle().take(rounds as usize) {
        hall.reload(config);
    }
    assert_eq!(hall.wires().writes, before, "nobody is told of it");
}

/// The `connect` of an encoder is decoded.
fn amf0_connect(rounds: u32) {
    let text = |text: &'static str| Value::String(Text(Bytes::from_static(text.as_bytes())));
    let mut message = BytesMut::new();
    amf0::write_string(b"connect", &mut message);
    amf0::write_number(1.0, &mut message);
    let properties = [
        ("app", text("live")),
        ("type", text("nonprivate")),
        ("flashVer", text("FMLE/3.0 (compatible; FMSc/1.0)")),
        ("swfUrl", text("rtmp://127.0.0.1/live")),
        ("tcUrl", text("rtmp://127.0.0.1/live")),
        ("fpad", Value::Boolean(false)),
        ("capabilities", Value::Number(239.0)),
        ("audioCodecs", Value::Number(3_575.0)),
        ("videoCodecs", Value::Number(252.0)),
        ("videoFunction", Value::Number(1.0)),
    ];
    amf0::write_object(&properties, &mut message);
    let message = message.freeze();
    let limits = AmfLimits { depth_max: 32, nodes_max: 4_096 };
    for _ in 0..rounds {
        let mut reader = amf0::Reader::new(black_box(message.clone()), limits);
        while let Some(value) = reader.read().expect("a legal command") {
            black_box(value);
        }
    }
}

fn header(round: u32) -> MessageHeader {
    MessageHeader {
        csid: ChunkStreamId::VIDEO,
        type_id: 9,
        stream_id: MessageStreamId(1),
        timestamp: Timestamp(round * 40),
    }
}

fn chunk_size() -> ChunkSize {
    ChunkSize::new(CHUNK_LEN).expect("a legal size")
}

/// A frame of 10 KB becomes transport packets.
fn ts_mux(rounds: u32) {
    let header = [&[0x17, 0, 0, 0, 0], AVC_RECORD].concat();
    let mut muxer = TsMuxer::new();
    let header = Sample::of_body(FrameKind::Video, &header).expect("a sequence header");
    muxer.prepare(&header).expect("a track that can be carried");
    muxer.announce(muxer.configured());
    // A NAL unit behind its length, with which nothing is wrong.
    let unit_len = u32::try_from(MESSAGE_LEN).expect("a short one");
    let mut body = BytesMut::from(&[0x27, 1, 0, 0, 0][..]);
    body.extend_from_slice(&unit_len.to_be_bytes());
    body.extend_from_slice(&[0x41]);
    body.resize(body.len() + MESSAGE_LEN - 1, 0x55);
    let mut out = BytesMut::with_capacity(2 * MESSAGE_LEN);
    for round in 0..rounds {
        out.clear();
        let sample = Sample::of_body(FrameKind::Video, black_box(&body)).expect("a frame");
        muxer.push(i64::from(round) * 40, &sample, &mut out).expect("it can be carried");
        assert!(out.len() > MESSAGE_LEN);
    }
}

const fn chunk_limits() -> ChunkLimits {
    ChunkLimits { chunk_streams_max: 64, incomplete_bytes_max: 256 << 10, message_len_max: 8 << 20 }
}
