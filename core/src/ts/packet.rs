//! PES packets cut into transport packets, in one pass over the bytes.

use super::{PACKET_LEN, SYNC};
use bytes::{BufMut as _, BytesMut};

/// What the adaptation field of the first packet of a PES packet says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Adaptation {
    /// The clock, in ticks.
    pub(super) pcr: Option<i64>,
    /// Decoding can start here.
    pub(super) is_random_access: bool,
    /// The clock does not go on from the one before.
    pub(super) is_discontinuity: bool,
}

impl Adaptation {
    /// Bytes after `adaptation_field_length`; 0 when no field is needed.
    const fn len(self) -> usize {
        match (self.pcr, self.is_random_access || self.is_discontinuity) {
            (Some(_), _) => 7,
            (None, true) => 1,
            (None, false) => 0,
        }
    }

    /// Writes the field so that it has `len` bytes after its length.
    fn write(self, len: usize, out: &mut BytesMut) {
        out.put_u8(u8::try_from(len).unwrap_or_default());
        if len == 0 {
            return;
        }
        let mut flags = 0;
        for (flag, is_set) in [
            (0x80, self.is_discontinuity),
            (0x40, self.is_random_access),
            (0x10, self.pcr.is_some()),
        ] {
            flags |= if is_set { flag } else { 0 };
        }
        out.put_u8(flags);
        let mut written = 1;
        if let Some(pcr) = self.pcr {
            // The base, six reserved bits, and an extension of zero.
            out.put_uint(wrapped(pcr) << 15 | 0x7e00, 6);
            written = 7;
        }
        out.put_bytes(0xff, len.saturating_sub(written));
    }
}

/// Ticks modulo 2^33.
pub(super) const fn wrapped(ticks: i64) -> u64 {
    ticks.rem_euclid(1 << 33).unsigned_abs()
}

/// What stands before the payload of a PES packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PesHeader {
    pub(super) stream_id: u8,
    /// In ticks.
    pub(super) pts: i64,
    /// In ticks; written when it is not the PTS.
    pub(super) dts: i64,
}

/// The longest header of a PES packet that is written here.
const PES_HEADER_LEN_MAX: usize = 19;

impl PesHeader {
    fn bytes(self, payload_len: usize) -> heapless::Vec<u8, PES_HEADER_LEN_MAX> {
        let has_dts = wrapped(self.pts) != wrapped(self.dts);
        let times_len: u8 = if has_dts { 10 } else { 5 };
        let len = payload_len.saturating_add(3).saturating_add(usize::from(times_len));
        // A length of zero: the packet ends where the next one begins.
        let [high, low] = u16::try_from(len).unwrap_or_default().to_be_bytes();
        let flags = if has_dts { 0xc0 } else { 0x80 };
        let mut bytes = heapless::Vec::new();
        let mut put = |part: &[u8]| {
            // 9 + 2 * 5 bytes: there is always room.
            let _ = bytes.extend_from_slice(part);
        };
        put(&[0, 0, 1, self.stream_id, high, low, 0x84, flags, times_len]);
        put(&time_bytes(if has_dts { 3 } else { 2 }, self.pts));
        if has_dts {
            put(&time_bytes(1, self.dts));
        }
        bytes
    }
}

/// A time of 33 bits behind a prefix of four, with its marker bits.
fn time_bytes(prefix: u8, ticks: i64) -> [u8; 5] {
    let ticks = wrapped(ticks);
    let spread = u64::from(prefix) << 36
        | (ticks >> 30 & 0x7) << 33
        | (ticks >> 15 & 0x7fff) << 17
        | (ticks & 0x7fff) << 1
        | 0x1_0001_0001;
    let [_, _, _, bytes @ ..] = spread.to_be_bytes();
    bytes
}

/// One PID and its continuity counter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pid {
    id: u16,
    /// The counter of the next packet with a payload.
    counter: u8,
}

impl Pid {
    pub(super) const fn new(id: u16) -> Self {
        Self { id, counter: 0 }
    }

    fn header(&self, flags: u8, control: u8, counter: u8) -> [u8; 4] {
        let [high, low] = self.id.to_be_bytes();
        [SYNC, flags | high & 0x1f, low, control | counter & 0x0f]
    }

    const fn count(&mut self) -> u8 {
        let counter = self.counter;
        self.counter = counter.wrapping_add(1) & 0x0f;
        counter
    }

    /// Writes a packet without a payload, for its clock alone. Its counter does not count.
    pub(super) fn write_clock(&self, adaptation: Adaptation, out: &mut BytesMut) {
        out.reserve(PACKET_LEN);
        out.put_slice(&self.header(0, 0x20, self.counter.wrapping_sub(1)));
        adaptation.write(PACKET_LEN - 5, out);
    }
}

/// Cuts one PES packet into transport packets, as its parts come.
#[derive(Debug)]
pub(super) struct PesWriter<'a> {
    out: &'a mut BytesMut,
    pid: &'a mut Pid,
    /// Bytes that are still to come, the header of the PES packet included.
    left: usize,
    /// Bytes that the current packet still takes.
    room: usize,
}

/// Bytes of a packet after its header.
const BODY_LEN: usize = PACKET_LEN - 4;

impl<'a> PesWriter<'a> {
    /// Begins a PES packet whose payload has exactly `payload_len` bytes.
    pub(super) fn begin(
        pid: &'a mut Pid,
        header: PesHeader,
        adaptation: Adaptation,
        payload_len: usize,
        out: &'a mut BytesMut,
    ) -> Self {
        let header = header.bytes(payload_len);
        let left = payload_len.saturating_add(header.len());
        let packets = left.saturating_add(8).div_ceil(BODY_LEN);
        out.reserve(packets.saturating_mul(PACKET_LEN));
        let mut writer = Self { out, pid, left, room: 0 };
        writer.begin_packet(0x40, adaptation);
        writer.put(&header);
        writer
    }

    /// Appends a part of the payload.
    pub(super) fn put(&mut self, part: &[u8]) {
        let mut part = part;
        while !part.is_empty() {
            if self.room == 0 {
                if self.left == 0 {
                    debug_assert!(false, "more bytes than were announced");
                    return;
                }
                self.begin_packet(0, Adaptation::default());
            }
            let (now, later) = part.split_at_checked(self.room).unwrap_or((part, &[]));
            self.out.extend_from_slice(now);
            self.room = self.room.saturating_sub(now.len());
            self.left = self.left.saturating_sub(now.len());
            part = later;
        }
    }

    /// Writes the header of a packet, and as much stuffing as it needs to be full.
    fn begin_packet(&mut self, flags: u8, adaptation: Adaptation) {
        let needed = match adaptation.len() {
            0 => 0,
            len => len.saturating_add(1),
        };
        let room = BODY_LEN.saturating_sub(needed).min(self.left);
        let field = BODY_LEN.saturating_sub(room);
        let control = if field == 0 { 0x10 } else { 0x30 };
        let counter = self.pid.count();
        self.out.extend_from_slice(&self.pid.header(flags, control, counter));
        if let Some(len) = field.checked_sub(1) {
            adaptation.write(len, self.out);
        }
        self.room = room;
    }
}

impl Drop for PesWriter<'_> {
    fn drop(&mut self) {
        debug_assert!(self.left == 0, "fewer bytes than were announced");
    }
}
