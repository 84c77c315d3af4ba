//! The fuzz body of the handshake.

use super::{Handshake, HandshakeError, HandshakeKind};
use crate::rng::Rng;
use alloc::vec::Vec;
use bytes::BytesMut;

/// Runs one side on `data`, whole and in pieces whose lengths the first byte seeds; its top bit says
/// that it is the client.
///
/// # Panics
/// When the two runs differ in result, reply or what they leave, a refused peer got a reply, or the
/// other side does not understand the reply as it was meant.
pub fn fuzz_side(data: &[u8]) {
    let Some((&seed, data)) = data.split_first() else { return };
    let is_client = seed & 0x80 != 0;
    let whole = run(is_client, &mut [data].into_iter());
    let mut lengths = Rng::new(u64::from(seed));
    let mut rest = data;
    let pieces = run(
        is_client,
        &mut core::iter::from_fn(|| {
            let len = usize::try_from(lengths.next_u32() % 997).unwrap_or_default();
            let (piece, left) = rest.split_at_checked(len.min(rest.len()))?;
            let is_over = rest.is_empty();
            rest = left;
            (!is_over).then_some(piece)
        }),
    );
    assert_eq!(whole, pieces, "the result depends on segmentation");
    let Run { hello, result, reply, left } = whole;
    assert_eq!(hello.len(), if is_client { 1537 } else { 0 }, "C0 and C1 open the handshake");
    match result {
        Ok(Some(kind)) => {
            assert_eq!(left.len().checked_add(3073), Some(data.len()), "three blocks are taken");
            if is_client {
                assert_eq!(reply.len(), 1536, "C2 answers S1");
            } else {
                assert_eq!(reply.len(), 3073, "S0, S1 and S2 answer C0 and C1");
                let client = run(true, &mut [&*reply].into_iter());
                assert_eq!(client.result, Ok(Some(kind)), "the client takes what was meant");
            }
        }
        Ok(None) => {
            assert!(left.is_empty(), "an incomplete handshake takes all");
            assert!(data.len() < 3073, "a whole handshake is complete");
        }
        Err(_) => {
            assert!(reply.is_empty(), "a refused peer gets no reply");
            assert_eq!(left, data, "the first byte decides, and stays");
        }
    }
}

#[derive(PartialEq, Debug)]
struct Run {
    /// What a client says first.
    hello: Vec<u8>,
    result: Result<Option<HandshakeKind>, HandshakeError>,
    reply: Vec<u8>,
    left: Vec<u8>,
}

fn run(is_client: bool, pieces: &mut dyn Iterator<Item = &[u8]>) -> Run {
    let mut rng = Rng::new(1);
    let mut out = BytesMut::new();
    let mut side =
        if is_client { Handshake::client(7, &mut rng, &mut out) } else { Handshake::server() };
    let hello = out.split().to_vec();
    let mut left = Vec::new();
    let mut result = Ok(None);
    for mut piece in pieces {
        if result == Ok(None) {
            result = side.receive(7, &mut rng, &mut piece, &mut out);
        }
        left.extend_from_slice(piece);
    }
    if result != Ok(None) {
        let mut more = &b"more"[..];
        assert_eq!(side.receive(7, &mut rng, &mut more, &mut out), result, "it is decided");
        assert_eq!(more, b"more", "what follows is left");
    }
    Run { hello, result, reply: out.to_vec(), left }
}
