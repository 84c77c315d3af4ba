use super::builder::{self, Order, Tcp, address};
use super::{LinkType, Packet, PacketFile, PcapError, Segment, Skip, decode};
use pretty_assertions::assert_eq;

const MICRO: u32 = 0xA1B2_C3D4;
const NANO: u32 = 0xA1B2_3C4D;

fn packet(at_micros: u64, link: u16, bytes: &[u8]) -> Packet<'_> {
    Packet { at_micros, link: LinkType(link), bytes }
}

#[track_caller]
fn check_file(file: &[u8], packets: &[Packet<'_>]) {
    let expected = PacketFile { packets: packets.to_vec(), broken_at: None, unknown_interface: 0 };
    assert_eq!(PacketFile::read(file), Ok(expected));
}

#[test]
fn classic_files_of_both_orders_and_resolutions() {
    for order in [Order::Big, Order::Little] {
        let records: [(u32, u32, &[u8]); 3] = [(1, 999_999, b"ab"), (2, 3_000, b""), (0, 0, b"c")];
        let file = builder::classic(order, MICRO, 113, &records);
        let micros = [1_999_999, 2_003_000, 0];
        let expected = [0, 1, 2].map(|index: usize| packet(micros[index], 113, records[index].2));
        check_file(&file, &expected);
        let file = builder::classic(order, NANO, 276, &[(u32::MAX, 1_999, b"ab")]);
        check_file(&file, &[packet(4_294_967_295_000_001, 276, b"ab")]);
        // The upper bits of the link type tell of a frame check sequence.
        let file = builder::classic(order, MICRO, 0xF400_0001, &[]);
        check_file(&file, &[]);
    }
}

#[test]
fn a_file_cut_anywhere_gives_the_packets_before_the_cut() {
    let classic = builder::classic(Order::Big, MICRO, 1, &[(1, 0, b"abcde"), (2, 0, b"fghi")]);
    let mut ng = builder::section(Order::Little);
    ng.extend(builder::interface(Order::Little, 1, 0, &[]));
    let ng_start = ng.len();
    ng.extend(builder::enhanced(Order::Little, 0, 7, b"abcde"));
    let ng_middle = ng.len();
    ng.extend(builder::enhanced(Order::Little, 0, 8, b"fghi"));
    let cases = [(classic, 24, 24 + 16 + 5), (ng, ng_start, ng_middle)];
    for (file, first_at, second_at) in cases {
        for cut in first_at..=file.len() {
            let read = PacketFile::read(&file[..cut]).unwrap();
            let whole = match cut {
                cut if cut == file.len() => 2,
                cut if cut >= second_at => 1,
                _ => 0,
            };
            assert_eq!(read.packets.len(), whole, "cut at {cut}");
            let is_clean = [first_at, second_at, file.len()].contains(&cut);
            let broken_at = if cut > second_at { second_at } else { first_at };
            assert_eq!(read.broken_at, (!is_clean).then_some(broken_at), "cut at {cut}");
        }
    }
}

#[test]
fn files_that_are_not_captures() {
    let mut version = builder::classic(Order::Little, MICRO, 1, &[]);
    version[4] = 3;
    let mut ng_version = builder::section(Order::Big);
    ng_version[13] = 2;
    let cases: [(&[u8], PcapError); 7] = [
        (b"", PcapError::Format),
        (b"\xD4", PcapError::Truncated),
        (b"\x1F\x8B\x08\x00\x00\x00\x00\x00", PcapError::Format),
        (b"\xD4\xC3\xB2\xA1\x02\x00\x04\x00", PcapError::Truncated),
        (b"\x0A\x0D\x0D\x0A\x1C\x00\x00\x00\x4D\x3C\x2B\x1A", PcapError::Truncated),
        (&version, PcapError::Version { major: 3 }),
        (&ng_version, PcapError::Version { major: 2 }),
    ];
    for (file, expected) in cases {
        assert_eq!(PacketFile::read(file), Err(expected));
    }
}

#[test]
fn a_declared_length_beyond_the_file_is_a_break() {
    let mut file = builder::classic(Order::Little, MICRO, 1, &[(1, 0, b"abcd")]);
    file[24 + 8..24 + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    let read = PacketFile::read(&file).unwrap();
    assert_eq!((read.packets.len(), read.broken_at), (0, Some(24)));
    for len in [0, 11, 12, u32::MAX] {
        let mut file = builder::section(Order::Big);
        file.extend([0, 0, 0, 6]);
        file.extend(len.to_be_bytes());
        file.extend([0; 40]);
        let read = PacketFile::read(&file).unwrap();
        assert_eq!((read.packets.len(), read.broken_at), (0, Some(28)), "length {len}");
    }
}

#[test]
fn sections_have_their_own_order_and_interfaces() {
    let mut file = builder::section(Order::Little);
    file.extend(builder::interface(Order::Little, 1, 0, &[]));
    file.extend(builder::interface(Order::Little, 101, 0, &[(9, &[9])]));
    file.extend(builder::enhanced(Order::Little, 1, 5_000, b"a"));
    file.extend(builder::block(Order::Little, 0x0BAD, b"unknown blocks are skipped"));
    file.extend(builder::enhanced(Order::Little, 0, 5_000, b"bcd"));
    file.extend(builder::section(Order::Big));
    file.extend(builder::enhanced(Order::Big, 0, 1, b"no interface yet"));
    file.extend(builder::interface(Order::Big, 113, 3, &[]));
    file.extend(builder::enhanced(Order::Big, 0, 1 << 32, b"efgh"));
    file.extend(builder::simple(Order::Big, 9, b"ijk"));
    // An obsolete packet: interface, drops, time, lengths.
    let mut obsolete = vec![0, 0, 0xFF, 0xFF];
    for field in [0_u32, 77, 2, 2] {
        obsolete.extend(field.to_be_bytes());
    }
    obsolete.extend(b"lm");
    file.extend(builder::block(Order::Big, 2, &obsolete));
    let expected = PacketFile {
        packets: vec![
            packet(5, 101, b"a"),
            packet(5_000, 1, b"bcd"),
            packet(1 << 32, 113, b"efgh"),
            packet(1 << 32, 113, b"ijk"),
            packet(77, 113, b"lm"),
        ],
        broken_at: None,
        unknown_interface: 1,
    };
    assert_eq!(PacketFile::read(&file), Ok(expected));
}

#[test]
fn time_stamps_of_every_resolution() {
    // Resolution, offset in seconds, units, microseconds.
    let cases = [
        (6, 0, 123, 123),
        (0, 0, 123, 123_000_000),
        (3, 0, 123, 123_000),
        (9, 0, 123_456, 123),
        (12, 2, 5_000_000, 2_000_005),
        (0x80, 0, 3, 3_000_000),
        (0x8A, 0, 512, 500_000),
        (0xFF, 0, u64::MAX, 0),
        (0x7F, 0, u64::MAX, 0),
        (0, 0, u64::MAX, u64::MAX),
        (6, -1, 1_500_000, 500_000),
        (6, -2, 1_500_000, 0),
        (6, i64::MAX, 0, u64::MAX),
    ];
    for (resolution, offset, units, expected) in cases {
        let order = Order::Little;
        let mut file = builder::section(order);
        let offset = offset.to_le_bytes();
        let options: [(u16, &[u8]); 4] =
            [(2, b"eth0"), (9, &[resolution]), (14, &offset), (0, b"")];
        file.extend(builder::interface(order, 1, 0, &options));
        file.extend(builder::enhanced(order, 0, units, b""));
        check_file(&file, &[packet(expected, 1, b"")]);
    }
}

fn sample(source: &str, destination: &str) -> Tcp {
    let mut tcp = Tcp::new(source, destination, 0xFFFF_FFF0, b"payload").with_ack(9);
    tcp.options_len = 12;
    tcp.with_flags(builder::FIN)
}

fn segment<'a>(tcp: &'a Tcp) -> Segment<'a> {
    Segment {
        source: tcp.source,
        destination: tcp.destination,
        sequence: tcp.sequence,
        acknowledgement: (tcp.flags & builder::ACK != 0).then_some(tcp.acknowledgement),
        syn: tcp.flags & builder::SYN != 0,
        fin: tcp.flags & builder::FIN != 0,
        reset: tcp.flags & builder::RST != 0,
        payload: &tcp.payload,
        wire_len: tcp.payload.len() as u32,
    }
}

#[test]
fn every_link_layer_carries_both_versions_of_ip() {
    let v4 = sample("10.0.0.1:5000", "10.0.0.2:1935");
    let v6 = sample("[fe80::1]:5000", "[fe80::2]:1935");
    for tcp in [&v4, &v6] {
        let ip = tcp.ip();
        let ethertype = tcp.ethertype().to_be_bytes();
        let after = |start: &[u8]| [start, &ip].concat();
        let padded = [tcp.ethernet(&[]), vec![0; 30]].concat();
        let mut cases = vec![
            (1, tcp.ethernet(&[])),
            (1, padded),
            (1, tcp.ethernet(&[0x8100])),
            (1, tcp.ethernet(&[0x88A8, 0x8100])),
            (1, tcp.ethernet(&[0x9100, 0x8100, 0x8100])),
            (113, after(&[&[0; 14][..], &ethertype].concat())),
            (276, after(&[&ethertype[..], &[0; 18]].concat())),
            (101, ip.clone()),
            (12, ip.clone()),
        ];
        let families: &[u8] = if tcp.source.is_ipv4() { &[2] } else { &[10, 24, 28, 30] };
        for family in families {
            cases.push((0, after(&[*family, 0, 0, 0])));
            cases.push((0, after(&[0, 0, 0, *family])));
            cases.push((108, after(&[0, 0, 0, *family])));
        }
        cases.push((if tcp.source.is_ipv4() { 228 } else { 229 }, ip.clone()));
        for (link, bytes) in cases {
            assert_eq!(decode(&packet(0, link, &bytes)), Ok(segment(tcp)), "link type {link}");
        }
    }
}

#[test]
fn headers_of_ip_with_options_and_extensions() {
    let tcp = sample("10.0.0.1:5000", "10.0.0.2:1935");
    let body = tcp.bytes();
    // "Don't fragment" is not a fragment. Without a length, the packet is as long as captured.
    for (options_len, fragment, total_len) in
        [(40, 0x4000, body.len() + 60), (0, 0, 0), (4, 0, body.len() + 24)]
    {
        let bytes = tcp.ipv4(options_len, fragment, total_len, &body);
        assert_eq!(decode(&packet(0, 228, &bytes)), Ok(segment(&tcp)));
    }
    let tcp = sample("[fe80::1]:5000", "[fe80::2]:1935");
    let body = tcp.bytes();
    let chain: [&[u8]; 5] = [
        &[43, 0, 1, 1, 1, 1, 1, 1],
        &[60, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2],
        &[44, 0, 3, 3, 3, 3, 3, 3],
        &[51, 0, 0, 0, 4, 4, 4, 4],
        &[6, 4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5],
    ];
    let extended = [chain.concat(), body.clone()].concat();
    for payload_len in [extended.len(), 0] {
        let bytes = tcp.ipv6(0, payload_len, &extended);
        assert_eq!(decode(&packet(0, 229, &bytes)), Ok(segment(&tcp)));
    }
}

#[test]
fn packets_without_a_segment() {
    let v4 = sample("10.0.0.1:5000", "10.0.0.2:1935");
    let v6 = sample("[fe80::1]:5000", "[fe80::2]:1935");
    let body = v4.bytes();
    let len = body.len() + 20;
    let mut udp = v4.ip();
    udp[9] = 17;
    let mut version = v4.ip();
    version[0] = 0x55;
    let mut short_header = v4.ip();
    short_header[0] = 0x44;
    let mut data_offset = v4.ip();
    data_offset[32] = 0x40;
    let fragment6 = |offset: u16| {
        let offset = offset.to_be_bytes();
        v6.ipv6(44, 30, &[&[6, 0, offset[0], offset[1], 0, 0, 0, 1][..], &[0; 22]].concat())
    };
    let cases = [
        (147, v4.ip(), Skip::UnknownLink),
        (1, vec![0; 13], Skip::Malformed),
        (1, [&[0; 12][..], b"\x08\x06arp"].concat(), Skip::NotTcp),
        (1, [&[0; 12][..], b"\x81\x00\x00"].concat(), Skip::Malformed),
        (0, [&[0, 0, 7, 0][..], &v4.ip()].concat(), Skip::NotTcp),
        (101, version.clone(), Skip::Malformed),
        (101, vec![], Skip::Malformed),
        (228, version, Skip::Malformed),
        (228, udp, Skip::NotTcp),
        (228, short_header, Skip::Malformed),
        (228, data_offset, Skip::Malformed),
        (228, v4.ipv4(0, 0x2000, len, &body), Skip::Fragment),
        (228, v4.ipv4(0, 0x0001, len, &body), Skip::Fragment),
        (228, v4.ipv4(0, 0, 19, &body), Skip::Malformed),
        (228, v4.ipv4(0, 0, 39, &body), Skip::Malformed),
        (229, fragment6(1), Skip::Fragment),
        (229, fragment6(0x0008), Skip::Fragment),
        (229, v6.ipv6(59, 0, &[]), Skip::NotTcp),
        (229, v6.ipv6(0, 8, &[6, 1, 0, 0, 0, 0, 0, 0]), Skip::Malformed),
        (229, v6.ipv6(0, 7, &[&[6, 0, 0, 0, 0, 0, 0, 0][..], &body].concat()), Skip::Malformed),
    ];
    for (index, (link, bytes, expected)) in cases.iter().enumerate() {
        assert_eq!(decode(&packet(0, *link, bytes)), Err(*expected), "case {index}");
    }
    // Every cut inside of the headers.
    for cut in 0..v4.ip().len() - v4.payload.len() - v4.options_len {
        let bytes = &v4.ip()[..cut];
        assert_eq!(decode(&packet(0, 228, bytes)), Err(Skip::Malformed), "cut at {cut}");
    }
}

#[test]
fn a_snapshot_says_how_long_the_segment_was() {
    let tcp = sample("10.0.0.1:5000", "10.0.0.2:1935");
    for missing in 0..=tcp.payload.len() + tcp.options_len {
        let ip = tcp.ip();
        let bytes = &ip[..ip.len() - missing];
        let captured = tcp.payload.len().saturating_sub(missing);
        let expected = Segment { payload: &tcp.payload[..captured], ..segment(&tcp) };
        assert_eq!(decode(&packet(0, 228, bytes)), Ok(expected), "{missing} bytes missing");
    }
    assert_eq!(tcp.source, address("10.0.0.1:5000"));
}
