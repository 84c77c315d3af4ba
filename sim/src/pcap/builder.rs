//! Handmade packets and capture files.

use std::net::{IpAddr, SocketAddr};

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const ACK: u8 = 0x10;

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A TCP segment with `options_len` bytes of options.
#[derive(Clone, Debug)]
pub(crate) struct Tcp {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) sequence: u32,
    pub(crate) acknowledgement: u32,
    pub(crate) flags: u8,
    pub(crate) options_len: usize,
    pub(crate) payload: Vec<u8>,
}

impl Tcp {
    pub(crate) fn new(source: &str, destination: &str, sequence: u32, payload: &[u8]) -> Self {
        Self {
            source: address(source),
            destination: address(destination),
            sequence,
            acknowledgement: 0,
            flags: 0,
            options_len: 0,
            payload: payload.to_vec(),
        }
    }

    pub(crate) fn with_flags(mut self, flags: u8) -> Self {
        self.flags |= flags;
        self
    }

    pub(crate) fn with_ack(mut self, acknowledgement: u32) -> Self {
        self.acknowledgement = acknowledgement;
        self.with_flags(ACK)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.source.port().to_be_bytes());
        bytes.extend(self.destination.port().to_be_bytes());
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.acknowledgement.to_be_bytes());
        bytes.push(((20 + self.options_len) as u8 / 4) << 4);
        bytes.push(self.flags);
        bytes.extend([0xFF, 0xFF, 0, 0, 0, 0]);
        bytes.extend(std::iter::repeat_n(1, self.options_len));
        bytes.extend(&self.payload);
        bytes
    }

    /// The IP packet, of the version of the addresses.
    pub(crate) fn ip(&self) -> Vec<u8> {
        let tcp = self.bytes();
        match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(_), IpAddr::V4(_)) => self.ipv4(0, 0, tcp.len() + 20, &tcp),
            _ => self.ipv6(6, tcp.len(), &tcp),
        }
    }

    pub(crate) fn ipv4(
        &self,
        options_len: usize,
        fragment: u16,
        total_len: usize,
        body: &[u8],
    ) -> Vec<u8> {
        let mut bytes = vec![0x40 | ((20 + options_len) as u8 / 4), 0];
        bytes.extend((total_len as u16).to_be_bytes());
        bytes.extend([0, 7]);
        bytes.extend(fragment.to_be_bytes());
        bytes.extend([64, 6, 0, 0]);
        for end in [self.source, self.destination] {
            let IpAddr::V4(ip) = end.ip() else { panic!("not IPv4") };
            bytes.extend(ip.octets());
        }
        bytes.extend(std::iter::repeat_n(1, options_len));
        bytes.extend(body);
        bytes
    }

    pub(crate) fn ipv6(&self, next_header: u8, payload_len: usize, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x60, 0, 0, 0];
        bytes.extend((payload_len as u16).to_be_bytes());
        bytes.extend([next_header, 64]);
        for end in [self.source, self.destination] {
            let IpAddr::V6(ip) = end.ip() else { panic!("not IPv6") };
            bytes.extend(ip.octets());
        }
        bytes.extend(body);
        bytes
    }

    pub(crate) fn ethertype(&self) -> u16 {
        if self.source.is_ipv4() { 0x0800 } else { 0x86DD }
    }

    pub(crate) fn ethernet(&self, tags: &[u16]) -> Vec<u8> {
        let mut bytes = vec![0xEE; 12];
        for tag in tags {
            bytes.extend(tag.to_be_bytes());
            bytes.extend([0, 42]);
        }
        bytes.extend(self.ethertype().to_be_bytes());
        bytes.extend(self.ip());
        bytes
    }
}

/// The byte order of the number fields of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    Big,
    Little,
}

impl Order {
    pub(crate) fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Big => value.to_be_bytes(),
            Self::Little => value.to_le_bytes(),
        }
    }

    pub(crate) fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Big => value.to_be_bytes(),
            Self::Little => value.to_le_bytes(),
        }
    }
}

/// A pcap file; packets are seconds, fraction and bytes.
pub(crate) fn classic(
    order: Order,
    magic: u32,
    link: u32,
    packets: &[(u32, u32, &[u8])],
) -> Vec<u8> {
    let mut file = order.u32(magic).to_vec();
    file.extend(order.u16(2));
    file.extend(order.u16(4));
    file.extend([0; 8]);
    file.extend(order.u32(262_144));
    file.extend(order.u32(link));
    for (seconds, fraction, bytes) in packets {
        for field in [*seconds, *fraction, bytes.len() as u32, bytes.len() as u32] {
            file.extend(order.u32(field));
        }
        file.extend(*bytes);
    }
    file
}

/// A pcap file of Ethernet packets that are one millisecond apart.
pub(crate) fn ethernet_file(segments: &[Tcp]) -> Vec<u8> {
    let packets: Vec<_> = segments.iter().map(|segment| segment.ethernet(&[])).collect();
    let packets: Vec<_> = (1..)
        .zip(&packets)
        .map(|(millis, bytes)| (millis / 1_000, millis % 1_000 * 1_000, bytes.as_slice()))
        .collect();
    classic(Order::Little, 0xA1B2_C3D4, 1, &packets)
}

pub(crate) fn block(order: Order, type_id: u32, body: &[u8]) -> Vec<u8> {
    let total_len = body.len().next_multiple_of(4) + 12;
    let mut block = order.u32(type_id).to_vec();
    block.extend(order.u32(total_len as u32));
    block.extend(body);
    block.extend(std::iter::repeat_n(0, body.len().next_multiple_of(4) - body.len()));
    block.extend(order.u32(total_len as u32));
    block
}

pub(crate) fn section(order: Order) -> Vec<u8> {
    let mut body = order.u32(0x1A2B_3C4D).to_vec();
    body.extend(order.u16(1));
    body.extend(order.u16(0));
    body.extend([0xFF; 8]);
    block(order, 0x0A0D_0D0A, &body)
}

/// Options are code and value.
pub(crate) fn interface(
    order: Order,
    link: u16,
    snapshot_len: u32,
    options: &[(u16, &[u8])],
) -> Vec<u8> {
    let mut body = order.u16(link).to_vec();
    body.extend([0; 2]);
    body.extend(order.u32(snapshot_len));
    for (code, value) in options {
        body.extend(order.u16(*code));
        body.extend(order.u16(value.len() as u16));
        body.extend(*value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    block(order, 1, &body)
}

pub(crate) fn enhanced(order: Order, interface: u32, units: u64, bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let fields = [interface, (units >> 32) as u32, units as u32, bytes.len() as u32];
    for field in fields.into_iter().chain([bytes.len() as u32]) {
        body.extend(order.u32(field));
    }
    body.extend(bytes);
    block(order, 6, &body)
}

pub(crate) fn simple(order: Order, original_len: u32, bytes: &[u8]) -> Vec<u8> {
    let mut body = order.u32(original_len).to_vec();
    body.extend(bytes);
    block(order, 3, &body)
}
