//! Sections and the two tables that a programme needs (sections 2.4.4.3 and 2.4.4.8).

use super::packet::Packet;
use super::{ElementaryStream, Fault, ProgrammeMap};
use crate::ts::tables::Crc32;
use alloc::vec::Vec;

/// Bytes of a section with its header (section 2.4.4.1: 1,021 after the length).
const SECTION_LEN_MAX: usize = 1_024;
/// Bytes up to and with the length of a section.
const HEADER_LEN: usize = 3;
/// Elementary streams of a programme, and programmes of a stream.
const ENTRIES_MAX: usize = 32;

/// The sections of one PID.
#[derive(Debug, Default)]
pub(super) struct Sections {
    bytes: Vec<u8>,
    is_open: bool,
}

impl Sections {
    /// Takes the payload of a packet; appends whole sections to `found`.
    pub(super) fn take(
        &mut self,
        packet: &Packet<'_>,
        is_in_order: bool,
        found: &mut Vec<Vec<u8>>,
    ) -> Result<(), Fault> {
        let mut payload = packet.payload.unwrap_or_default();
        if !is_in_order {
            self.is_open = false;
        }
        if packet.is_unit_start {
            let (&pointer, rest) = payload.split_first().ok_or(Fault::Section)?;
            let (before, after) =
                rest.split_at_checked(usize::from(pointer)).ok_or(Fault::Section)?;
            if self.is_open {
                self.bytes.extend_from_slice(before);
                self.split(found)?;
            }
            self.bytes.clear();
            self.is_open = true;
            payload = after;
        }
        if self.is_open {
            self.bytes.extend_from_slice(payload);
            self.split(found)?;
        }
        Ok(())
    }

    /// Moves whole sections from the front.
    fn split(&mut self, found: &mut Vec<Vec<u8>>) -> Result<(), Fault> {
        loop {
            if self.bytes.first() == Some(&0xff) {
                // The rest is stuffing.
                self.bytes.clear();
                self.is_open = false;
            }
            let Some(&[_, high, low]) = self.bytes.first_chunk::<HEADER_LEN>() else {
                return Ok(());
            };
            let len = usize::from(u16::from_be_bytes([high & 0x0f, low]));
            let len = len.saturating_add(HEADER_LEN);
            if len > SECTION_LEN_MAX {
                self.bytes.clear();
                self.is_open = false;
                return Err(Fault::Section);
            }
            if self.bytes.len() < len {
                return Ok(());
            }
            let rest = self.bytes.split_off(len);
            found.push(core::mem::replace(&mut self.bytes, rest));
        }
    }
}

/// Checks what all sections share.
pub(super) fn check(section: &[u8]) -> Result<(), Fault> {
    let mut checksum = Crc32::new();
    section.iter().for_each(|byte| checksum.add(*byte));
    if checksum.value() == 0 { Ok(()) } else { Err(Fault::Checksum) }
}

/// What is in a section between its header of eight bytes and its checksum, with the table id, the
/// number after the length, and the version.
fn body(section: &[u8]) -> Option<(u8, u16, u8, &[u8])> {
    let (&[table, syntax, _, high, low, version, number, last], rest) =
        section.split_first_chunk()?;
    let (body, _) = rest.split_last_chunk::<4>()?;
    // One section each, and in force: what else there may be is not needed for one programme.
    let is_plain = syntax & 0x80 != 0 && version & 1 == 1 && number == 0 && last == 0;
    is_plain.then_some((table, u16::from_be_bytes([high, low]), version >> 1 & 0x1f, body))
}

/// Reads a programme association: number and PID of each programme.
pub(super) fn programmes(section: &[u8]) -> Option<Vec<(u16, u16)>> {
    let (0, _, _, body) = body(section)? else { return None };
    let mut programmes = Vec::new();
    for entry in body.chunks(4) {
        let &[number_high, number_low, high, low] = entry.first_chunk()?;
        let number = u16::from_be_bytes([number_high, number_low]);
        // Number 0 names the network table.
        if number != 0 && programmes.len() < ENTRIES_MAX {
            programmes.push((number, u16::from_be_bytes([high & 0x1f, low])));
        }
    }
    Some(programmes)
}

/// Reads the map of programme `number`, which came on `pid`.
pub(super) fn map(pid: u16, number: u16, section: &[u8]) -> Option<ProgrammeMap> {
    let (2, of, version, body) = body(section)? else { return None };
    if of != number {
        return None;
    }
    let (&[pcr_high, pcr_low, info_high, info_low], rest) = body.split_first_chunk()?;
    let info_len = usize::from(u16::from_be_bytes([info_high & 0x0f, info_low]));
    let (_, mut rest) = rest.split_at_checked(info_len)?;
    let mut streams = Vec::new();
    while !rest.is_empty() {
        let (&[stream_type, high, low, info_high, info_low], after) = rest.split_first_chunk()?;
        let info_len = usize::from(u16::from_be_bytes([info_high & 0x0f, info_low]));
        let (descriptors, after) = after.split_at_checked(info_len)?;
        rest = after;
        if streams.len() < ENTRIES_MAX {
            let pid = u16::from_be_bytes([high & 0x1f, low]);
            let registration = registration(descriptors)?;
            streams.push(ElementaryStream { pid, stream_type, registration });
        }
    }
    let pcr_pid = u16::from_be_bytes([pcr_high & 0x1f, pcr_low]);
    Some(ProgrammeMap { number, pid, version, pcr_pid, streams })
}

/// Looks for a registration descriptor; `None` when the descriptors are broken.
fn registration(descriptors: &[u8]) -> Option<Option<[u8; 4]>> {
    let (mut rest, mut found) = (descriptors, None);
    while !rest.is_empty() {
        let (&[tag, len], after) = rest.split_first_chunk()?;
        let (body, after) = after.split_at_checked(usize::from(len))?;
        if tag == 5 {
            found = body.first_chunk().copied();
        }
        rest = after;
    }
    Some(found)
}
