//! The RTMP handshake: simple (Adobe RTMP 1.0, section 5.2) and complex (digests), both sides.

use crate::rng::Rng;
use bytes::BytesMut;

/// How the two sides shook hands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HandshakeKind {
    /// With digests, digest block second (schema 0).
    ComplexSchema0,
    /// With digests, digest block first (schema 1).
    ComplexSchema1,
    /// Without digests.
    Simple,
}

/// Why a handshake was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The peer speaks HTTP.
    Http,
    /// RTMPE (version 6, 8 or 9) is not offered.
    Encrypted {
        /// The first byte.
        version: u8,
    },
    /// The peer speaks TLS.
    Tls,
    /// A version that is not 3.
    Version {
        /// The first byte.
        version: u8,
    },
}

/// One side of a handshake; dropped when it is done.
#[derive(Debug)]
pub struct Handshake {}

impl Handshake {
    /// The server side: waits for C0 and C1.
    #[must_use]
    pub fn server() -> Self {
        todo!()
    }

    /// The client side: appends C0 and C1 to `out` (complex, digest schema 1).
    #[must_use]
    pub fn client(time_ms: u32, rng: &mut Rng, out: &mut BytesMut) -> Self {
        todo!()
    }

    /// Consumes from the front of `input` and appends replies to `out`; gives the kind when the
    /// handshake is complete, and leaves what follows it in `input`.
    ///
    /// # Errors
    /// The first bytes are not those of RTMP.
    pub fn receive(
        &mut self,
        time_ms: u32,
        rng: &mut Rng,
        input: &mut &[u8],
        out: &mut BytesMut,
    ) -> Result<Option<HandshakeKind>, HandshakeError> {
        todo!()
    }
}
