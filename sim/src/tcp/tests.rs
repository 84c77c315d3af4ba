use super::{Action, Conversation, Direction, Reassembler};
use crate::pcap::Segment;
use crate::pcap::builder::{ACK, FIN, RST, SYN, Tcp, address};
use pretty_assertions::assert_eq;
use quickcheck::{Arbitrary, Gen, QuickCheck};

const CLIENT: &str = "10.0.0.1:50000";
const SERVER: &str = "10.0.0.2:29350";

fn client(sequence: u32, payload: &str) -> Tcp {
    Tcp::new(CLIENT, SERVER, sequence, payload.as_bytes())
}

fn server(sequence: u32, payload: &str) -> Tcp {
    Tcp::new(SERVER, CLIENT, sequence, payload.as_bytes())
}

/// A connection whose first bytes have the sequence numbers 1000 and 5000.
fn opening() -> Vec<Tcp> {
    vec![
        client(999, "").with_flags(SYN),
        server(4_999, "").with_ack(1_000).with_flags(SYN),
        client(1_000, "").with_ack(5_000),
    ]
}

fn segment(tcp: &Tcp) -> Segment<'_> {
    Segment {
        source: tcp.source,
        destination: tcp.destination,
        sequence: tcp.sequence,
        acknowledgement: (tcp.flags & ACK != 0).then_some(tcp.acknowledgement),
        syn: tcp.flags & SYN != 0,
        fin: tcp.flags & FIN != 0,
        reset: tcp.flags & RST != 0,
        payload: &tcp.payload,
        wire_len: tcp.payload.len() as u32,
    }
}

fn reassemble(segments: &[Tcp]) -> Vec<Conversation> {
    let mut reassembler = Reassembler::new();
    for (at_micros, tcp) in (0..).zip(segments) {
        reassembler.handle(at_micros, &segment(tcp));
    }
    reassembler.finish()
}

/// `>abc` is bytes of the client, `<fin`, `<reset` and `<gap:9` are what they say.
fn text(conversation: &Conversation) -> String {
    let words = conversation.events.iter().map(|event| {
        let arrow = if event.direction == Direction::ClientToServer { ">" } else { "<" };
        match &event.action {
            Action::Bytes(bytes) => format!("{arrow}{}", String::from_utf8_lossy(bytes)),
            Action::Fin => format!("{arrow}fin"),
            Action::Gap { len } => format!("{arrow}gap:{len}"),
            Action::Reset => format!("{arrow}reset"),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// `expected` holds one text for each conversation.
#[track_caller]
fn check(segments: &[Tcp], expected: &[&str]) -> Vec<Conversation> {
    let conversations = reassemble(segments);
    assert_eq!(conversations.iter().map(text).collect::<Vec<_>>(), expected);
    conversations
}

/// The segments follow the opening of a connection.
#[track_caller]
fn check_open(segments: &[Tcp], expected: &str) {
    check(&[&opening(), segments].concat(), &[expected]);
}

#[test]
fn a_conversation_in_order() {
    let segments = [
        client(1_000, "hello").with_ack(5_000),
        server(5_000, "world").with_ack(1_005),
        client(1_005, "bye").with_ack(5_005).with_flags(FIN),
        server(5_005, "").with_ack(1_009).with_flags(FIN),
        client(1_009, "").with_ack(5_006),
    ];
    let conversations =
        check(&[&opening()[..], &segments].concat(), &[">hello <world >bye >fin <fin"]);
    let conversation = &conversations[0];
    assert_eq!(conversation.client, address(CLIENT));
    assert_eq!(conversation.server, address(SERVER));
    assert!(conversation.from_start);
    let times: Vec<_> = conversation.events.iter().map(|event| event.at_micros).collect();
    assert_eq!(times, [3, 4, 5, 5, 6]);
    assert_eq!(conversation.bytes_until_gap(Direction::ClientToServer), b"hellobye");
}

#[test]
fn out_of_order_segments_wait() {
    check_open(
        &[client(1_006, "ghi"), client(1_003, "def"), client(1_000, "abc")],
        ">abc >def >ghi",
    );
    // The FIN came first.
    check_open(&[client(1_003, "def").with_flags(FIN), client(1_000, "abc")], ">abc >def >fin");
}

#[test]
fn the_first_copy_of_a_byte_counts() {
    check_open(&[client(1_000, "abc"), client(1_000, "ABC"), client(1_003, "d")], ">abc >d");
    check_open(&[client(1_000, "abc"), client(999, "xABCd")], ">abc >d");
    check_open(&[client(1_000, "abc"), client(1_001, "BCdef")], ">abc >def");
    // Around, into and over what waits.
    check_open(
        &[
            client(1_002, "cd"),
            client(1_006, "gh"),
            client(1_001, "BCDEFGHI"),
            client(1_003, "___"),
            client(1_000, "A"),
        ],
        ">A >B >cd >EF >gh >I",
    );
}

#[test]
fn a_hole_is_lost_once_the_other_side_has_acknowledged_what_follows() {
    let early = client(1_005, "fgh");
    check_open(
        &[early.clone(), server(5_000, "x").with_ack(1_004), client(1_000, "abcde")],
        "<x >abcde >fgh",
    );
    check_open(
        &[early.clone(), server(5_000, "x").with_ack(1_005), client(1_000, "abcde")],
        ">gap:5 >fgh <x",
    );
    // The acknowledgement was captured before the data.
    check_open(&[server(5_000, "x").with_ack(1_008), early.clone()], "<x >gap:5 >fgh");
    check_open(&[early.clone(), client(1_010, "k")], ">gap:5 >fgh >gap:2 >k");
    // Holes before a FIN and before the end.
    check_open(&[client(1_003, "").with_flags(FIN)], ">gap:3 >fin");
    check_open(
        &[client(1_003, "").with_flags(FIN), server(5_000, "").with_ack(1_004)],
        ">gap:3 >fin",
    );
    check_open(&[client(1_000, "abc"), server(5_000, "").with_ack(1_010)], ">abc >gap:7");
    // One byte more may be a FIN that was not captured.
    check_open(&[client(1_000, "abc"), server(5_000, "").with_ack(1_004)], ">abc");
}

#[test]
fn a_snapshot_leaves_a_gap() {
    let [first, second] = [client(1_000, "abcdefgh"), client(1_008, "ijk").with_flags(FIN)];
    let opening = opening();
    let mut reassembler = Reassembler::new();
    for tcp in &opening {
        reassembler.handle(0, &segment(tcp));
    }
    for tcp in [&first, &second] {
        let payload = &tcp.payload[..2];
        reassembler.handle(0, &Segment { payload, ..segment(tcp) });
    }
    assert_eq!(text(&reassembler.finish()[0]), ">ab >gap:6 >ij >gap:1 >fin");
}

#[test]
fn sequence_numbers_wrap() {
    let segments = [
        client(u32::MAX - 3, "").with_flags(SYN),
        client(2, "fgh"),
        client(u32::MAX - 2, "abc"),
        client(0, "de"),
        client(u32::MAX - 2, "ABCDE"),
        client(5, "").with_flags(FIN),
    ];
    check(&segments, &[">abc >de >fgh >fin"]);
}

#[test]
fn a_capture_that_starts_in_the_middle() {
    let segments = [
        server(700, "def").with_ack(90),
        server(697, "abc").with_ack(90),
        client(90, "x").with_ack(703),
        client(91, "y").with_ack(703),
    ];
    // What comes before the first that was seen has no place any more.
    let conversations = check(&segments, &["<def >x >y"]);
    assert!(!conversations[0].from_start);
    // The other side's acknowledgement tells where a direction begins.
    check(
        &[client(90, "x").with_ack(697), server(700, "def"), server(697, "abc")],
        &[">x <abc <def"],
    );
}

#[test]
fn addresses_that_are_used_again() {
    let first = [
        client(1_000, "one"),
        client(1_003, "").with_flags(FIN),
        server(5_000, "").with_flags(FIN).with_ack(1_004),
    ];
    let second = [
        client(70_000, "").with_flags(SYN),
        server(80_000, "").with_flags(SYN).with_ack(70_001),
        client(70_001, "two"),
        server(80_001, "2"),
    ];
    check(&[&opening(), &first[..], &second].concat(), &[">one >fin <fin", ">two <2"]);
    // The first one was never closed.
    check(&[&opening(), &first[..1], &second].concat(), &[">one", ">two <2"]);
    // It was reset, and the next one begins with the same number.
    let reset = client(1_003, "").with_flags(RST);
    check(
        &[opening(), vec![client(1_000, "one"), reset], opening()].concat(),
        &[">one >reset", ""],
    );
    // The SYN of the second one was not captured.
    check(&[&opening(), &first[..1], &second[1..]].concat(), &[">one", ">two <2"]);
    // A SYN that is sent again opens nothing.
    check(&[opening(), opening(), first.to_vec()].concat(), &[">one >fin <fin"]);
    let refused = [client(999, "").with_flags(SYN), server(0, "").with_flags(RST).with_ack(1_000)];
    check(&[&refused[..], &refused].concat(), &["<reset"]);
}

#[test]
fn a_reset_gives_up_holes() {
    check_open(
        &[
            client(1_003, "def"),
            client(1_006, "").with_flags(RST),
            client(1_000, "abc"),
            server(5_000, "x"),
            server(5_001, "").with_flags(FIN),
            server(5_002, "").with_flags(RST),
            server(5_002, "").with_flags(RST),
        ],
        ">gap:3 >def >reset <x <fin <reset",
    );
    // Data behind a FIN is none.
    check_open(
        &[client(1_000, "a").with_flags(FIN), client(1_001, "b"), client(1_000, "abc")],
        ">a >fin",
    );
    check_open(&[client(1_002, "").with_flags(FIN), client(1_000, "abc")], ">ab >fin");
}

#[test]
fn data_on_a_syn() {
    check(
        &[
            client(999, "early").with_flags(SYN),
            server(4_999, "data").with_flags(SYN).with_ack(1_005),
            client(1_005, "!").with_ack(5_004),
        ],
        &[">early <data >!"],
    );
    // The server did not take it, and it is sent again.
    check(
        &[
            client(999, "early").with_flags(SYN),
            server(4_999, "").with_flags(SYN).with_ack(1_000),
            client(1_000, "early").with_ack(5_000),
        ],
        &[">early"],
    );
    // Both sides call each other at once; the first one counts as the client.
    let conversations = check(
        &[
            server(4_999, "s").with_flags(SYN),
            client(999, "c").with_flags(SYN),
            server(4_999, "s").with_flags(SYN).with_ack(1_000),
            client(999, "c").with_flags(SYN).with_ack(5_000),
        ],
        &[">s <c"],
    );
    assert_eq!(conversations[0].client, address(SERVER));
}

#[test]
fn segments_that_no_window_reaches_are_ignored() {
    let last = 1_000 + (1 << 30);
    check_open(&[client(last + 1, "x"), client(1_000, "abc")], ">abc");
    check_open(&[client(last, "x"), client(1_000, "abc")], ">abc >gap:1073741821 >x");
    check_open(&[client(last, "xyz"), client(1_000, "abc")], ">abc >gap:1073741821 >x");
    let segments = [opening(), vec![client(1_000_u32.wrapping_add(1 << 31), "x")]].concat();
    let mut reassembler = Reassembler::new();
    for tcp in &segments {
        reassembler.handle(0, &segment(tcp));
    }
    assert_eq!(reassembler.outside_of_window(), 1);
}

#[test]
fn the_client_of_a_capture_without_syn() {
    let (a, b) = ("10.0.0.1", "10.0.0.2");
    // Ports and first bytes of `a` and of `b`; whether `a` is the client.
    let cases = [
        ((4_000, ""), (1_935, "x"), true),
        ((1_935, "x"), (4_000, ""), false),
        ((8_080, "GET / HTTP/1.1"), (4_000, "HTTP/1.1 200 OK"), true),
        ((4_000, "HTTP/1.1 200 OK"), (8_080, "POST /open/1 HTTP/1.1"), false),
        ((29_350, "\u{3}c0"), (29_360, "\u{3}s0"), true),
        ((29_350, "x"), (29_360, "y"), false),
        ((29_360, "x"), (29_350, "y"), true),
        ((1_935, "x"), (443, "y"), true),
    ];
    for ((port_a, bytes_a), (port_b, bytes_b), a_is_client) in cases {
        let (end_a, end_b) = (format!("{a}:{port_a}"), format!("{b}:{port_b}"));
        for swap in [false, true] {
            let (end_a, end_b) = if swap {
                (end_a.replace(a, "10.0.0.3"), end_b.clone())
            } else {
                (end_a.clone(), end_b.clone())
            };
            let conversations = reassemble(&[
                Tcp::new(&end_a, &end_b, 1, bytes_a.as_bytes()),
                Tcp::new(&end_b, &end_a, 1, bytes_b.as_bytes()),
            ]);
            let expected = if a_is_client { &end_a } else { &end_b };
            assert_eq!(conversations[0].client, address(expected), "{end_a} {end_b}");
        }
    }
}

/// A second segment that begins like a handshake, and a request in two parts, were misread.
#[test]
fn how_first_bytes_are_cut_does_not_tell_the_client() {
    let check = |parts: [&str; 2], is_client: bool| {
        let (a, b) = ("10.0.0.1:29360", "10.0.0.2:29350");
        let (a, b) = if is_client { (b, a) } else { (a, b) };
        let len = parts[0].len() as u32;
        let segments =
            [Tcp::new(b, a, 1, parts[0].as_bytes()), Tcp::new(b, a, 1 + len, parts[1].as_bytes())];
        let client = reassemble(&segments)[0].client;
        // Else the end with the higher port is the client.
        assert_eq!(client, address("10.0.0.1:29360"), "{parts:?}");
    };
    check(["\u{1}x", "\u{3}c0"], false);
    check(["GE", "T / HTTP/1.1"], true);
}

#[test]
fn time_never_goes_back() {
    let segments = opening();
    let mut reassembler = Reassembler::new();
    let data = [client(1_000, "a"), client(1_001, "b"), client(1_002, "c")];
    for (at_micros, tcp) in [(5, &segments[0]), (9, &data[0]), (3, &data[1]), (10, &data[2])] {
        reassembler.handle(at_micros, &segment(tcp));
    }
    let conversations = reassembler.finish();
    let times: Vec<_> = conversations[0].events.iter().map(|event| event.at_micros).collect();
    assert_eq!((conversations[0].opened_at_micros, times), (5, vec![9, 9, 10]));
}

/// A stream and segments of it: in an order that is at most a window away from the right one, some
/// of them twice, some of them longer than what they add.
#[derive(Clone, Debug)]
struct Shuffled {
    stream: Vec<u8>,
    first_sequence: u32,
    /// Start and end of each segment.
    ranges: Vec<(usize, usize)>,
}

impl Arbitrary for Shuffled {
    fn arbitrary(g: &mut Gen) -> Self {
        let stream = Vec::<u8>::arbitrary(g);
        let below = |g: &mut Gen, limit: usize| usize::arbitrary(g) % limit.max(1);
        let mut ranges = Vec::new();
        let mut start = 0;
        while start < stream.len() {
            let end = (start + 1 + below(g, 8)).min(stream.len());
            let back = if bool::arbitrary(g) { 0 } else { below(g, 12) };
            let ahead = if bool::arbitrary(g) { 0 } else { below(g, 12) };
            let range = (start.saturating_sub(back), (end + ahead).min(stream.len()));
            ranges.push(range);
            if below(g, 4) == 0 {
                ranges.push(range);
            }
            start = end;
        }
        for index in 0..ranges.len() {
            let other = (index + below(g, 6)).min(ranges.len() - 1);
            ranges.swap(index, other);
        }
        Self { stream, first_sequence: u32::MAX - below(g, 300) as u32, ranges }
    }
}

#[test]
fn shuffled_repeated_and_overlapping_segments_give_the_stream() {
    fn property(shuffled: Shuffled) -> bool {
        let Shuffled { stream, first_sequence, ranges } = shuffled;
        let mut segments = vec![client(first_sequence.wrapping_sub(1), "").with_flags(SYN)];
        for (start, end) in ranges {
            let sequence = first_sequence.wrapping_add(start as u32);
            let flags = if end == stream.len() { FIN } else { 0 };
            let payload = &stream[start..end];
            segments.push(Tcp::new(CLIENT, SERVER, sequence, payload).with_flags(flags));
        }
        let conversations = reassemble(&segments);
        let has_gap =
            conversations[0].events.iter().any(|event| matches!(event.action, Action::Gap { .. }));
        let ends = stream.is_empty()
            || conversations[0].events.last().is_some_and(|event| event.action == Action::Fin);
        let bytes = conversations[0].bytes_until_gap(Direction::ClientToServer);
        conversations.len() == 1 && !has_gap && ends && bytes == stream
    }
    QuickCheck::new().tests(2_000).quickcheck(property as fn(Shuffled) -> bool);
}
