//! From a packet to the TCP segment in it: link layer, IPv4 and IPv6.

use super::fields::Fields;
use super::{LinkType, Packet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86DD;
const ETHERTYPES_VLAN: [u16; 3] = [0x8100, 0x88A8, 0x9100];

const PROTOCOL_TCP: u8 = 6;

/// The address families that the systems with a BSD loopback give to IPv6; IPv4 is 2 on each.
const BSD_FAMILY_IPV4: u32 = 2;
const BSD_FAMILIES_IPV6: [u32; 4] = [10, 24, 28, 30];

/// A TCP segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// Whom it is for.
    pub destination: SocketAddr,
    /// The sequence number of the SYN, else of the first byte.
    pub sequence: u32,
    /// The next sequence number that the sender expects, if it says so.
    pub acknowledgement: Option<u32>,
    /// It opens a direction.
    pub syn: bool,
    /// It ends a direction.
    pub fin: bool,
    /// It breaks the connection.
    pub reset: bool,
    /// What was captured of the data.
    pub payload: &'a [u8],
    /// How much data there was on the wire: at least the length of `payload`.
    pub wire_len: u32,
}

/// Why a packet gave no segment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Skip {
    /// A part of an IP packet; such parts are not put together.
    Fragment,
    /// Cut short, or lengths that contradict each other.
    Malformed,
    /// Another protocol than TCP over IP.
    NotTcp,
    /// A link layer that is not known.
    UnknownLink,
}

/// The TCP segment of a packet.
///
/// # Errors
/// Says why there is none.
pub fn decode<'a>(packet: &Packet<'a>) -> Result<Segment<'a>, Skip> {
    let mut fields = Fields::network(packet.bytes);
    match packet.link {
        LinkType::ETHERNET => {
            let _addresses = fields.bytes(12).ok_or(Skip::Malformed)?;
            let ethertype = fields.u16().ok_or(Skip::Malformed)?;
            by_ethertype(ethertype, fields)
        }
        LinkType::LINUX_COOKED => {
            let _origin = fields.bytes(14).ok_or(Skip::Malformed)?;
            let ethertype = fields.u16().ok_or(Skip::Malformed)?;
            by_ethertype(ethertype, fields)
        }
        LinkType::LINUX_COOKED_2 => {
            let ethertype = fields.u16().ok_or(Skip::Malformed)?;
            let _origin = fields.bytes(18).ok_or(Skip::Malformed)?;
            by_ethertype(ethertype, fields)
        }
        LinkType::BSD_NULL | LinkType::BSD_LOOP => {
            let family = fields.u32().ok_or(Skip::Malformed)?;
            let either = [family, family.swap_bytes()];
            if either.contains(&BSD_FAMILY_IPV4) {
                ipv4(fields)
            } else if either.iter().any(|family| BSD_FAMILIES_IPV6.contains(family)) {
                ipv6(fields)
            } else {
                Err(Skip::NotTcp)
            }
        }
        LinkType::RAW | LinkType::RAW_BSD => match fields.rest().first() {
            Some(first) if first >> 4 == 4 => ipv4(fields),
            Some(first) if first >> 4 == 6 => ipv6(fields),
            _ => Err(Skip::Malformed),
        },
        LinkType::IPV4 => ipv4(fields),
        LinkType::IPV6 => ipv6(fields),
        LinkType(_) => Err(Skip::UnknownLink),
    }
}

fn by_ethertype(mut ethertype: u16, mut fields: Fields<'_>) -> Result<Segment<'_>, Skip> {
    while ETHERTYPES_VLAN.contains(&ethertype) {
        let _tag = fields.u16().ok_or(Skip::Malformed)?;
        ethertype = fields.u16().ok_or(Skip::Malformed)?;
    }
    match ethertype {
        ETHERTYPE_IPV4 => ipv4(fields),
        ETHERTYPE_IPV6 => ipv6(fields),
        _ => Err(Skip::NotTcp),
    }
}

/// Cuts what follows the IP packet (Ethernet pads short frames) and says how long the rest of the
/// IP packet was on the wire.
fn cut(rest: &[u8], wire_len: Option<usize>) -> (&[u8], usize) {
    match wire_len {
        Some(wire_len) => (rest.get(..wire_len).unwrap_or(rest), wire_len),
        // The network card cuts and numbers such a packet only after it was captured.
        None => (rest, rest.len()),
    }
}

fn ipv4(mut fields: Fields<'_>) -> Result<Segment<'_>, Skip> {
    let [version_and_len, _service] = fields.array().ok_or(Skip::Malformed)?;
    let total_len = usize::from(fields.u16().ok_or(Skip::Malformed)?);
    let _identification = fields.u16().ok_or(Skip::Malformed)?;
    let fragment = fields.u16().ok_or(Skip::Malformed)?;
    let [_time_to_live, protocol] = fields.array().ok_or(Skip::Malformed)?;
    let _checksum = fields.u16().ok_or(Skip::Malformed)?;
    let source = Ipv4Addr::from(fields.u32().ok_or(Skip::Malformed)?);
    let destination = Ipv4Addr::from(fields.u32().ok_or(Skip::Malformed)?);
    let header_len = usize::from(version_and_len & 0x0F) * 4;
    let options_len = header_len.checked_sub(20).ok_or(Skip::Malformed)?;
    if version_and_len >> 4 != 4 {
        return Err(Skip::Malformed);
    }
    // "More fragments", or an offset.
    if fragment & 0x3FFF != 0 {
        return Err(Skip::Fragment);
    }
    if protocol != PROTOCOL_TCP {
        return Err(Skip::NotTcp);
    }
    let _options = fields.bytes(options_len).ok_or(Skip::Malformed)?;
    let wire_len = match total_len {
        0 => None,
        len => Some(len.checked_sub(header_len).ok_or(Skip::Malformed)?),
    };
    tcp(source.into(), destination.into(), cut(fields.rest(), wire_len))
}

fn ipv6(mut fields: Fields<'_>) -> Result<Segment<'_>, Skip> {
    let version = fields.u32().ok_or(Skip::Malformed)? >> 28;
    let payload_len = usize::from(fields.u16().ok_or(Skip::Malformed)?);
    let [mut next_header, _hop_limit] = fields.array().ok_or(Skip::Malformed)?;
    let source = Ipv6Addr::from(fields.array::<16>().ok_or(Skip::Malformed)?);
    let destination = Ipv6Addr::from(fields.array::<16>().ok_or(Skip::Malformed)?);
    if version != 6 {
        return Err(Skip::Malformed);
    }
    let payload = fields.rest();
    loop {
        let extension_len = match next_header {
            PROTOCOL_TCP => break,
            // Hop-by-hop options, routing, destination options, mobility, host identity, shim6.
            0 | 43 | 60 | 135 | 139 | 140 => {
                let [next, len] = fields.array().ok_or(Skip::Malformed)?;
                next_header = next;
                usize::from(len) * 8 + 6
            }
            // A fragment header; a packet in a single fragment is whole (RFC 6946).
            44 => {
                let [next, _reserved] = fields.array().ok_or(Skip::Malformed)?;
                if fields.u16().ok_or(Skip::Malformed)? & 0xFFF9 != 0 {
                    return Err(Skip::Fragment);
                }
                next_header = next;
                4
            }
            // Authentication.
            51 => {
                let [next, len] = fields.array().ok_or(Skip::Malformed)?;
                next_header = next;
                usize::from(len) * 4 + 6
            }
            _ => return Err(Skip::NotTcp),
        };
        let _extension = fields.bytes(extension_len).ok_or(Skip::Malformed)?;
    }
    let extensions_len = payload.len() - fields.rest().len();
    let wire_len = match payload_len {
        0 => None,
        len => Some(len.checked_sub(extensions_len).ok_or(Skip::Malformed)?),
    };
    tcp(source.into(), destination.into(), cut(fields.rest(), wire_len))
}

fn tcp(
    source: IpAddr,
    destination: IpAddr,
    (bytes, wire_len): (&[u8], usize),
) -> Result<Segment<'_>, Skip> {
    let mut fields = Fields::network(bytes);
    let source_port = fields.u16().ok_or(Skip::Malformed)?;
    let destination_port = fields.u16().ok_or(Skip::Malformed)?;
    let sequence = fields.u32().ok_or(Skip::Malformed)?;
    let acknowledgement = fields.u32().ok_or(Skip::Malformed)?;
    let [data_offset, flags] = fields.array().ok_or(Skip::Malformed)?;
    let _window_checksum_urgent = fields.bytes(6).ok_or(Skip::Malformed)?;
    let header_len = usize::from(data_offset >> 4) * 4;
    let options_len = header_len.checked_sub(20).ok_or(Skip::Malformed)?;
    let wire_len = wire_len.checked_sub(header_len).ok_or(Skip::Malformed)?;
    // A snapshot that ends inside of the options has none of the data, yet says how much there was.
    let payload = fields.rest().get(options_len..).unwrap_or_default();
    Ok(Segment {
        source: SocketAddr::new(source, source_port),
        destination: SocketAddr::new(destination, destination_port),
        sequence,
        acknowledgement: (flags & 0x10 != 0).then_some(acknowledgement),
        syn: flags & 0x02 != 0,
        fin: flags & 0x01 != 0,
        reset: flags & 0x04 != 0,
        payload,
        wire_len: u32::try_from(wire_len).map_err(|_| Skip::Malformed)?,
    })
}
