//! The table of fuzz targets. `limited.rs` runs them under libFuzzer, `tests/tests/fuzz_corpus.rs`
//! feeds them their corpora without it, and `run` reads `name` and `len_max` off the rows.

use millstream_core::{amf, chunk, flv, handshake, http, message, name, session};
use millstream_sim::capture;

/// A body, and what is known of the bytes that it takes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its file in `targets/` and of its folder in `corpus/`.
    pub name: &'static str,
    /// Longer inputs show nothing that shorter ones do not.
    pub len_max: usize,
    /// Panics when a promise is broken.
    pub body: fn(&[u8]),
}

/// Every target, sorted by name. One row a line: `run` reads them.
#[rustfmt::skip]
pub const TARGETS: [Target; 12] = [
    Target { name: "amf0", len_max: 2_048, body: amf::fuzz::fuzz_amf0 },
    Target { name: "amf3", len_max: 2_048, body: amf::fuzz::fuzz_amf3 },
    Target { name: "capture", len_max: 4_096, body: capture::fuzz_capture },
    Target { name: "chunk", len_max: 4_096, body: chunk::fuzz::fuzz_reader },
    Target { name: "flv_codec", len_max: 512, body: flv::fuzz::codec_headers },
    Target { name: "flv_file", len_max: 2_048, body: flv::fuzz::file },
    Target { name: "flv_tag", len_max: 512, body: flv::fuzz::tag },
    Target { name: "handshake", len_max: 4_096, body: handshake::fuzz::fuzz_side },
    Target { name: "http", len_max: 4_096, body: http::fuzz::fuzz_wire },
    Target { name: "message", len_max: 512, body: message::fuzz::fuzz_message },
    Target { name: "name", len_max: 2_560, body: name::fuzz::fuzz_name },
    Target { name: "session", len_max: 4_096, body: session::fuzz::fuzz_session },
];
