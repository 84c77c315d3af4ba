//! The tables of a programme: PAT and PMT (ISO/IEC 13818-1, sections 2.4.4.3 and 2.4.4.8).

use super::{AUDIO_PID, PACKET_LEN, PAT_PID, PMT_PID, SYNC, VIDEO_PID};

/// How an elementary stream is coded, as far as the muxer writes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamType {
    /// AAC in ADTS.
    Aac,
    /// AC-3 (ATSC A/52).
    Ac3,
    /// Enhanced AC-3 (ATSC A/52).
    Eac3,
    /// H.264 with start codes.
    H264,
    /// HEVC with start codes.
    Hevc,
    /// MPEG-1 audio: MP3 of 32 kHz and above.
    Mpeg1Audio,
    /// MPEG-2 audio: MP3 below 32 kHz.
    Mpeg2Audio,
    /// Opus with this many channels (the mapping of opus-codec.org that FFmpeg reads).
    Opus(u8),
}

impl StreamType {
    /// The `stream_type` of the PMT.
    #[must_use]
    pub const fn id(self) -> u8 {
        match self {
            Self::Mpeg1Audio => 0x03,
            Self::Mpeg2Audio => 0x04,
            Self::Opus(_) => 0x06,
            Self::Aac => 0x0f,
            Self::H264 => 0x1b,
            Self::Hevc => 0x24,
            Self::Ac3 => 0x81,
            Self::Eac3 => 0x87,
        }
    }

    /// The `stream_id` of its PES packets.
    #[must_use]
    pub const fn stream_id(self) -> u8 {
        match self {
            Self::H264 | Self::Hevc => 0xe0,
            Self::Aac | Self::Mpeg1Audio | Self::Mpeg2Audio => 0xc0,
            Self::Ac3 | Self::Eac3 | Self::Opus(_) => 0xbd,
        }
    }

    /// The descriptors of the PMT.
    fn descriptors(self) -> heapless::Vec<u8, 10> {
        let registration: &[u8] = match self {
            Self::Aac | Self::H264 | Self::Mpeg1Audio | Self::Mpeg2Audio => &[],
            Self::Ac3 => b"\x05\x04AC-3",
            Self::Eac3 => b"\x05\x04EAC3",
            Self::Hevc => b"\x05\x04HEVC",
            Self::Opus(_) => b"\x05\x04Opus",
        };
        let extension =
            [0x7f, 0x02, 0x80, if let Self::Opus(channels) = self { channels } else { 0 }];
        let extension = if let Self::Opus(_) = self { &extension[..] } else { &[] };
        registration.iter().chain(extension).copied().collect()
    }
}

/// The tracks of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Programme {
    /// The video track.
    pub video: Option<StreamType>,
    /// The audio track.
    pub audio: Option<StreamType>,
}

impl Programme {
    /// The PID that carries the clock: of the video track, if there is one.
    #[must_use]
    pub const fn pcr_pid(&self) -> u16 {
        if self.video.is_some() { VIDEO_PID } else { AUDIO_PID }
    }
}

/// One appearance of PAT and PMT: what differs from one to the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tables {
    /// Continuity counter of both packets.
    pub counter: u8,
    /// Version of the PMT.
    pub version: u8,
}

/// Bytes of the two packets of the tables.
pub const TABLES_LEN: usize = 2 * PACKET_LEN;

impl Tables {
    /// The packets of PAT and PMT.
    #[must_use]
    pub fn render(self, programme: &Programme) -> [u8; TABLES_LEN] {
        let mut packets = [0xff; TABLES_LEN];
        if let Some((pat, pmt)) = packets.split_first_chunk_mut::<PACKET_LEN>() {
            let [high, low] = PMT_PID.to_be_bytes();
            write_section(
                pat,
                PAT_PID,
                self.counter,
                &[0, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0 | high, low],
            );
            if let Some(pmt) = pmt.first_chunk_mut::<PACKET_LEN>() {
                write_section(pmt, PMT_PID, self.counter, &self.programme_map(programme));
            }
        }
        packets
    }

    /// The table id and what follows `section_length`, without the checksum.
    fn programme_map(self, programme: &Programme) -> heapless::Vec<u8, 64> {
        let [high, low] = programme.pcr_pid().to_be_bytes();
        let version = 0xc1 | (self.version & 0x1f) << 1;
        let mut section = heapless::Vec::new();
        let mut put = |bytes: &[u8]| {
            // At most 10 + 2 * (5 + 10) bytes: there is always room.
            let _ = section.extend_from_slice(bytes);
        };
        put(&[2, 0, 1, version, 0, 0, 0xe0 | high, low, 0xf0, 0]);
        for (pid, track) in [(VIDEO_PID, programme.video), (AUDIO_PID, programme.audio)] {
            let Some(track) = track else { continue };
            let descriptors = track.descriptors();
            let [high, low] = pid.to_be_bytes();
            let len = u8::try_from(descriptors.len()).unwrap_or_default();
            put(&[track.id(), 0xe0 | high, low, 0xf0, len]);
            put(&descriptors);
        }
        section
    }
}

/// Writes a section into a packet of its own; what is left of the packet stays as it is: 0xff.
fn write_section(packet: &mut [u8; PACKET_LEN], pid: u16, counter: u8, section: &[u8]) {
    let Some((&table_id, body)) = section.split_first() else { return };
    let [high, low] = pid.to_be_bytes();
    let len = u8::try_from(body.len().saturating_add(CRC_LEN)).unwrap_or_default();
    let mut rest = packet.iter_mut();
    let mut checksum = Crc32::new();
    let header = [SYNC, 0x40 | high, low, 0x10 | counter & 0x0f, 0];
    // The bytes come first in each pair: a place that was taken for none would stay empty.
    for (byte, place) in header.into_iter().zip(rest.by_ref()) {
        *place = byte;
    }
    let summed = [table_id, 0xb0, len].into_iter().chain(body.iter().copied());
    for (byte, place) in summed.zip(rest.by_ref()) {
        checksum.add(byte);
        *place = byte;
    }
    for (byte, place) in checksum.value().to_be_bytes().into_iter().zip(rest) {
        *place = byte;
    }
}

/// Bytes of the checksum of a section.
const CRC_LEN: usize = 4;

/// The checksum of sections (annex A): CRC-32 with the most significant bit first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crc32(u32);

impl Crc32 {
    pub(super) const fn new() -> Self {
        Self(u32::MAX)
    }

    pub(super) fn add(&mut self, byte: u8) {
        self.0 ^= u32::from(byte) << 24;
        for _ in 0..8 {
            let carry = self.0 >> 31;
            self.0 = self.0 << 1 ^ carry.wrapping_mul(0x04c1_1db7);
        }
    }

    pub(super) const fn value(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    /// The tables of SRS for H.264 and AAC, checksums included, but for the PCR PID that it shares.
    #[test]
    fn tables_are_those_of_srs() {
        let programme = Programme { video: Some(StreamType::H264), audio: Some(StreamType::Aac) };
        let packets = Tables::default().render(&programme);
        let pat = [
            0x47, 0x40, 0x00, 0x10, 0x00, 0x00, 0xb0, 0x0d, 0x00, 0x01, 0xc1, 0x00, 0x00, 0x00,
            0x01, 0xf0, 0x01, 0x2e, 0x70, 0x19, 0x05,
        ];
        let pmt = [
            0x47, 0x50, 0x01, 0x10, 0x00, 0x02, 0xb0, 0x17, 0x00, 0x01, 0xc1, 0x00, 0x00, 0xe1,
            0x00, 0xf0, 0x00, 0x1b, 0xe1, 0x00, 0xf0, 0x00, 0x0f, 0xe1, 0x01, 0xf0, 0x00, 0x2f,
            0x44, 0xb9, 0x9b,
        ];
        assert_eq!(packets[..pat.len()], pat);
        assert!(packets[pat.len()..PACKET_LEN].iter().all(|byte| *byte == 0xff));
        assert_eq!(packets[PACKET_LEN..][..pmt.len()], pmt);
        assert!(packets[PACKET_LEN + pmt.len()..].iter().all(|byte| *byte == 0xff));
    }

    #[test]
    fn the_clock_is_on_a_track_that_exists() {
        let audio = Programme { video: None, audio: Some(StreamType::Aac) };
        assert_eq!(audio.pcr_pid(), AUDIO_PID);
        let video = Programme { video: Some(StreamType::Hevc), audio: None };
        assert_eq!(video.pcr_pid(), VIDEO_PID);
    }
}
