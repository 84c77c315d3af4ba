use super::{Capture, CaptureError, Protocol, Warning, fuzz_capture};
use crate::pcap::builder::{FIN, Order, RST, SYN, Tcp, classic, ethernet_file};
use crate::pcap::{PcapError, Skip};
use crate::tcp::{Action, Direction};
use pretty_assertions::assert_eq;
use quickcheck::{Arbitrary, Gen, QuickCheck};

const CLIENT: &str = "10.0.0.1:50000";
const SERVER: &str = "10.0.0.2:1935";

#[test]
fn a_file_gives_its_conversations() {
    let file = ethernet_file(&[
        Tcp::new(CLIENT, SERVER, 9, b"").with_flags(SYN),
        Tcp::new("[::1]:7", "[::1]:80", 1, b"GET / HTTP/1.1\r\n"),
        Tcp::new(SERVER, CLIENT, 99, b"").with_flags(SYN).with_ack(10),
        Tcp::new(CLIENT, SERVER, 10, b"\x03abc").with_ack(100),
    ]);
    let capture = Capture::read(&file).unwrap();
    assert_eq!(capture.warnings, []);
    let [rtmp, http] = &capture.conversations[..] else { panic!("two conversations") };
    assert_eq!((rtmp.protocol(), rtmp.opened_at_micros), (Protocol::Rtmp, 1_000));
    assert_eq!(rtmp.events[0].at_micros, 4_000);
    assert_eq!((http.protocol(), http.opened_at_micros), (Protocol::Http, 2_000));
}

#[test]
fn what_no_conversation_shows_is_a_warning() {
    let tcp = Tcp::new(CLIENT, SERVER, 9, b"abc");
    let fragment = tcp.ipv4(0, 0x2000, 43, &tcp.bytes());
    let mut udp = tcp.ip();
    udp[9] = 17;
    let far = Tcp::new(CLIENT, SERVER, 9 + (1 << 31), b"abc");
    let packets = [tcp.ip(), fragment, udp.clone(), udp, far.ip(), tcp.ip()];
    let packets: Vec<_> = packets.iter().map(|bytes| (0, 0, bytes.as_slice())).collect();
    let mut file = classic(Order::Big, 0xA1B2_C3D4, 228, &packets);
    file.pop();
    let capture = Capture::read(&file).unwrap();
    assert_eq!(capture.conversations.len(), 1);
    let offset = file.len() - 43 - 16 + 1;
    assert_eq!(
        capture.warnings,
        [
            Warning::BrokenFile { offset },
            Warning::OutsideOfWindow { segments: 1 },
            Warning::Skipped { reason: Skip::Fragment, packets: 1 },
            Warning::Skipped { reason: Skip::NotTcp, packets: 2 },
        ]
    );
    assert_eq!(Capture::read(b"RIFF"), Err(CaptureError::Pcap(PcapError::Format)));
}

#[test]
fn protocols_by_their_first_bytes() {
    let cases: [(&[u8], Protocol); 12] = [
        (b"", Protocol::Unknown),
        (b"\x03", Protocol::Rtmp),
        (b"\x03\x00\x00\x00\x00", Protocol::Rtmp),
        (b"\x06", Protocol::Rtmpe),
        (b"\x08abc", Protocol::Rtmpe),
        (b"\x16\x03\x01\x02\x00", Protocol::Tls),
        (b"\x16", Protocol::Unknown),
        (b"POST /open/1 HTTP/1.1\r\n", Protocol::Rtmpt),
        (b"POST /fcs/ident2 HTTP/1.1\r\n", Protocol::Rtmpt),
        (b"POST /hook HTTP/1.1\r\n", Protocol::Http),
        (b"GET /live/a.m3u8 HTTP/1.1\r\n", Protocol::Http),
        (b"SSH-2.0-OpenSSH", Protocol::Unknown),
    ];
    for (bytes, expected) in cases {
        assert_eq!(Protocol::of_first_bytes(bytes), expected);
    }
    // However the first bytes were cut into segments.
    let segments: Vec<_> = (10..)
        .zip(b"POST /open/1 HTTP/1.1")
        .map(|(sequence, byte)| Tcp::new(CLIENT, SERVER, sequence, &[*byte]))
        .collect();
    let capture = Capture::read(&ethernet_file(&segments)).unwrap();
    assert_eq!(capture.conversations[0].protocol(), Protocol::Rtmpt);
}

#[test]
fn two_raw_streams_are_a_conversation() {
    let capture = Capture::from_raw(b"\x03client", b"\x03server");
    let [conversation] = &capture.conversations[..] else { panic!("one conversation") };
    assert_eq!(conversation.protocol(), Protocol::Rtmp);
    assert_eq!(conversation.bytes_until_gap(Direction::ClientToServer), b"\x03client");
    assert_eq!(conversation.bytes_until_gap(Direction::ServerToClient), b"\x03server");
    assert!(Capture::from_raw(b"", b"").conversations[0].events.is_empty());
}

/// A few segments with small fields, so that they meet often.
#[derive(Clone, Debug)]
struct Segments(Vec<Tcp>);

impl Arbitrary for Segments {
    fn arbitrary(g: &mut Gen) -> Self {
        let segment = |g: &mut Gen| {
            let ends = if bool::arbitrary(g) { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
            let sequence = u32::from(u8::arbitrary(g) % 40);
            let payload = &Vec::<u8>::arbitrary(g)[..];
            let flags = [0, 0, 0, 0, 0, 0, SYN, FIN, RST, u8::arbitrary(g)];
            let tcp =
                Tcp::new(ends.0, ends.1, sequence, payload).with_flags(*g.choose(&flags).unwrap());
            let acknowledgement = u32::from(u8::arbitrary(g) % 60);
            if bool::arbitrary(g) { tcp.with_ack(acknowledgement) } else { tcp }
        };
        let count = usize::arbitrary(g) % 40;
        Self((0..count).map(|_| segment(g)).collect())
    }

    /// Without each of the segments.
    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        let segments = self.0.clone();
        Box::new((0..segments.len()).map(move |left_out| {
            let mut fewer = segments.clone();
            fewer.remove(left_out);
            Self(fewer)
        }))
    }
}

#[test]
fn any_segments_keep_the_invariants() {
    fn property(segments: Segments) {
        fuzz_capture(&ethernet_file(&segments.0));
    }
    QuickCheck::new().tests(2_000).quickcheck(property as fn(Segments));
}

#[test]
fn damaged_files_keep_the_invariants() {
    fn property(segments: Segments, damage: Vec<(u16, u8)>) {
        let mut file = ethernet_file(&segments.0);
        for (index, value) in damage {
            let index = usize::from(index) % file.len();
            file[index] = value;
        }
        fuzz_capture(&file);
    }
    QuickCheck::new().tests(2_000).quickcheck(property as fn(Segments, Vec<(u16, u8)>));
    for magic in [[0xD4, 0xC3, 0xB2, 0xA1], [0x0A, 0x0D, 0x0D, 0x0A]] {
        let property = move |rest: Vec<u8>| fuzz_capture(&[&magic[..], &rest].concat());
        let cases = Gen::new(200);
        let mut cases = cases;
        for _ in 0..500 {
            property(Vec::arbitrary(&mut cases));
        }
    }
}

#[test]
fn every_byte_is_delivered_or_missing_once() {
    let file = ethernet_file(&[
        Tcp::new(CLIENT, SERVER, 9, b"").with_flags(SYN),
        Tcp::new(CLIENT, SERVER, 10, b"ab"),
        Tcp::new(CLIENT, SERVER, 14, b"ef").with_flags(FIN),
    ]);
    let capture = Capture::read(&file).unwrap();
    let actions: Vec<_> =
        capture.conversations[0].events.iter().map(|event| event.action.clone()).collect();
    assert_eq!(
        actions,
        [
            Action::Bytes(b"ab"[..].into()),
            Action::Gap { len: 2 },
            Action::Bytes(b"ef"[..].into()),
            Action::Fin,
        ]
    );
}
