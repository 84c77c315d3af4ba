//! The pcap format (draft-ietf-opsawg-pcap): one header, then records.

use super::fields::{Endian, Fields};
use super::{LinkType, Packet, PacketFile, PcapError};

/// What the magic number of a file says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Variant {
    endian: Endian,
    units_per_micro: u64,
}

impl Variant {
    pub(super) fn of(magic: [u8; 4]) -> Option<Self> {
        let (endian, units_per_micro) = match magic {
            [0xA1, 0xB2, 0xC3, 0xD4] => (Endian::Big, 1),
            [0xD4, 0xC3, 0xB2, 0xA1] => (Endian::Little, 1),
            [0xA1, 0xB2, 0x3C, 0x4D] => (Endian::Big, 1_000),
            [0x4D, 0x3C, 0xB2, 0xA1] => (Endian::Little, 1_000),
            _ => return None,
        };
        Some(Self { endian, units_per_micro })
    }
}

pub(super) fn read(file: &[u8], variant: Variant) -> Result<PacketFile<'_>, PcapError> {
    let mut fields = Fields::new(file, variant.endian);
    let (major, link) = header(&mut fields).ok_or(PcapError::Truncated)?;
    if major != 2 {
        return Err(PcapError::Version { major });
    }
    let mut read = PacketFile::default();
    while !fields.rest().is_empty() {
        let offset = file.len() - fields.rest().len();
        match record(&mut fields, variant, link) {
            Some(packet) => read.packets.push(packet),
            None => {
                read.broken_at = Some(offset);
                break;
            }
        }
    }
    Ok(read)
}

/// The version and the link type of the file header.
fn header(fields: &mut Fields<'_>) -> Option<(u16, LinkType)> {
    let _magic = fields.u32()?;
    let major = fields.u16()?;
    // The minor version, the time zone, the accuracy and the snapshot length say nothing of use.
    let _unused = fields.bytes(2 + 4 + 4 + 4)?;
    // The upper bits say whether a frame check sequence follows the packet; IP's own length cuts
    // that off.
    let link = LinkType((fields.u32()? & 0xFFFF) as u16);
    Some((major, link))
}

fn record<'a>(fields: &mut Fields<'a>, variant: Variant, link: LinkType) -> Option<Packet<'a>> {
    let seconds = u64::from(fields.u32()?);
    let fraction = u64::from(fields.u32()?);
    let captured_len = fields.u32()?;
    let _original_len = fields.u32()?;
    let bytes = fields.bytes(usize::try_from(captured_len).ok()?)?;
    // Both are below 2^32, so that neither product nor sum can overflow.
    let at_micros = seconds * 1_000_000 + fraction / variant.units_per_micro;
    Some(Packet { at_micros, link, bytes })
}
