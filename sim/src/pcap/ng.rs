//! The pcapng format (draft-ietf-opsawg-pcapng): sections of blocks, each with its own byte order
//! and its own interfaces.

use super::fields::{Endian, Fields};
use super::{LinkType, Packet, PacketFile, PcapError};

/// The type of the block that starts a section; it reads the same in both byte orders.
pub(super) const SECTION_HEADER: u32 = 0x0A0D_0D0A;

const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

const OPTION_END: u16 = 0;
const OPTION_TIME_RESOLUTION: u16 = 9;
const OPTION_TIME_OFFSET: u16 = 14;

pub(super) fn read(file: &[u8]) -> Result<PacketFile<'_>, PcapError> {
    let mut read = PacketFile::default();
    let mut section: Option<Section> = None;
    let mut rest = file;
    while !rest.is_empty() {
        let offset = file.len() - rest.len();
        let Some(block) = Block::take(&mut rest, section.as_ref().map(|section| section.endian))
        else {
            if section.is_none() {
                return Err(PcapError::Truncated);
            }
            read.broken_at = Some(offset);
            break;
        };
        if block.type_id == SECTION_HEADER {
            let next = Section::start(block);
            match next {
                // A later section of another version makes no sense of the earlier ones void.
                Err(error) if section.is_none() => return Err(error),
                Err(_) => {
                    read.broken_at = Some(offset);
                    break;
                }
                Ok(next) => section = Some(next),
            }
        } else if section.as_mut().and_then(|section| section.handle(block, &mut read)).is_none() {
            read.broken_at = Some(offset);
            break;
        }
    }
    Ok(read)
}

/// One block, without its frame.
#[derive(Clone, Copy, Debug)]
struct Block<'a> {
    type_id: u32,
    endian: Endian,
    body: &'a [u8],
}

impl<'a> Block<'a> {
    /// Takes the first block of `rest`; `endian` is that of the section so far.
    fn take(rest: &mut &'a [u8], endian: Option<Endian>) -> Option<Self> {
        let is_section = rest.starts_with(&SECTION_HEADER.to_be_bytes());
        let endian = match rest.get(8..12) {
            Some([0x1A, 0x2B, 0x3C, 0x4D]) if is_section => Endian::Big,
            Some([0x4D, 0x3C, 0x2B, 0x1A]) if is_section => Endian::Little,
            _ if is_section => return None,
            _ => endian?,
        };
        let mut fields = Fields::new(rest, endian);
        let type_id = fields.u32()?;
        let total_len = usize::try_from(fields.u32()?).ok()?;
        let body = fields.bytes(total_len.checked_sub(12)?)?;
        // Blocks are padded to 32 bits; some writers forget to count the padding.
        fields.bytes(body.len().wrapping_neg() % 4)?;
        let _total_len = fields.u32()?;
        *rest = fields.rest();
        Some(Self { type_id, endian, body })
    }

    fn fields(self) -> Fields<'a> {
        Fields::new(self.body, self.endian)
    }
}

/// What the blocks of a section have said so far.
#[derive(Debug)]
struct Section {
    endian: Endian,
    interfaces: Vec<Interface>,
    /// Simple packets have no time; they get that of the packet before them.
    last_at_micros: u64,
}

#[derive(Debug)]
struct Interface {
    link: LinkType,
    snapshot_len: u32,
    clock: Clock,
}

/// How the time stamps of an interface count.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// The option `if_tsresol`: a negative power of 10, or of 2 when the top bit is set.
    resolution: u8,
    /// The option `if_tsoffset`, in seconds.
    offset_seconds: i64,
}

impl Section {
    fn start(block: Block<'_>) -> Result<Self, PcapError> {
        let mut fields = block.fields();
        let _byte_order = fields.u32();
        match fields.u16() {
            Some(1) => Ok(Self { endian: block.endian, interfaces: Vec::new(), last_at_micros: 0 }),
            Some(major) => Err(PcapError::Version { major }),
            None => Err(PcapError::Truncated),
        }
    }

    /// `None` when the block contradicts itself.
    fn handle<'a>(&mut self, block: Block<'a>, read: &mut PacketFile<'a>) -> Option<()> {
        let mut fields = block.fields();
        match block.type_id {
            INTERFACE => self.interfaces.push(Interface::parse(fields)?),
            ENHANCED_PACKET => {
                let interface = fields.u32()?;
                self.timed_packet(interface, fields, read)?;
            }
            OBSOLETE_PACKET => {
                let interface = u32::from(fields.u16()?);
                let _drops = fields.u16()?;
                self.timed_packet(interface, fields, read)?;
            }
            SIMPLE_PACKET => self.simple_packet(fields, read)?,
            // Names, statistics, secrets and blocks to come hold no packets.
            _ => {}
        }
        Some(())
    }

    /// The part that the packet blocks with a time have in common.
    fn timed_packet<'a>(
        &mut self,
        interface: u32,
        mut fields: Fields<'a>,
        read: &mut PacketFile<'a>,
    ) -> Option<()> {
        let high = u64::from(fields.u32()?);
        let low = u64::from(fields.u32()?);
        let captured_len = fields.u32()?;
        let _original_len = fields.u32()?;
        let bytes = fields.bytes(usize::try_from(captured_len).ok()?)?;
        let index = usize::try_from(interface).ok()?;
        let Some(interface) = self.interfaces.get(index) else {
            read.unknown_interface += 1;
            return Some(());
        };
        let at_micros = interface.clock.micros(high << 32 | low);
        self.last_at_micros = at_micros;
        read.packets.push(Packet { at_micros, link: interface.link, bytes });
        Some(())
    }

    fn simple_packet<'a>(
        &mut self,
        mut fields: Fields<'a>,
        read: &mut PacketFile<'a>,
    ) -> Option<()> {
        let original_len = fields.u32()?;
        let Some(interface) = self.interfaces.first() else {
            read.unknown_interface += 1;
            return Some(());
        };
        let captured_len = match interface.snapshot_len {
            0 => original_len,
            limit => original_len.min(limit),
        };
        let bytes = fields.bytes(usize::try_from(captured_len).ok()?)?;
        read.packets.push(Packet { at_micros: self.last_at_micros, link: interface.link, bytes });
        Some(())
    }
}

impl Interface {
    fn parse(mut fields: Fields<'_>) -> Option<Self> {
        let link = LinkType(fields.u16()?);
        let _reserved = fields.u16()?;
        let snapshot_len = fields.u32()?;
        let clock = Clock::parse(fields);
        Some(Self { link, snapshot_len, clock })
    }
}

impl Clock {
    /// Reads the options of an interface; options that are cut off count as absent.
    fn parse(mut options: Fields<'_>) -> Self {
        let mut clock = Self { resolution: 6, offset_seconds: 0 };
        while let Some(code) = options.u16().filter(|code| *code != OPTION_END) {
            let Some(len) = options.u16().map(usize::from) else { break };
            let mut value = options;
            match (code, len) {
                (OPTION_TIME_RESOLUTION, 1) => {
                    clock.resolution = value.u8().unwrap_or(clock.resolution);
                }
                (OPTION_TIME_OFFSET, 8) => {
                    clock.offset_seconds = value.u64().unwrap_or_default().cast_signed();
                }
                _ => {}
            }
            if options.bytes(len.next_multiple_of(4)).is_none() {
                break;
            }
        }
        clock
    }

    /// Microseconds since the Unix epoch; saturates at both ends.
    fn micros(self, units: u64) -> u64 {
        let units = u128::from(units);
        let exponent = u32::from(self.resolution & 0x7F);
        let micros = if self.resolution & 0x80 != 0 {
            (units * 1_000_000) >> exponent
        } else if exponent <= 6 {
            units * 10_u128.pow(6 - exponent)
        } else {
            // A unit too small for 128 bits makes every time stamp zero.
            10_u128.checked_pow(exponent - 6).map_or(0, |divisor| units / divisor)
        };
        // At most 2^84 and 2^83.
        let moved = micros.cast_signed() + i128::from(self.offset_seconds) * 1_000_000;
        u64::try_from(moved.max(0)).unwrap_or(u64::MAX)
    }
}
