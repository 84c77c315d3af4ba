//! Where the digest of a C1 or S1 lies, and how it is made.
//!
//! A block is: time (4 bytes), version (4), two parts of 764. One part holds the digest: an offset
//! field of 4 bytes, then random bytes around 32 bytes of digest. The other holds a key.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of each of C1, C2, S1 and S2.
pub(super) const BLOCK_LEN: usize = 1536;

/// C1, C2, S1 or S2.
pub(super) type Block = [u8; BLOCK_LEN];

/// Bytes of a digest (HMAC-SHA256).
pub(super) const DIGEST_LEN: usize = 32;

/// The key of a client's C2; its text signs C1.
pub(super) const PLAYER_KEY: [u8; 62] = *b"Genuine Adobe Flash Player 001\
    \xF0\xEE\xC2\x4A\x80\x68\xBE\xE8\x2E\x00\xD0\xD1\x02\x9E\x7E\x57\
    \x6E\xEC\x5D\x2D\x29\x80\x6F\xAB\x93\xB8\xE6\x36\xCF\xEB\x31\xAE";

/// The key of a server's S2; its text signs S1.
pub(super) const SERVER_KEY: [u8; 68] = *b"Genuine Adobe Flash Media Server 001\
    \xF0\xEE\xC2\x4A\x80\x68\xBE\xE8\x2E\x00\xD0\xD1\x02\x9E\x7E\x57\
    \x6E\xEC\x5D\x2D\x29\x80\x6F\xAB\x93\xB8\xE6\x36\xCF\xEB\x31\xAE";

/// The text in front of [`PLAYER_KEY`].
pub(super) const PLAYER_TEXT: &[u8] = PLAYER_KEY.split_at(30).0;

/// The text in front of [`SERVER_KEY`].
pub(super) const SERVER_TEXT: &[u8] = SERVER_KEY.split_at(36).0;

/// Offsets of a digest within its part run from 0 to one less than this: what the part's 764 bytes
/// leave beside the offset field and the digest.
const OFFSETS: usize = 764 - 4 - DIGEST_LEN;

/// The order of the two parts of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Schema {
    /// Schema 0.
    KeyFirst,
    /// Schema 1.
    DigestFirst,
}

impl Schema {
    /// Puts the digest of `block` in its place.
    pub(super) fn sign(self, block: &mut Block, key: &[u8]) {
        let at = self.digest_at(block);
        let Some((before, _, after)) = split(block, at) else { return };
        let made = hmac(key, [before, after]);
        if let Some(place) = block.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            *place = made;
        }
    }

    /// The digest of `block` when it is what it should be.
    pub(super) fn verify(self, block: &Block, key: &[u8]) -> Option<[u8; DIGEST_LEN]> {
        let (before, found, after) = split(block, self.digest_at(block))?;
        (hmac(key, [before, after]) == *found).then_some(*found)
    }

    /// The position of the digest, at most 1,503: no offset field can lead out of the block.
    pub(super) fn digest_at(self, block: &Block) -> usize {
        let part_at: usize = match self {
            Self::KeyFirst => 8 + 764,
            Self::DigestFirst => 8,
        };
        let field = block.get(part_at..).and_then(<[u8]>::first_chunk::<4>).copied();
        let sum: usize = field.unwrap_or_default().into_iter().map(usize::from).sum();
        part_at.saturating_add(4).saturating_add(sum % OFFSETS)
    }
}

/// The first of `schemas` by which `block` is signed, and its digest.
pub(super) fn find(
    block: &Block,
    key: &[u8],
    schemas: [Schema; 2],
) -> Option<(Schema, [u8; DIGEST_LEN])> {
    schemas.into_iter().find_map(|schema| Some((schema, schema.verify(block, key)?)))
}

/// The last bytes of a C2 or S2 that starts with `random` and answers a block with digest `peer`.
pub(super) fn echo_digest(peer: &[u8; DIGEST_LEN], key: &[u8], random: &[u8]) -> [u8; DIGEST_LEN] {
    hmac(&hmac(key, [peer, &[]]), [random, &[]])
}

/// What lies before the digest at `at`, the digest, and what lies behind it.
fn split(block: &Block, at: usize) -> Option<(&[u8], &[u8; DIGEST_LEN], &[u8])> {
    let (before, rest) = block.split_at_checked(at)?;
    let (digest, after) = rest.split_first_chunk()?;
    Some((before, digest, after))
}

fn hmac(key: &[u8], message: [&[u8]; 2]) -> [u8; DIGEST_LEN] {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key).expect("HMAC is defined for keys of any length");
    for part in message {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
