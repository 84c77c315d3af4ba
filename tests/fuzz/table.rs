//! The table of fuzz targets. `limited.rs` runs them under libFuzzer, `tests/tests/fuzz_corpus.rs`
//! feeds them their corpora without it, and `run` reads `name` and `len_max` off the rows.

use millstream_conf::{convert, settings};
use millstream_core::{amf, api, chunk, flv, handshake, hls, http, message, name, session, ts};
use millstream_sim::{capture, world};

/// A body, and what is known of the bytes that it takes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its file in `targets/` and of its folder in `corpus/`.
    pub name: &'static str,
    /// Longer inputs show nothing that shorter ones do not.
    pub len_max: usize,
    /// Bytes that the body may hold for each byte of its input. What values become in memory sets
    /// it: AMF3 may repeat a text of 256 bytes with each value, and the bodies keep copies.
    pub heap_per_byte: usize,
    /// Bytes that the body may hold besides, whatever its input.
    pub heap_len_min: usize,
    /// Changed copies of its corpus that are tried without libFuzzer.
    pub changes: usize,
    /// Panics when a promise is broken.
    pub body: fn(&[u8]),
}

/// What most bodies may hold besides: far below what a length that is only announced could ask
/// for, 2^24 bytes in a chunk, 2^32 in AMF.
const SMALL: usize = 64 << 10;

/// Every target, sorted by name. One row a line: `run` reads them.
#[rustfmt::skip]
pub const TARGETS: [Target; 20] = [
    Target { name: "amf0", len_max: 2_048, heap_per_byte: 4_096, heap_len_min: SMALL, changes: 20_000, body: amf::fuzz::fuzz_amf0 },
    Target { name: "amf3", len_max: 2_048, heap_per_byte: 4_096, heap_len_min: SMALL, changes: 20_000, body: amf::fuzz::fuzz_amf3 },
    Target { name: "api", len_max: 512, heap_per_byte: 512, heap_len_min: SMALL, changes: 20_000, body: api::fuzz::fuzz_api },
    Target { name: "capture", len_max: 4_096, heap_per_byte: 512, heap_len_min: SMALL, changes: 20_000, body: capture::fuzz_capture },
    Target { name: "chunk", len_max: 4_096, heap_per_byte: 512, heap_len_min: SMALL, changes: 20_000, body: chunk::fuzz::fuzz_reader },
    Target { name: "config", len_max: 1_024, heap_per_byte: 32_768, heap_len_min: 4 << 20, changes: 3_000, body: settings::fuzz::read },
    Target { name: "config_srs", len_max: 1_024, heap_per_byte: 32_768, heap_len_min: 4 << 20, changes: 3_000, body: convert::fuzz::read },
    Target { name: "flv_codec", len_max: 512, heap_per_byte: 512, heap_len_min: SMALL, changes: 20_000, body: flv::fuzz::codec_headers },
    Target { name: "flv_file", len_max: 2_048, heap_per_byte: 512, heap_len_min: SMALL, changes: 20_000, body: flv::fuzz::file },
    Target { name: "flv_tag", len_max: 512, heap_per_byte: 512, heap_len_min: SMALL, changes: 20_000, body: flv::fuzz::tag },
    Target { name: "handshake", len_max: 4_096, heap_per_byte: 512, heap_len_min: SMALL, changes: 20_000, body: handshake::fuzz::fuzz_side },
    Target { name: "hls_playlist", len_max: 1_024, heap_per_byte: 512, heap_len_min: SMALL, changes: 20_000, body: hls::fuzz::fuzz_playlist },
    Target { name: "hls_segments", len_max: 4_096, heap_per_byte: 8_192, heap_len_min: 1 << 20, changes: 5_000, body: hls::fuzz::fuzz_segments },
    Target { name: "http", len_max: 4_096, heap_per_byte: 512, heap_len_min: SMALL, changes: 20_000, body: http::fuzz::fuzz_wire },
    Target { name: "message", len_max: 512, heap_per_byte: 512, heap_len_min: SMALL, changes: 20_000, body: message::fuzz::fuzz_message },
    Target { name: "name", len_max: 2_560, heap_per_byte: 512, heap_len_min: SMALL, changes: 20_000, body: name::fuzz::fuzz_name },
    Target { name: "session", len_max: 4_096, heap_per_byte: 4_096, heap_len_min: SMALL, changes: 20_000, body: session::fuzz::fuzz_session },
    Target { name: "sim", len_max: 512, heap_per_byte: 512, heap_len_min: 256 << 20, changes: 60, body: world::fuzz_world },
    Target { name: "ts_mux", len_max: 4_096, heap_per_byte: 8_192, heap_len_min: 1 << 20, changes: 10_000, body: ts::fuzz::fuzz_mux },
    Target { name: "ts_reader", len_max: 4_096, heap_per_byte: 512, heap_len_min: SMALL, changes: 20_000, body: ts::fuzz::fuzz_reader },
];
