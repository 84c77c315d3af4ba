//! Transport packets to tables, PES packets, clocks, and what is wrong with them.
//!
//! The reader is strict: it tells every departure from ISO/IEC 13818-1 that it can see, and goes on
//! with what is left. It follows one programme after the other as the tables name them.

mod packet;
mod pes;
mod section;

use super::{PACKET_LEN, SYNC};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;
use packet::Packet;
use pes::Assembly;
use section::Sections;

/// Something that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TsEvent {
    /// A clock.
    Clock(Clock),
    /// Something is wrong.
    Fault {
        /// Where the packet begins in the input, in bytes.
        offset: u64,
        /// The PID of the packet, if it has one.
        pid: Option<u16>,
        /// What is wrong.
        fault: Fault,
    },
    /// A programme map that is new, or other than the one before.
    Map(ProgrammeMap),
    /// A whole PES packet.
    Pes(Pes),
}

/// A programme clock reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// Where its packet begins in the input, in bytes.
    pub offset: u64,
    /// The PID that carries it.
    pub pid: u16,
    /// The time at 27 MHz, below 2^33 * 300.
    pub ticks: u64,
    /// It does not continue the clock before it.
    pub is_discontinuity: bool,
}

/// What a programme consists of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProgrammeMap {
    /// Its number in the PAT.
    pub number: u16,
    /// The PID of the map.
    pub pid: u16,
    /// `version_number`.
    pub version: u8,
    /// The PID of the clock.
    pub pcr_pid: u16,
    /// The elementary streams in the order of the map.
    pub streams: Vec<ElementaryStream>,
}

/// One elementary stream of a programme.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ElementaryStream {
    /// Its PID.
    pub pid: u16,
    /// `stream_type`.
    pub stream_type: u8,
    /// The `format_identifier` of its registration descriptor, such as `HEVC`.
    pub registration: Option<[u8; 4]>,
}

/// A PES packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pes {
    /// Where its first packet begins in the input, in bytes.
    pub offset: u64,
    /// The PID.
    pub pid: u16,
    /// `stream_id`.
    pub stream_id: u8,
    /// Presentation time in ticks of 90 kHz, below 2^33.
    pub pts: Option<u64>,
    /// Decoding time in ticks of 90 kHz, below 2^33; that of presentation when it has none.
    pub dts: Option<u64>,
    /// Its first packet has the random access indicator.
    pub is_random_access: bool,
    /// What follows the header.
    pub payload: Bytes,
}

/// What is wrong with a packet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The adaptation field is longer than the packet, or too short for what it declares.
    Adaptation,
    /// The checksum of a section is wrong.
    Checksum,
    /// Packets are missing, or in another order.
    Continuity {
        /// The continuity counter that would follow.
        expected: u8,
        /// The one that is there.
        found: u8,
    },
    /// The same packet twice, which is legal once.
    Duplicate,
    /// Bytes that are no packet.
    LostSync {
        /// How many.
        bytes: u64,
    },
    /// The header of a PES packet is broken.
    PesHeader,
    /// A PES packet is shorter or longer than it says.
    PesLength {
        /// Bytes after the length field, as declared.
        declared: u32,
        /// Bytes that came.
        found: u32,
    },
    /// A PES packet without an end.
    PesTooLong,
    /// The payload is scrambled.
    Scrambled,
    /// A section is broken.
    Section,
    /// More PIDs than the limit.
    TooManyPids,
    /// The demodulator could not mend the packet.
    TransportError,
    /// The file ends inside of a packet.
    Truncated,
    /// No table names this PID; told once.
    UnknownPid,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Adaptation => f.write_str("broken adaptation field"),
            Self::Checksum => f.write_str("wrong checksum of a table"),
            Self::Continuity { expected, found } => {
                write!(f, "continuity counter {found} in place of {expected}")
            }
            Self::Duplicate => f.write_str("duplicate packet"),
            Self::LostSync { bytes } => write!(f, "{bytes} bytes that are no packet"),
            Self::PesHeader => f.write_str("broken PES header"),
            Self::PesLength { declared, found } => {
                write!(f, "PES packet of {found} bytes that says {declared}")
            }
            Self::PesTooLong => f.write_str("PES packet without end"),
            Self::Scrambled => f.write_str("scrambled packet"),
            Self::Section => f.write_str("broken table"),
            Self::TooManyPids => f.write_str("too many PIDs"),
            Self::TransportError => f.write_str("transport error indicator"),
            Self::Truncated => f.write_str("cut packet"),
            Self::UnknownPid => f.write_str("PID that no table names"),
        }
    }
}

/// PIDs with state.
const PIDS_MAX: usize = 64;
/// PIDs below are for tables of the system, and the last one is for null packets.
const FIRST_FREE_PID: u16 = 0x20;
const NULL_PID: u16 = 0x1fff;

/// Reads one transport stream from bytes as they come.
#[derive(Debug, Default)]
pub struct TsReader {
    partial: Vec<u8>,
    /// Where `partial` begins.
    offset: u64,
    skipped: u64,
    pids: BTreeMap<u16, Pid>,
    maps: BTreeMap<u16, ProgrammeMap>,
    events: VecDeque<TsEvent>,
}

#[derive(Debug)]
struct Pid {
    packets: u64,
    /// The continuity counter of the last packet with a payload.
    counter: Option<u8>,
    is_duplicate: bool,
    role: Role,
}

#[derive(Debug)]
enum Role {
    Association(Sections),
    Map { number: u16, sections: Sections },
    Stream(Assembly),
    Unknown,
}

impl TsReader {
    /// A reader at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes from the front of `input` until there is something to tell; `None` when it
    /// needs more.
    pub fn read(&mut self, input: &mut &[u8]) -> Option<TsEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let packet = self.take_packet(input)?;
            let offset = self.offset;
            self.offset = offset.saturating_add(PACKET_LEN as u64);
            self.read_packet(offset, &packet);
        }
    }

    /// The input ends: tells what was not complete. Call until `None`.
    pub fn finish(&mut self) -> Option<TsEvent> {
        if !self.partial.is_empty() {
            self.partial.clear();
            self.fault(self.offset, None, Fault::Truncated);
        }
        self.tell_skipped();
        for (pid, state) in &mut self.pids {
            if let Role::Stream(assembly) = &mut state.role {
                assembly.end(*pid, &mut self.events);
            }
        }
        self.events.pop_front()
    }

    /// The PIDs that came and the number of their packets.
    pub fn packets(&self) -> impl Iterator<Item = (u16, u64)> {
        self.pids.iter().map(|(pid, state)| (*pid, state.packets))
    }

    /// Takes the next packet; what lies before it is told.
    fn take_packet(&mut self, input: &mut &[u8]) -> Option<[u8; PACKET_LEN]> {
        loop {
            if self.partial.is_empty() {
                let (&first, rest) = input.split_first()?;
                if first != SYNC {
                    *input = rest;
                    self.skipped = self.skipped.saturating_add(1);
                    self.offset = self.offset.saturating_add(1);
                    continue;
                }
                self.tell_skipped();
                if let Some((packet, rest)) = input.split_first_chunk() {
                    *input = rest;
                    return Some(*packet);
                }
            }
            let missing = PACKET_LEN.saturating_sub(self.partial.len());
            let (taken, rest) = input.split_at_checked(missing).unwrap_or((input, &[]));
            self.partial.extend_from_slice(taken);
            *input = rest;
            let packet = *self.partial.first_chunk()?;
            self.partial.clear();
            return Some(packet);
        }
    }

    fn tell_skipped(&mut self) {
        let bytes = core::mem::take(&mut self.skipped);
        if bytes > 0 {
            let offset = self.offset.saturating_sub(bytes);
            self.fault(offset, None, Fault::LostSync { bytes });
        }
    }

    fn fault(&mut self, offset: u64, pid: Option<u16>, fault: Fault) {
        self.events.push_back(TsEvent::Fault { offset, pid, fault });
    }

    fn read_packet(&mut self, offset: u64, bytes: &[u8; PACKET_LEN]) {
        let packet = match Packet::parse(bytes) {
            Ok(packet) => packet,
            Err((pid, fault)) => return self.fault(offset, Some(pid), fault),
        };
        let pid = packet.pid;
        if pid == NULL_PID {
            return;
        }
        if !self.pids.contains_key(&pid) {
            if self.pids.len() >= PIDS_MAX {
                return self.fault(offset, Some(pid), Fault::TooManyPids);
            }
            let role = match pid {
                super::PAT_PID => Role::Association(Sections::default()),
                _ => Role::Unknown,
            };
            if pid >= FIRST_FREE_PID {
                self.fault(offset, Some(pid), Fault::UnknownPid);
            }
            self.pids.insert(pid, Pid::new(role));
        }
        let Some(state) = self.pids.get_mut(&pid) else { return };
        state.packets = state.packets.saturating_add(1);
        if let Some(ticks) = packet.clock {
            let is_discontinuity = packet.is_discontinuity;
            self.events.push_back(TsEvent::Clock(Clock { offset, pid, ticks, is_discontinuity }));
        }
        let is_in_order = match state.count(&packet) {
            Ok(is_new) if !is_new => return,
            Ok(_) => true,
            Err(fault) => {
                self.events.push_back(TsEvent::Fault { offset, pid: Some(pid), fault });
                if fault == Fault::Duplicate {
                    return;
                }
                false
            }
        };
        let mut found = Vec::new();
        let events = &mut self.events;
        match &mut state.role {
            Role::Unknown => {}
            Role::Stream(assembly) => assembly.take(offset, &packet, is_in_order, events),
            Role::Association(sections) | Role::Map { sections, .. } => {
                if let Err(fault) = sections.take(&packet, is_in_order, &mut found) {
                    events.push_back(TsEvent::Fault { offset, pid: Some(pid), fault });
                }
            }
        }
        for section in found {
            self.read_section(offset, pid, &section);
        }
    }

    fn read_section(&mut self, offset: u64, pid: u16, section: &[u8]) {
        let number = match self.pids.get(&pid).map(|state| &state.role) {
            Some(Role::Association(_)) => None,
            Some(Role::Map { number, .. }) => Some(*number),
            Some(Role::Stream(_) | Role::Unknown) | None => return,
        };
        if let Err(fault) = section::check(section) {
            return self.fault(offset, Some(pid), fault);
        }
        let read = match number {
            None => section::programmes(section).map(|programmes| {
                for (number, pid) in programmes {
                    let sections = Sections::default();
                    self.assign(pid, Role::Map { number, sections });
                }
            }),
            Some(number) => section::map(pid, number, section).map(|map| self.take_map(map)),
        };
        if read.is_none() {
            self.fault(offset, Some(pid), Fault::Section);
        }
    }

    fn take_map(&mut self, map: ProgrammeMap) {
        if self.maps.get(&map.pid) == Some(&map) {
            return;
        }
        for stream in &map.streams {
            self.assign(stream.pid, Role::Stream(Assembly::default()));
        }
        self.assign(map.pcr_pid, Role::Unknown);
        self.maps.insert(map.pid, map.clone());
        self.events.push_back(TsEvent::Map(map));
    }

    /// Gives a PID its role, unless it has one.
    fn assign(&mut self, pid: u16, role: Role) {
        let is_full = self.pids.len() >= PIDS_MAX;
        match self.pids.get_mut(&pid) {
            Some(state) => {
                if matches!(state.role, Role::Unknown) {
                    state.role = role;
                }
            }
            None if is_full => {}
            None => {
                self.pids.insert(pid, Pid::new(role));
            }
        }
    }
}

impl Pid {
    const fn new(role: Role) -> Self {
        Self { packets: 0, counter: None, is_duplicate: false, role }
    }

    /// Follows the continuity counter (section 2.4.3.3); false for packets without a payload.
    fn count(&mut self, packet: &Packet<'_>) -> Result<bool, Fault> {
        let found = packet.counter;
        let Some(last) = self.counter else {
            self.counter = packet.payload.map(|_| found);
            return Ok(packet.payload.is_some());
        };
        if packet.payload.is_none() {
            // The counter does not count here.
            let is_right = found == last || packet.is_discontinuity;
            let fault = Fault::Continuity { expected: last, found };
            return if is_right { Ok(false) } else { Err(fault) };
        }
        self.counter = Some(found);
        let expected = last.wrapping_add(1) & 0x0f;
        if found == expected || packet.is_discontinuity {
            self.is_duplicate = false;
            return Ok(true);
        }
        if found == last && !self.is_duplicate {
            self.is_duplicate = true;
            return Err(Fault::Duplicate);
        }
        Err(Fault::Continuity { expected, found })
    }
}

#[cfg(test)]
mod tests;
