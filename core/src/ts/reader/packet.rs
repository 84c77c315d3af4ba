//! The header and the adaptation field of a transport packet (sections 2.4.3.2 and 2.4.3.4).

use super::Fault;
use crate::ts::PACKET_LEN;

/// One packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) pid: u16,
    /// A PES packet or a section begins in it.
    pub(super) is_unit_start: bool,
    pub(super) counter: u8,
    pub(super) is_discontinuity: bool,
    pub(super) is_random_access: bool,
    /// At 27 MHz.
    pub(super) clock: Option<u64>,
    pub(super) payload: Option<&'a [u8]>,
}

impl<'a> Packet<'a> {
    /// Reads a packet that begins with the sync byte; an error comes with the PID.
    pub(super) fn parse(bytes: &'a [u8; PACKET_LEN]) -> Result<Self, (u16, Fault)> {
        let &[_, high, low, control, ..] = bytes;
        let pid = u16::from_be_bytes([high & 0x1f, low]);
        let fail = |fault| (pid, fault);
        if high & 0x80 != 0 {
            return Err(fail(Fault::TransportError));
        }
        if control & 0xc0 != 0 {
            return Err(fail(Fault::Scrambled));
        }
        let (has_field, has_payload) = (control & 0x20 != 0, control & 0x10 != 0);
        if !has_field && !has_payload {
            return Err(fail(Fault::Adaptation));
        }
        let mut packet = Self {
            pid,
            is_unit_start: high & 0x40 != 0,
            counter: control & 0x0f,
            is_discontinuity: false,
            is_random_access: false,
            clock: None,
            payload: None,
        };
        let mut rest = bytes.get(4..).unwrap_or_default();
        if has_field {
            let (field, after) = split_field(rest).ok_or(fail(Fault::Adaptation))?;
            packet.take_field(field).ok_or(fail(Fault::Adaptation))?;
            rest = after;
            if !has_payload && !rest.is_empty() {
                return Err(fail(Fault::Adaptation));
            }
        }
        if has_payload {
            if rest.is_empty() {
                return Err(fail(Fault::Adaptation));
            }
            packet.payload = Some(rest);
        }
        Ok(packet)
    }

    fn take_field(&mut self, field: &[u8]) -> Option<()> {
        let Some((&flags, rest)) = field.split_first() else { return Some(()) };
        self.is_discontinuity = flags & 0x80 != 0;
        self.is_random_access = flags & 0x40 != 0;
        if flags & 0x10 != 0 {
            let &[a, b, c, d, e, f] = rest.first_chunk()?;
            let bits = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
            let (base, extension) = (bits >> 15, bits & 0x1ff);
            if extension >= 300 {
                return None;
            }
            self.clock = Some(base.wrapping_mul(300).wrapping_add(extension));
        }
        Some(())
    }
}

/// The adaptation field without its length, and what follows it.
fn split_field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(len))
}
