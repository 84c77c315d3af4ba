//! The fuzz body of the handshake.

use super::{Handshake, HandshakeError, HandshakeKind};
use crate::rng::Rng;
use alloc::vec::Vec;
use bytes::BytesMut;

/// Runs the server side on `data`, whole and in pieces whose lengths the first byte seeds.
///
/// # Panics
/// When the two runs differ in result, reply or what they leave, or a refused peer got a reply.
pub fn fuzz_server(data: &[u8]) {
    let Some((&seed, data)) = data.split_first() else { return };
    let whole = run(&mut [data].into_iter());
    let mut lengths = Rng::new(u64::from(seed));
    let mut rest = data;
    let pieces = run(&mut core::iter::from_fn(|| {
        let len = usize::try_from(lengths.next_u32() % 997).unwrap_or_default();
        let (piece, left) = rest.split_at_checked(len.min(rest.len()))?;
        let is_over = rest.is_empty();
        rest = left;
        (!is_over).then_some(piece)
    }));
    assert_eq!(whole, pieces, "the result depends on segmentation");
    let (result, reply, left) = whole;
    match result {
        Ok(Some(_)) => {
            assert_eq!(reply.len(), 3073, "S0, S1 and S2 answer C0 and C1");
            assert_eq!(left.len().checked_add(3073), Some(data.len()), "C0, C1 and C2 are taken");
        }
        Ok(None) => assert!(left.is_empty(), "an incomplete handshake takes all"),
        Err(_) => assert!(reply.is_empty(), "a refused peer gets no reply"),
    }
}

type Run = (Result<Option<HandshakeKind>, HandshakeError>, Vec<u8>, Vec<u8>);

fn run(pieces: &mut dyn Iterator<Item = &[u8]>) -> Run {
    let mut server = Handshake::server();
    let mut rng = Rng::new(1);
    let mut reply = BytesMut::new();
    let mut left = Vec::new();
    let mut result = Ok(None);
    for mut piece in pieces {
        if result == Ok(None) {
            result = server.receive(7, &mut rng, &mut piece, &mut reply);
        }
        left.extend_from_slice(piece);
    }
    (result, reply.to_vec(), left)
}
