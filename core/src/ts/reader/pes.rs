//! PES packets from the payloads of transport packets (section 2.4.3.6).

use super::packet::Packet;
use super::{Fault, Pes, TsEvent};
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use bytes::Bytes;

/// Bytes of a PES packet.
const PES_LEN_MAX: usize = 16 << 20;
/// Bytes up to and with the length of a PES packet.
const PREFIX_LEN: usize = 6;

/// The PES packets of one PID.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    offset: u64,
    is_random_access: bool,
    bytes: Vec<u8>,
}

impl Assembly {
    /// Takes the payload of a packet; what is complete by it is told.
    pub(super) fn take(
        &mut self,
        offset: u64,
        packet: &Packet<'_>,
        is_in_order: bool,
        events: &mut VecDeque<TsEvent>,
    ) {
        let Some(payload) = packet.payload else { return };
        if packet.is_unit_start {
            self.end(packet.pid, events);
            let is_random_access = packet.is_random_access;
            self.open = Some(Open { offset, is_random_access, bytes: Vec::new() });
        } else if !is_in_order {
            // What is missing may be in the middle: nothing of it can be trusted.
            self.open = None;
        }
        let Some(open) = &mut self.open else { return };
        open.bytes.extend_from_slice(payload);
        let is_complete = open.len().is_some_and(|len| open.bytes.len() >= len);
        if is_complete {
            self.end(packet.pid, events);
        } else if open.bytes.len() > PES_LEN_MAX {
            let fault = Fault::PesTooLong;
            events.push_back(TsEvent::Fault { offset, pid: Some(packet.pid), fault });
            self.open = None;
        }
    }

    /// Tells what has come of a PES packet that ends here.
    pub(super) fn end(&mut self, pid: u16, events: &mut VecDeque<TsEvent>) {
        let Some(open) = self.open.take() else { return };
        let offset = open.offset;
        events.push_back(match open.into_pes(pid) {
            Ok(pes) => TsEvent::Pes(pes),
            Err(fault) => TsEvent::Fault { offset, pid: Some(pid), fault },
        });
    }
}

impl Open {
    /// The length of the whole packet, if it says one.
    fn len(&self) -> Option<usize> {
        let &[_, _, _, _, high, low] = self.bytes.first_chunk::<PREFIX_LEN>()?;
        match u16::from_be_bytes([high, low]) {
            0 => None,
            len => Some(usize::from(len).saturating_add(PREFIX_LEN)),
        }
    }

    fn into_pes(self, pid: u16) -> Result<Pes, Fault> {
        let len = self.len();
        if let Some(len) = len
            && self.bytes.len() != len
        {
            let count =
                |len: usize| u32::try_from(len.saturating_sub(PREFIX_LEN)).unwrap_or(u32::MAX);
            return Err(Fault::PesLength { declared: count(len), found: count(self.bytes.len()) });
        }
        let bytes = Bytes::from(self.bytes);
        let &[0, 0, 1, stream_id, _, _, marks, flags, header_len] =
            bytes.first_chunk().ok_or(Fault::PesHeader)?
        else {
            return Err(Fault::PesHeader);
        };
        // Video may be of any length; everything else tells its own.
        let is_unbounded = len.is_none() && stream_id & 0xf0 != 0xe0;
        if marks & 0xc0 != 0x80 || is_unbounded {
            return Err(Fault::PesHeader);
        }
        let (header, _) = bytes
            .get(9..)
            .and_then(|rest| rest.split_at_checked(usize::from(header_len)))
            .ok_or(Fault::PesHeader)?;
        let (pts, dts) = match flags >> 6 {
            0 => (None, None),
            2 => {
                let pts = time(2, header).ok_or(Fault::PesHeader)?;
                (Some(pts), Some(pts))
            }
            3 => {
                let pts = time(3, header).ok_or(Fault::PesHeader)?;
                let dts = time(1, header.get(5..).unwrap_or_default()).ok_or(Fault::PesHeader)?;
                (Some(pts), Some(dts))
            }
            _ => return Err(Fault::PesHeader),
        };
        let start = 9_usize.saturating_add(usize::from(header_len));
        let (offset, is_random_access) = (self.offset, self.is_random_access);
        let payload = bytes.slice(start..);
        Ok(Pes { offset, pid, stream_id, pts, dts, is_random_access, payload })
    }
}

/// A time of 33 bits behind its prefix; `None` when prefix or marker bits are wrong.
fn time(prefix: u8, bytes: &[u8]) -> Option<u64> {
    let &[a, b, c, d, e] = bytes.first_chunk()?;
    if a >> 4 != prefix || a & c & e & 1 != 1 {
        return None;
    }
    let high = u64::from(a >> 1 & 7) << 30;
    let middle = u64::from(u16::from_be_bytes([b, c]) >> 1) << 15;
    Some(high | middle | u64::from(u16::from_be_bytes([d, e]) >> 1))
}
