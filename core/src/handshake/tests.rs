use super::digest::{
    BLOCK_LEN, Block, PLAYER_KEY, PLAYER_TEXT, SERVER_KEY, SERVER_TEXT, Schema, echo_digest, find,
};
use super::fuzz::fuzz_side;
use super::*;
use pretty_assertions::assert_eq;
use quickcheck::{TestResult, quickcheck};
use std::format;
use std::vec::Vec;

const FFMPEG: &[u8] = include_bytes!("testdata/ffmpeg_client.bin");
const NGINX: &[u8] = include_bytes!("testdata/nginx_server.bin");
const OBS: &[u8] = include_bytes!("testdata/obs_c0c1.bin");
const RTMPDUMP_RTMPE: &[u8] = include_bytes!("testdata/rtmpdump_rtmpe_c0c1.bin");

const CONNECT: &[u8] = b"\x03\0\0\0\0\0\x19\x14\0\0\0\0\x02\0\x07connect";

type Received = Result<Option<HandshakeKind>, HandshakeError>;

/// Receives `input` in pieces that end at `cuts`; gives the result, the replies and what is left.
fn receive(side: &mut Handshake, input: &[u8], cuts: &[usize]) -> (Received, Vec<u8>, Vec<u8>) {
    let mut rng = Rng::new(2);
    let mut out = BytesMut::new();
    let mut left = Vec::new();
    let mut result = Ok(None);
    let mut from = 0;
    for to in cuts.iter().copied().chain([input.len()]) {
        let mut piece = &input[from..to.max(from)];
        from = to.max(from);
        if result == Ok(None) {
            result = side.receive(1_000, &mut rng, &mut piece, &mut out);
        }
        left.extend_from_slice(piece);
    }
    (result, out.to_vec(), left)
}

fn serve(input: &[u8], cuts: &[usize]) -> (Received, Vec<u8>, Vec<u8>) {
    receive(&mut Handshake::server(), input, cuts)
}

fn block(bytes: &[u8]) -> &Block {
    bytes.try_into().unwrap()
}

/// The kind that `c0c1` is recognised as, with an arbitrary C2.
fn kind_of(c0c1: &[u8]) -> HandshakeKind {
    let (result, _, left) = serve(&[c0c1, &[9; BLOCK_LEN]].concat(), &[]);
    assert!(left.is_empty());
    result.unwrap().unwrap()
}

fn client(seed: u64) -> (Handshake, Vec<u8>) {
    let mut out = BytesMut::new();
    let client = Handshake::client(500, &mut Rng::new(seed), &mut out);
    (client, out.to_vec())
}

/// C0 and C1 of a client of each kind.
fn hello(kind: HandshakeKind, seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let version = CLIENT_VERSION;
    let c1 = match kind {
        HandshakeKind::ComplexSchema0 => {
            signed(Schema::KeyFirst, PLAYER_TEXT, version, 500, &mut rng)
        }
        HandshakeKind::ComplexSchema1 => {
            signed(Schema::DigestFirst, PLAYER_TEXT, version, 500, &mut rng)
        }
        HandshakeKind::Simple => stamped([0; 4], 500, &mut rng),
    };
    [&[VERSION][..], &c1].concat()
}

/// S0, S1 and S2 of a server of each kind.
fn answer(kind: HandshakeKind, c1: &Block) -> Vec<u8> {
    let mut rng = Rng::new(77);
    let s1 = match kind {
        HandshakeKind::ComplexSchema0 => {
            signed(Schema::KeyFirst, SERVER_TEXT, SERVER_VERSION, 9, &mut rng)
        }
        HandshakeKind::ComplexSchema1 => {
            signed(Schema::DigestFirst, SERVER_TEXT, SERVER_VERSION, 9, &mut rng)
        }
        HandshakeKind::Simple => stamped([0; 4], 9, &mut rng),
    };
    [&[VERSION][..], &s1, c1].concat()
}

const KINDS: [HandshakeKind; 3] =
    [HandshakeKind::ComplexSchema0, HandshakeKind::ComplexSchema1, HandshakeKind::Simple];

#[test]
fn row_014_tls_on_a_plain_port() {
    let (result, reply, _) = serve(b"\x16\x03\x01\x02\0", &[]);
    assert_eq!(result, Err(HandshakeError::Tls));
    assert!(reply.is_empty());
    assert_eq!(format!("{}", HandshakeError::Tls), "TLS on a plain RTMP port");
}

#[test]
fn row_018_first_byte_decides_without_a_reply() {
    for first in 0..=255 {
        let expected = match first {
            3 => Ok(None),
            6 | 8 | 9 => Err(HandshakeError::Encrypted { version: first }),
            b'C' | b'D' | b'G' | b'H' | b'O' | b'P' => Err(HandshakeError::Http),
            0x16 => Err(HandshakeError::Tls),
            version => Err(HandshakeError::Version { version }),
        };
        let (result, reply, left) = serve(&[first], &[]);
        assert_eq!(result, expected, "C0 {first}");
        assert!(reply.is_empty(), "C0 {first}");
        assert_eq!(left.is_empty(), first == 3, "a refused byte stays, C0 {first}");
    }
    let (result, reply, left) = serve(b"GET / HTTP/1.1\r\n", &[]);
    assert_eq!(result, Err(HandshakeError::Http));
    assert!(reply.is_empty());
    assert_eq!(left, b"GET / HTTP/1.1\r\n");
}

#[test]
fn a_refusal_is_final() {
    let mut server = Handshake::server();
    assert_eq!(receive(&mut server, b"G", &[]).0, Err(HandshakeError::Http));
    let (result, reply, _) = receive(&mut server, &hello(HandshakeKind::Simple, 1), &[]);
    assert_eq!(result, Err(HandshakeError::Http));
    assert!(reply.is_empty());
}

#[test]
fn a_client_refuses_by_the_same_byte() {
    for (first, expected) in [
        (b'H', HandshakeError::Http),
        (0x15, HandshakeError::Tls),
        (8, HandshakeError::Encrypted { version: 8 }),
        (4, HandshakeError::Version { version: 4 }),
    ] {
        let (result, reply, _) = receive(&mut client(1).0, &[first], &[]);
        assert_eq!(result, Err(expected));
        assert!(reply.is_empty());
    }
}

#[test]
fn row_019_offset_fields_of_all_ones_stay_in_the_block() {
    let mut c1 = [0xFF; BLOCK_LEN];
    assert_eq!(Schema::KeyFirst.digest_at(&c1), 772 + 4 + 292);
    assert_eq!(Schema::DigestFirst.digest_at(&c1), 8 + 4 + 292);
    assert_eq!(kind_of(&[&[3][..], &c1].concat()), HandshakeKind::Simple);
    for (schema, kind) in [
        (Schema::KeyFirst, HandshakeKind::ComplexSchema0),
        (Schema::DigestFirst, HandshakeKind::ComplexSchema1),
    ] {
        schema.sign(&mut c1, PLAYER_TEXT);
        assert_eq!(kind_of(&[&[3][..], &c1].concat()), kind);
    }
}

#[test]
fn row_019_every_offset_sum_stays_in_the_block() {
    for sum in 0..=1_020_u16 {
        let mut c1 = [0; BLOCK_LEN];
        for (field, at) in [(8, 12), (772, 776)] {
            let mut rest = sum;
            for byte in &mut c1[field..field + 4] {
                *byte = u8::try_from(rest.min(255)).unwrap();
                rest -= u16::from(*byte);
            }
            let schema = if field == 8 { Schema::DigestFirst } else { Schema::KeyFirst };
            assert_eq!(schema.digest_at(&c1), at + usize::from(sum) % 728);
            assert!(schema.digest_at(&c1) + 32 <= BLOCK_LEN);
        }
    }
}

#[test]
fn row_019_zeros_and_noise_are_simple() {
    assert_eq!(kind_of(&[&[3][..], &[0; BLOCK_LEN]].concat()), HandshakeKind::Simple);
    let mut rng = Rng::new(19);
    for _ in 0..100 {
        let mut c1 = [0; BLOCK_LEN];
        rng.fill(&mut c1);
        assert_eq!(kind_of(&[&[3][..], &c1].concat()), HandshakeKind::Simple);
    }
}

#[test]
fn built_c1_is_recognised_and_one_wrong_bit_makes_it_simple() {
    for kind in KINDS {
        assert_eq!(kind_of(&hello(kind, 3)), kind);
    }
    for (schema, kind) in [
        (Schema::KeyFirst, HandshakeKind::ComplexSchema0),
        (Schema::DigestFirst, HandshakeKind::ComplexSchema1),
    ] {
        let mut hello = hello(kind, 4);
        let at = 1 + schema.digest_at(block(&hello[1..]));
        hello[at + 31] ^= 1;
        let (result, reply, _) = serve(&[&hello[..], &[0; BLOCK_LEN]].concat(), &[]);
        assert_eq!(result, Ok(Some(HandshakeKind::Simple)));
        assert_eq!(reply[1537..], hello[1..], "S2 is a copy of C1");
    }
}

#[test]
fn a_simple_answer_has_time_and_zero_and_the_copy_of_c1() {
    let hello = hello(HandshakeKind::Simple, 5);
    let (result, reply, _) = serve(&hello, &[]);
    assert_eq!(result, Ok(None));
    assert_eq!(reply.len(), 3073);
    assert_eq!(reply[..9], [3, 0, 0, 0x03, 0xE8, 0, 0, 0, 0]);
    assert_eq!(reply[1537..], hello[1..]);
}

#[test]
fn a_complex_answer_is_signed_in_the_schema_of_c1() {
    for (schema, kind) in [
        (Schema::KeyFirst, HandshakeKind::ComplexSchema0),
        (Schema::DigestFirst, HandshakeKind::ComplexSchema1),
    ] {
        let hello = hello(kind, 6);
        let c1_digest = schema.verify(block(&hello[1..]), PLAYER_TEXT).unwrap();
        let (result, reply, _) = serve(&hello, &[]);
        assert_eq!(result, Ok(None));
        assert_eq!(reply.len(), 3073);
        assert_eq!(reply[..9], [3, 0, 0, 0x03, 0xE8, 4, 5, 0, 1]);
        assert!(schema.verify(block(&reply[1..1537]), SERVER_TEXT).is_some());
        let (random, last) = reply[1537..].split_at(1504);
        assert_eq!(echo_digest(&c1_digest, &SERVER_KEY, random), last);
    }
}

#[test]
fn a_client_signs_c1_with_schema_1_and_c2_with_the_digest_of_s1() {
    let (mut side, hello) = client(7);
    assert_eq!(hello.len(), 1537);
    assert_eq!(hello[..9], [3, 0, 0, 1, 0xF4, 0x80, 0, 7, 2]);
    assert!(Schema::DigestFirst.verify(block(&hello[1..]), PLAYER_TEXT).is_some());
    let (result, c2, left) = receive(&mut side, NGINX, &[]);
    assert_eq!(result, Ok(Some(HandshakeKind::ComplexSchema1)));
    assert!(left.is_empty());
    let (_, s1_digest) = find(block(&NGINX[1..1537]), SERVER_TEXT, BOTH).unwrap();
    assert_eq!(echo_digest(&s1_digest, &PLAYER_KEY, &c2[..1504]), c2[1504..]);
}

#[test]
fn a_client_copies_an_s1_that_does_not_verify() {
    let (mut side, hello) = client(8);
    let answer = answer(HandshakeKind::Simple, block(&hello[1..]));
    let (result, c2, _) = receive(&mut side, &answer, &[]);
    assert_eq!(result, Ok(Some(HandshakeKind::Simple)));
    assert_eq!(c2, answer[1..1537]);
}

const BOTH: [Schema; 2] = [Schema::KeyFirst, Schema::DigestFirst];

#[test]
fn real_clients_are_recognised() {
    assert_eq!(kind_of(&FFMPEG[..1537]), HandshakeKind::ComplexSchema1);
    assert_eq!(kind_of(OBS), HandshakeKind::Simple);
    // Signed alike when the first byte says that encryption follows.
    let encrypted = HandshakeError::Encrypted { version: 6 };
    assert_eq!(serve(RTMPDUMP_RTMPE, &[]).0, Err(encrypted));
    assert_eq!(kind_of(&[&[3], &RTMPDUMP_RTMPE[1..]].concat()), HandshakeKind::ComplexSchema0);
}

/// Both sides of this session check each other's digests, so our digests are theirs.
#[test]
fn digests_agree_with_a_session_of_ffmpeg_and_nginx_rtmp() {
    let (_, c1_digest) = find(block(&FFMPEG[1..1537]), PLAYER_TEXT, BOTH).unwrap();
    let (_, s1_digest) = find(block(&NGINX[1..1537]), SERVER_TEXT, BOTH).unwrap();
    let (random, last) = NGINX[1537..].split_at(1504);
    assert_eq!(echo_digest(&c1_digest, &SERVER_KEY, random), last);
    let (random, last) = FFMPEG[1537..].split_at(1504);
    assert_eq!(echo_digest(&s1_digest, &PLAYER_KEY, random), last);
}

#[test]
fn row_020_any_c2_is_taken_and_connect_behind_it_is_left() {
    for kind in KINDS {
        for c2 in [[0; BLOCK_LEN], [0xFF; BLOCK_LEN]] {
            let (result, reply, left) = serve(&[&hello(kind, 9)[..], &c2, CONNECT].concat(), &[]);
            assert_eq!(result, Ok(Some(kind)));
            assert_eq!(reply.len(), 3073);
            assert_eq!(left, CONNECT);
        }
    }
}

#[test]
fn row_020_every_split_gives_the_same() {
    for kind in KINDS {
        let input = [&hello(kind, 10)[..], &[5; BLOCK_LEN], CONNECT].concat();
        let expected = serve(&input, &[]);
        assert_eq!(expected.0, Ok(Some(kind)));
        for cut in 0..=input.len() {
            assert!(serve(&input, &[cut]) == expected, "{kind:?} cut at {cut}");
        }
        let each: Vec<usize> = (0..input.len()).collect();
        assert!(serve(&input, &each) == expected, "{kind:?} byte by byte");
    }
}

#[test]
fn row_020_every_split_gives_the_same_to_a_client() {
    for kind in KINDS {
        let (_, hello) = client(11);
        let input = [&answer(kind, block(&hello[1..]))[..], CONNECT].concat();
        let expected = receive(&mut client(11).0, &input, &[]);
        assert_eq!((expected.0, &expected.2[..]), (Ok(Some(kind)), CONNECT));
        for cut in 0..=input.len() {
            assert!(receive(&mut client(11).0, &input, &[cut]) == expected, "cut at {cut}");
        }
    }
}

#[test]
fn row_021_no_key_is_negotiated_and_no_bytes_are_formatted() {
    for version in [6, 8, 9] {
        let (result, reply, _) = serve(&[&[version][..], &[0xFF; BLOCK_LEN]].concat(), &[]);
        assert_eq!(result, Err(HandshakeError::Encrypted { version }));
        assert!(reply.is_empty());
    }
    let mut server = Handshake::server();
    let _ = receive(&mut server, &[&[3][..], &[201; 700]].concat(), &[]);
    let text = format!("{server:?}");
    assert!(text.contains("gathered: 700") && !text.contains("201"), "{text}");
}

#[test]
fn row_022_what_follows_the_handshake_is_neither_taken_nor_held() {
    let c2_and_more = std::vec![1; BLOCK_LEN + (1 << 20)];
    let mut server = Handshake::server();
    let input = [&hello(HandshakeKind::Simple, 12)[..], &c2_and_more].concat();
    let (result, reply, left) = receive(&mut server, &input, &[]);
    assert_eq!(result, Ok(Some(HandshakeKind::Simple)));
    assert_eq!((reply.len(), left.len()), (3073, 1 << 20));
    let (result, reply, left) = receive(&mut server, CONNECT, &[]);
    assert_eq!(result, Ok(Some(HandshakeKind::Simple)), "done stays done");
    assert_eq!((reply.len(), &left[..]), (0, CONNECT));
}

#[test]
fn memory_is_held_only_while_a_block_is_in_pieces() {
    fn holds(server: &Handshake) -> bool {
        matches!(&server.state, State::Block(_, Gather { bytes: Some(_), .. }))
    }
    assert!(size_of::<Handshake>() <= 32);
    let hello = hello(HandshakeKind::Simple, 13);
    let mut server = Handshake::server();
    for (piece, expected) in [
        (&hello[..1], false),
        (&hello[1..2], true),
        (&hello[2..1536], true),
        (&hello[1536..], false),
    ] {
        let _ = receive(&mut server, piece, &[]);
        assert_eq!(holds(&server), expected, "{server:?}");
    }
    assert!(matches!(server.state, State::Echo { remaining: BLOCK_LEN, .. }));
}

quickcheck! {
    fn both_sides_agree_under_any_segmentation(seed: u64, cuts: Vec<u16>) -> bool {
        let mut rng = Rng::new(seed);
        let mut to_server = BytesMut::new();
        let mut client = Handshake::client(1, &mut rng, &mut to_server);
        let mut server = Handshake::server();
        let mut to_client = BytesMut::new();
        let (mut client_kind, mut server_kind) = (None, None);
        let mut cuts = cuts.into_iter().map(|cut| usize::from(cut % 2_000)).chain([usize::MAX; 4]);
        while let Some(len) = cuts.next() {
            let piece = to_server.split_to(len.min(to_server.len()));
            if server_kind.is_none() {
                let mut input = &piece[..];
                server_kind = server.receive(2, &mut rng, &mut input, &mut to_client).unwrap();
                assert!(input.is_empty());
            }
            let len = cuts.next().unwrap_or(usize::MAX);
            let piece = to_client.split_to(len.min(to_client.len()));
            if client_kind.is_none() {
                let mut input = &piece[..];
                client_kind = client.receive(3, &mut rng, &mut input, &mut to_server).unwrap();
                assert!(input.is_empty());
            }
        }
        (client_kind, server_kind)
            == (Some(HandshakeKind::ComplexSchema1), Some(HandshakeKind::ComplexSchema1))
    }

    fn the_server_recognises_every_kind_under_any_segmentation(
        seed: u64,
        kind: u8,
        cuts: Vec<u16>
    ) -> bool {
        let kind = KINDS[usize::from(kind % 3)];
        let input = [&hello(kind, seed)[..], &[0; BLOCK_LEN], CONNECT].concat();
        let mut cuts: Vec<usize> =
            cuts.into_iter().map(|cut| usize::from(cut) % input.len()).collect();
        cuts.sort_unstable();
        serve(&input, &cuts) == serve(&input, &[])
    }

    fn the_client_accepts_every_kind_under_any_segmentation(
        seed: u64,
        kind: u8,
        cuts: Vec<u16>
    ) -> bool {
        let kind = KINDS[usize::from(kind % 3)];
        let (mut side, hello) = client(seed);
        let input = [&answer(kind, block(&hello[1..]))[..], CONNECT].concat();
        let mut cuts: Vec<usize> =
            cuts.into_iter().map(|cut| usize::from(cut) % input.len()).collect();
        cuts.sort_unstable();
        let (result, c2, left) = receive(&mut side, &input, &cuts);
        result == Ok(Some(kind)) && c2.len() == BLOCK_LEN && left == CONNECT
    }

    fn no_input_breaks_a_side(seed: u8, valid: bool, data: Vec<u8>) -> TestResult {
        let start = if valid { hello(HandshakeKind::Simple, u64::from(seed)) } else { Vec::new() };
        fuzz_side(&[&[seed][..], &start, &data, &[0; 1_600]].concat());
        TestResult::passed()
    }
}
