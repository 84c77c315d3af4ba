//! The table of fuzz targets. `limited.rs` runs them under libFuzzer, `tests/tests/fuzz_corpus.rs`
//! feeds them their corpora without it, and `run` reads `name` and `len_max` off the rows.

use millstream_core::{amf, chunk, flv, handshake, message, name, session};
use millstream_sim::capture;

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
    /// Panics when a promise is broken.
    pub body: fn(&[u8]),
}

/// Every target, sorted by name. One row a line: `run` reads them.
#[rustfmt::skip]
pub const TARGETS: [Target; 11] = [
    Target { name: "amf0", len_max: 2_048, heap_per_byte: 4_096, body: amf::fuzz::fuzz_amf0 },
    Target { name: "amf3", len_max: 2_048, heap_per_byte: 4_096, body: amf::fuzz::fuzz_amf3 },
    Target { name: "capture", len_max: 4_096, heap_per_byte: 512, body: capture::fuzz_capture },
    Target { name: "chunk", len_max: 4_096, heap_per_byte: 512, body: chunk::fuzz::fuzz_reader },
    Target { name: "flv_codec", len_max: 512, heap_per_byte: 512, body: flv::fuzz::codec_headers },
    Target { name: "flv_file", len_max: 2_048, heap_per_byte: 512, body: flv::fuzz::file },
    Target { name: "flv_tag", len_max: 512, heap_per_byte: 512, body: flv::fuzz::tag },
    Target { name: "handshake", len_max: 4_096, heap_per_byte: 512, body: handshake::fuzz::fuzz_side },
    Target { name: "message", len_max: 512, heap_per_byte: 512, body: message::fuzz::fuzz_message },
    Target { name: "name", len_max: 2_560, heap_per_byte: 512, body: name::fuzz::fuzz_name },
    Target { name: "session", len_max: 4_096, heap_per_byte: 4_096, body: session::fuzz::fuzz_session },
];
