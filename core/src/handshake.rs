//! The RTMP handshake: simple (Adobe RTMP 1.0, section 5.2) and complex (digests), both sides.
//!
//! | State   | Server                                | Client                                    |
//! |---------|---------------------------------------|-------------------------------------------|
//! | `First` | C0 is admitted or refused             | S0 is admitted or refused                 |
//! | `Block` | C1 is gathered; S0, S1, S2 answer it  | S1 is gathered; C2 answers it             |
//! | `Echo`  | C2 is skipped, never verified         | S2 is skipped, never verified             |
//! | `Done`  | what follows belongs to the chunks    | what follows belongs to the chunks        |
//!
//! A server takes the first byte at its word and answers nothing to a peer that it refuses. A
//! digest that does not verify is no error: the simple handshake follows, as real clients need.

mod digest;
pub mod fuzz;

use crate::rng::Rng;
use alloc::boxed::Box;
use bytes::{BufMut, BytesMut};
use core::fmt;
use digest::{BLOCK_LEN, Block, DIGEST_LEN, Schema};

/// The only version offered, in C0 and S0 (section 5.2.2).
const VERSION: u8 = 3;

/// Bytes 4 to 7 of the C1 of a Flash Player that signs, which servers expect of a client.
const CLIENT_VERSION: [u8; 4] = [0x80, 0x00, 0x07, 0x02];

/// Bytes 4 to 7 of S1; a first byte above 2 makes strict clients verify the digests.
const SERVER_VERSION: [u8; 4] = [0x04, 0x05, 0x00, 0x01];

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

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http => f.write_str("HTTP on an RTMP port"),
            Self::Encrypted { version } => write!(f, "RTMPE (version {version}) is not offered"),
            Self::Tls => f.write_str("TLS on a plain RTMP port"),
            Self::Version { version } => write!(f, "RTMP version {version} is not 3"),
        }
    }
}

impl core::error::Error for HandshakeError {}

/// One side of a handshake; dropped when it is done.
///
/// It owns memory only while C1 (or S1) is in pieces: 1,536 bytes from its first byte to its last.
pub struct Handshake {
    state: State,
}

impl Handshake {
    /// The server side: waits for C0 and C1.
    #[must_use]
    pub fn server() -> Self {
        Self { state: State::First(Side::Server) }
    }

    /// The client side: appends C0 and C1 to `out` (complex, digest schema 1).
    #[must_use]
    pub fn client(time_ms: u32, rng: &mut Rng, out: &mut BytesMut) -> Self {
        out.reserve(BLOCK_LEN.saturating_add(1));
        out.put_u8(VERSION);
        // Some origins accept the digest block only in front, so a client never signs the other way.
        let c1 = signed(Schema::DigestFirst, digest::PLAYER_TEXT, CLIENT_VERSION, time_ms, rng);
        out.extend_from_slice(&c1);
        Self { state: State::First(Side::Client) }
    }

    /// Consumes from the front of `input` and appends replies to `out`; gives the kind when the
    /// handshake is complete, and leaves what follows it in `input`.
    ///
    /// A refused peer gets no reply, and its first byte stays in `input`. Once refused, always
    /// refused; once complete, nothing more is consumed.
    ///
    /// # Errors
    /// The first byte is not that of RTMP.
    pub fn receive(
        &mut self,
        time_ms: u32,
        rng: &mut Rng,
        input: &mut &[u8],
        out: &mut BytesMut,
    ) -> Result<Option<HandshakeKind>, HandshakeError> {
        loop {
            let next = match &mut self.state {
                State::First(side) => {
                    let Some((&first, rest)) = input.split_first() else { return Ok(None) };
                    match admit(first, *side) {
                        Ok(()) => {
                            *input = rest;
                            State::Block(*side, Gather::default())
                        }
                        Err(error) => State::Failed(error),
                    }
                }
                State::Block(side, gather) => {
                    let side = *side;
                    let kind = gather.complete(input, |block| match side {
                        Side::Server => answer_c1(block, time_ms, rng, out),
                        Side::Client => answer_s1(block, rng, out),
                    });
                    let Some(kind) = kind else { return Ok(None) };
                    State::Echo { kind, remaining: BLOCK_LEN }
                }
                State::Echo { kind, remaining } => {
                    let skipped = input.len().min(*remaining);
                    *input = input.get(skipped..).unwrap_or_default();
                    *remaining = remaining.saturating_sub(skipped);
                    if *remaining > 0 {
                        return Ok(None);
                    }
                    State::Done(*kind)
                }
                State::Done(kind) => return Ok(Some(*kind)),
                State::Failed(error) => return Err(*error),
            };
            self.state = next;
        }
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Handshake");
        match &self.state {
            State::First(side) => debug.field("side", side).field("awaits", &"version"),
            State::Block(side, gather) => {
                debug.field("side", side).field("gathered", &gather.filled)
            }
            State::Echo { kind, remaining } => {
                debug.field("kind", kind).field("remaining", remaining)
            }
            State::Done(kind) => debug.field("done", kind),
            State::Failed(error) => debug.field("failed", error),
        };
        debug.finish()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Client,
    Server,
}

enum State {
    First(Side),
    Block(Side, Gather),
    Echo { kind: HandshakeKind, remaining: usize },
    Done(HandshakeKind),
    Failed(HandshakeError),
}

/// C1 or S1 on its way in: no memory while it may yet come in one piece.
#[derive(Default)]
struct Gather {
    bytes: Option<Box<Block>>,
    filled: usize,
}

impl Gather {
    /// Calls `then` with the block once all of it has come.
    fn complete<T>(&mut self, input: &mut &[u8], then: impl FnOnce(&Block) -> T) -> Option<T> {
        if self.bytes.is_none()
            && let Some((block, rest)) = input.split_first_chunk()
        {
            *input = rest;
            return Some(then(block));
        }
        if input.is_empty() {
            return None;
        }
        let bytes = self.bytes.get_or_insert_with(|| Box::new([0; BLOCK_LEN]));
        let free = bytes.get_mut(self.filled..).unwrap_or_default();
        let len = free.len().min(input.len());
        let (taken, rest) = input.split_at_checked(len)?;
        free.get_mut(..len)?.copy_from_slice(taken);
        *input = rest;
        self.filled = self.filled.saturating_add(len);
        (self.filled == BLOCK_LEN).then(|| then(bytes))
    }
}

/// Decides by the first byte, so that a stranger holds the connection no longer than that.
fn admit(first: u8, side: Side) -> Result<(), HandshakeError> {
    match first {
        VERSION => Ok(()),
        6 | 8 | 9 => Err(HandshakeError::Encrypted { version: first }),
        // The first letters of the methods (GET, PUT, OPTIONS, HEAD, CONNECT, DELETE) and of a
        // status line.
        b'G' | b'P' | b'O' | b'H' | b'C' | b'D' => Err(HandshakeError::Http),
        // A TLS handshake record.
        0x16 => Err(HandshakeError::Tls),
        // The TLS alert with which a TLS server answers C0.
        0x15 if side == Side::Client => Err(HandshakeError::Tls),
        version => Err(HandshakeError::Version { version }),
    }
}

/// Appends S0, S1 and S2.
fn answer_c1(c1: &Block, time_ms: u32, rng: &mut Rng, out: &mut BytesMut) -> HandshakeKind {
    out.reserve(BLOCK_LEN.saturating_mul(2).saturating_add(1));
    out.put_u8(VERSION);
    match digest::find(c1, digest::PLAYER_TEXT, [Schema::KeyFirst, Schema::DigestFirst]) {
        Some((schema, c1_digest)) => {
            let s1 = signed(schema, digest::SERVER_TEXT, SERVER_VERSION, time_ms, rng);
            out.extend_from_slice(&s1);
            echo_signed(&c1_digest, &digest::SERVER_KEY, rng, out);
            schema.kind()
        }
        None => {
            // The second field of S1 is zero, by the specification: anything else is a version to
            // clients that then want a digest.
            out.extend_from_slice(&stamped([0; 4], time_ms, rng));
            out.extend_from_slice(c1);
            HandshakeKind::Simple
        }
    }
}

/// Appends C2.
fn answer_s1(s1: &Block, rng: &mut Rng, out: &mut BytesMut) -> HandshakeKind {
    match digest::find(s1, digest::SERVER_TEXT, [Schema::DigestFirst, Schema::KeyFirst]) {
        Some((schema, s1_digest)) => {
            echo_signed(&s1_digest, &digest::PLAYER_KEY, rng, out);
            schema.kind()
        }
        None => {
            out.extend_from_slice(s1);
            HandshakeKind::Simple
        }
    }
}

/// A block of random bytes behind its time and version.
fn stamped(version: [u8; 4], time_ms: u32, rng: &mut Rng) -> Block {
    let mut block = [0; BLOCK_LEN];
    rng.fill(&mut block);
    let stamp = time_ms.to_be_bytes().into_iter().chain(version);
    for (byte, value) in block.iter_mut().zip(stamp) {
        *byte = value;
    }
    block
}

/// C1 or S1 with a digest. Its key field is random: no known peer uses it without encryption.
fn signed(schema: Schema, key: &[u8], version: [u8; 4], time_ms: u32, rng: &mut Rng) -> Block {
    let mut block = stamped(version, time_ms, rng);
    schema.sign(&mut block, key);
    block
}

/// Appends C2 or S2 as proof that the digest of the peer was read: random bytes and, last, their
/// digest under a key made of the peer's.
fn echo_signed(peer: &[u8; DIGEST_LEN], key: &[u8], rng: &mut Rng, out: &mut BytesMut) {
    let mut echo = [0; BLOCK_LEN];
    if let Some((random, last)) = echo.split_last_chunk_mut::<DIGEST_LEN>() {
        rng.fill(random);
        *last = digest::echo_digest(peer, key, random);
    }
    out.extend_from_slice(&echo);
}

impl Schema {
    fn kind(self) -> HandshakeKind {
        match self {
            Self::KeyFirst => HandshakeKind::ComplexSchema0,
            Self::DigestFirst => HandshakeKind::ComplexSchema1,
        }
    }
}

#[cfg(test)]
mod tests;
